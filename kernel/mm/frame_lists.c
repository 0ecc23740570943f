/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The buddy lists of free frames. Pure: knows descriptors and, for clustering, one question to the page tables. */
#include "kernel/core/printf.h"
#include "kernel/mm/frame_priv.h"
#include "kernel/mm/pagetable.h"

#define CLUSTER_SCAN 32U  /* blocks looked at per list for one near root's others */
#define LIMIT_SCAN 4096U  /* ... for one below an address limit */

static uint32_t heads[2][FRAME_ORDERS]; /* [clean][order] */
static uint64_t pages[2];

static void set_next(uint64_t f, uint64_t next)
{
    FRAME_TABLE[f] = (FRAME_TABLE[f] & ~((FRAME_LIMIT - 1) << 10)) | next << 10;
}
static void set_prev(uint64_t f, uint64_t prev) { FRAME_TABLE[f] = (FRAME_TABLE[f] & ((1UL << 37) - 1)) | prev << 37; }

void frame_lists_push(uint64_t f, unsigned order, bool clean)
{
    uint64_t next = heads[clean][order];
    FRAME_TABLE[f] = desc_free_key(order, clean) | next << 10;
    if (next != 0)
        set_prev(next, f);
    heads[clean][order] = (uint32_t)f;
    pages[clean] += 1UL << order;
}

void frame_lists_remove(uint64_t f)
{
    uint64_t d = FRAME_TABLE[f];
    bool clean = (d & DESC_CLEAN) != 0;
    uint64_t next = desc_next(d);
    uint64_t prev = desc_prev(d);
    if (next != 0)
        set_prev(next, prev);
    if (prev != 0)
        set_next(prev, next);
    else
        heads[clean][desc_order(d)] = (uint32_t)next;
    FRAME_TABLE[f] = 0;
    pages[clean] -= 1UL << desc_order(d);
}

void frame_lists_free(uint64_t f, unsigned order, bool clean)
{
    while (order < FRAME_ORDER_2M) {
        uint64_t buddy = f ^ (1UL << order);
        if ((FRAME_TABLE[buddy] & DESC_FREE_KEY) != desc_free_key(order, clean))
            break;
        frame_lists_remove(buddy);
        f &= ~(1UL << order);
        order++;
    }
    frame_lists_push(f, order, clean);
}

/* The first of at most MAX blocks in a list that fits; 0: none. */
static uint64_t scan(unsigned list_order, bool clean, unsigned order, uint64_t limit, bool cluster, unsigned max)
{
    uint64_t f = heads[clean][list_order];
    for (unsigned i = 0; i < max && f != 0; i++, f = desc_next(FRAME_TABLE[f]))
        if (f + (1UL << order) <= limit && (!cluster || pagetable_root_unit_mapped(hfn(f))))
            return f;
    return 0;
}

static uint64_t scan_orders(unsigned from, unsigned to, unsigned order, uint64_t limit, bool cluster)
{
    for (int clean = 1; clean >= 0; clean--) {
        for (unsigned o = from; o <= to; o++) {
            uint64_t f = scan(o, clean != 0, order, limit, cluster, cluster ? CLUSTER_SCAN : LIMIT_SCAN);
            if (f != 0)
                return f;
        }
    }
    return 0;
}

static uint64_t find(unsigned order, uint64_t limit, bool cluster)
{
    uint64_t f = 0;
    if (cluster && order < FRAME_ORDER_2M) {
        f = scan_orders(order, FRAME_ORDER_2M - 1, order, limit, true);
        if (f == 0)
            f = scan_orders(FRAME_ORDER_2M, FRAME_ORDER_2M, order, limit, false);
    }
    return f != 0 ? f : scan_orders(order, FRAME_ORDER_2M, order, limit, false);
}

/* Merges free buddies of unlike cleanliness into dirty blocks: only when a large block is wanted and there is none. */
static void merge_mixed(void)
{
    for (unsigned order = 0; order < FRAME_ORDER_2M; order++) {
        uint64_t next;
        for (uint64_t f = heads[false][order]; f != 0; f = next) {
            next = desc_next(FRAME_TABLE[f]);
            uint64_t buddy = f ^ (1UL << order);
            if ((FRAME_TABLE[buddy] & DESC_FREE_KEY) != desc_free_key(order, true))
                continue;
            frame_lists_remove(f);
            frame_lists_remove(buddy);
            frame_lists_free(f & ~(1UL << order), order + 1, false);
        }
    }
}

uint64_t frame_lists_take(unsigned order, uint64_t limit, bool cluster, bool *clean)
{
    uint64_t f = find(order, limit, cluster);
    if (f == 0 && order > 0) {
        merge_mixed();
        f = find(order, limit, cluster);
    }
    if (f == 0)
        return 0;
    unsigned o = desc_order(FRAME_TABLE[f]);
    *clean = (FRAME_TABLE[f] & DESC_CLEAN) != 0;
    frame_lists_remove(f);
    while (o > order) {
        o--;
        frame_lists_push(f + (1UL << o), o, *clean);
    }
    return f;
}

static bool region_free(uint64_t first, bool *clean)
{
    *clean = true;
    for (uint64_t f = first; f < first + (1UL << FRAME_ORDER_1G); f += 1UL << FRAME_ORDER_2M) {
        uint64_t key = FRAME_TABLE[f] & DESC_FREE_KEY;
        if ((key & ~DESC_CLEAN) != desc_free_key(FRAME_ORDER_2M, false))
            return false;
        *clean &= (key & DESC_CLEAN) != 0;
    }
    return true;
}

uint64_t frame_lists_take_1g(bool (*chunk_used)(uint64_t chunk), uint64_t limit, bool *clean)
{
    for (uint64_t chunk = 0; chunk < MIN(FRAME_CHUNKS, limit >> FRAME_CHUNK_SHIFT); chunk++) {
        uint64_t first = chunk << FRAME_CHUNK_SHIFT;
        if (!chunk_used(chunk) || !region_free(first, clean))
            continue;
        for (uint64_t f = first; f < first + (1UL << FRAME_ORDER_1G); f += 1UL << FRAME_ORDER_2M)
            frame_lists_remove(f);
        return first;
    }
    return 0;
}

uint64_t frame_lists_dirty(void)
{
    for (unsigned o = 0; o < FRAME_ORDERS; o++)
        if (heads[false][o] != 0)
            return heads[false][o];
    return 0;
}

uint64_t frame_lists_pages(bool clean) { return pages[clean]; }

static bool check_list(unsigned order, bool clean, uint64_t *sum, char *why, size_t len)
{
    uint64_t prev = 0;
    for (uint64_t f = heads[clean][order]; f != 0; prev = f, f = desc_next(FRAME_TABLE[f])) {
        uint64_t d = FRAME_TABLE[f];
        if ((d & DESC_FREE_KEY) != desc_free_key(order, clean) || desc_prev(d) != prev || (f & ((1UL << order) - 1)) != 0 ||
            *sum > pages[clean]) {
            snprintf(why, len, "free list order %u: frame 0x%lx has descriptor 0x%lx", order, f, d);
            return false;
        }
        *sum += 1UL << order;
    }
    return true;
}

bool frame_lists_check(char *why, size_t len)
{
    for (int clean = 0; clean < 2; clean++) {
        uint64_t sum = 0;
        for (unsigned o = 0; o < FRAME_ORDERS; o++)
            if (!check_list(o, clean != 0, &sum, why, len))
                return false;
        if (sum != pages[clean]) {
            snprintf(why, len, "free lists hold %lu frames, counter says %lu", sum, pages[clean]);
            return false;
        }
    }
    return true;
}
