/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The frame table: who owns each frame of RAM, and allocation. frame_lock guards the lists, types, owners and counters.
 * Scrubbing and mapping happen outside it, on frames that are already out of the lists. */
#include "kernel/mm/frame.h"

#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/core/printf.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/string.h"
#include "kernel/mm/frame_priv.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/window.h"

#define LOW_MEMORY_END 0x100000UL /* the first MiB starts other CPUs and holds firmware's odds and ends: not given out */
#define NO_LIMIT FRAME_LIMIT

static struct spinlock frame_lock;
static uint64_t chunks[FRAME_CHUNKS / 64]; /* bit: that GiB has a piece of frame table */
static uint64_t by_type[FRAME_TYPE_COUNT]; /* FREE is counted by the lists */
static uint64_t total_frames, table_bytes;

static bool chunk_used(uint64_t chunk) { return (chunks[chunk / 64] >> chunk % 64 & 1) != 0; }
static bool has_desc(uint64_t f) { return f < FRAME_LIMIT && chunk_used(f >> FRAME_CHUNK_SHIFT); }

static void fill(uint64_t first, uint64_t count, uint64_t desc)
{
    memset64(&FRAME_TABLE[first], desc, count);
}

static bool type_mapped(enum frame_type type)
{
    return type == FRAME_ROOT || type == FRAME_EPT || type == FRAME_VMX || type == FRAME_SHARED;
}

/* ---- boot ---- */

static bool range_is_ram(const struct boot_range *r)
{
    return r->type == BOOT_RANGE_FREE || r->type == BOOT_RANGE_ROOT || r->type == BOOT_RANGE_DOM0 || r->type == BOOT_RANGE_MODULE ||
           r->type == BOOT_RANGE_BOOT_INFO;
}

static void clip(const struct boot_range *r, uint64_t *first, uint64_t *last)
{
    uint64_t end = r->base + r->size;
    *first = MIN(MAX(r->base, LOW_MEMORY_END) >> PAGE_SHIFT, FRAME_LIMIT);
    *last = MAX(MIN(end >> PAGE_SHIFT, FRAME_LIMIT), *first);
}

static unsigned mark_chunks(const struct boot_info *boot)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < boot->nr_ranges; i++) {
        const struct boot_range *r = &boot->ranges[i];
        uint64_t first, last;
        if (!range_is_ram(r))
            continue;
        clip(r, &first, &last);
        if (r->base + r->size > FRAME_LIMIT << PAGE_SHIFT)
            log_warn("memory above 512 GiB is not used (0x%lx)", r->base + r->size);
        for (uint64_t c = first >> FRAME_CHUNK_SHIFT; first < last && c <= (last - 1) >> FRAME_CHUNK_SHIFT; c++) {
            count += chunk_used(c) ? 0 : 1;
            chunks[c / 64] |= 1UL << c % 64;
        }
    }
    return count;
}

/* The end of the highest free range that can hold SIZE bytes, 2 MiB-aligned; 0: none. */
static uint64_t place_table(const struct boot_info *boot, uint64_t size)
{
    for (uint32_t i = boot->nr_ranges; i > 0; i--) {
        const struct boot_range *r = &boot->ranges[i - 1];
        uint64_t end = MIN(r->base + r->size, FRAME_LIMIT << PAGE_SHIFT) & ~(LARGE_PAGE_SIZE - 1);
        if (r->type == BOOT_RANGE_FREE && end >= size && end - size >= MAX(r->base, LOW_MEMORY_END))
            return end - size;
    }
    return 0;
}

static void map_table(uint64_t at)
{
    for (uint64_t c = 0; c < FRAME_CHUNKS; c++) {
        if (!chunk_used(c))
            continue;
        pagetable_map_frame_table((unsigned)c, hpa(at));
        fill(c << FRAME_CHUNK_SHIFT, 1UL << FRAME_CHUNK_SHIFT, desc_used(FRAME_OWNER_NONE, FRAME_UNUSABLE, 0));
        at += LARGE_PAGE_SIZE;
    }
}

