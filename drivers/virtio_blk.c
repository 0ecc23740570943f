/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Virtio disks: VIRTIO 1.1, section 5.2 "Block Device". Each command is a chain of a header, data, and a byte of
 * status, in descriptors that belong to its slot. */
#include "drivers/virtio_blk.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/disk.h"
#include "drivers/mmio.h"
#include "drivers/virtio_pci.h"

#define BLK_F_SIZE_MAX   (1UL << 1)
#define BLK_F_READ_ONLY  (1UL << 5)
#define BLK_F_BLOCK_SIZE (1UL << 6)
#define BLK_F_FLUSH      (1UL << 9)
#define BLK_FEATURES     (BLK_F_SIZE_MAX | BLK_F_READ_ONLY | BLK_F_BLOCK_SIZE | BLK_F_FLUSH)

#define BLK_CONFIG_CAPACITY   0U /* in units of 512 bytes, whatever the block size; 64 bits */
#define BLK_CONFIG_SIZE_MAX   8U
#define BLK_CONFIG_BLOCK_SIZE 20U
#define BLK_CONFIG_BYTES      24U

#define BLK_READ    0U
#define BLK_WRITE   1U
#define BLK_FLUSH   4U
#define BLK_GET_ID  8U
#define BLK_ID_BYTES 20U
#define BLK_STATUS_OK 0U
#define BLK_STATUS_PENDING 0xffU /* ours: the device has not written it */

#define BLK_CHAIN 3U /* descriptors of a slot */
#define BLK_ID_NS 2000000000UL

struct blk_header {
    uint32_t type, reserved;
    uint64_t sector;
};

/* What a slot has beside its data. */
struct blk_slot {
    struct blk_header header;
    volatile uint8_t status;
    uint8_t pad[15];
};

struct virtio_blk {
    struct disk disk;
    struct disk_queue queue;
    struct virtio_device dev;
    struct virtqueue vq;
    uint32_t notify;
    uint8_t *mem; /* two pages: the queue, the slots' headers */
    uint64_t mem_phys;
};

_Static_assert(DISK_SLOTS * BLK_CHAIN <= VIRTQUEUE_SIZE, "every slot has its chain");

static uint32_t disks_found;

static struct blk_slot *blk_slot_of(const struct virtio_blk *b, uint32_t slot)
{
    return (struct blk_slot *)(void *)(b->mem + 4096) + slot;
}

/* The chain of SLOT with BYTES of data, which the device writes or reads. */
static void blk_submit(struct virtio_blk *b, uint32_t slot, uint32_t type, uint64_t sector, uint32_t bytes)
{
    struct blk_slot *s = blk_slot_of(b, slot);
    uint64_t phys = b->mem_phys + 4096 + slot * sizeof(*s);
    struct virtq_buffer chain[BLK_CHAIN] = {{.phys = phys, .bytes = sizeof(s->header)}};
    uint32_t n = 1;

    s->header = (struct blk_header){.type = type, .sector = sector};
    s->status = BLK_STATUS_PENDING;
    if (bytes != 0)
        chain[n++] = (struct virtq_buffer){b->queue.slots[slot].data_phys, bytes, type != BLK_WRITE};
    chain[n++] = (struct virtq_buffer){phys + offsetof(struct blk_slot, status), 1, true};
    virtqueue_put(&b->vq, slot * BLK_CHAIN, chain, n);
    virtio_notify(&b->dev, 0, b->notify);
}

static bool blk_setup(struct virtio_blk *b)
{
    virtqueue_init(&b->vq, b->mem, b->mem_phys);
    if (!virtio_begin(&b->dev, BLK_FEATURES) || !virtio_queue(&b->dev, 0, &b->vq, &b->notify))
        return false;
    virtio_ready(&b->dev);
    return true;
}

/* ---- the queue ---- */

static void blk_start(struct disk_queue *q, uint32_t slot)
{
    struct virtio_blk *b = q->driver;
    const struct disk_command *c = &q->slots[slot].cmd;
    uint32_t type = c->kind == DISK_READ ? BLK_READ : c->kind == DISK_WRITE ? BLK_WRITE : BLK_FLUSH;

    blk_submit(b, slot, type, c->lba * (c->disk->dev.sector_size / 512U), c->bytes);
}

static void blk_poll(struct disk_queue *q)
{
    struct virtio_blk *b = q->driver;
    uint32_t first, bytes;

    for (uint32_t i = 0; i < VIRTQUEUE_SIZE; i++) {
        enum virtq_take t = virtqueue_take(&b->vq, &first, &bytes);
        if (t == VIRTQ_BROKEN)
            disk_fault(q, DISK_FAULT_DEVICE);
        if (t != VIRTQ_TAKEN)
            break;
        uint32_t slot = first / BLK_CHAIN;
        disk_end(q, slot, blk_slot_of(b, slot)->status == BLK_STATUS_OK ? DISK_END_OK : DISK_END_ERROR);
    }
    if (!virtio_running(&b->dev))
        disk_fault(q, pci_gone(b->dev.pci) ? DISK_FAULT_GONE : DISK_FAULT_DEVICE);
}

