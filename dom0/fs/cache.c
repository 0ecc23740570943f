/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The block cache: least recently used of at most CACHE_BLOCKS blocks, found by a small hash. `lock` guards
 * the table also while a block is read, so that two threads that want the same block read it once. Memory comes as
 * it is needed. */
#include "dom0/fs/cache.h"

#include <stdbool.h>

#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define CACHE_BUCKETS 64U

struct cache_block {
    const struct block_device *dev; /* NULL: holds nothing */
    uint64_t number;
    uint64_t used; /* stamp of the last use */
    uint32_t bytes;
    uint8_t *data;
    struct cache_block *next; /* in its bucket */
};

static struct mutex lock;
static struct cache_block blocks[CACHE_BLOCKS];
static struct cache_block *buckets[CACHE_BUCKETS];
static uint64_t stamp;
static struct cache_stats stats;

static struct cache_block **cache_bucket(uint64_t number) { return &buckets[number % CACHE_BUCKETS]; }

static struct cache_block *cache_find(const struct block_device *dev, uint64_t number)
{
    for (struct cache_block *b = *cache_bucket(number); b != NULL; b = b->next) {
        if (b->number == number && b->dev == dev)
            return b;
    }
    return NULL;
}

static void cache_drop(struct cache_block *b)
{
    struct cache_block **link = cache_bucket(b->number);

    if (b->dev == NULL)
        return;
    while (*link != b)
        link = &(*link)->next;
    *link = b->next;
    b->dev = NULL;
    b->used = 0;
}

/* An empty block with memory: a fresh one, else the one that was not used for longest. NULL: no memory at all. */
static struct cache_block *cache_claim(void)
{
    struct cache_block *oldest = NULL;

    for (uint32_t i = 0; i < CACHE_BLOCKS; i++) {
        struct cache_block *b = &blocks[i];
        if (b->data == NULL)
            b->data = heap_alloc(CACHE_BLOCK_BYTES);
        if (b->data == NULL)
            break;
        if (oldest == NULL || b->used < oldest->used)
            oldest = b;
        if (b->dev == NULL)
            break;
    }
    if (oldest != NULL)
        cache_drop(oldest);
    return oldest;
}

/* Block NUMBER of DEV from the device. The device's last block may be short. */
static enum block_status cache_fill(struct block_device *dev, uint64_t number, struct cache_block **out)
{
    struct cache_block *b = cache_claim();
    uint32_t per_block = CACHE_BLOCK_BYTES / dev->sector_size;
    uint64_t lba = number * per_block;
    uint64_t left = dev->sectors - lba;
    uint32_t count = left < per_block ? (uint32_t)left : per_block;

    if (b == NULL)
        return BLOCK_IO_ERROR;
    enum block_status s = dev->ops->read(dev, lba, count, b->data);
    if (s != BLOCK_OK)
        return s;
    b->dev = dev;
    b->number = number;
    b->bytes = count * dev->sector_size;
    b->next = *cache_bucket(number);
    *cache_bucket(number) = b;
    *out = b;
    return BLOCK_OK;
}

/* At most LEN bytes from the one block that OFF lies in; how many: *GOT. */
static enum block_status cache_read_block(struct block_device *dev, uint64_t off, void *buf, size_t len, size_t *got)
{
    uint64_t number = off / CACHE_BLOCK_BYTES;
    uint32_t at = (uint32_t)(off % CACHE_BLOCK_BYTES);
    enum block_status s = BLOCK_OK;

    mutex_lock(&lock);
    struct cache_block *b = cache_find(dev, number);
    if (b != NULL) {
        stats.hits++;
    } else {
        stats.misses++;
        s = cache_fill(dev, number, &b);
    }
    if (s == BLOCK_OK) {
        size_t part = b->bytes - at;
        *got = part < len ? part : len;
        memcpy(buf, b->data + at, *got);
        b->used = ++stamp;
    }
    mutex_unlock(&lock);
    return s;
}

