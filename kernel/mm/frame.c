/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The frame table: who owns each frame of RAM, and allocation. frame_lock guards the lists, types, owners and counters.
 * Scrubbing and mapping happen outside it, on frames that are already out of the lists. */
#include "kernel/mm/frame.h"

#include "kernel/core/panic.h"
#include "kernel/core/printf.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/string.h"
#include "kernel/mm/frame_priv.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/window.h"

#define GIB (PAGE_SIZE << FRAME_CHUNK_SHIFT)

static struct spinlock frame_lock;
static bool chunk_used[FRAME_CHUNKS]; /* that GiB has a piece of frame table */
_Static_assert(BOOT_RAM_LIMIT == FRAME_LIMIT << PAGE_SHIFT, "all memory that the loader offers has descriptors");
static struct frame_stats stats;      /* without what is free: the lists count that */

static bool has_desc(uint64_t f) { return f < FRAME_LIMIT && chunk_used[f >> FRAME_CHUNK_SHIFT]; }

static void fill(uint64_t first, uint64_t count, uint64_t desc) { memset64(&FRAME_TABLE[first], desc, count); }

/* Is memory of TYPE at root_va()? */
static bool type_mapped(enum frame_type type) { return type != FRAME_GUEST && type != FRAME_PAGE_TABLE; }

/* ---- boot ---- */

/* Gives each GiB that R touches its piece of frame table, the next one from *TABLE on. */
static void map_table(const struct boot_range *r, uint64_t *table)
{
    for (uint64_t c = r->base / GIB; c <= (r->base + r->size - 1) / GIB; c++) {
        if (chunk_used[c])
            continue;
        chunk_used[c] = true;
        pagetable_map_frame_table((unsigned)c, hpa(*table));
        fill(c << FRAME_CHUNK_SHIFT, 1UL << FRAME_CHUNK_SHIFT, desc_used(FRAME_OWNER_NONE, FRAME_UNUSABLE, 0));
        *table += LARGE_PAGE_SIZE;
    }
}

/* Gives [FIRST, LAST) to the lists in the largest aligned blocks. */
static void release_range(uint64_t first, uint64_t last)
{
    stats.total += last - first;
    fill(first, last - first, 0);
    while (first < last) {
        unsigned order = FRAME_ORDER_1G;
        while ((first & ((1UL << order) - 1)) != 0 || first + (1UL << order) > last)
            order--;
        frame_lists_push(first, order, false);
        first += 1UL << order;
    }
}

static void claim_range(uint64_t first, uint64_t last, uint16_t owner, enum frame_type type)
{
    stats.total += last - first;
    stats.by_type[type] += last - first;
    fill(first, last - first, desc_used(owner, type, 1));
}

static void add_range(const struct boot_range *r)
{
    uint64_t first = r->base >> PAGE_SHIFT, last = first + (r->size >> PAGE_SHIFT);
    if (r->type == BOOT_RANGE_DOM0 || r->type == BOOT_RANGE_MODULE)
        claim_range(first, last, 0, FRAME_GUEST);
    else if (r->type == BOOT_RANGE_ROOT || r->type == BOOT_RANGE_FRAME_TABLE)
        claim_range(first, last, FRAME_OWNER_ROOT, FRAME_ROOT);
    else
        release_range(first, last);
}

static bool is_ram(uint32_t type) { return type == BOOT_RANGE_FREE || type >= BOOT_RANGE_ROOT; }

enum status frame_init(const struct boot_info *boot)
{
    const struct boot_range *r, *end = boot->ranges + boot->nr_ranges;
    uint64_t table = 0;
    for (r = boot->ranges; r < end; r++) {
        if (r->type == BOOT_RANGE_FRAME_TABLE) {
            table = r->base;
            stats.table_bytes = r->size;
        }
    }
    uint64_t table_end = table + stats.table_bytes;
    for (r = boot->ranges; r < end; r++)
        if (is_ram(r->type))
            map_table(r, &table);
    if (table != table_end)
        return STATUS_INVALID;
    for (r = boot->ranges; r < end; r++)
        if (is_ram(r->type) && r->type != BOOT_RANGE_ROOT_REST)
            add_range(r);
    for (r = boot->ranges; r < end; r++) /* last, so that the lists give it out first */
        if (r->type == BOOT_RANGE_ROOT_REST)
            add_range(r);
    return STATUS_OK;
}

