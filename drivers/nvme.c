/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] NVMe: which controllers and namespaces there are. */
#include "drivers/nvme.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/fs/bytes.h"
#include "dom0/lib/string.h"
#include "drivers/mmio.h"
#include "drivers/nvme_priv.h"

#define PCI_CLASS_STORAGE 0x01U
#define PCI_SUBCLASS_NVM  0x08U
#define PCI_PROG_IF_NVME  0x02U
#define NVME_REGISTERS    0x1010UL /* up to the doorbells of the second pair, packed */
#define NVME_READY_UNIT   500000000UL
#define NVME_NAMESPACES   16U /* of one controller; the rest is left aside in words */

static uint32_t controllers_found;

static const uint8_t *nvme_identified(const struct nvme *n) { return n->mem + NVME_MEM_IDENTIFY * 4096UL; }

/* ---- namespaces ---- */

/* 0 after a log line that says why it is not used. */
static uint32_t nvme_block_size(const char *name, const uint8_t *ns)
{
    const uint8_t *format = ns + NVME_NS_FORMATS + 4U * (ns[NVME_NS_FLBAS] & 0xfU);
    uint32_t shift = format[2];

    if (bytes_le16(format) != 0)
        console_notice("%s: blocks with %u bytes of metadata: left aside; format it without (nvme format)", name,
                       bytes_le16(format));
    else if (shift != 9 && shift != 12)
        console_notice("%s: blocks of 2^%u bytes: left aside; only 512 and 4096 are known", name, shift);
    else
        return 1U << shift;
    return 0;
}

static void nvme_add_namespace(struct nvme *n, uint32_t number, uint32_t nsid)
{
    const uint8_t *ns = nvme_identified(n);
    char name[16];

    (void)snprintf(name, sizeof(name), "nvme%un%u", number, nsid);
    if (!nvme_identify(n, NVME_CNS_NAMESPACE, nsid)) {
        console_notice("%s: does not identify itself: left aside", name);
        return;
    }
    uint64_t sectors = bytes_le64(ns + NVME_NS_SIZE);
    uint32_t size = sectors != 0 ? nvme_block_size(name, ns) : 0;
    struct disk *d = size != 0 && sectors <= UINT64_MAX / size ? heap_alloc(sizeof(*d)) : NULL;
    if (d == NULL)
        return;
    (void)strlcpy(d->dev.name, name, sizeof(d->dev.name));
    (void)strlcpy(d->dev.model, n->model, sizeof(d->dev.model));
    d->dev.sectors = sectors;
    d->dev.sector_size = size;
    d->dev.read_only = (ns[NVME_NS_ATTRIBUTES] & 1U) != 0;
    d->queue = &n->queue;
    d->unit = nsid;
    d->no_cache = n->no_cache;
    disk_publish(d, "NVMe");
}

/* The list of active namespaces, or, where the controller has none (1.0), all numbers. */
static void nvme_add_namespaces(struct nvme *n, uint32_t number, uint32_t count)
{
    uint32_t ids[NVME_NAMESPACES + 1] = {0};

    if (nvme_identify(n, NVME_CNS_ACTIVE, 0)) {
        for (uint32_t i = 0; i <= NVME_NAMESPACES; i++)
            ids[i] = bytes_le32(nvme_identified(n) + 4U * i);
    } else {
        for (uint32_t i = 0; i <= NVME_NAMESPACES && i < count; i++)
            ids[i] = i + 1U;
    }
    for (uint32_t i = 0; i < NVME_NAMESPACES && ids[i] != 0; i++)
        nvme_add_namespace(n, number, ids[i]);
    if (ids[NVME_NAMESPACES] != 0)
        console_notice("%s: more than %u namespaces: the others are left aside", n->queue.name, NVME_NAMESPACES);
}

/* ---- controllers ---- */

static void nvme_read_model(struct nvme *n, const uint8_t *id)
{
    size_t len = 0;

    for (uint32_t i = 0; i < NVME_ID_MODEL_LEN; i++) {
        char c = (char)id[NVME_ID_MODEL + i];
        n->model[i] = c >= 0x20 && c < 0x7f ? c : ' ';
        if (n->model[i] != ' ')
            len = i + 1U;
    }
    n->model[len] = '\0';
}

