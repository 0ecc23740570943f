/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Commands in slots. The device's own state decides that a command is over; an interrupt only ends the wait
 * early. A command that fails is given once more, alone, so that a failure is known to be its own. A device that does
 * not answer is reset; one that needs three resets in a row without a success in between is given up. */
#include "drivers/disk.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/mmio.h"

#define NS_PER_US      1000UL
#define NS_PER_MS      1000000UL
#define DISK_COMMAND_NS 10000000000UL /* a drive that spins up takes seconds */
#define DISK_FLUSH_NS   30000000000UL
#define DISK_IRQ_SLICE_NS (2 * NS_PER_MS)
#define DISK_POLL_NS    (50 * NS_PER_US)
#define DISK_POLL_QUICK 64U
#define DISK_TRIES      2U
#define DISK_FAILURES   3U
#define DISK_SILENT_MAX 8U

/* ---- for drivers ---- */

void disk_interrupt(struct disk_queue *q)
{
    q->irq_seen = true;
    waitq_wake_all(&q->wait);
}

void disk_end(struct disk_queue *q, uint32_t slot, enum disk_end end)
{
    if (slot >= DISK_SLOTS || !q->slots[slot].running)
        return;
    q->slots[slot].running = false;
    q->slots[slot].end = end;
    if (end == DISK_END_OK)
        q->failures = 0;
    waitq_wake_all(&q->wait); /* its thread may not be the one that looked */
}

void disk_fault(struct disk_queue *q, enum disk_fault fault)
{
    if (fault > q->fault)
        q->fault = fault;
}

bool disk_wait_register(volatile void *base, uint32_t off, uint32_t mask, uint32_t want, uint64_t timeout_ns)
{
    uint64_t deadline = time_now_ns() + timeout_ns;

    for (uint32_t turn = 0; (mmio_read32(base, off) & mask) != want; turn++) {
        if (time_now_ns() >= deadline)
            return false;
        if (turn >= DISK_POLL_QUICK)
            thread_sleep_ns(DISK_POLL_NS);
    }
    return true;
}

bool disk_queue_init(struct disk_queue *q, const char *name, const struct disk_queue_ops *ops, void *driver,
                     uint32_t depth)
{
    (void)strlcpy(q->name, name, sizeof(q->name));
    q->ops = ops;
    q->driver = driver;
    q->max_bytes = DISK_SLOT_BYTES;
    q->timeout_ns = DISK_COMMAND_NS;
    q->depth = 0;
    while (q->depth < depth && q->depth < DISK_SLOTS) {
        struct disk_slot *s = &q->slots[q->depth];
        s->data = page_alloc(DISK_SLOT_PAGES, &s->data_phys);
        if (s->data == NULL)
            break;
        q->depth++;
    }
    return q->depth != 0;
}

void disk_queue_free(struct disk_queue *q)
{
    for (uint32_t i = 0; i < DISK_SLOTS; i++) {
        if (q->slots[i].data != NULL)
            page_free(q->slots[i].data, DISK_SLOT_PAGES);
        q->slots[i].data = NULL;
    }
    q->depth = 0;
}

/* ---- recovery ---- */

static void queue_give_up(struct disk_queue *q, const char *why)
{
    if (!q->dead)
        console_notice("%s: %s: not used any more", q->name, why);
    q->dead = true;
}

static const char *fault_text(enum disk_fault fault)
{
    return fault == DISK_FAULT_DEVICE ? "reports a fault of its own" : "does not answer in time";
}

/* All commands at work end as lost, and the device is as new. A failed command alone is no mark against the device:
 * it answered. */
