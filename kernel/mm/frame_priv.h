/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The frame descriptor and the buddy lists, shared by frame.c and frame_lists.c.
 *
 * A descriptor is 64 bits. Used:  [3:0] type, [31:16] owner, [63:32] reference count.
 * Head of a free block:           [3:0] 0, [8:4] order + 1, [9] clean, [36:10] next, [63:37] previous (frame numbers, 0: none).
 * Inside a free block:            0. Frame 0 is never free, so 0 ends the lists. */
#pragma once

#include "kernel/mm/frame.h"

#define FRAME_BITS 27U /* 512 GiB */
#define FRAME_LIMIT (1UL << FRAME_BITS)
#define FRAME_CHUNK_SHIFT 18U /* 1 GiB of memory per 2 MiB of table */
#define FRAME_CHUNKS (FRAME_LIMIT >> FRAME_CHUNK_SHIFT)
#define FRAME_ORDERS (FRAME_ORDER_1G + 1)

#define DESC_TYPE 0xfUL
#define DESC_HEAD 0x1f0UL /* not 0 in a head */
#define DESC_CLEAN (1UL << 9)
#define DESC_FREE_KEY (DESC_TYPE | DESC_HEAD | DESC_CLEAN) /* what equal buddies share */
#define DESC_REF (1UL << 32)

#ifdef CORBEL_HOST_TEST
extern uint64_t frame_test_table[];
#define FRAME_TABLE frame_test_table
#else
#define FRAME_TABLE ((uint64_t *)0xffffc00000000000UL) /* ROOT_FRAME_TABLE */
#endif

static inline uint64_t desc_used(uint16_t owner, enum frame_type type, uint32_t refs)
{
    return (uint64_t)refs << 32 | (uint64_t)owner << 16 | (uint64_t)type;
}
static inline uint64_t desc_free_key(unsigned order, bool clean) { return (order + 1UL) << 4 | (clean ? DESC_CLEAN : 0); }
static inline unsigned desc_order(uint64_t d) { return (unsigned)(d >> 4 & 31) - 1; }
static inline uint64_t desc_next(uint64_t d) { return d >> 10 & (FRAME_LIMIT - 1); }
static inline uint64_t desc_prev(uint64_t d) { return d >> 37; }

/* The lists; frame.c's lock guards them. Block addresses are frame numbers; 0: none. */
/* Adds a free block as it is, without merging (boot, splitting). */
void frame_lists_push(uint64_t f, unsigned order, bool clean);
/* Adds a free block and merges it with equal buddies (same order, same cleanliness). */
void frame_lists_free(uint64_t f, unsigned order, bool clean);
/* Finds a block of at least ORDER, takes it off the lists and gives the rest back; *CLEAN says what it is. CLUSTER: prefer memory
 * whose root_va() table exists, then a fresh 2 MiB block. 0: none. */
uint64_t frame_lists_take(unsigned order, bool cluster, bool *clean);
/* Takes a dirty block of at most MAX_ORDER; *ORDER says which. 0: none. */
uint64_t frame_lists_take_dirty(unsigned max_order, unsigned *order);
uint64_t frame_lists_pages(bool clean);
/* Is the free block that begins at F aligned and rightly linked? */
bool frame_lists_check(uint64_t f);
