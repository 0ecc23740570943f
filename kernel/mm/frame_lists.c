/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The buddy lists of free frames. Pure: knows descriptors and, for clustering, one question to the page tables. */
#include "kernel/mm/frame_priv.h"
#include "kernel/mm/pagetable.h"

#define CLUSTER_SCAN 32U /* blocks looked at per list for one near root's others */

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

static void lists_remove(uint64_t f)
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
    while (order < FRAME_ORDER_1G) {
        uint64_t buddy = f ^ (1UL << order);
        if ((FRAME_TABLE[buddy] & DESC_FREE_KEY) != desc_free_key(order, clean))
            break;
        lists_remove(buddy);
        f &= ~(1UL << order);
        order++;
    }
    frame_lists_push(f, order, clean);
}

/* The first block that fits in the lists of orders FROM to TO, clean ones first; 0: none. */
static uint64_t scan(unsigned from, unsigned to, bool cluster)
{
    for (int clean = 1; clean >= 0; clean--) {
        for (unsigned order = from; order <= to; order++) {
            uint64_t f = heads[clean][order];
            for (unsigned i = 0; cluster && f != 0 && !pagetable_root_unit_mapped(hfn(f)); i++)
                f = i < CLUSTER_SCAN ? desc_next(FRAME_TABLE[f]) : 0;
            if (f != 0)
                return f;
        }
    }
    return 0;
}

static uint64_t find(unsigned order, bool cluster)
{
    uint64_t f = cluster && order < FRAME_ORDER_2M ? scan(order, FRAME_ORDER_2M - 1, true) : 0;
    if (f == 0 && cluster)
        f = scan(MAX(order, FRAME_ORDER_2M), FRAME_ORDER_1G, false);
    return f != 0 ? f : scan(order, FRAME_ORDER_1G, false);
}

/* Merges free buddies of unlike cleanliness into dirty blocks: only when a block of ORDER is wanted and there is none. */
static void merge_mixed(unsigned wanted)
{
    for (unsigned order = 0; order < wanted; order++) {
        uint64_t next;
        for (uint64_t f = heads[false][order]; f != 0; f = next) {
            next = desc_next(FRAME_TABLE[f]);
            uint64_t buddy = f ^ (1UL << order);
            if ((FRAME_TABLE[buddy] & DESC_FREE_KEY) != desc_free_key(order, true))
                continue;
            lists_remove(f);
            lists_remove(buddy);
            frame_lists_free(f & ~(1UL << order), order + 1, false);
        }
    }
}

/* Takes the block at F off its list, cuts it to ORDER and gives the rest back. */
static void take(uint64_t f, unsigned order)
{
    uint64_t d = FRAME_TABLE[f];
    lists_remove(f);
    for (unsigned o = desc_order(d); o-- > order;)
        frame_lists_push(f + (1UL << o), o, (d & DESC_CLEAN) != 0);
}

uint64_t frame_lists_take(unsigned order, bool cluster, bool *clean)
{
    uint64_t f = find(order, cluster);
    if (f == 0 && order > 0) {
        merge_mixed(order);
        f = find(order, cluster);
    }
    if (f == 0)
        return 0;
    *clean = (FRAME_TABLE[f] & DESC_CLEAN) != 0;
    take(f, order);
    return f;
}

uint64_t frame_lists_take_dirty(unsigned max_order, unsigned *order)
{
    for (unsigned o = 0; o < FRAME_ORDERS; o++) {
        uint64_t f = heads[false][o];
        if (f == 0)
            continue;
        *order = MIN(o, max_order);
        take(f, *order);
        return f;
    }
    return 0;
}

uint64_t frame_lists_pages(bool clean) { return pages[clean]; }

bool frame_lists_check(uint64_t f)
{
    uint64_t d = FRAME_TABLE[f];
    uint64_t next = desc_next(d);
    uint64_t prev = desc_prev(d);
    unsigned order = desc_order(d);
    if (order >= FRAME_ORDERS || (f & ((1UL << order) - 1)) != 0)
        return false;
    if ((prev != 0 ? desc_next(FRAME_TABLE[prev]) : heads[(d & DESC_CLEAN) != 0][order]) != f)
        return false;
    return next == 0 || ((FRAME_TABLE[next] & DESC_FREE_KEY) == (d & DESC_FREE_KEY) && desc_prev(FRAME_TABLE[next]) == f);
}
