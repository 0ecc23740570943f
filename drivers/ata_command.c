/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One IDE command: taskfile, waiting, data. The hardware's own state decides that a command is done; an
 * interrupt only ends the wait early, so that a lost or a late one does no harm. ATA/ATAPI-6, chapter 9 "Protocol". */
#include "drivers/ata_priv.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/ata_regs.h"
#include "drivers/io.h"

#define NS_PER_US 1000UL
#define NS_PER_MS 1000000UL

#define ATA_IDLE_NS       (500 * NS_PER_MS) /* from the last command's end until the next may start */
#define ATA_RESET_NS      (31000UL * NS_PER_MS) /* ATA/ATAPI-6, section 9.2: so long may two drives take */
#define ATA_IRQ_SLICE_NS  (2 * NS_PER_MS)
#define ATA_SILENT_MAX    8U
#define ATA_POLL_QUICK    64U
#define ATA_POLL_NS       (50 * NS_PER_US)

void ata_settle(const struct ata_channel *ch)
{
    for (uint32_t i = 0; i < 4; i++) /* each read takes at least 100 ns on the bus */
        (void)io_in8(ch->ctl);
}

static uint8_t ata_alt_status(const struct ata_channel *ch) { return io_in8(ch->ctl); }

void ata_interrupt(struct ata_channel *ch)
{
    if (ch->bm != 0) {
        uint8_t bm = io_in8((uint16_t)(ch->bm + BM_STATUS));
        if (ch->dma_running && (bm & BM_STATUS_IRQ) == 0)
            return; /* another device on the line */
        ch->bm_status = (uint8_t)(ch->bm_status | bm);
    }
    if (!ch->dma_running && (ata_alt_status(ch) & ATA_STATUS_BSY) != 0)
        return;
    (void)io_in8((uint16_t)(ch->cmd + ATA_STATUS));
    if (ch->bm != 0)
        io_out8((uint16_t)(ch->bm + BM_STATUS), (ch->bm_status & BM_STATUS_KEEP) | BM_STATUS_IRQ);
    ch->irq_seen = true;
    waitq_wake(&ch->wait);
}

/* The step that was asked for is over, by the hardware's own word. */
static bool ata_step_done(struct ata_channel *ch)
{
    if (ch->irq_seen)
        return true;
    if (!ch->dma_running)
        return (ata_alt_status(ch) & ATA_STATUS_BSY) == 0;
    uint8_t bm = io_in8((uint16_t)(ch->bm + BM_STATUS));
    ch->bm_status = (uint8_t)(ch->bm_status | bm);
    if ((bm & BM_STATUS_IRQ) != 0)
        return true;
    /* Where the drive's interrupt is masked, that bit stays 0: then it is over when the drive is idle and either the
     * descriptors are used up or it gave up early. */
    uint8_t status = ata_alt_status(ch);
    bool failed = (status & (ATA_STATUS_ERR | ATA_STATUS_DF)) != 0;
    return (status & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) == 0 && (failed || (bm & BM_STATUS_ACTIVE) == 0);
}

/* A line that never brings its interrupt (routed elsewhere, say) would cost a slice for every step: poll instead. */
static void ata_count_silence(struct ata_channel *ch, bool waited)
{
    if (ch->irq_seen)
        ch->silent = 0;
    else if (waited && ch->irq && ++ch->silent == ATA_SILENT_MAX) {
        ch->irq = false;
        io_out8(ch->ctl, ATA_CONTROL_NIEN);
        console_notice("ata%u: its interrupts do not arrive: polled from here on", ch->number);
    }
}

static bool ata_wait_step(struct ata_channel *ch, uint64_t deadline)
{
    bool waited = false;

    for (uint32_t turn = 0; !ata_step_done(ch); turn++) {
        uint64_t now = time_now_ns();
        if (now >= deadline)
            return false;
        if (ch->irq)
            waited = !waitq_wait(&ch->wait, now + ATA_IRQ_SLICE_NS < deadline ? now + ATA_IRQ_SLICE_NS : deadline);
        else if (turn >= ATA_POLL_QUICK)
            thread_sleep_ns(ATA_POLL_NS);
    }
    ata_count_silence(ch, waited);
    return true;
}

