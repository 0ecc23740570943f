/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One AHCI port: starting and stopping its engines, commands, what became of them, recovery. AHCI 1.3.1,
 * chapters 5 "Data Transfer Operation", 6 "Error Reporting and Recovery" and 10.4 "Reset". */
#include "drivers/ahci_priv.h"

#include "dom0/kernel/thread.h"
#include "drivers/ata_regs.h"
#include "drivers/mmio.h"

#define NS_PER_MS       1000000UL
#define AHCI_STOP_NS    (500 * NS_PER_MS)   /* section 10.1.2 */
#define AHCI_LINK_NS    (20 * NS_PER_MS)    /* a present device brings its link up in 10 ms */
#define AHCI_READY_NS   (10000 * NS_PER_MS) /* a disk that spins up */
#define AHCI_COMRESET_NS (2 * NS_PER_MS)    /* section 10.4.2: at least 1 ms */
#define AHCI_IDENTIFY_NS (5000 * NS_PER_MS)

static uint32_t px_read(const struct ahci_port *p, uint32_t reg) { return mmio_read32(p->regs, reg); }
static void px_write(const struct ahci_port *p, uint32_t reg, uint32_t v) { mmio_write32(p->regs, reg, v); }

static void px_set(const struct ahci_port *p, uint32_t bits) { px_write(p, AHCI_PX_CMD, px_read(p, AHCI_PX_CMD) | bits); }
static void px_clear(const struct ahci_port *p, uint32_t bits)
{
    px_write(p, AHCI_PX_CMD, px_read(p, AHCI_PX_CMD) & ~bits);
}

static bool px_wait(const struct ahci_port *p, uint32_t reg, uint32_t mask, uint32_t want, uint64_t ns)
{
    return disk_wait_register(p->regs, reg, mask, want, ns);
}

bool ahci_port_stop(struct ahci_port *p)
{
    px_clear(p, AHCI_CMD_ST);
    bool ok = px_wait(p, AHCI_PX_CMD, AHCI_CMD_CR, 0, AHCI_STOP_NS);
    px_clear(p, AHCI_CMD_FRE);
    return px_wait(p, AHCI_PX_CMD, AHCI_CMD_FR, 0, AHCI_STOP_NS) && ok;
}

/* Power, and the link by COMRESET if it is to be new or is not up. */
static bool ahci_link_up(struct ahci_port *p, bool hard)
{
    px_write(p, AHCI_PX_CMD, (px_read(p, AHCI_PX_CMD) & ~AHCI_CMD_ICC_MASK) | AHCI_CMD_SUD | AHCI_CMD_POD | AHCI_CMD_ICC_ON);
    if (hard) {
        px_write(p, AHCI_PX_SCTL, AHCI_SCTL_NO_LPM | AHCI_SCTL_RESET);
        thread_sleep_ns(AHCI_COMRESET_NS);
    }
    px_write(p, AHCI_PX_SCTL, AHCI_SCTL_NO_LPM);
    return px_wait(p, AHCI_PX_SSTS, AHCI_SSTS_DET, AHCI_DET_UP, AHCI_LINK_NS);
}

/* Received FISes go to memory first: the device's first one ends its being busy. */
bool ahci_port_start(struct ahci_port *p, bool hard)
{
    if (!ahci_link_up(p, hard))
        return false;
    px_write(p, AHCI_PX_SERR, ~0U);
    mmio_write64(p->regs, AHCI_PX_CLB, p->mem_phys + AHCI_MEM_LIST);
    mmio_write64(p->regs, AHCI_PX_FB, p->mem_phys + AHCI_MEM_FIS);
    px_set(p, AHCI_CMD_FRE);
    if (!px_wait(p, AHCI_PX_TFD, AHCI_TFD_BUSY, 0, AHCI_READY_NS)) {
        if (!p->can_clo)
            return false;
        px_set(p, AHCI_CMD_CLO);
        if (!px_wait(p, AHCI_PX_CMD, AHCI_CMD_CLO, 0, AHCI_STOP_NS))
            return false;
    }
    px_write(p, AHCI_PX_SERR, ~0U);
    px_write(p, AHCI_PX_IS, ~0U);
    (void)__atomic_exchange_n(&p->is_seen, 0, __ATOMIC_RELAXED);
    px_set(p, AHCI_CMD_ST);
    return true;
}

