/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] One domain's second-level tables. Prepare allocates, map and unmap commit. Every change of what the CPU can
 * see is one store of an entry; a table is complete before an entry points to it, and is freed through quarantine.
 * Lock: the domain's. */
#include "ept/ept.h"

#include "ept/ept_priv.h"
#include "ept/flush.h"
#include "ept/hw.h"
#include "ept/walk.h"
#include "kernel/core/panic.h"
#include "kernel/mm/frame.h"

struct slot { /* where a walk ended */
    uint64_t *entry, value; /* as it was when it was read, once: a walk without the domain's lock may not look again */
    unsigned level;
};

/* Walks towards G down to LEVEL; stops early at an absent entry or a leaf. */
static struct slot find_slot(const struct ept *e, gfn_t g, unsigned level)
{
    struct slot s = {.entry = ept_table(e->root) + walk_index(g, 3), .level = 3};
    while (s.value = __atomic_load_n(s.entry, __ATOMIC_ACQUIRE), s.level > level && walk_present(s.value) && !walk_is_leaf(s.value, s.level)) {
        s.level--;
        s.entry = ept_table(walk_addr(s.value)) + walk_index(g, s.level);
    }
    return s;
}

/* A zeroed frame for a table, counted. */
static enum status alloc_table(struct ept *e, hfn_t *f)
{
    if (e->tables_used >= e->tables_max)
        return STATUS_NO_MEMORY;
    enum status status = frame_alloc(FRAME_ORDER_4K, e->owner, FRAME_EPT, f);
    e->tables_used += status == STATUS_OK;
    return status;
}

static hpa_t take_reserved(struct ept *e)
{
    ASSERT(e->reserve > 0);
    return hpa_of_hfn(e->reserved[--e->reserve]);
}

void ept_unprepare(struct ept *e)
{
    while (e->reserve > 0) {
        frame_free(hfn_of_hpa(take_reserved(e)), FRAME_ORDER_4K);
        e->tables_used--;
    }
}

/* A CPU may still walk the table: it waits for the flush. */
static void free_table(struct ept *e, hpa_t a)
{
    e->tables_used--;
    flush_defer_free(e, hfn_of_hpa(a), FRAME_ORDER_4K);
}

/* Frees the table TOP, whose entries are of LEVEL, and those below it. It is no longer reachable. */
static void free_tables(struct ept *e, hpa_t top, unsigned level)
{
    hpa_t table[EPT_LEVELS];
    unsigned next[EPT_LEVELS] = {0};
    table[level] = top;
    for (unsigned at = level; at <= level;) {
        if (at == 0 || next[at] == EPT_ENTRIES) {
            free_table(e, table[at++]);
            continue;
        }
        uint64_t entry = ept_table(table[at])[next[at]++];
        if (walk_present(entry) && !walk_is_leaf(entry, at)) {
            table[--at] = walk_addr(entry);
            next[at] = 0;
        }
    }
}

enum status ept_init(struct ept *e, uint16_t owner, uint32_t tables_max)
{
    hfn_t f;
    if (tables_max == 0)
        return STATUS_INVALID;
    *e = (struct ept){.owner = owner, .tables_max = tables_max};
    enum status status = alloc_table(e, &f);
    if (status != STATUS_OK)
        return status;
    e->root = hpa_of_hfn(f);
    e->eptp = e->root.v | (EPT_LEVELS - 1) << 3 | EPT_MEMTYPE_WB;
    flush_mark(e); /* an earlier domain may have had this root: its translations carry the same tag */
    return STATUS_OK;
}

void ept_destroy(struct ept *e)
{
    if (e->root.v == 0)
        return;
    ept_unprepare(e);
    free_tables(e, e->root, EPT_LEVELS - 1);
    flush_sync(e);
    e->root = hpa(0);
}

