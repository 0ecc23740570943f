/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Reading disks by byte: small reads through a bounded cache of 4 KiB blocks, large ones straight into the
 * caller's memory. What a driver's owner writes to a device elsewhere he makes known by cache_invalidate. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "drivers/block.h"

#define CACHE_BLOCK_BYTES 4096U
#define CACHE_BLOCKS      128U
#define CACHE_DIRECT_MIN  16384U /* from this size on a read goes around the cache */

struct cache_stats { uint64_t hits, misses, direct; };

/* LEN bytes of DEV at byte OFF. Blocks the calling thread. BLOCK_RANGE: beyond the device's end. */
enum block_status cache_read(struct block_device *dev, uint64_t off, void *buf, size_t len);
/* Forgets what is cached of DEV. */
void cache_invalidate(const struct block_device *dev);
struct cache_stats cache_get_stats(void);