/* ---- allocation ---- */

/* Makes the block at F (0: there is none) OWNER's. Lock held. */
static void count_taken(uint64_t f, unsigned order, uint16_t owner, enum frame_type type)
{
    if (f != 0) {
        fill(f, 1UL << order, desc_used(owner, type, 1));
        stats.by_type[type] += 1UL << order;
    }
}

static void scrub(uint64_t f, unsigned order)
{
    for (uint64_t i = 0; i < 1UL << order; i++)
        window_scrub(hfn(f + i));
}

enum status frame_take(unsigned order, uint16_t owner, enum frame_type type, hfn_t *out)
{
    if (order > FRAME_ORDER_1G)
        return STATUS_INVALID;
    bool clean = false;
    spin_lock(&frame_lock);
    uint64_t f = frame_lists_take(order, type != FRAME_GUEST, &clean);
    count_taken(f, order, owner, type);
    spin_unlock(&frame_lock);
    if (f == 0)
        return STATUS_NO_MEMORY;
    if (!clean)
        scrub(f, order);
    *out = hfn(f);
    return STATUS_OK;
}

enum status frame_alloc(unsigned order, uint16_t owner, enum frame_type type, hfn_t *out)
{
    enum status status = frame_take(order, owner, type, out);
    if (status == STATUS_OK && type_mapped(type)) {
        status = pagetable_map_root(*out, order);
        if (status != STATUS_OK)
            frame_free(*out, order);
    }
    return status;
}

void frame_free(hfn_t first, unsigned order)
{
    ASSERT(has_desc(first.v) && (first.v & ((1UL << order) - 1)) == 0);
    uint64_t desc = FRAME_TABLE[first.v];
    enum frame_type type = (enum frame_type)(desc & DESC_TYPE);
    if (type == FRAME_FREE || type == FRAME_UNUSABLE)
        panic("free of frame 0x%lx: descriptor 0x%lx", first.v, desc);
    if (type_mapped(type))
        pagetable_unmap_root(first, order);
    SPIN_GUARD(&frame_lock);
    for (uint64_t i = 0; i < 1UL << order; i++) {
        uint64_t d = FRAME_TABLE[first.v + i];
        if ((uint32_t)d != (uint32_t)desc || d >> 32 > 1)
            panic("free of frame 0x%lx: descriptor 0x%lx, first 0x%lx", first.v + i, d, desc);
        FRAME_TABLE[first.v + i] = 0;
    }
    stats.by_type[type] -= 1UL << order;
    frame_lists_free(first.v, order, false);
}

/* ---- questions, references ---- */

static uint64_t desc_of(hfn_t f)
{
    return has_desc(f.v) ? __atomic_load_n(&FRAME_TABLE[f.v], __ATOMIC_RELAXED) : desc_used(FRAME_OWNER_NONE, FRAME_UNUSABLE, 0);
}

static bool used(uint64_t desc) { return (desc & DESC_TYPE) != FRAME_FREE && (desc & DESC_TYPE) != FRAME_UNUSABLE; }

enum frame_type frame_type(hfn_t f) { return (enum frame_type)(desc_of(f) & DESC_TYPE); }
bool frame_is_ram(hfn_t f) { return frame_type(f) != FRAME_UNUSABLE; }
uint16_t frame_owner(hfn_t f) { return used(desc_of(f)) ? (uint16_t)(desc_of(f) >> 16) : FRAME_OWNER_NONE; }
uint32_t frame_refs(hfn_t f) { return used(desc_of(f)) ? (uint32_t)(desc_of(f) >> 32) : 0; }

