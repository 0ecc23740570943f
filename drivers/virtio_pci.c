/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The registers of a virtio device on PCI, found by its vendor capabilities: VIRTIO 1.1, sections 3.1 "Device
 * Initialization", 4.1.4 "Virtio Structure PCI Capabilities" and 4.1.4.3 "Common configuration structure layout". */
#include "drivers/virtio_pci.h"

#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "drivers/mmio.h"

#define CAP_VENDOR 0x09U
#define CAP_LENGTH 2U
#define CAP_TYPE   3U
#define CAP_BAR    4U
#define CAP_OFFSET 8U
#define CAP_BYTES  12U
#define CAP_STEP   16U
#define CAPS_MAX   48U

#define TYPE_COMMON 1U
#define TYPE_NOTIFY 2U
#define TYPE_ISR    3U
#define TYPE_DEVICE 4U

#define COMMON_BYTES       0x38U
#define COMMON_DEVICE_PAGE 0x00U
#define COMMON_DEVICE      0x04U
#define COMMON_DRIVER_PAGE 0x08U
#define COMMON_DRIVER      0x0cU
#define COMMON_CONFIG_MSIX 0x10U
#define COMMON_QUEUES      0x12U
#define COMMON_STATUS      0x14U
#define COMMON_QUEUE       0x16U
#define COMMON_QUEUE_SIZE  0x18U
#define COMMON_QUEUE_MSIX  0x1aU
#define COMMON_QUEUE_ON    0x1cU
#define COMMON_QUEUE_OFF   0x1eU /* of its notification */
#define COMMON_QUEUE_DESC  0x20U
#define COMMON_QUEUE_AVAIL 0x28U
#define COMMON_QUEUE_USED  0x30U
#define MSIX_NONE          0xffffU

#define STATUS_ACKNOWLEDGE 0x01U
#define STATUS_DRIVER      0x02U
#define STATUS_DRIVER_OK   0x04U
#define STATUS_FEATURES_OK 0x08U
#define STATUS_NEEDS_RESET 0x40U

#define RESET_NS      1000000000UL
#define RESET_POLL_NS 50000UL

bool virtio_is(const struct pci_device *d, uint32_t type)
{
    return d->vendor == VIRTIO_VENDOR &&
           (d->device == VIRTIO_MODERN + type || (type == VIRTIO_TYPE_NET && d->device == VIRTIO_OLD_NET) ||
            (type == VIRTIO_TYPE_BLOCK && d->device == VIRTIO_OLD_BLOCK));
}

/* The first capability of TYPE whose registers can be reached. NULL: none, or shorter than LEAST. */
static volatile void *virtio_structure(struct pci_device *d, uint8_t type, uint32_t least, uint32_t *bytes,
                                       uint8_t *cap)
{
    uint8_t at = 0;

    for (uint32_t i = 0; i < CAPS_MAX; i++) {
        at = pci_find_cap(d, CAP_VENDOR, at);
        if (at == 0)
            return NULL;
        if (pci_read8(d, (uint8_t)(at + CAP_TYPE)) != type || pci_read8(d, (uint8_t)(at + CAP_LENGTH)) < CAP_STEP)
            continue;
        uint64_t off = pci_read32(d, (uint8_t)(at + CAP_OFFSET));
        *bytes = pci_read32(d, (uint8_t)(at + CAP_BYTES));
        volatile void *bar = pci_map_bar(d, pci_read8(d, (uint8_t)(at + CAP_BAR)), off + *bytes);
        *cap = at;
        if (bar != NULL && *bytes >= least && off % 4 == 0)
            return (volatile uint8_t *)bar + off;
    }
    return NULL;
}

bool virtio_find(struct virtio_device *v, struct pci_device *d, const char **reason)
{
    uint32_t bytes;
    uint8_t cap;

    *v = (struct virtio_device){.pci = d};
    v->common = virtio_structure(d, TYPE_COMMON, COMMON_BYTES, &bytes, &cap);
    v->isr = virtio_structure(d, TYPE_ISR, 1, &bytes, &cap);
    v->config = virtio_structure(d, TYPE_DEVICE, 1, &v->config_bytes, &cap);
    v->notify = virtio_structure(d, TYPE_NOTIFY, 2, &v->notify_bytes, &cap);
    if (v->notify != NULL)
        v->notify_step = pci_read32(d, (uint8_t)(cap + CAP_STEP));
    *reason = "it has no modern interface (virtio 1.0) that can be reached";
    return v->common != NULL && v->isr != NULL && v->config != NULL && v->notify != NULL;
}