/* Gives [FIRST, LAST) to the lists in the largest aligned blocks. */
static void release_range(uint64_t first, uint64_t last)
{
    total_frames += last - first;
    fill(first, last - first, 0);
    while (first < last) {
        unsigned order = FRAME_ORDER_2M;
        while ((first & ((1UL << order) - 1)) != 0 || first + (1UL << order) > last)
            order--;
        frame_lists_push(first, order, false);
        first += 1UL << order;
    }
}

static void claim_range(uint64_t first, uint64_t last, uint16_t owner, enum frame_type type)
{
    total_frames += last - first;
    by_type[type] += last - first;
    fill(first, last - first, desc_used(owner, type, 1));
}

static void add_range(const struct boot_range *r, uint64_t table, uint64_t table_size)
{
    uint64_t first, last;
    clip(r, &first, &last);
    if (r->type == BOOT_RANGE_DOM0 || r->type == BOOT_RANGE_MODULE) {
        claim_range(first, last, 0, FRAME_GUEST);
    } else if (table >= r->base && table < r->base + r->size) {
        release_range(first, table >> PAGE_SHIFT);
        claim_range(table >> PAGE_SHIFT, (table + table_size) >> PAGE_SHIFT, FRAME_OWNER_ROOT, FRAME_ROOT);
        release_range((table + table_size) >> PAGE_SHIFT, last);
    } else {
        release_range(first, last);
    }
}