enum status ept_prepare(struct ept *e, gfn_t g, unsigned order)
{
    if (!walk_range_ok(g, order) || order > ept_max_order())
        return STATUS_INVALID;
    unsigned level = walk_level(order);
    unsigned missing = find_slot(e, g, level).level - level;
    enum status status = STATUS_OK;
    while (e->reserve < missing && status == STATUS_OK) {
        status = alloc_table(e, &e->reserved[e->reserve]);
        e->reserve += status == STATUS_OK;
    }
    if (status != STATUS_OK)
        ept_unprepare(e);
    return status;
}

/* Puts a table at S in place of nothing or of a large leaf that it then repeats. */
static void grow(struct ept *e, struct slot s)
{
    uint64_t old = *s.entry;
    hpa_t a = take_reserved(e);
    uint64_t *table = ept_table(a);
    if (walk_present(old)) {
        for (unsigned i = 0; i < EPT_ENTRIES; i++)
            table[i] = walk_split_entry(old, s.level, i);
        flush_mark(e);
    }
    ept_store(s.entry, walk_table_entry(a));
}

/* The entry for G at LEVEL, with what is missing above it made from the reserve. */
static uint64_t *reach(struct ept *e, gfn_t g, unsigned level)
{
    struct slot s = find_slot(e, g, level);
    while (s.level > level) {
        grow(e, s);
        s = find_slot(e, g, level);
    }
    return s.entry;
}

static void replace(struct ept *e, uint64_t *slot, unsigned level, uint64_t entry)
{
    uint64_t old = *slot;
    ept_store(slot, entry);
    if (!walk_present(old))
        return;
    flush_mark(e);
    if (!walk_is_leaf(old, level))
        free_tables(e, walk_addr(old), level - 1);
}

void ept_map(struct ept *e, gfn_t g, unsigned order, hfn_t h, unsigned rights)
{
    unsigned level = walk_level(order);
    ASSERT(walk_range_ok(g, order) && (h.v & ((1UL << order) - 1)) == 0);
    uint64_t *slot = reach(e, g, level);
    replace(e, slot, level, walk_leaf_entry(h, level, rights, hw_memtype(h), hw_nx_large()));
}

void ept_unmap(struct ept *e, gfn_t g, unsigned order)
{
    unsigned level = walk_level(order);
    ASSERT(walk_range_ok(g, order));
    struct slot s = find_slot(e, g, level);
    if (!walk_present(*s.entry))
        return; /* nothing mapped there: nothing to split */
    replace(e, reach(e, g, level), level, 0);
}

enum status ept_split_exec(struct ept *e, gfn_t g)
{
    struct ept_leaf leaf;
    if (!ept_lookup(e, g, &leaf) || leaf.order == 0 || (leaf.rights & EPT_X) == 0)
        return STATUS_NOT_FOUND;
    enum status status = ept_prepare(e, g, FRAME_ORDER_4K);
    if (status == STATUS_OK)
        (void)reach(e, g, 0);
    return status;
}

bool ept_lookup(const struct ept *e, gfn_t g, struct ept_leaf *out)
{
    if ((g.v >> EPT_GFN_BITS) != 0 || e->root.v == 0)
        return false;
    struct slot s = find_slot(e, g, 0);
    uint64_t entry = s.value;
    if (!walk_present(entry))
        return false;
    *out = walk_decode(entry, s.level, g);
    return true;
}

void ept_walk(const struct ept *e, gfn_t first, gfn_t last, bool (*fn)(gfn_t g, const struct ept_leaf *leaf, void *ctx), void *ctx)
{
    gfn_t g = first;
    while (e->root.v != 0 && g.v <= last.v && (g.v >> EPT_GFN_BITS) == 0) {
        struct slot s = find_slot(e, g, 0);
        uint64_t span = 1UL << walk_order(s.level);
        gfn_t start = gfn(g.v & ~(span - 1));
        if (walk_present(*s.entry)) {
            struct ept_leaf leaf = walk_decode(*s.entry, s.level, start);
            if (!fn(start, &leaf, ctx))
                return;
        }
        g = gfn_add(start, span);
    }
}