bool frame_get(hfn_t f, uint16_t owner, enum frame_type type)
{
    uint64_t d = desc_of(f);
    /* The whole descriptor is compared, so owner and type hold at the moment the count goes up. Acquire: pairs with frame_put. */
    do {
        if ((uint32_t)d != (uint32_t)desc_used(owner, type, 0) || d >> 32 == 0 || d >> 32 == UINT32_MAX)
            return false;
    } while (!__atomic_compare_exchange_n(&FRAME_TABLE[f.v], &d, d + DESC_REF, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    return true;
}

bool frame_put(hfn_t f)
{
    ASSERT(has_desc(f.v));
    /* Release: what was done with the frame is done before the last holder sees 0; acquire for that holder. */
    uint64_t d = __atomic_fetch_sub(&FRAME_TABLE[f.v], DESC_REF, __ATOMIC_ACQ_REL);
    if (!used(d) || d >> 32 == 0)
        panic("reference count of frame 0x%lx dropped below 0: descriptor 0x%lx", f.v, d);
    return d >> 32 == 1;
}

/* ---- idle work, audit ---- */

bool frame_scrub_step(unsigned budget_pages)
{
    unsigned max_order = 0;
    while (max_order < FRAME_ORDER_1G && 2UL << max_order <= budget_pages)
        max_order++;
    unsigned order = 0;
    spin_lock(&frame_lock);
    uint64_t f = frame_lists_take_dirty(max_order, &order);
    count_taken(f, order, FRAME_OWNER_ROOT, FRAME_QUARANTINE); /* nobody's while the lock is open */
    spin_unlock(&frame_lock);
    if (f == 0)
        return false;
    scrub(f, order);
    SPIN_GUARD(&frame_lock);
    fill(f, 1UL << order, 0);
    stats.by_type[FRAME_QUARANTINE] -= 1UL << order;
    frame_lists_free(f, order, true);
    return true;
}

static struct frame_stats stats_now(void)
{
    struct frame_stats s = stats;
    s.free_clean = frame_lists_pages(true);
    s.free_dirty = frame_lists_pages(false);
    s.by_type[FRAME_FREE] = s.free_clean + s.free_dirty;
    return s;
}

struct frame_stats frame_stats(void)
{
    SPIN_GUARD(&frame_lock);
    return stats_now();
}

/* The frame after F for a walk: whole free blocks and GiBs without a table are passed over. */
static uint64_t walk_next(uint64_t f)
{
    if (!has_desc(f))
        return ((f >> FRAME_CHUNK_SHIFT) + 1) << FRAME_CHUNK_SHIFT;
    uint64_t d = FRAME_TABLE[f];
    return f + ((d & DESC_TYPE) == FRAME_FREE && (d & DESC_HEAD) != 0 ? 1UL << desc_order(d) : 1);
}

void frame_walk(void (*fn)(hfn_t f, uint16_t owner, enum frame_type type, uint32_t refs, void *ctx), void *ctx)
{
    for (uint64_t f = 0; f < FRAME_LIMIT; f = walk_next(f)) {
        uint64_t d = has_desc(f) ? FRAME_TABLE[f] : 0;
        if (used(d))
            fn(hfn(f), (uint16_t)(d >> 16), (enum frame_type)(d & DESC_TYPE), (uint32_t)(d >> 32), ctx);
    }
}

bool frame_check(char *why, size_t len)
{
    SPIN_GUARD(&frame_lock);
    struct frame_stats s = stats_now();
    uint64_t count[FRAME_TYPE_COUNT] = {0};
    for (uint64_t f = 0; f < FRAME_LIMIT; f = walk_next(f)) {
        enum frame_type type = frame_type(hfn(f));
        bool free_ok = type != FRAME_FREE || ((FRAME_TABLE[f] & DESC_HEAD) != 0 && frame_lists_check(f));
        if (!free_ok || type >= FRAME_TYPE_COUNT) {
            snprintf(why, len, "frame 0x%lx has descriptor 0x%lx", f, FRAME_TABLE[f]);
            return false;
        }
        count[type] += walk_next(f) - f;
    }
    for (unsigned t = 0; t < FRAME_TYPE_COUNT; t++) {
        if (t != FRAME_UNUSABLE && count[t] != s.by_type[t]) {
            snprintf(why, len, "%lu frames of type %u, counter says %lu", count[t], t, s.by_type[t]);
            return false;
        }
    }
    return true;
}