bool ahci_port_identify(struct ahci_port *p, uint16_t *id)
{
    struct disk_slot *s = &p->queue.slots[0];

    ahci_build_plain(ahci_header_of(p, 0), ahci_table_of(p, 0), ahci_table_phys(p, 0), ATA_CMD_IDENTIFY, s->data_phys,
                     ATA_ID_WORDS * 2U);
    px_write(p, AHCI_PX_CI, 1);
    bool ok = px_wait(p, AHCI_PX_CI, 1, 0, AHCI_IDENTIFY_NS) &&
              (px_read(p, AHCI_PX_IS) & AHCI_IS_FAILED) == 0;
    px_write(p, AHCI_PX_IS, ~0U);
    for (uint32_t i = 0; i < ATA_ID_WORDS; i++)
        id[i] = (uint16_t)(s->data[2 * i] | s->data[2 * i + 1] << 8);
    return ok;
}

/* ---- the queue ---- */

static void ahci_start(struct disk_queue *q, uint32_t slot)
{
    struct ahci_port *p = q->driver;
    struct disk_slot *s = &q->slots[slot];
    struct ahci_image image = {.cmd = &s->cmd, .data_phys = s->data_phys, .tag = slot, .ncq = p->ncq,
                               .lba48 = p->lba48, .flush_command = p->flush_command};

    if (!ahci_build(ahci_header_of(p, slot), ahci_table_of(p, slot), ahci_table_phys(p, slot), &image)) {
        disk_end(q, slot, DISK_END_ERROR);
        return;
    }
    if (p->ncq && !s->cmd.alone)
        px_write(p, AHCI_PX_SACT, 1U << slot);
    px_write(p, AHCI_PX_CI, 1U << slot);
}

/* All that is set is cleared on the way; what the interrupt took meanwhile is added. */
static uint32_t ahci_take_status(struct ahci_port *p)
{
    uint32_t is = px_read(p, AHCI_PX_IS);

    if (is != 0 && is != ~0U)
        px_write(p, AHCI_PX_IS, is);
    return is | __atomic_exchange_n(&p->is_seen, 0, __ATOMIC_RELAXED);
}

/* Which commands are over is read before whether one failed: the other way round one that fails in between would
 * count as done. After a failure the port stands still until it is restarted; of queued commands it is not known which
 * one failed, so all are given again. */
static void ahci_poll(struct disk_queue *q)
{
    struct ahci_port *p = q->driver;
    uint32_t active = px_read(p, AHCI_PX_CI) | px_read(p, AHCI_PX_SACT);
    uint32_t is = ahci_take_status(p);
    bool failed = (is & AHCI_IS_FAILED) != 0;

    if (is == ~0U || (px_read(p, AHCI_PX_SSTS) & AHCI_SSTS_DET) == AHCI_DET_NONE) {
        disk_fault(q, DISK_FAULT_GONE);
        return;
    }
    for (uint32_t i = 0; i < DISK_SLOTS; i++) {
        if (!q->slots[i].running)
            continue;
        bool queued = p->ncq && !q->slots[i].cmd.alone;
        if (failed && !queued)
            disk_end(q, i, DISK_END_ERROR);
        else if ((active & (1U << i)) == 0)
            disk_end(q, i, DISK_END_OK);
    }
    if (failed)
        disk_fault(q, DISK_FAULT_COMMAND);
}

/* A disk in NCQ's error state takes no command before its log is read or its link reset: always the link, then, but
 * for a command that failed alone. */
static bool ahci_reset(struct disk_queue *q, enum disk_fault fault)
{
    struct ahci_port *p = q->driver;
    bool stopped = ahci_port_stop(p);
    bool hard = !stopped || p->ncq || fault != DISK_FAULT_COMMAND;

    return ahci_port_start(p, hard) || (!hard && ahci_port_stop(p) && ahci_port_start(p, true));
}

const struct disk_queue_ops ahci_queue_ops = {.start = ahci_start, .poll = ahci_poll, .reset = ahci_reset};

void ahci_port_interrupt(struct ahci_port *p)
{
    uint32_t is = px_read(p, AHCI_PX_IS);

    px_write(p, AHCI_PX_IS, is);
    (void)__atomic_fetch_or(&p->is_seen, is, __ATOMIC_RELAXED);
    disk_interrupt(&p->queue);
}
