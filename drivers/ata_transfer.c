/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Reading and writing sectors: cut into commands, repeated after faults with a reset in between, without DMA
 * when that is what fails. */
#include "drivers/ata_priv.h"

#include "dom0/kernel/console.h"
#include "drivers/ata_regs.h"
#include "drivers/io.h"

#define ATA_COMMAND_NS 10000000000UL /* a drive that spins up takes seconds */
#define ATA_FLUSH_NS   30000000000UL
#define ATA_TRIES      4U
#define ATA_FLUSH_TRIES 2U
#define ATA_DMA_FAULTS 2U

static struct ata_drive *ata_drive_of(struct block_device *dev) { return dev->driver; }

static uint8_t ata_pick_command(bool write, bool dma, bool extended)
{
    if (dma)
        return write ? (extended ? ATA_CMD_WRITE_DMA_EXT : ATA_CMD_WRITE_DMA)
                     : (extended ? ATA_CMD_READ_DMA_EXT : ATA_CMD_READ_DMA);
    return write ? (extended ? ATA_CMD_WRITE_PIO_EXT : ATA_CMD_WRITE_PIO)
                 : (extended ? ATA_CMD_READ_PIO_EXT : ATA_CMD_READ_PIO);
}

/* The medium's own errors are not DMA's fault; all else may be. */
static void ata_count_dma_fault(struct ata_drive *d, enum block_status s, uint8_t error)
{
    if (s == BLOCK_IO_ERROR && (error & ATA_ERROR_ICRC) == 0 && error != ATA_ERROR_ABRT && error != 0)
        return;
    if (++d->dma_faults < ATA_DMA_FAULTS)
        return;
    d->dma = false;
    if (!d->told)
        console_notice("%s: DMA fails (%s): going on without it, slowly", d->dev.name, block_status_text(s));
    d->told = true;
}

static enum block_status ata_command_with_retries(struct ata_request *r)
{
    struct ata_drive *d = r->drive;
    enum block_status s = BLOCK_IO_ERROR;

    for (uint32_t i = 0; i < ATA_TRIES; i++) {
        bool dma = d->dma;
        r->command = ata_pick_command(r->write, dma, r->extended);
        s = dma ? ata_dma(r, ATA_COMMAND_NS) : ata_pio(r, ATA_COMMAND_NS);
        if (s == BLOCK_OK || s == BLOCK_GONE)
            break;
        uint8_t error = s == BLOCK_IO_ERROR ? io_in8((uint16_t)(d->ch->cmd + ATA_ERROR)) : 0;
        if (dma)
            ata_count_dma_fault(d, s, error);
        if ((s == BLOCK_TIMEOUT || dma || i > 0) && !ata_reset(d->ch)) {
            d->dead = true;
            console_notice("%s: stays busy after a reset: not used any more", d->dev.name);
            return BLOCK_TIMEOUT;
        }
    }
    return s;
}

static enum block_status ata_transfer(struct block_device *dev, uint64_t lba, uint32_t count, uint8_t *in,
                                      const uint8_t *out)
{
    struct ata_drive *d = ata_drive_of(dev);
    uint32_t most = ATA_DMA_BYTES / dev->sector_size;
    enum block_status s = BLOCK_OK;

    if (lba > dev->sectors || count > dev->sectors - lba)
        return BLOCK_RANGE;
    while (count != 0 && s == BLOCK_OK) {
        uint32_t n = count < most ? count : most;
        uint32_t bytes = n * dev->sector_size;
        struct ata_request r = {.drive = d, .lba = lba, .sectors = n, .write = out != NULL, .in = in, .out = out,
                                .block_bytes = dev->sector_size, .data_bytes = bytes,
                                .extended = d->lba48 && lba + n > ATA_LBA28_END};
        mutex_lock(&d->ch->lock);
        s = d->dead ? BLOCK_GONE : ata_command_with_retries(&r);
        mutex_unlock(&d->ch->lock);
        lba += n;
        count -= n;
        in = in != NULL ? in + bytes : NULL;
        out = out != NULL ? out + bytes : NULL;
    }
    return s;
}

static enum block_status ata_block_read(struct block_device *dev, uint64_t lba, uint32_t count, void *buf)
{
    return ata_transfer(dev, lba, count, buf, NULL);
}

static enum block_status ata_block_write(struct block_device *dev, uint64_t lba, uint32_t count, const void *buf)
{
    return dev->read_only ? BLOCK_READ_ONLY : ata_transfer(dev, lba, count, NULL, buf);
}

static enum block_status ata_block_flush(struct block_device *dev)
{
    struct ata_drive *d = ata_drive_of(dev);
    struct ata_request r = {.drive = d, .command = d->flush_command, .extended = d->flush_command == ATA_CMD_FLUSH_EXT};

    if (d->flush_command == 0)
        return BLOCK_OK;
    mutex_lock(&d->ch->lock);
    enum block_status s = d->dead ? BLOCK_GONE : BLOCK_TIMEOUT;
    /* A command that was lost is given again. One that failed is not: some of the data is gone. */
    for (uint32_t i = 0; i < ATA_FLUSH_TRIES && s == BLOCK_TIMEOUT && !d->dead; i++) {
        s = ata_pio(&r, ATA_FLUSH_NS);
        if (s == BLOCK_TIMEOUT && !ata_reset(d->ch)) {
            d->dead = true;
            console_notice("%s: stays busy after a reset: not used any more", d->dev.name);
        }
    }
    mutex_unlock(&d->ch->lock);
    return s;
}

const struct block_ops ata_block_ops = {.read = ata_block_read, .write = ata_block_write, .flush = ata_block_flush};
