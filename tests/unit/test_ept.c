/* SPDX-License-Identifier: Apache-2.0
 * [HOST] ept/ept.c and ept/walk.c on a memory that looks at every store: after each one, every page that is not being
 * changed translates as before, and the page being changed as before or as afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ept/ept.h"
#include "ept/ept_priv.h"
#include "ept/flush.h"
#include "ept/hw.h"
#include "ept/walk.h"
#include "kernel/core/panic.h"
#include "kernel/mm/frame.h"

#define PAGES 128U
static uint64_t memory[PAGES][512] __attribute__((aligned(4096)));
static bool used[PAGES];
static unsigned live, deferred, stores, marks, alloc_budget;
static bool nx_large;

/* What every store must preserve. */
#define WATCH 6U
static struct ept *watched;
static struct { gfn_t g; bool before, after; struct ept_leaf old, new; } watch[WATCH];
static unsigned watches;

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

uint64_t *ept_fake_table(hpa_t a)
{
    assert_true(a.v >> 12 >= 1 && a.v >> 12 <= PAGES && used[(a.v >> 12) - 1]);
    return memory[(a.v >> 12) - 1];
}

static bool same(const struct ept_leaf *a, const struct ept_leaf *b)
{
    return a->hfn.v == b->hfn.v && a->rights == b->rights && a->memtype == b->memtype;
}

void ept_fake_store(uint64_t *slot, uint64_t value)
{
    assert_int_equal((uintptr_t)slot % 8, 0);
    *slot = value;
    stores++;
    for (unsigned i = 0; watched != NULL && i < watches; i++) {
        struct ept_leaf leaf;
        bool present = ept_lookup(watched, watch[i].g, &leaf);
        bool is_old = present == watch[i].before && (!present || same(&leaf, &watch[i].old));
        bool is_new = present == watch[i].after && (!present || same(&leaf, &watch[i].new));
        assert_true(is_old || is_new);
    }
}

enum status frame_alloc(unsigned order, uint16_t owner, enum frame_type type, hfn_t *out)
{
    assert_int_equal(order, 0);
    assert_int_equal(owner, 7);
    assert_int_equal(type, FRAME_EPT);
    for (unsigned i = 0; i < PAGES && alloc_budget > 0; i++) {
        if (!used[i]) {
            used[i] = true;
            alloc_budget--;
            live++;
            memset(memory[i], 0, 4096);
            *out = hfn(i + 1);
            return STATUS_OK;
        }
    }
    return STATUS_NO_MEMORY;
}

void frame_free(hfn_t f, unsigned order)
{
    assert_int_equal(order, 0);
    assert_true(used[f.v - 1]);
    used[f.v - 1] = false;
    live--;
}

void flush_mark(struct ept *e) { (void)e; marks++; }
void flush_sync(struct ept *e) { (void)e; }
void flush_defer_free(struct ept *e, hfn_t first, unsigned order) { (void)e; deferred++; frame_free(first, order); }
unsigned ept_max_order(void) { return 18; }
unsigned hw_memtype(hfn_t h) { return h.v >= 0x100000 ? EPT_MEMTYPE_UC : EPT_MEMTYPE_WB; }
bool hw_nx_large(void) { return nx_large; }

static int reset(void **state)
{
    (void)state;
    memset(used, 0, sizeof(used));
    live = deferred = stores = marks = watches = 0;
    watched = NULL;
    nx_large = false;
    alloc_budget = PAGES;
    return 0;
}

static void expect(struct ept *e, uint64_t g, uint64_t h, unsigned order, unsigned rights)
{
    struct ept_leaf leaf;
    assert_true(ept_lookup(e, gfn(g), &leaf));
    assert_int_equal(leaf.hfn.v, h);
    assert_int_equal(leaf.order, order);
    assert_int_equal(leaf.rights, rights);
}

static void expect_absent(struct ept *e, uint64_t g)
{
    struct ept_leaf leaf;
    assert_false(ept_lookup(e, gfn(g), &leaf));
}

static void map(struct ept *e, uint64_t g, unsigned order, uint64_t h, unsigned rights)
{
    assert_int_equal(ept_prepare(e, gfn(g), order), STATUS_OK);
    ept_map(e, gfn(g), order, hfn(h), rights);
    ept_unprepare(e);
    assert_int_equal(e->tables_used, live);
}

static void unmap(struct ept *e, uint64_t g, unsigned order)
{
    assert_int_equal(ept_prepare(e, gfn(g), order), STATUS_OK);
    ept_unmap(e, gfn(g), order);
    ept_unprepare(e);
    assert_int_equal(e->tables_used, live);
}