/* At most LEN bytes into the one block that OFF lies in: the whole sectors that they touch go to the device. */
static enum block_status cache_write_block(struct block_device *dev, uint64_t off, const void *buf, size_t len,
                                           size_t *put)
{
    uint64_t number = off / CACHE_BLOCK_BYTES;
    uint32_t at = (uint32_t)(off % CACHE_BLOCK_BYTES);
    enum block_status s = BLOCK_OK;

    mutex_lock(&lock);
    struct cache_block *b = cache_find(dev, number);
    if (b == NULL)
        s = cache_fill(dev, number, &b);
    if (s == BLOCK_OK) {
        size_t part = b->bytes - at;
        *put = part < len ? part : len;
        memcpy(b->data + at, buf, *put);
        b->used = ++stamp;
        uint32_t first = at / dev->sector_size;
        uint32_t last = (at + (uint32_t)*put - 1U) / dev->sector_size;
        s = dev->ops->write(dev, number * (CACHE_BLOCK_BYTES / dev->sector_size) + first, last - first + 1U,
                            b->data + first * dev->sector_size);
        if (s != BLOCK_OK)
            cache_drop(b);
    }
    mutex_unlock(&lock);
    return s;
}

/* Whole sectors around the cache. What is cached of them is forgotten afterwards: a read that was under way meanwhile
 * may have cached what was there before. */
static enum block_status cache_write_direct(struct block_device *dev, uint64_t off, const void *buf, size_t bytes)
{
    enum block_status s =
        dev->ops->write(dev, off / dev->sector_size, (uint32_t)(bytes / dev->sector_size), buf);

    mutex_lock(&lock);
    for (uint64_t n = off / CACHE_BLOCK_BYTES; n <= (off + bytes - 1U) / CACHE_BLOCK_BYTES; n++) {
        struct cache_block *b = cache_find(dev, n);
        if (b != NULL)
            cache_drop(b);
    }
    mutex_unlock(&lock);
    return s;
}

static bool cache_device_sane(const struct block_device *dev)
{
    return dev->sector_size >= 512 && dev->sector_size <= CACHE_BLOCK_BYTES &&
           CACHE_BLOCK_BYTES % dev->sector_size == 0 && dev->sectors <= UINT64_MAX / dev->sector_size;
}

static bool cache_range_sane(const struct block_device *dev, uint64_t off, size_t len)
{
    uint64_t end = 0;

    return cache_device_sane(dev) && !__builtin_add_overflow(off, (uint64_t)len, &end) &&
           end <= dev->sectors * dev->sector_size;
}

enum block_status cache_read(struct block_device *dev, uint64_t off, void *buf, size_t len)
{
    uint8_t *out = buf;

    if (!cache_range_sane(dev, off, len))
        return BLOCK_RANGE;
    while (len != 0) {
        enum block_status s;
        size_t got = 0;
        if (len >= CACHE_DIRECT_MIN && off % dev->sector_size == 0) {
            size_t sectors = len / dev->sector_size;
            uint32_t count = sectors < 0x10000U ? (uint32_t)sectors : 0x10000U;
            got = (size_t)count * dev->sector_size;
            s = dev->ops->read(dev, off / dev->sector_size, count, out);
            stats.direct++;
        } else {
            s = cache_read_block(dev, off, out, len, &got);
        }
        if (s != BLOCK_OK)
            return s;
        out += got;
        off += got;
        len -= got;
    }
    return BLOCK_OK;
}

enum block_status cache_write(struct block_device *dev, uint64_t off, const void *buf, size_t len)
{
    const uint8_t *in = buf;

    if (!cache_range_sane(dev, off, len))
        return BLOCK_RANGE;
    if (dev->read_only)
        return BLOCK_READ_ONLY;
    while (len != 0) {
        enum block_status s;
        size_t put = 0;
        if (len >= CACHE_DIRECT_MIN && off % dev->sector_size == 0) {
            size_t sectors = len / dev->sector_size;
            put = (sectors < 0x10000U ? sectors : 0x10000U) * dev->sector_size;
            s = cache_write_direct(dev, off, in, put);
        } else {
            s = cache_write_block(dev, off, in, len, &put);
        }
        if (s != BLOCK_OK)
            return s;
        in += put;
        off += put;
        len -= put;
    }
    return BLOCK_OK;
}

enum block_status cache_flush(struct block_device *dev) { return dev->ops->flush(dev); }

void cache_invalidate(const struct block_device *dev)
{
    mutex_lock(&lock);
    for (uint32_t i = 0; i < CACHE_BLOCKS; i++) {
        if (blocks[i].dev == dev)
            cache_drop(&blocks[i]);
    }
    mutex_unlock(&lock);
}

struct cache_stats cache_get_stats(void) { return stats; }
