/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Disks by byte: small reads through a bounded cache of 4 KiB blocks, large ones straight into the caller's
 * memory. Writes go through to the device at once, in the caller's order and in whole sectors; the device may still
 * reorder and keep them until cache_flush. What a driver's owner writes to a device elsewhere he makes known by
 * cache_invalidate. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "drivers/block.h"

#define CACHE_BLOCK_BYTES 4096U
#define CACHE_BLOCKS      128U
#define CACHE_DIRECT_MIN  4096U /* from this size on it goes around the cache: a guest's data does not displace what the file systems need */

struct cache_stats { uint64_t hits, misses, direct; };

/* LEN bytes of DEV at byte OFF. Blocks the calling thread. BLOCK_RANGE: beyond the device's end. */
enum block_status cache_read(struct block_device *dev, uint64_t off, void *buf, size_t len);
/* LEN bytes at byte OFF of DEV. What lies within one sector is written at once or not at all. Other statuses than OK:
 * what the device holds there is unknown, and nothing of it stays cached. */
enum block_status cache_write(struct block_device *dev, uint64_t off, const void *buf, size_t len);
/* All that was written is on the medium. */
enum block_status cache_flush(struct block_device *dev);
/* Forgets what is cached of DEV. */
void cache_invalidate(const struct block_device *dev);
struct cache_stats cache_get_stats(void);