static void queue_recover(struct disk_queue *q, enum disk_fault fault)
{
    bool counts = fault != DISK_FAULT_COMMAND;

    q->resetting = true;
    if (fault == DISK_FAULT_GONE)
        queue_give_up(q, "the device is gone");
    else if (counts)
        console_notice("%s: %s: it is reset", q->name, fault_text(fault));
    if (!q->dead && !q->ops->reset(q, fault))
        queue_give_up(q, "a reset does not bring it back");
    if (counts && ++q->failures >= DISK_FAILURES)
        queue_give_up(q, "fails after every reset");
    q->fault = DISK_FAULT_NONE;
    q->resetting = false;
    for (uint32_t i = 0; i < DISK_SLOTS; i++)
        disk_end(q, i, DISK_END_LOST);
    waitq_wake_all(&q->wait);
    waitq_wake_all(&q->room);
}

/* ---- slots ---- */

static bool slot_allowed(const struct disk_queue *q, bool alone)
{
    return q->running == 0 || (!alone && !q->running_alone);
}

static struct disk_slot *slot_free(struct disk_queue *q)
{
    for (uint32_t i = 0; i < q->depth; i++) {
        if (!q->slots[i].taken)
            return &q->slots[i];
    }
    return NULL;
}

/* Waits for a slot, behind all who came before: who asks often does not keep the others out, and one that must be alone
 * is not overtaken. NULL: the device is dead. */
static struct disk_slot *slot_take(struct disk_queue *q, bool alone)
{
    struct disk_slot *s = NULL;
    uint32_t turn = q->asked++;

    while (s == NULL && !q->dead) {
        if (q->fault != DISK_FAULT_NONE && !q->resetting) {
            queue_recover(q, q->fault);
            continue;
        }
        if (!q->resetting && turn == q->served && slot_allowed(q, alone))
            s = slot_free(q);
        if (s == NULL)
            (void)waitq_wait(&q->room, WAIT_FOREVER);
    }
    if (++q->served != q->asked)
        waitq_wake_all(&q->room); /* the next one may find one, too */
    if (s == NULL)
        return NULL;
    s->taken = true;
    q->running++;
    q->running_alone = alone;
    return s;
}

static void slot_give(struct disk_queue *q, struct disk_slot *s)
{
    s->taken = false;
    q->running_alone = false;
    q->running--;
    waitq_wake_all(&q->room);
}

/* A line that never brings its interrupt would cost a slice for every command: poll instead. */
static void queue_count_silence(struct disk_queue *q, bool waited)
{
    if (q->irq_seen)
        q->silent = 0;
    else if (waited && q->irq && ++q->silent == DISK_SILENT_MAX) {
        q->irq = false;
        console_notice("%s: its interrupts do not arrive: polled from here on", q->name);
    }
}

/* One turn of waiting: until something may have changed. true: a whole slice went by in silence. */
static bool queue_pause(struct disk_queue *q, uint32_t turn, uint64_t until)
{
    if (q->irq || q->resetting)
        return !waitq_wait(&q->wait, until) && !q->resetting;
    if (turn < DISK_POLL_QUICK)
        thread_yield();
    else
        thread_sleep_ns(DISK_POLL_NS);
    return false;
}

static void slot_wait(struct disk_queue *q, struct disk_slot *s, uint64_t timeout_ns)
{
    uint64_t deadline = time_now_ns() + timeout_ns;
    bool waited = false;

    for (uint32_t turn = 0;; turn++) {
        if (!q->resetting)
            q->ops->poll(q);
        if (!s->running)
            break;
        uint64_t now = time_now_ns();
        if (q->fault != DISK_FAULT_NONE && !q->resetting) {
            queue_recover(q, q->fault);
        } else if (now >= deadline && !q->resetting) {
            disk_end(q, (uint32_t)(s - q->slots), DISK_END_TIMEOUT);
            queue_recover(q, DISK_FAULT_NONE);
            return;
        } else {
            uint64_t slice = now + DISK_IRQ_SLICE_NS;
            waited = queue_pause(q, turn, q->resetting || slice < deadline ? slice : deadline);
        }
    }
    queue_count_silence(q, waited);
}

