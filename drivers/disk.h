/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What AHCI, NVMe and virtio-blk have in common: requests cut into commands, several of them at work at a time,
 * waiting by interrupt or polling, time-outs, recovery, giving up. A driver supplies start, poll and reset.
 *
 * A command moves its data through memory that belongs to its slot for ever: after a time-out a device that wakes up
 * late writes there and nowhere else. Threads are cooperative, so nothing here needs a lock; what may sleep is said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/kernel/thread.h"
#include "drivers/block.h"

#define DISK_SLOTS      4U
#define DISK_SLOT_PAGES 16U
#define DISK_SLOT_BYTES (DISK_SLOT_PAGES * 4096U)

struct disk;
struct disk_queue;

enum disk_kind { DISK_READ = 0, DISK_WRITE = 1, DISK_FLUSH = 2 };

enum disk_end {
    DISK_END_OK = 0,
    DISK_END_ERROR = 1,  /* the device says that it failed */
    DISK_END_LOST = 2,   /* a reset swept it away */
    DISK_END_TIMEOUT = 3 /* it is the one that made the reset necessary */
};

/* What must be cleared up before the next command starts. */
enum disk_fault {
    DISK_FAULT_NONE = 0,
    DISK_FAULT_COMMAND = 1, /* a command failed and the device waits to be restarted */
    DISK_FAULT_DEVICE = 2,  /* it reports a fault of its own, or breaks its protocol */
    DISK_FAULT_GONE = 3     /* pulled out */
};

struct disk_command {
    const struct disk *disk;
    enum disk_kind kind;
    uint64_t lba;
    uint32_t sectors;
    uint32_t bytes; /* 0: no data */
    bool alone;     /* nothing else runs beside it */
};

struct disk_slot {
    struct disk_command cmd;
    bool taken, running;
    enum disk_end end; /* when not running any more */
    uint8_t *data;     /* physically contiguous, page-aligned, DISK_SLOT_BYTES */
    uint64_t data_phys;
};

struct disk_queue_ops {
    /* Gives the command in slots[SLOT] to the device. Does not sleep. */
    void (*start)(struct disk_queue *q, uint32_t slot);
    /* Calls disk_end for every running slot that ended, disk_fault for what is wrong. Does not sleep. */
    void (*poll)(struct disk_queue *q);
    /* The device forgets all commands and can take new ones; may sleep. FAULT: why. false: it cannot be revived. */
    bool (*reset)(struct disk_queue *q, enum disk_fault fault);
};

struct disk_queue { /* of one device or, NVMe, of all its disks */
    char name[16];  /* for messages */
    const struct disk_queue_ops *ops;
    void *driver;
    struct disk_slot slots[DISK_SLOTS];
    uint32_t depth;      /* usable slots; the driver may lower it */
    uint32_t max_bytes;  /* of one command */
    uint64_t timeout_ns; /* of a read or write */
    bool irq;            /* interrupts come; else the device is polled */
    bool flush_alone;    /* a flush must not run beside other commands */
    bool dead;
    /* disk.c's own */
    volatile bool irq_seen;
    bool resetting, running_alone;
    uint32_t asked, served; /* who waits for a slot: the order of asking is that of getting */
    enum disk_fault fault;
    uint32_t running, failures, silent;
    struct waitq wait, room;
};

struct disk {
    struct block_device dev; /* dev.driver is the disk */
    struct disk_queue *queue;
    uint32_t unit;           /* NVMe: the namespace */
    bool no_cache;           /* flushing is not needed */
    void *driver;
};

/* Memory for the slots: at least one, at most DEPTH. false: none. */
bool disk_queue_init(struct disk_queue *q, const char *name, const struct disk_queue_ops *ops, void *driver,
                     uint32_t depth);
/* Gives the memory back. Precondition: the device does not use it. */
void disk_queue_free(struct disk_queue *q);

/* For drivers. */
void disk_end(struct disk_queue *q, uint32_t slot, enum disk_end end); /* ignored when SLOT does not run */
void disk_fault(struct disk_queue *q, enum disk_fault fault);
void disk_interrupt(struct disk_queue *q); /* upcall context */
/* Waits (sleeping) until (read32(base, off) & MASK) == WANT. false: not in TIMEOUT_NS. */
bool disk_wait_register(volatile void *base, uint32_t off, uint32_t mask, uint32_t want, uint64_t timeout_ns);

/* Fills in dev's ops, tells the operator and registers DISK. dev's name, model, sectors, sector_size are set. */
void disk_publish(struct disk *d, const char *kind);

/* Through the slots, with retries; what dev.ops do. May sleep. */
extern const struct block_ops disk_block_ops;
