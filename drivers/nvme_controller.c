/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] An NVMe controller: starting it, admin commands (polled), reading and writing through one pair of queues.
 * NVMe 1.4, sections 7.3 "Resets" and 7.6.1 "Initialization". */
#include "drivers/nvme_priv.h"

#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "drivers/mmio.h"

#define NS_PER_MS      1000000UL
#define NVME_ADMIN_NS  (5000 * NS_PER_MS)
#define NVME_POLL_NS   (50 * 1000UL)
#define NVME_IO        1U /* number of the pair */

static uint32_t nvme_doorbell(const struct nvme *n, const struct nvme_pair *q, bool completion)
{
    return NVME_DOORBELLS + (2U * q->number + completion) * n->stride;
}

static void nvme_submit(struct nvme *n, struct nvme_pair *q, const struct nvme_command *c)
{
    nvme_pair_put(q, c);
    mmio_write32(n->regs, nvme_doorbell(n, q, false), q->tail);
}

bool nvme_off(struct nvme *n)
{
    mmio_write32(n->regs, NVME_CC, mmio_read32(n->regs, NVME_CC) & ~NVME_CC_ENABLE);
    return disk_wait_register(n->regs, NVME_CSTS, NVME_CSTS_READY, 0, n->ready_ns);
}

/* One admin command, whose answer nobody else can take. */
static bool nvme_admin(struct nvme *n, struct nvme_command *c)
{
    uint64_t deadline = time_now_ns() + NVME_ADMIN_NS;
    uint16_t id, status;

    nvme_submit(n, &n->admin, c);
    while (!nvme_pair_take(&n->admin, &id, &status)) {
        if (time_now_ns() >= deadline || mmio_read32(n->regs, NVME_CSTS) == ~0U)
            return false;
        thread_sleep_ns(NVME_POLL_NS);
    }
    mmio_write32(n->regs, nvme_doorbell(n, &n->admin, true), n->admin.head);
    return status == 0;
}

bool nvme_identify(struct nvme *n, uint32_t cns, uint32_t nsid)
{
    struct nvme_command c = {.dw0 = NVME_ADMIN_IDENTIFY, .nsid = nsid,
                             .prp1 = n->mem_phys + NVME_MEM_IDENTIFY * 4096UL, .dw10 = cns};
    return nvme_admin(n, &c);
}

/* All interrupts are vector 0: there is one handler, and MSI-X may have no more. */
static bool nvme_create_io(struct nvme *n)
{
    uint32_t size = NVME_IO | (NVME_ENTRIES - 1U) << 16;
    struct nvme_command cq = {.dw0 = NVME_ADMIN_CREATE_CQ, .prp1 = n->io.cq_phys, .dw10 = size,
                              .dw11 = NVME_QUEUE_CONTIGUOUS | NVME_QUEUE_INTERRUPT};
    struct nvme_command sq = {.dw0 = NVME_ADMIN_CREATE_SQ, .prp1 = n->io.sq_phys, .dw10 = size,
                              .dw11 = NVME_QUEUE_CONTIGUOUS | NVME_IO << 16};

    return nvme_admin(n, &cq) && nvme_admin(n, &sq);
}

static bool nvme_on(struct nvme *n)
{
    n->io.number = NVME_IO;
    nvme_pair_reset(&n->admin);
    nvme_pair_reset(&n->io);
    mmio_write32(n->regs, NVME_AQA, (NVME_ENTRIES - 1U) << 16 | (NVME_ENTRIES - 1U));
    mmio_write64(n->regs, NVME_ASQ, n->admin.sq_phys);
    mmio_write64(n->regs, NVME_ACQ, n->admin.cq_phys);
    mmio_write32(n->regs, NVME_CC, NVME_CC_WANTED);
    return disk_wait_register(n->regs, NVME_CSTS, NVME_CSTS_READY | NVME_CSTS_FATAL, NVME_CSTS_READY, n->ready_ns);
}

bool nvme_restart(struct nvme *n, const char **reason)
{
    *reason = "it does not stop";
    if (!nvme_off(n))
        return false;
    *reason = "it does not become ready";
    if (!nvme_on(n))
        return false;
    *reason = "it refuses a queue";
    return nvme_create_io(n);
}

/* ---- the queue ---- */

static void nvme_start(struct disk_queue *q, uint32_t slot)
{
    struct nvme *n = q->driver;
    struct disk_slot *s = &q->slots[slot];
    struct nvme_command c = {.dw0 = slot << 16, .nsid = s->cmd.disk->unit};
    uint32_t page = NVME_MEM_PRP + slot;

    if (s->cmd.kind == DISK_FLUSH) {
        c.dw0 |= NVME_FLUSH;
    } else {
        c.dw0 |= s->cmd.kind == DISK_WRITE ? NVME_WRITE : NVME_READ;
        c.dw10 = (uint32_t)s->cmd.lba;
        c.dw11 = (uint32_t)(s->cmd.lba >> 32);
        c.dw12 = s->cmd.sectors - 1U;
        if (!nvme_prps(&c, s->data_phys, s->cmd.bytes, (uint64_t *)(void *)(n->mem + page * 4096U),
                       n->mem_phys + page * 4096UL)) {
            disk_end(q, slot, DISK_END_ERROR);
            return;
        }
    }
    nvme_submit(n, &n->io, &c);
}

/* At most a queue's length, whatever a broken controller writes meanwhile. */
static void nvme_poll(struct disk_queue *q)
{
    struct nvme *n = q->driver;
    uint16_t id, status;
    bool any = false;

    for (uint32_t i = 0; i < NVME_ENTRIES && nvme_pair_take(&n->io, &id, &status); i++) {
        any = true;
        if (id >= DISK_SLOTS || !q->slots[id].running)
            disk_fault(q, DISK_FAULT_DEVICE);
        else
            disk_end(q, id, status == 0 ? DISK_END_OK : DISK_END_ERROR);
    }
    if (any)
        mmio_write32(n->regs, nvme_doorbell(n, &n->io, true), n->io.head);
    if (n->masking)
        mmio_write32(n->regs, NVME_INTMC, 1);
    uint32_t csts = any ? NVME_CSTS_READY : mmio_read32(n->regs, NVME_CSTS);
    if ((csts & (NVME_CSTS_READY | NVME_CSTS_FATAL)) != NVME_CSTS_READY)
        disk_fault(q, pci_gone(n->pci) ? DISK_FAULT_GONE : DISK_FAULT_DEVICE);
}

/* A controller that cannot be revived is taken off the bus, so that it writes nowhere any more. */
static bool nvme_reset(struct disk_queue *q, enum disk_fault fault)
{
    struct nvme *n = q->driver;
    const char *reason;

    if (fault == DISK_FAULT_COMMAND || nvme_restart(n, &reason))
        return true;
    pci_master(n->pci, false);
    return false;
}

const struct disk_queue_ops nvme_queue_ops = {.start = nvme_start, .poll = nvme_poll, .reset = nvme_reset};

/* A line stays up until its completions are taken, which is a thread's work: masked until then. A second interrupt in
 * between, or one of the admin queue's, does no harm. */
void nvme_interrupt(uint32_t port, void *arg)
{
    struct nvme *n = arg;

    (void)port;
    if (n->masking)
        mmio_write32(n->regs, NVME_INTMS, 1);
    disk_interrupt(&n->queue);
    pci_irq_done(n->pci);
}
