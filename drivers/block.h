/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The block interface: what every disk driver offers and every file system uses. Calls block the calling
 * thread, not Dom0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_device;

enum block_status {
    BLOCK_OK = 0,
    BLOCK_IO_ERROR = 1,
    BLOCK_TIMEOUT = 2,
    BLOCK_RANGE = 3,
    BLOCK_READ_ONLY = 4,
    BLOCK_GONE = 5
};

struct block_ops {
    /* COUNT sectors at LBA; BUF any address, any alignment. */
    enum block_status (*read)(struct block_device *dev, uint64_t lba, uint32_t count, void *buf);
    enum block_status (*write)(struct block_device *dev, uint64_t lba, uint32_t count, const void *buf);
    enum block_status (*flush)(struct block_device *dev); /* what was written is on the medium */
};

struct block_device {
    char name[16];   /* "hd0" */
    char model[48];
    uint64_t sectors;
    uint32_t sector_size; /* 512 or 4096 */
    bool read_only;
    uint32_t depth;  /* requests of several threads that it works on at once; 0 and 1: one after the other */
    const struct block_ops *ops;
    void *driver;    /* the driver's own */
    struct block_device *next;
};

void block_register(struct block_device *dev); /* never unregistered while mounted */
struct block_device *block_first(void);        /* walk with ->next */
struct block_device *block_find(const char *name);
const char *block_status_text(enum block_status s);