static enum disk_end command_try(struct disk_queue *q, const struct disk_command *cmd, uint8_t *in,
                                 const uint8_t *out)
{
    struct disk_slot *s = slot_take(q, cmd->alone);

    if (s == NULL)
        return DISK_END_LOST;
    s->cmd = *cmd;
    if (out != NULL)
        memcpy(s->data, out, cmd->bytes);
    s->running = true;
    q->irq_seen = false;
    q->ops->start(q, (uint32_t)(s - q->slots));
    slot_wait(q, s, cmd->kind == DISK_FLUSH ? DISK_FLUSH_NS : q->timeout_ns);
    enum disk_end end = s->end;
    if (q->fault != DISK_FAULT_NONE && !q->resetting)
        queue_recover(q, q->fault);
    if (end == DISK_END_OK && in != NULL)
        memcpy(in, s->data, cmd->bytes);
    slot_give(q, s);
    return end;
}

/* A flush that failed is not given again: some of the data is gone. */
static enum block_status disk_run(struct disk_command *cmd, uint8_t *in, const uint8_t *out)
{
    struct disk_queue *q = cmd->disk->queue;
    enum disk_end end = DISK_END_LOST;

    for (uint32_t i = 0; i < DISK_TRIES && !q->dead; i++) {
        end = command_try(q, cmd, in, out);
        if (end == DISK_END_OK)
            return BLOCK_OK;
        if (end == DISK_END_ERROR && cmd->kind == DISK_FLUSH)
            break;
        cmd->alone = true;
    }
    if (q->dead)
        return BLOCK_GONE;
    return end == DISK_END_ERROR ? BLOCK_IO_ERROR : BLOCK_TIMEOUT;
}

/* ---- the block interface ---- */

static enum block_status disk_transfer(struct block_device *dev, uint64_t lba, uint32_t count, uint8_t *in,
                                       const uint8_t *out)
{
    struct disk *d = dev->driver;
    uint32_t most = d->queue->max_bytes / dev->sector_size;
    enum block_status s = BLOCK_OK;

    if (lba > dev->sectors || count > dev->sectors - lba)
        return BLOCK_RANGE;
    while (count != 0 && s == BLOCK_OK) {
        uint32_t n = count < most ? count : most;
        struct disk_command cmd = {.disk = d, .kind = out != NULL ? DISK_WRITE : DISK_READ, .lba = lba, .sectors = n,
                                   .bytes = n * dev->sector_size};
        s = disk_run(&cmd, in, out);
        lba += n;
        count -= n;
        in = in != NULL ? in + cmd.bytes : NULL;
        out = out != NULL ? out + cmd.bytes : NULL;
    }
    return s;
}

static enum block_status disk_read(struct block_device *dev, uint64_t lba, uint32_t count, void *buf)
{
    return disk_transfer(dev, lba, count, buf, NULL);
}

static enum block_status disk_write(struct block_device *dev, uint64_t lba, uint32_t count, const void *buf)
{
    return dev->read_only ? BLOCK_READ_ONLY : disk_transfer(dev, lba, count, NULL, buf);
}

static enum block_status disk_flush(struct block_device *dev)
{
    struct disk *d = dev->driver;
    struct disk_command cmd = {.disk = d, .kind = DISK_FLUSH, .alone = d->queue->flush_alone};

    if (d->queue->dead)
        return BLOCK_GONE;
    return d->no_cache || dev->read_only ? BLOCK_OK : disk_run(&cmd, NULL, NULL);
}

const struct block_ops disk_block_ops = {.read = disk_read, .write = disk_write, .flush = disk_flush};

void disk_publish(struct disk *d, const char *kind)
{
    struct block_device *dev = &d->dev;

    dev->ops = &disk_block_ops;
    dev->driver = d;
    dev->depth = d->queue->depth;
    block_register(dev);
    console_notice("%s: %s, %lu MiB, %s%s, %s", dev->name, dev->model[0] != '\0' ? dev->model : "disk",
                   dev->sectors * dev->sector_size >> 20, kind, dev->read_only ? ", read-only" : "",
                   d->queue->irq ? "interrupts" : "polled");
}