static bool blk_reset(struct disk_queue *q, enum disk_fault fault)
{
    struct virtio_blk *b = q->driver;

    (void)fault;
    if (blk_setup(b))
        return true;
    pci_master(b->dev.pci, false);
    return false;
}

static const struct disk_queue_ops blk_queue_ops = {.start = blk_start, .poll = blk_poll, .reset = blk_reset};

static void blk_interrupt(uint32_t port, void *arg)
{
    struct virtio_blk *b = arg;

    (void)port;
    if (virtio_interrupted(&b->dev))
        disk_interrupt(&b->queue);
    pci_irq_done(b->dev.pci);
}

/* ---- finding ---- */

/* The identity that the host gave it becomes part of the model's name. A device without one fails the command. */
static void blk_read_id(struct virtio_blk *b)
{
    uint64_t deadline = time_now_ns() + BLK_ID_NS;
    const uint8_t *id = b->queue.slots[0].data;
    uint32_t first, bytes, len = 0;

    (void)strlcpy(b->disk.dev.model, "virtio disk", sizeof(b->disk.dev.model));
    blk_submit(b, 0, BLK_GET_ID, 0, BLK_ID_BYTES);
    while (virtqueue_take(&b->vq, &first, &bytes) == VIRTQ_NOTHING) {
        if (time_now_ns() >= deadline)
            return;
        thread_sleep_ns(50000);
    }
    if (blk_slot_of(b, 0)->status != BLK_STATUS_OK)
        return;
    while (len < BLK_ID_BYTES && id[len] >= 0x20 && id[len] < 0x7f)
        len++;
    if (len != 0)
        (void)snprintf(b->disk.dev.model, sizeof(b->disk.dev.model), "virtio disk %.*s", (int)len, (const char *)id);
}

static bool blk_describe(struct virtio_blk *b, const char **reason)
{
    struct block_device *dev = &b->disk.dev;
    uint64_t features = b->dev.features, units = mmio_read64(b->dev.config, BLK_CONFIG_CAPACITY);
    uint32_t size = (features & BLK_F_BLOCK_SIZE) != 0 ? mmio_read32(b->dev.config, BLK_CONFIG_BLOCK_SIZE) : 512;
    uint32_t most = (features & BLK_F_SIZE_MAX) != 0 ? mmio_read32(b->dev.config, BLK_CONFIG_SIZE_MAX) : DISK_SLOT_BYTES;

    if (size != 4096)
        size = 512; /* addresses count 512 bytes anyway */
    *reason = "its size makes no sense";
    if (units == 0 || units > UINT64_MAX / 512U || most < size)
        return false;
    dev->sector_size = size;
    dev->sectors = units / (size / 512U);
    dev->read_only = (features & BLK_F_READ_ONLY) != 0;
    b->disk.no_cache = (features & BLK_F_FLUSH) == 0;
    if (most < b->queue.max_bytes)
        b->queue.max_bytes = most / size * size;
    return true;
}

static bool blk_bring_up(struct virtio_blk *b, struct pci_device *d, const char **reason)
{
    *reason = "no memory";
    b->mem = page_alloc(2, &b->mem_phys);
    if (b->mem == NULL || !disk_queue_init(&b->queue, b->disk.dev.name, &blk_queue_ops, b, DISK_SLOTS))
        return false;
    if (!virtio_find(&b->dev, d, reason))
        return false;
    *reason = "its description is too short";
    if (b->dev.config_bytes < BLK_CONFIG_BYTES)
        return false;
    b->queue.irq = pci_irq_attach(d, blk_interrupt, b);
    *reason = "it does not agree on features or a queue";
    if (!blk_setup(b) || !blk_describe(b, reason))
        return false;
    blk_read_id(b);
    return true;
}

static void virtio_blk_probe(struct pci_device *d)
{
    const char *reason = NULL;
    struct virtio_blk *b = heap_alloc(sizeof(*b));

    if (b == NULL)
        return;
    (void)snprintf(b->disk.dev.name, sizeof(b->disk.dev.name), "vd%u", disks_found++);
    uint16_t command = pci_enable(d, true);
    if (blk_bring_up(b, d, &reason)) {
        b->disk.queue = &b->queue;
        disk_publish(&b->disk, "virtio");
        return;
    }
    /* What it has lasts: its interrupt has a handler that uses it, and it may not have let go of its queue. */
    console_notice("%s: %s: left aside", b->disk.dev.name, reason);
    if (b->dev.common != NULL)
        (void)virtio_reset(&b->dev);
    pci_restore(d, command);
}

void virtio_blk_init(void)
{
    for (struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        if (virtio_is(d, VIRTIO_TYPE_BLOCK))
            virtio_blk_probe(d);
    }
}
