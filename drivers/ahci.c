/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] AHCI: which ports have a disk. An empty port costs 20 ms. AHCI 1.3.1, section 10.1 "Software
 * Initialization". */
#include "drivers/ahci.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "drivers/ahci_priv.h"
#include "drivers/ata_identify.h"
#include "drivers/ata_regs.h"
#include "drivers/mmio.h"
#include "drivers/pci.h"

#define PCI_CLASS_STORAGE 0x01U
#define PCI_SUBCLASS_SATA 0x06U
#define PCI_PROG_IF_AHCI  0x01U
#define AHCI_BAR          5U
#define AHCI_HANDOFF_NS   2000000000UL

struct ahci_controller {
    struct pci_device *pci;
    volatile void *regs;
    uint32_t cap;
    struct ahci_port *ports[AHCI_PORTS];
};

static uint32_t disks_found;

static void ahci_controller_interrupt(uint32_t port, void *arg)
{
    struct ahci_controller *c = arg;
    uint32_t is = mmio_read32(c->regs, AHCI_IS);

    (void)port;
    for (uint32_t i = 0; i < AHCI_PORTS && is != ~0U; i++) {
        if ((is & (1U << i)) != 0 && c->ports[i] != NULL)
            ahci_port_interrupt(c->ports[i]);
    }
    mmio_write32(c->regs, AHCI_IS, is); /* after the ports' own, else it is set again */
    pci_irq_done(c->pci);
}

/* ---- disks ---- */

static const char *ahci_signature_text(uint32_t sig)
{
    switch (sig) {
    case AHCI_SIG_ATAPI:
        return "a CD-ROM or other ATAPI device";
    case AHCI_SIG_PM:
        return "a port multiplier";
    case AHCI_SIG_SEMB:
        return "an enclosure";
    default:
        return "not a disk";
    }
}

/* The geometry of the disk into its block_device; false after a log line that says why it is not used. */
static bool ahci_describe(struct ahci_port *p, const uint16_t *id, uint32_t cap)
{
    struct block_device *dev = &p->disk.dev;
    struct disk_queue *q = &p->queue;

    ata_model(id, dev->model);
    p->lba48 = ata_has_lba48(id);
    dev->sectors = ata_sectors(id, p->lba48);
    dev->sector_size = ata_sector_size(id);
    p->flush_command = ata_flush_command(id, p->lba48);
    p->disk.no_cache = p->flush_command == 0;
    if (dev->sectors == 0 || dev->sector_size == 0 || dev->sectors > (p->lba48 ? ATA_LBA48_END : ATA_LBA28_END)) {
        console_notice("%s: %s: sectors of an unknown size or number: left aside", q->name, dev->model);
        return false;
    }
    uint32_t depth = (id[ATA_ID_QUEUE_DEPTH] & 0x1fU) + 1U;
    uint32_t slots = AHCI_CAP_NCS(cap);
    p->ncq = (cap & AHCI_CAP_SNCQ) != 0 && (id[ATA_ID_SATA] & ATA_ID_SATA_NCQ) != 0 && id[ATA_ID_SATA] != 0xffffU;
    depth = depth < slots ? depth : slots;
    if (!p->ncq)
        depth = 1;
    q->depth = depth < q->depth ? depth : q->depth;
    q->flush_alone = true;
    return true;
}

static bool ahci_try_disk(struct ahci_port *p, uint32_t cap)
{
    uint16_t *id = heap_alloc(ATA_ID_WORDS * 2U);

    if (id == NULL)
        return false;
    bool ok = ahci_port_identify(p, id);
    if (!ok)
        console_notice("%s: does not identify itself: left aside", p->queue.name);
    ok = ok && ahci_describe(p, id, cap);
    heap_free(id);
    return ok;
}

/* false: no disk there; the port is stopped, unless it refuses to. */
static bool ahci_probe_port(struct ahci_port *p, uint32_t cap)
{
    if (!ahci_port_stop(p)) {
        console_notice("%s: does not stop: left aside", p->queue.name);
        return false;
    }
    if (!ahci_port_start(p, false)) {
        if ((mmio_read32(p->regs, AHCI_PX_SSTS) & AHCI_SSTS_DET) == AHCI_DET_UP)
            console_notice("%s: its device stays busy: left aside", p->queue.name);
        return false;
    }
    uint32_t sig = mmio_read32(p->regs, AHCI_PX_SIG);
    if (sig == AHCI_SIG_ATA)
        return ahci_try_disk(p, cap);
    console_notice("%s: %s: left aside", p->queue.name, ahci_signature_text(sig));
    return false;
}

static void ahci_port_free(struct ahci_port *p)
{
    disk_queue_free(&p->queue);
    if (p->mem != NULL)
        page_free(p->mem, 1);
    heap_free(p);
}

