/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What Dom0's drivers and file systems stand on, for tests and fuzzers: heap, threads, messages, a disk in
 * memory. Included once, by the test's own file. */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/error.h"
#include "drivers/block.h"

size_t strlcpy(char *dst, const char *src, size_t size);

static long fake_heap_limit = -1; /* so many more allocations succeed; -1: all */
static char fake_notices[8192];   /* everything said */

static bool fake_heap_empty(void) { return fake_heap_limit >= 0 && fake_heap_limit-- == 0; }

void *heap_alloc(size_t size)
{
    if (fake_heap_empty()) {
        fake_heap_limit = 0;
        return NULL;
    }
    return calloc(1, size);
}
void *heap_realloc(void *p, size_t size)
{
    if (fake_heap_empty()) {
        fake_heap_limit = 0;
        return NULL;
    }
    return realloc(p, size);
}
void heap_free(void *p) { free(p); }

void *memory_borrow(size_t bytes) { return fake_heap_empty() ? NULL : calloc(1, bytes); }
void memory_return(void *p, size_t bytes)
{
    (void)bytes;
    free(p);
}

void thread_yield(void) {}
struct thread *thread_self(void) { return (struct thread *)&fake_heap_limit; } /* the only one */
void mutex_lock(struct mutex *m)
{
    if (m->owner != NULL)
        abort(); /* nobody else runs here: locked twice */
    m->owner = (struct thread *)m;
}
void mutex_unlock(struct mutex *m)
{
    if (m->owner == NULL)
        abort();
    m->owner = NULL;
}

static uint64_t fake_wallclock = 1700000001; /* 2023-11-14 22:13:21 */
uint64_t time_wallclock_s(void) { return fake_wallclock; }

void console_notice(const char *fmt, ...)
{
    size_t len = strlen(fake_notices);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(fake_notices + len, sizeof(fake_notices) - len, fmt, ap);
    va_end(ap);
    len = strlen(fake_notices);
    if (len + 1 < sizeof(fake_notices))
        strcpy(fake_notices + len, "\n");
}

bool error_set(struct error *e, enum exit_code code, const char *fmt, ...)
{
    va_list ap;

    e->code = code;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    return false;
}

__attribute__((weak)) size_t strlcpy(char *dst, const char *src, size_t size) /* dom0/lib/text.c may be there */
{
    size_t len = strlen(src);

    if (size != 0) {
        size_t n = len < size - 1 ? len : size - 1;
        memcpy(dst, src, n);
        dst[n] = '\0';
    }
    return len;
}

/* ---- a disk in memory ---- */

struct fake_disk {
    struct block_device dev;
    uint8_t *data;
    unsigned reads;
    uint64_t sectors_read;
    uint64_t bad_lba; /* reading it fails; ~0: none */
    unsigned writes, flushes;
    long fail_writes; /* so many more writes succeed; -1: all */
    /* Told of each write before it is done, and of each flush (SECTORS 0). */
    void (*watch)(struct fake_disk *d, uint64_t lba, uint32_t sectors, const void *buf);
    uint64_t first, end; /* the sectors that may be written */
};

static enum block_status fake_disk_read(struct block_device *dev, uint64_t lba, uint32_t count, void *buf)
{
    struct fake_disk *d = dev->driver;

    d->reads++;
    d->sectors_read += count;
    if (lba > dev->sectors || count > dev->sectors - lba)
        return BLOCK_RANGE;
    if (d->bad_lba >= lba && d->bad_lba < lba + count)
        return BLOCK_IO_ERROR;
    memcpy(buf, d->data + lba * dev->sector_size, (size_t)count * dev->sector_size);
    return BLOCK_OK;
}

static enum block_status fake_disk_write(struct block_device *dev, uint64_t lba, uint32_t count, const void *buf)
{
    struct fake_disk *d = dev->driver;

    if (lba < d->first || lba > d->end || count > d->end - lba || count == 0)
        abort(); /* outside the partition: never */
    if (d->fail_writes >= 0 && d->fail_writes-- == 0) {
        d->fail_writes = 0;
        return BLOCK_IO_ERROR;
    }
    d->writes++;
    if (d->watch != NULL)
        d->watch(d, lba, count, buf);
    memcpy(d->data + lba * dev->sector_size, buf, (size_t)count * dev->sector_size);
    return BLOCK_OK;
}

static enum block_status fake_disk_flush(struct block_device *dev)
{
    struct fake_disk *d = dev->driver;

    d->flushes++;
    if (d->watch != NULL)
        d->watch(d, 0, 0, NULL);
    return BLOCK_OK;
}

static const struct block_ops fake_disk_ops = {
    .read = fake_disk_read, .write = fake_disk_write, .flush = fake_disk_flush};

/* DATA stays the caller's. */
static inline void fake_disk_init(struct fake_disk *d, const char *name, uint8_t *data, uint64_t sectors,
                                  uint32_t sector_size)
{
    *d = (struct fake_disk){.data = data, .bad_lba = ~0UL, .fail_writes = -1, .end = sectors};
    strcpy(d->dev.name, name);
    d->dev.sectors = sectors;
    d->dev.sector_size = sector_size;
    d->dev.ops = &fake_disk_ops;
    d->dev.driver = d;
}

static inline void fake_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void fake_put32(uint8_t *p, uint32_t v)
{
    fake_put16(p, v);
    fake_put16(p + 2, v >> 16);
}
static inline void fake_put64(uint8_t *p, uint64_t v)
{
    fake_put32(p, (uint32_t)v);
    fake_put32(p + 4, (uint32_t)(v >> 32));
}