/* The image keeps its frames; what follows in its last 2 MiB unit is free. Last, so that the lists give it out first. */
static void add_root_range(const struct boot_info *boot, const struct boot_range *r)
{
    uint64_t first, last;
    clip(r, &first, &last);
    uint64_t image_end = (boot->root_base + boot->root_size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    uint64_t split = MIN(MAX(image_end, first), last);
    claim_range(first, split, FRAME_OWNER_ROOT, FRAME_ROOT);
    release_range(split, last);
}

enum status frame_init(const struct boot_info *boot)
{
    uint64_t size = mark_chunks(boot) * LARGE_PAGE_SIZE;
    uint64_t table = place_table(boot, size);
    if (size == 0 || table == 0)
        return STATUS_NO_MEMORY;
    table_bytes = size;
    map_table(table);
    for (uint32_t i = 0; i < boot->nr_ranges; i++)
        if (range_is_ram(&boot->ranges[i]) && boot->ranges[i].type != BOOT_RANGE_ROOT)
            add_range(&boot->ranges[i], table, size);
    for (uint32_t i = 0; i < boot->nr_ranges; i++)
        if (boot->ranges[i].type == BOOT_RANGE_ROOT)
            add_root_range(boot, &boot->ranges[i]);
    return STATUS_OK;
}

/* ---- allocation ---- */

enum status frame_take(unsigned order, unsigned addr_bits, uint16_t owner, enum frame_type type, hfn_t *out)
{
    if (order > FRAME_ORDER_2M && order != FRAME_ORDER_1G)
        return STATUS_INVALID;
    uint64_t limit = addr_bits < PAGE_SHIFT + FRAME_BITS ? 1UL << (MAX(addr_bits, PAGE_SHIFT) - PAGE_SHIFT) : NO_LIMIT;
    bool clean = false;
    spin_lock(&frame_lock);
    uint64_t f = order == FRAME_ORDER_1G ? frame_lists_take_1g(chunk_used, limit, &clean)
                                         : frame_lists_take(order, limit, type_mapped(type) || type == FRAME_PAGE_TABLE, &clean);
    if (f != 0) {
        fill(f, 1UL << order, desc_used(owner, type, 1));
        by_type[type] += 1UL << order;
    }
    spin_unlock(&frame_lock);
    if (f == 0)
        return STATUS_NO_MEMORY;
    for (uint64_t i = 0; !clean && i < 1UL << order; i++)
        window_scrub(hfn(f + i));
    *out = hfn(f);
    return STATUS_OK;
}

enum status frame_alloc_below(unsigned order, unsigned addr_bits, uint16_t owner, enum frame_type type, hfn_t *out)
{
    enum status status = frame_take(order, addr_bits, owner, type, out);
    if (status != STATUS_OK || !type_mapped(type))
        return status;
    status = pagetable_map_root(*out, order);
    if (status != STATUS_OK)
        frame_free(*out, order);
    return status;
}

enum status frame_alloc(unsigned order, uint16_t owner, enum frame_type type, hfn_t *out)
{
    return frame_alloc_below(order, 64, owner, type, out);
}

void frame_free(hfn_t first, unsigned order)
{
    ASSERT(has_desc(first.v) && (first.v & ((1UL << order) - 1)) == 0);
    uint64_t desc = FRAME_TABLE[first.v];
    enum frame_type type = (enum frame_type)(desc & DESC_TYPE);
    if (type == FRAME_FREE || type == FRAME_UNUSABLE)
        panic("free of frame 0x%lx: descriptor 0x%lx", first.v, desc);
    if (type != FRAME_GUEST && type != FRAME_PAGE_TABLE)
        pagetable_unmap_root(first, order);
    spin_lock(&frame_lock);
    for (uint64_t i = 0; i < 1UL << order; i++) {
        uint64_t d = FRAME_TABLE[first.v + i];
        if ((uint32_t)d != (uint32_t)desc || d >> 32 > 1)
            panic("free of frame 0x%lx: descriptor 0x%lx, first 0x%lx", first.v + i, d, desc);
        FRAME_TABLE[first.v + i] = 0;
    }
    by_type[type] -= 1UL << order;
    for (uint64_t f = first.v; f < first.v + (1UL << order); f += 1UL << MIN(order, FRAME_ORDER_2M))
        frame_lists_free(f, MIN(order, FRAME_ORDER_2M), false);
    spin_unlock(&frame_lock);
}

/* ---- questions, references ---- */

enum frame_type frame_type(hfn_t f)
{
    return has_desc(f.v) ? (enum frame_type)(FRAME_TABLE[f.v] & DESC_TYPE) : FRAME_UNUSABLE;
}

bool frame_is_ram(hfn_t f) { return frame_type(f) != FRAME_UNUSABLE; }

static bool used(uint64_t desc) { return (desc & DESC_TYPE) != FRAME_FREE && (desc & DESC_TYPE) != FRAME_UNUSABLE; }

uint16_t frame_owner(hfn_t f)
{
    uint64_t d = has_desc(f.v) ? FRAME_TABLE[f.v] : 0;
    return used(d) ? (uint16_t)(d >> 16) : FRAME_OWNER_NONE;
}

uint32_t frame_refs(hfn_t f)
{
    uint64_t d = has_desc(f.v) ? __atomic_load_n(&FRAME_TABLE[f.v], __ATOMIC_RELAXED) : 0;
    return used(d) ? (uint32_t)(d >> 32) : 0;
}

bool frame_get(hfn_t f, uint16_t owner, enum frame_type type)
{
    if (!has_desc(f.v))
        return false;
    uint64_t d = __atomic_load_n(&FRAME_TABLE[f.v], __ATOMIC_RELAXED);
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

void frame_set_owner(hfn_t first, uint64_t count, uint16_t owner, enum frame_type type)
{
    ASSERT(count > 0 && has_desc(first.v) && has_desc(first.v + count - 1));
    spin_lock(&frame_lock);
    for (uint64_t f = first.v; f < first.v + count; f++) {
        uint64_t d = FRAME_TABLE[f];
        if (!used(d) || d >> 32 > 1)
            panic("frame 0x%lx changes hands with descriptor 0x%lx", f, d);
        by_type[d & DESC_TYPE]--;
        by_type[type]++;
        FRAME_TABLE[f] = desc_used(owner, type, 1);
    }
    spin_unlock(&frame_lock);
}

/* ---- idle work, audit ---- */

bool frame_scrub_step(unsigned budget_pages)
{
    spin_lock(&frame_lock);
    uint64_t f = frame_lists_dirty();
    unsigned order = 0;
    if (f != 0) {
        order = desc_order(FRAME_TABLE[f]);
        frame_lists_remove(f);
        while (order > 0 && 1UL << order > budget_pages) {
            order--;
            frame_lists_push(f + (1UL << order), order, false);
        }
        fill(f, 1UL << order, desc_used(FRAME_OWNER_ROOT, FRAME_QUARANTINE, 1)); /* nobody's while the lock is open */
        by_type[FRAME_QUARANTINE] += 1UL << order;
    }
    spin_unlock(&frame_lock);
    if (f == 0)
        return false;
    for (uint64_t i = 0; i < 1UL << order; i++)
        window_scrub(hfn(f + i));
    spin_lock(&frame_lock);
    fill(f, 1UL << order, 0);
    by_type[FRAME_QUARANTINE] -= 1UL << order;
    frame_lists_free(f, order, true);
    spin_unlock(&frame_lock);
    return true;
}

struct frame_stats frame_stats(void)
{
    struct frame_stats s = {.total = total_frames, .table_bytes = table_bytes};
    spin_lock(&frame_lock);
    for (unsigned i = 0; i < FRAME_TYPE_COUNT; i++)
        s.by_type[i] = by_type[i];
    s.free_clean = frame_lists_pages(true);
    s.free_dirty = frame_lists_pages(false);
    s.by_type[FRAME_FREE] = s.free_clean + s.free_dirty;
    spin_unlock(&frame_lock);
    return s;
}

/* The frame after F for a walk: whole free blocks and GiBs without a table are passed over. */
static uint64_t walk_next(uint64_t f)
{
    if (!has_desc(f))
        return ((f >> FRAME_CHUNK_SHIFT) + 1) << FRAME_CHUNK_SHIFT;
    uint64_t d = FRAME_TABLE[f];
    return f + ((d & (DESC_TYPE | DESC_HEAD)) == DESC_HEAD ? 1UL << desc_order(d) : 1);
}

void frame_walk(void (*fn)(hfn_t f, uint16_t owner, enum frame_type type, uint32_t refs, void *ctx), void *ctx)
{
    for (uint64_t f = 0; f < FRAME_LIMIT; f = walk_next(f)) {
        uint64_t d = has_desc(f) ? FRAME_TABLE[f] : 0;
        if (used(d))
            fn(hfn(f), (uint16_t)(d >> 16), (enum frame_type)(d & DESC_TYPE), (uint32_t)(d >> 32), ctx);
    }
}

static bool check_table(char *why, size_t len)
{
    uint64_t count[FRAME_TYPE_COUNT] = {0};
    for (uint64_t f = 0; f < FRAME_LIMIT; f = walk_next(f)) {
        if (!has_desc(f))
            continue;
        uint64_t d = FRAME_TABLE[f];
        if ((d & DESC_TYPE) >= FRAME_TYPE_COUNT || d == 0) {
            snprintf(why, len, "frame 0x%lx has descriptor 0x%lx", f, d);
            return false;
        }
        count[d & DESC_TYPE] += walk_next(f) - f;
    }
    for (unsigned t = FRAME_UNUSABLE + 1; t < FRAME_TYPE_COUNT; t++) {
        if (count[t] != by_type[t]) {
            snprintf(why, len, "%lu frames of type %u, counter says %lu", count[t], t, by_type[t]);
            return false;
        }
    }
    if (count[FRAME_FREE] != frame_lists_pages(true) + frame_lists_pages(false)) {
        snprintf(why, len, "%lu frames free by the table, %lu by the lists", count[FRAME_FREE],
                 frame_lists_pages(true) + frame_lists_pages(false));
        return false;
    }
    return true;
}

bool frame_check(char *why, size_t len)
{
    spin_lock(&frame_lock);
    bool ok = frame_lists_check(why, len) && check_table(why, len);
    spin_unlock(&frame_lock);
    return ok;
}