static void test_map_sizes(void **state)
{
    (void)state;
    struct ept e;
    assert_int_equal(ept_init(&e, 7, 64), STATUS_OK);
    assert_int_equal(e.eptp, e.root.v | 0x1e);
    expect_absent(&e, 0);
    map(&e, 5, 0, 0x77, EPT_R | EPT_W);
    map(&e, 0x200, 9, 0x400, EPT_RWX);
    map(&e, 0x40000, 18, 0x80000, EPT_R);
    expect(&e, 5, 0x77, 0, EPT_R | EPT_W);
    expect(&e, 0x2ff, 0x4ff, 9, EPT_RWX);
    expect(&e, 0x7ffff, 0xbffff, 18, EPT_R);
    expect_absent(&e, 4);
    expect_absent(&e, 0x400);
    expect_absent(&e, 1UL << 36);
    map(&e, 6, 0, 0x100005, EPT_R);
    struct ept_leaf leaf;
    assert_true(ept_lookup(&e, gfn(6), &leaf));
    assert_int_equal(leaf.memtype, EPT_MEMTYPE_UC);
    ept_destroy(&e);
    assert_int_equal(live, 0);
    assert_true(deferred > 0);
}

static void test_bad_ranges(void **state)
{
    (void)state;
    struct ept e;
    assert_int_equal(ept_init(&e, 7, 0), STATUS_INVALID);
    assert_int_equal(ept_init(&e, 7, 64), STATUS_OK);
    assert_int_equal(ept_prepare(&e, gfn(1), 9), STATUS_INVALID);
    assert_int_equal(ept_prepare(&e, gfn(0), 3), STATUS_INVALID);
    assert_int_equal(ept_prepare(&e, gfn(1UL << 36), 0), STATUS_INVALID);
    assert_int_equal(ept_prepare(&e, gfn((1UL << 36) - 1), 0), STATUS_OK);
    ept_destroy(&e);
    assert_int_equal(live, 0);
}

static void test_quota(void **state)
{
    (void)state;
    struct ept e;
    assert_int_equal(ept_init(&e, 7, 3), STATUS_OK); /* root and two more: a 4 KiB page needs three */
    assert_int_equal(ept_prepare(&e, gfn(0), 0), STATUS_NO_MEMORY);
    assert_int_equal(e.tables_used, 1);
    assert_int_equal(e.reserve, 0);
    assert_int_equal(live, 1);
    map(&e, 0, 9, 0, EPT_RWX);
    ept_destroy(&e);
    assert_int_equal(live, 0);
    alloc_budget = 3; /* the machine, not the quota, runs out */
    assert_int_equal(ept_init(&e, 7, 64), STATUS_OK);
    assert_int_equal(ept_prepare(&e, gfn(0), 0), STATUS_NO_MEMORY);
    assert_int_equal(live, 1);
    ept_destroy(&e);
}

/* Watches G during a change after which it leads to H, or nowhere (H ~0). */
static void watch_page(struct ept *e, uint64_t g, uint64_t h, unsigned rights)
{
    watch[watches].g = gfn(g);
    watch[watches].before = ept_lookup(e, gfn(g), &watch[watches].old);
    watch[watches].after = h != ~0UL;
    watch[watches].new = (struct ept_leaf){.hfn = hfn(h), .rights = rights, .memtype = EPT_MEMTYPE_WB};
    watches++;
    watched = e;
}

static void test_split_keeps_neighbours(void **state)
{
    (void)state;
    struct ept e;
    assert_int_equal(ept_init(&e, 7, 64), STATUS_OK);
    map(&e, 0, 18, 0x40000, EPT_RWX);
    watch_page(&e, 0x1234, 0x99, EPT_R);
    watch_page(&e, 0x1233, 0x41233, EPT_RWX);
    watch_page(&e, 0x1235, 0x41235, EPT_RWX);
    watch_page(&e, 0, 0x40000, EPT_RWX);
    watch_page(&e, 0x3ffff, 0x7ffff, EPT_RWX);
    stores = marks = 0;
    map(&e, 0x1234, 0, 0x99, EPT_R);
    assert_int_equal(stores, 3); /* 1 GiB split, 2 MiB split, the page */
    assert_true(marks > 0);
    expect(&e, 0x1234, 0x99, 0, EPT_R);
    expect(&e, 0x1233, 0x41233, 0, EPT_RWX);
    expect(&e, 0x1400, 0x41400, 9, EPT_RWX);
    watches = 0;
    watch_page(&e, 0x1234, ~0UL, 0);
    watch_page(&e, 0x1233, 0x41233, EPT_RWX);
    unmap(&e, 0x1234, 0);
    expect_absent(&e, 0x1234);
    watched = NULL;
    ept_destroy(&e);
    assert_int_equal(live, 0);
}