bool ata_wait_idle(struct ata_channel *ch, uint64_t timeout_ns)
{
    uint64_t deadline = time_now_ns() + timeout_ns;

    for (uint32_t turn = 0; (ata_alt_status(ch) & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) != 0; turn++) {
        if (time_now_ns() >= deadline)
            return false;
        if (turn >= ATA_POLL_QUICK)
            thread_sleep_ns(ATA_POLL_NS);
    }
    return true;
}

/* Software reset of both drives, ATA/ATAPI-6, section 9.2 "Software reset protocol". */
bool ata_reset(struct ata_channel *ch)
{
    uint8_t control = ch->irq ? 0 : ATA_CONTROL_NIEN;

    if (ch->bm != 0)
        io_out8((uint16_t)(ch->bm + BM_COMMAND), 0);
    ch->dma_running = false;
    io_out8(ch->ctl, control | ATA_CONTROL_SRST);
    thread_sleep_ns(10 * NS_PER_US);
    io_out8(ch->ctl, control);
    thread_sleep_ns(2 * NS_PER_MS);
    return ata_wait_idle(ch, ATA_RESET_NS);
}

static bool ata_select(struct ata_request *r)
{
    struct ata_channel *ch = r->drive->ch;
    uint32_t device = ATA_DEVICE_OLD | ATA_DEVICE_LBA | (r->drive->unit != 0 ? ATA_DEVICE_UNIT : 0U);

    if (!r->extended)
        device |= (uint32_t)(r->lba >> 24) & 0xfU;
    if (!ata_wait_idle(ch, ATA_IDLE_NS))
        return false;
    io_out8((uint16_t)(ch->cmd + ATA_DEVICE), (uint8_t)device);
    ata_settle(ch);
    return ata_wait_idle(ch, ATA_IDLE_NS);
}

static void ata_taskfile_half(const struct ata_channel *ch, uint32_t count, uint64_t lba)
{
    io_out8((uint16_t)(ch->cmd + ATA_COUNT), (uint8_t)(count & 0xffU));
    io_out8((uint16_t)(ch->cmd + ATA_LBA_LOW), (uint8_t)(lba & 0xffU));
    io_out8((uint16_t)(ch->cmd + ATA_LBA_MID), (uint8_t)((lba >> 8) & 0xffU));
    io_out8((uint16_t)(ch->cmd + ATA_LBA_HIGH), (uint8_t)((lba >> 16) & 0xffU));
}

/* The previous content of each register is the upper half of a 48-bit taskfile: it goes first. */
static void ata_issue(struct ata_request *r)
{
    struct ata_channel *ch = r->drive->ch;

    (void)io_in8((uint16_t)(ch->cmd + ATA_STATUS)); /* no interrupt of the past is left */
    if (ch->bm != 0) {
        uint8_t keep = io_in8((uint16_t)(ch->bm + BM_STATUS)) & BM_STATUS_KEEP;
        io_out8((uint16_t)(ch->bm + BM_STATUS), keep | BM_STATUS_IRQ | BM_STATUS_ERROR);
    }
    io_out8((uint16_t)(ch->cmd + ATA_FEATURES), r->features);
    if (r->extended)
        ata_taskfile_half(ch, r->sectors >> 8, r->lba >> 24);
    ata_taskfile_half(ch, r->sectors, r->lba);
    ch->bm_status = 0;
    ch->irq_seen = false;
    io_out8((uint16_t)(ch->cmd + ATA_COMMAND), r->command);
}

static enum block_status ata_judge(uint8_t status)
{
    if (status == ATA_FLOATING)
        return BLOCK_GONE;
    return (status & (ATA_STATUS_ERR | ATA_STATUS_DF)) != 0 ? BLOCK_IO_ERROR : BLOCK_OK;
}