static uint8_t virtio_status(struct virtio_device *v) { return mmio_read8(v->common, COMMON_STATUS); }

static void virtio_add_status(struct virtio_device *v, uint32_t bits)
{
    mmio_write8(v->common, COMMON_STATUS, (uint8_t)(virtio_status(v) | bits));
}

bool virtio_reset(struct virtio_device *v)
{
    uint64_t deadline = time_now_ns() + RESET_NS;

    mmio_write8(v->common, COMMON_STATUS, 0);
    while (virtio_status(v) != 0) {
        if (time_now_ns() >= deadline)
            return false;
        thread_sleep_ns(RESET_POLL_NS);
    }
    return true;
}

static uint64_t virtio_offered(struct virtio_device *v)
{
    mmio_write32(v->common, COMMON_DEVICE_PAGE, 0);
    uint64_t low = mmio_read32(v->common, COMMON_DEVICE);
    mmio_write32(v->common, COMMON_DEVICE_PAGE, 1);
    return low | (uint64_t)mmio_read32(v->common, COMMON_DEVICE) << 32;
}

bool virtio_begin(struct virtio_device *v, uint64_t wanted)
{
    if (!virtio_reset(v))
        return false;
    virtio_add_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    uint64_t offered = virtio_offered(v);
    v->features = offered & (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM);
    if ((v->features & VIRTIO_F_VERSION_1) == 0)
        return false;
    mmio_write32(v->common, COMMON_DRIVER_PAGE, 0);
    mmio_write32(v->common, COMMON_DRIVER, (uint32_t)v->features);
    mmio_write32(v->common, COMMON_DRIVER_PAGE, 1);
    mmio_write32(v->common, COMMON_DRIVER, (uint32_t)(v->features >> 32));
    virtio_add_status(v, STATUS_FEATURES_OK);
    return (virtio_status(v) & STATUS_FEATURES_OK) != 0;
}

bool virtio_queue(struct virtio_device *v, uint32_t index, const struct virtqueue *q, uint32_t *notify)
{
    uint16_t vector = v->pci->irq_kind == PCI_IRQ_MSIX ? 0 : MSIX_NONE;

    if (index >= mmio_read16(v->common, COMMON_QUEUES))
        return false;
    mmio_write16(v->common, COMMON_QUEUE, (uint16_t)index);
    if (mmio_read16(v->common, COMMON_QUEUE_SIZE) < VIRTQUEUE_SIZE)
        return false;
    mmio_write16(v->common, COMMON_QUEUE_SIZE, VIRTQUEUE_SIZE);
    mmio_write16(v->common, COMMON_CONFIG_MSIX, MSIX_NONE);
    mmio_write16(v->common, COMMON_QUEUE_MSIX, vector);
    mmio_write64(v->common, COMMON_QUEUE_DESC, q->desc_phys);
    mmio_write64(v->common, COMMON_QUEUE_AVAIL, q->avail_phys);
    mmio_write64(v->common, COMMON_QUEUE_USED, q->used_phys);
    uint64_t at = (uint64_t)mmio_read16(v->common, COMMON_QUEUE_OFF) * v->notify_step;
    if (at + 2 > v->notify_bytes || mmio_read16(v->common, COMMON_QUEUE_MSIX) != vector)
        return false;
    *notify = (uint32_t)at;
    mmio_write16(v->common, COMMON_QUEUE_ON, 1);
    return true;
}

bool virtio_running(struct virtio_device *v)
{
    return (virtio_status(v) & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) == STATUS_DRIVER_OK;
}

void virtio_ready(struct virtio_device *v) { virtio_add_status(v, STATUS_DRIVER_OK); }

/* The store that published the chain must be seen before the device looks: it looks because of this one, and x86 keeps
 * them in order. */
void virtio_notify(struct virtio_device *v, uint32_t index, uint32_t notify)
{
    mmio_write16(v->notify, notify, (uint16_t)index);
}

bool virtio_interrupted(struct virtio_device *v)
{
    return v->pci->irq_kind == PCI_IRQ_MSIX || mmio_read8(v->isr, 0) != 0;
}