/* With memory for everything, below 4 GiB as the page allocator gives it. NULL: none. */
static struct ahci_port *ahci_port_new(struct ahci_controller *c, uint32_t number, uint32_t hba)
{
    char name[16];
    struct ahci_port *p = heap_alloc(sizeof(*p));

    if (p == NULL)
        return NULL;
    (void)snprintf(name, sizeof(name), "ahci%u.%u", hba, number);
    p->number = number;
    p->regs = (volatile uint8_t *)c->regs + AHCI_PORT(number);
    p->can_clo = (c->cap & AHCI_CAP_SCLO) != 0;
    p->mem = page_alloc(1, &p->mem_phys);
    if (p->mem == NULL || !disk_queue_init(&p->queue, name, &ahci_queue_ops, p, DISK_SLOTS)) {
        console_notice("%s: no memory: left aside", name);
        ahci_port_free(p);
        return NULL;
    }
    return p;
}

static void ahci_probe_ports(struct ahci_controller *c, uint32_t hba)
{
    uint32_t implemented = mmio_read32(c->regs, AHCI_PI);

    for (uint32_t i = 0; i < AHCI_PORTS; i++) {
        if ((implemented & (1U << i)) == 0 || AHCI_PORT(i) + AHCI_PORT_BYTES > c->pci->bars[AHCI_BAR].size)
            continue;
        struct ahci_port *p = ahci_port_new(c, i, hba);
        if (p == NULL)
            return;
        mmio_write32(p->regs, AHCI_PX_IE, 0);
        if (ahci_probe_port(p, c->cap))
            c->ports[i] = p;
        else if (ahci_port_stop(p))
            ahci_port_free(p); /* else it may still write there */
    }
}

/* ---- controllers ---- */

/* The firmware lets go, AHCI 1.3.1, section 10.6.3; one that does not is overruled after two seconds. */
static void ahci_take_over(struct ahci_controller *c)
{
    mmio_write32(c->regs, AHCI_GHC, AHCI_GHC_AE);
    if ((mmio_read32(c->regs, AHCI_CAP2) & AHCI_CAP2_BOH) == 0)
        return;
    mmio_write32(c->regs, AHCI_BOHC, mmio_read32(c->regs, AHCI_BOHC) | AHCI_BOHC_OOS);
    (void)disk_wait_register(c->regs, AHCI_BOHC, AHCI_BOHC_BOS, 0, AHCI_HANDOFF_NS);
}

static bool ahci_publish_all(struct ahci_controller *c)
{
    bool any = false;

    for (uint32_t i = 0; i < AHCI_PORTS; i++)
        any = any || c->ports[i] != NULL;
    if (!any)
        return false;
    bool irq = pci_irq_attach(c->pci, ahci_controller_interrupt, c);
    mmio_write32(c->regs, AHCI_IS, ~0U);
    for (uint32_t i = 0; i < AHCI_PORTS; i++) {
        struct ahci_port *p = c->ports[i];
        if (p == NULL)
            continue;
        p->queue.irq = irq;
        mmio_write32(p->regs, AHCI_PX_IE, irq ? AHCI_IE_WANTED : 0U);
        (void)snprintf(p->disk.dev.name, sizeof(p->disk.dev.name), "sd%u", disks_found++);
        (void)strlcpy(p->queue.name, p->disk.dev.name, sizeof(p->queue.name));
        p->disk.queue = &p->queue;
        disk_publish(&p->disk, p->ncq ? "AHCI with queuing" : "AHCI");
    }
    if (irq)
        mmio_write32(c->regs, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
    return true;
}

static void ahci_probe_controller(struct pci_device *d, uint32_t hba)
{
    struct ahci_controller *c = heap_alloc(sizeof(*c));
    uint16_t command = pci_enable(d, true);

    if (c != NULL)
        c->regs = pci_map_bar(d, AHCI_BAR, AHCI_PORT(1U));
    if (c == NULL || c->regs == NULL) {
        console_notice("ahci%u: its registers cannot be reached: left aside", hba);
        pci_restore(d, command);
        heap_free(c);
        return;
    }
    c->pci = d;
    ahci_take_over(c);
    c->cap = mmio_read32(c->regs, AHCI_CAP);
    ahci_probe_ports(c, hba);
    if (!ahci_publish_all(c)) {
        pci_restore(d, command);
        heap_free(c);
    }
}

void ahci_init(void)
{
    uint32_t hba = 0;

    for (struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        if (d->class_code == PCI_CLASS_STORAGE && d->subclass == PCI_SUBCLASS_SATA && d->prog_if == PCI_PROG_IF_AHCI)
            ahci_probe_controller(d, hba++);
    }
}