/* One block between the drive, which asks for it, and memory. */
static enum block_status ata_pio_block(struct ata_request *r, uint32_t done, uint8_t status)
{
    uint16_t port = (uint16_t)(r->drive->ch->cmd + ATA_DATA);
    enum block_status s = ata_judge(status);

    if (s != BLOCK_OK)
        return s;
    if ((status & ATA_STATUS_DRQ) == 0)
        return BLOCK_IO_ERROR;
    r->drive->ch->irq_seen = false; /* the next interrupt is the next block's */
    if (r->write)
        io_out16_block(port, r->out + done, r->block_bytes / 2U);
    else
        io_in16_block(port, r->in + done, r->block_bytes / 2U);
    return BLOCK_OK;
}

enum block_status ata_pio(struct ata_request *r, uint64_t timeout_ns)
{
    struct ata_channel *ch = r->drive->ch;
    uint64_t deadline = time_now_ns() + timeout_ns;
    /* A drive takes the first block of a write without an interrupt, then interrupts after each. */
    bool quiet = r->write;

    if (!ata_select(r))
        return BLOCK_TIMEOUT;
    ata_issue(r);
    ata_settle(ch);
    for (uint32_t done = 0; done < r->data_bytes; done += r->block_bytes) {
        bool ready = quiet ? true : ata_wait_step(ch, deadline);
        if (quiet) {
            while ((ata_alt_status(ch) & ATA_STATUS_BSY) != 0 && ready) {
                ready = time_now_ns() < deadline;
                thread_yield();
            }
            quiet = false;
        }
        if (!ready)
            return BLOCK_TIMEOUT;
        enum block_status s = ata_pio_block(r, done, ata_alt_status(ch));
        if (s != BLOCK_OK)
            return s;
        ata_settle(ch);
    }
    if ((r->write || r->data_bytes == 0) && !ata_wait_step(ch, deadline))
        return BLOCK_TIMEOUT;
    return ata_judge(io_in8((uint16_t)(ch->cmd + ATA_STATUS)));
}

/* No descriptor crosses 64 KiB, since each covers one page. */
static void ata_fill_prd(const struct ata_channel *ch, uint32_t bytes)
{
    uint32_t n = 0;

    for (uint32_t off = 0; off < bytes; off += 4096U, n++) {
        uint32_t part = bytes - off < 4096U ? bytes - off : 4096U;
        ch->prd[2 * n] = ch->bounce_phys + off;
        ch->prd[2 * n + 1] = part | (off + part == bytes ? BM_PRD_LAST : 0U);
    }
}

enum block_status ata_dma(struct ata_request *r, uint64_t timeout_ns)
{
    struct ata_channel *ch = r->drive->ch;
    uint64_t deadline = time_now_ns() + timeout_ns;
    uint8_t direction = r->write ? 0 : BM_COMMAND_READ;

    if (r->write)
        memcpy(ch->bounce, r->out, r->data_bytes);
    ata_fill_prd(ch, r->data_bytes);
    if (!ata_select(r))
        return BLOCK_TIMEOUT;
    io_out8((uint16_t)(ch->bm + BM_COMMAND), direction);
    io_out32((uint16_t)(ch->bm + BM_PRD), ch->prd_phys);
    ch->dma_running = true;
    ata_issue(r);
    io_out8((uint16_t)(ch->bm + BM_COMMAND), direction | BM_COMMAND_START);
    bool ended = ata_wait_step(ch, deadline);
    io_out8((uint16_t)(ch->bm + BM_COMMAND), direction);
    ch->dma_running = false;
    if (!ended)
        return BLOCK_TIMEOUT;
    enum block_status s = ata_judge(io_in8((uint16_t)(ch->cmd + ATA_STATUS)));
    if (s == BLOCK_OK && (ch->bm_status & BM_STATUS_ERROR) != 0)
        s = BLOCK_IO_ERROR;
    if (s == BLOCK_OK && !r->write)
        memcpy(r->in, ch->bounce, r->data_bytes);
    return s;
}