/* false: the memory for it all is not there. */
static bool nvme_memory(struct nvme *n, const char *name)
{
    n->mem = page_alloc(NVME_MEM_PAGES, &n->mem_phys);
    if (n->mem == NULL)
        return false;
    n->admin.sq = (struct nvme_command *)(void *)(n->mem + NVME_MEM_ASQ * 4096UL);
    n->admin.cq = (volatile struct nvme_completion *)(void *)(n->mem + NVME_MEM_ACQ * 4096UL);
    n->io.sq = (struct nvme_command *)(void *)(n->mem + NVME_MEM_SQ * 4096UL);
    n->io.cq = (volatile struct nvme_completion *)(void *)(n->mem + NVME_MEM_CQ * 4096UL);
    n->admin.sq_phys = n->mem_phys + NVME_MEM_ASQ * 4096UL;
    n->admin.cq_phys = n->mem_phys + NVME_MEM_ACQ * 4096UL;
    n->io.sq_phys = n->mem_phys + NVME_MEM_SQ * 4096UL;
    n->io.cq_phys = n->mem_phys + NVME_MEM_CQ * 4096UL;
    return disk_queue_init(&n->queue, name, &nvme_queue_ops, n, DISK_SLOTS);
}

static bool nvme_capable(struct nvme *n, const char **reason)
{
    uint64_t cap = mmio_read64(n->regs, NVME_CAP);

    n->stride = 4U << NVME_CAP_DSTRD(cap);
    n->ready_ns = (NVME_CAP_TO(cap) + 1UL) * NVME_READY_UNIT;
    *reason = "it has no NVM commands, no pages of 4 KiB or too short queues";
    return (cap & NVME_CAP_CSS_NVM) != 0 && NVME_CAP_MPSMIN(cap) == 0 && NVME_CAP_MQES(cap) >= NVME_ENTRIES - 1U &&
           NVME_DOORBELLS + 4UL * n->stride <= n->pci->bars[0].size;
}

/* The controller runs and its queue may be used. false: REASON says why not. */
static bool nvme_bring_up(struct nvme *n, uint32_t *namespaces, const char **reason)
{
    if (!nvme_capable(n, reason) || !nvme_restart(n, reason))
        return false;
    *reason = "it does not identify itself";
    if (!nvme_identify(n, NVME_CNS_CONTROLLER, 0))
        return false;
    const uint8_t *id = nvme_identified(n);
    nvme_read_model(n, id);
    *namespaces = bytes_le32(id + NVME_ID_NN);
    n->no_cache = (id[NVME_ID_VWC] & 1U) == 0;
    uint8_t mdts = id[NVME_ID_MDTS];
    if (mdts != 0 && mdts < 8 && (4096U << mdts) < n->queue.max_bytes)
        n->queue.max_bytes = 4096U << mdts;
    return true;
}

/* What may still be written to by the device stays allocated. */
static void nvme_drop(struct nvme *n, uint16_t command)
{
    bool quiet = n->regs == NULL || nvme_off(n);

    pci_restore(n->pci, command);
    if (!quiet)
        return;
    disk_queue_free(&n->queue);
    if (n->mem != NULL)
        page_free(n->mem, NVME_MEM_PAGES);
    heap_free(n);
}

static void nvme_probe(struct pci_device *d)
{
    char name[16];
    uint32_t number = controllers_found++, namespaces = 0;
    const char *reason = "its registers cannot be reached";
    struct nvme *n = heap_alloc(sizeof(*n));

    (void)snprintf(name, sizeof(name), "nvme%u", number);
    if (n == NULL)
        return;
    n->pci = d;
    uint16_t command = pci_enable(d, true);
    bool ok = nvme_memory(n, name);
    if (ok)
        n->regs = pci_map_bar(d, 0, NVME_REGISTERS);
    else
        reason = "no memory";
    if (n->regs == NULL || !nvme_bring_up(n, &namespaces, &reason)) {
        console_notice("%s: %s: left aside", name, reason);
        nvme_drop(n, command);
        return;
    }
    n->queue.irq = pci_irq_attach(d, nvme_interrupt, n);
    n->masking = n->queue.irq && d->irq_kind != PCI_IRQ_MSIX;
    nvme_add_namespaces(n, number, namespaces);
}

void nvme_init(void)
{
    for (struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        if (d->class_code == PCI_CLASS_STORAGE && d->subclass == PCI_SUBCLASS_NVM && d->prog_if == PCI_PROG_IF_NVME)
            nvme_probe(d);
    }
}
