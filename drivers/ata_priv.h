/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the files of the IDE driver share. A channel carries one command at a time: `lock` guards it and its
 * registers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/kernel/thread.h"
#include "drivers/block.h"

#define ATA_DMA_PAGES 16U                     /* 64 KiB: one command's data */
#define ATA_DMA_BYTES (ATA_DMA_PAGES * 4096U)

struct ata_channel {
    uint16_t cmd, ctl;
    uint16_t bm; /* 0: no bus mastering */
    uint8_t number;
    bool irq;    /* interrupts come; else the channel is polled */
    uint8_t silent; /* steps in a row that ended without the interrupt that should have told so */
    struct mutex lock;
    struct waitq wait;
    volatile bool irq_seen;     /* set by the interrupt, with the bus master's status of that moment */
    volatile uint8_t bm_status;
    bool dma_running;
    uint32_t *prd; /* one page: the descriptor table; behind it the data */
    uint32_t prd_phys;
    uint8_t *bounce;
    uint32_t bounce_phys;
};

struct ata_drive {
    struct block_device dev;
    struct ata_channel *ch;
    uint8_t unit;
    bool lba48, dma;
    bool dead; /* stays busy even after a reset: each further try would cost its whole time-out */
    bool told; /* one message about DMA that fails is enough */
    uint8_t dma_faults;
    uint8_t flush_command; /* 0: the drive has no write cache */
};

/* A command and its taskfile. DATA_BYTES 0: no data. */
struct ata_request {
    struct ata_drive *drive;
    uint64_t lba;
    uint32_t sectors;
    uint8_t command;
    uint8_t features;
    bool extended; /* 48-bit taskfile */
    bool write;
    uint8_t *in;
    const uint8_t *out;
    uint32_t block_bytes; /* PIO: bytes for each time the drive asks */
    uint32_t data_bytes;
};

/* ata_command.c. With the channel's lock held. */
void ata_settle(const struct ata_channel *ch);                 /* the 400 ns after selecting and commands */
bool ata_reset(struct ata_channel *ch);                        /* false: a drive stays busy */
enum block_status ata_pio(struct ata_request *r, uint64_t timeout_ns);
enum block_status ata_dma(struct ata_request *r, uint64_t timeout_ns);
bool ata_wait_idle(struct ata_channel *ch, uint64_t timeout_ns); /* neither busy nor asking for data */
void ata_interrupt(struct ata_channel *ch);                    /* upcall context */

/* ata_transfer.c: reading and writing with all retries; takes the lock. */
extern const struct block_ops ata_block_ops;