static void test_unmap_large_frees_tables(void **state)
{
    (void)state;
    struct ept e;
    assert_int_equal(ept_init(&e, 7, 64), STATUS_OK);
    for (unsigned i = 0; i < 8; i++)
        map(&e, i * 0x200 + 3, 0, 0x1000 + i, EPT_RWX);
    assert_int_equal(live, 1 + 2 + 8);
    unmap(&e, 0x200, 9);
    assert_int_equal(live, 1 + 2 + 7);
    expect_absent(&e, 0x203);
    unmap(&e, 0, 18);
    assert_int_equal(live, 2);
    stores = 0;
    unmap(&e, 0x40000000, 0); /* nothing there: nothing stored, nothing kept */
    assert_int_equal(stores, 0);
    ept_destroy(&e);
    assert_int_equal(live, 0);
}

static void test_large_replaces_small(void **state)
{
    (void)state;
    struct ept e;
    assert_int_equal(ept_init(&e, 7, 64), STATUS_OK);
    map(&e, 0x205, 0, 0x5, EPT_RWX);
    unmap(&e, 0x205, 0);
    unsigned before = live;
    map(&e, 0x200, 9, 0x400, EPT_RWX);
    assert_int_equal(live, before - 1);
    expect(&e, 0x205, 0x405, 9, EPT_RWX);
    ept_destroy(&e);
    assert_int_equal(live, 0);
}

static void test_nx_large(void **state)
{
    (void)state;
    struct ept e;
    nx_large = true;
    assert_int_equal(ept_init(&e, 7, 64), STATUS_OK);
    map(&e, 0x200, 9, 0x400, EPT_RWX);
    expect(&e, 0x2ff, 0x4ff, 9, EPT_RWX); /* executable to its owner … */
    uint64_t entry = memory[(walk_addr(memory[(walk_addr(memory[e.root.v / 4096 - 1][0]).v >> 12) - 1][0]).v >> 12) - 1][1];
    assert_int_equal(entry & EPT_X, 0); /* … not to the CPU */
    assert_int_equal(ept_split_exec(&e, gfn(0x2ff)), STATUS_OK);
    expect(&e, 0x2ff, 0x4ff, 0, EPT_RWX);
    assert_int_equal(ept_split_exec(&e, gfn(0x2ff)), STATUS_NOT_FOUND);
    map(&e, 0x400, 9, 0x600, EPT_R | EPT_W);
    assert_int_equal(ept_split_exec(&e, gfn(0x400)), STATUS_NOT_FOUND); /* never was executable */
    ept_destroy(&e);
    assert_int_equal(live, 0);
}

struct seen { unsigned n; uint64_t pages; uint64_t last; };
static bool count_leaf(gfn_t g, const struct ept_leaf *leaf, void *ctx)
{
    struct seen *s = ctx;
    assert_true(s->n == 0 || g.v > s->last);
    s->n++;
    s->pages += 1UL << leaf->order;
    s->last = g.v;
    return true;
}

static bool stop_at_once(gfn_t g, const struct ept_leaf *leaf, void *ctx)
{
    (void)g;
    (void)leaf;
    ++*(unsigned *)ctx;
    return false;
}

static void test_walk(void **state)
{
    (void)state;
    struct ept e;
    struct seen s = {0};
    unsigned calls = 0;
    assert_int_equal(ept_init(&e, 7, 64), STATUS_OK);
    map(&e, 9, 0, 1, EPT_R);
    map(&e, 0x200, 9, 0x400, EPT_RWX);
    map(&e, 0xffc0000UL, 18, 0x40000, EPT_R);
    ept_walk(&e, gfn(0), gfn((1UL << 36) - 1), count_leaf, &s);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.pages, 1 + 512 + 0x40000);
    s = (struct seen){0};
    ept_walk(&e, gfn(10), gfn(0x250), count_leaf, &s);
    assert_int_equal(s.n, 1);
    ept_walk(&e, gfn(0), gfn(~0UL), stop_at_once, &calls);
    assert_int_equal(calls, 1);
    ept_destroy(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_map_sizes, reset),
        cmocka_unit_test_setup(test_bad_ranges, reset),
        cmocka_unit_test_setup(test_quota, reset),
        cmocka_unit_test_setup(test_split_keeps_neighbours, reset),
        cmocka_unit_test_setup(test_unmap_large_frees_tables, reset),
        cmocka_unit_test_setup(test_large_replaces_small, reset),
        cmocka_unit_test_setup(test_nx_large, reset),
        cmocka_unit_test_setup(test_walk, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
