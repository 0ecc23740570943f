/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The frame allocator: real lists and table over 2 GiB of pretended memory; page tables and windows are fakes that record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/core/panic.h"
#include "kernel/core/log.h"
#include "kernel/core/spinlock.h"
#include "boot/efi/handoff.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/frame_priv.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/window.h"

#define MIB 0x100000UL
#define FRAMES (4UL << FRAME_CHUNK_SHIFT)

uint64_t frame_test_table[FRAMES];
static uint8_t mapped[FRAMES];
static uint8_t tables[FRAMES >> 9];
static unsigned long scrubbed, chunks_mapped;
static bool map_fails;
static jmp_buf panic_exit;
static bool panic_expected;

void panic(const char *fmt, ...)
{
    if (panic_expected)
        longjmp(panic_exit, 1);
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    abort();
}
void log_line(enum log_level level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
}
void spin_lock(struct spinlock *lock)
{
    assert_int_equal(lock->owner, 0);
    lock->owner = 1;
}
void spin_unlock(struct spinlock *lock) { lock->owner = 0; }
void memset64(void *dst, uint64_t value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((uint64_t *)dst)[i] = value;
}
void window_scrub(hfn_t f)
{
    assert_true(f.v < FRAMES);
    scrubbed++;
}
void pagetable_map_frame_table(unsigned chunk, hpa_t a)
{
    assert_true(chunk < 4 && (a.v & (LARGE_PAGE_SIZE - 1)) == 0);
    chunks_mapped++;
}
enum status pagetable_map_root(hfn_t first, unsigned order)
{
    if (map_fails)
        return STATUS_NO_MEMORY;
    for (uint64_t f = first.v; f < first.v + (1UL << order); f++) {
        assert_int_equal(mapped[f], 0);
        mapped[f] = 1;
        tables[f >> 9] = 1;
    }
    return STATUS_OK;
}
void pagetable_unmap_root(hfn_t first, unsigned order) { memset(mapped + first.v, 0, 1UL << order); }
bool pagetable_root_unit_mapped(hfn_t f) { return tables[f.v >> 9] != 0; }

static struct boot_info boot;

static void add_range(uint64_t base, uint64_t end, uint32_t type)
{
    boot.ranges[boot.nr_ranges++] = (struct boot_range){base, end - base, type, 0};
}

/* 640 KiB, a hole, memory to 1 GiB with root, Dom0, a module and firmware's pages in it, then 1.5 GiB .. 3.5 GiB. */
static void start(void)
{
    add_range(0, 0x9f000, BOOT_RANGE_FREE);
    add_range(0x9f000, MIB, BOOT_RANGE_RESERVED);
    add_range(MIB, 16 * MIB, BOOT_RANGE_FREE);
    add_range(16 * MIB, 16 * MIB + 0x5a000, BOOT_RANGE_ROOT);
    add_range(16 * MIB + 0x5a000, 18 * MIB, BOOT_RANGE_ROOT_REST);
    add_range(18 * MIB, 64 * MIB, BOOT_RANGE_FREE);
    add_range(64 * MIB, 96 * MIB, BOOT_RANGE_DOM0);
    add_range(96 * MIB, 96 * MIB + 0x3000, BOOT_RANGE_MODULE);
    add_range(96 * MIB + 0x3000, 1000 * MIB, BOOT_RANGE_FREE);
    add_range(1000 * MIB, 1001 * MIB, BOOT_RANGE_ACPI);
    add_range(1001 * MIB, 1002 * MIB, BOOT_RANGE_NVS);
    add_range(1536 * MIB, 3584 * MIB, BOOT_RANGE_FREE);
    struct handoff_ranges ranges = {boot.ranges, boot.nr_ranges, BOOT_MAX_RANGES};
    assert_true(handoff_finish(&ranges));
    boot.nr_ranges = ranges.count;
    assert_int_equal(frame_init(&boot), STATUS_OK);
}

static void check(void)
{
    char why[128] = "";
    if (!frame_check(why, sizeof(why)))
        fail_msg("%s", why);
}

static int setup(void **state)
{
    (void)state;
    start();
    return 0;
}

static void test_boot(void **state)
{
    (void)state;
    assert_int_equal(chunks_mapped, 4);
    struct frame_stats s = frame_stats();
    uint64_t ram = (1000 * MIB - MIB) / 4096 + 2048 * MIB / 4096;
    assert_int_equal(s.total, ram);
    assert_int_equal(s.table_bytes, 4 * LARGE_PAGE_SIZE);
    assert_int_equal(s.by_type[FRAME_GUEST], 32 * MIB / 4096 + 3);
    assert_int_equal(s.by_type[FRAME_ROOT], 0x5a + 4 * 512); /* image, table */
    assert_int_equal(s.free_dirty, ram - s.by_type[FRAME_GUEST] - s.by_type[FRAME_ROOT]);
    assert_int_equal(frame_type(hfn(1000 * MIB >> 12)), FRAME_UNUSABLE);
    assert_int_equal(frame_type(hfn(0x50)), FRAME_UNUSABLE); /* the first MiB is kept */
    assert_false(frame_is_ram(hfn(FRAME_LIMIT + 5)));
    assert_false(frame_is_ram(hfn(~0UL)));
    assert_int_equal(frame_owner(hfn(64 * MIB >> 12)), 0);
    assert_true(frame_is_ram(hfn((96 * MIB >> 12) + 4)));
    check();
}

static void test_root_frames_cluster(void **state)
{
    (void)state;
    tables[16 * MIB >> 21] = 1; /* as pagetable_init leaves it */
    hfn_t f[300];
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(frame_alloc(0, FRAME_OWNER_ROOT, FRAME_ROOT, &f[i]), STATUS_OK);
        assert_int_equal(f[i].v >> 9, 16 * MIB >> 21); /* the rest of the image's own unit */
        assert_int_equal(mapped[f[i].v], 1);
    }
    check();
    for (unsigned i = 0; i < 300; i++) {
        frame_free(f[i], 0);
        assert_int_equal(mapped[f[i].v], 0);
    }
    check();
}

static void test_clean_first(void **state)
{
    (void)state;
    hfn_t f;
    scrubbed = 0;
    assert_int_equal(frame_alloc(9, 1, FRAME_GUEST, &f), STATUS_OK);
    assert_int_equal(scrubbed, 512); /* exactly what is handed out */
    assert_int_equal(f.v & 511, 0);
    frame_free(f, 9);
    while (frame_scrub_step(16))
        ;
    struct frame_stats s = frame_stats();
    assert_int_equal(s.free_dirty, 0);
    check();
    scrubbed = 0;
    assert_int_equal(frame_alloc(9, 1, FRAME_GUEST, &f), STATUS_OK);
    assert_int_equal(scrubbed, 0);
    frame_free(f, 9);
    assert_int_equal(frame_stats().free_dirty, 512);
    check();
}

static void test_scrub_budget(void **state)
{
    (void)state;
    hfn_t f;
    while (frame_scrub_step(512))
        ;
    assert_int_equal(frame_alloc(9, 1, FRAME_GUEST, &f), STATUS_OK);
    frame_free(f, 9);
    scrubbed = 0;
    assert_true(frame_scrub_step(16));
    assert_int_equal(scrubbed, 16);
    unsigned steps = 1;
    while (frame_scrub_step(16))
        steps++;
    assert_int_equal(steps, 32);
    assert_int_equal(frame_stats().free_dirty, 0);
    check();
}

static void test_1g(void **state)
{
    (void)state;
    hfn_t f, g;
    assert_int_equal(frame_alloc(19, 3, FRAME_GUEST, &f), STATUS_INVALID);
    assert_int_equal(frame_alloc(18, 3, FRAME_GUEST, &f), STATUS_OK);
    assert_int_equal(f.v, 2UL << 18); /* the only whole GiB */
    assert_int_equal(frame_owner(hfn(f.v + 0x3ffff)), 3);
    assert_int_equal(frame_alloc(18, 3, FRAME_GUEST, &g), STATUS_NO_MEMORY);
    check();
    frame_free(f, 18);
    check();
    assert_int_equal(frame_alloc(18, 3, FRAME_GUEST, &g), STATUS_OK);
    frame_free(g, 18);
}

static void test_references(void **state)
{
    (void)state;
    hfn_t f;
    assert_int_equal(frame_alloc(0, 5, FRAME_GUEST, &f), STATUS_OK);
    assert_false(frame_get(f, 6, FRAME_GUEST));
    assert_false(frame_get(f, 5, FRAME_ROOT));
    assert_false(frame_get(hfn(~0UL), 5, FRAME_GUEST));
    assert_true(frame_get(f, 5, FRAME_GUEST));
    assert_int_equal(frame_refs(f), 2);
    assert_false(frame_put(f));
    assert_true(frame_put(f));
    assert_false(frame_get(f, 5, FRAME_GUEST)); /* gone: no new references */
    frame_free(f, 0);
    check();
    assert_false(frame_get(f, 5, FRAME_GUEST));
}

static void test_misuse_panics(void **state)
{
    (void)state;
    hfn_t f;
    assert_int_equal(frame_alloc(0, 5, FRAME_GUEST, &f), STATUS_OK);
    assert_true(frame_get(f, 5, FRAME_GUEST));
    panic_expected = true;
    if (setjmp(panic_exit) == 0) {
        frame_free(f, 0);
        fail_msg("a frame with two references was freed");
    }
    panic_expected = false;
}

static void test_map_failure_gives_back(void **state)
{
    (void)state;
    hfn_t f;
    struct frame_stats before = frame_stats();
    map_fails = true;
    assert_int_equal(frame_alloc(0, FRAME_OWNER_ROOT, FRAME_ROOT, &f), STATUS_NO_MEMORY);
    map_fails = false;
    struct frame_stats after = frame_stats();
    assert_int_equal(after.free_clean + after.free_dirty, before.free_clean + before.free_dirty);
}

/* Random life for a while, with the invariants checked, then all memory back. */
static void test_stress(void **state)
{
    (void)state;
    static struct {
        hfn_t f;
        unsigned order;
    } held[512];
    unsigned count = 0;
    uint64_t seed = 12345;
    struct frame_stats before = frame_stats();
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005UL + 1442695040888963407UL;
        unsigned r = (unsigned)(seed >> 33);
        if ((r & 1) != 0 && count < 512) {
            held[count].order = r % 7 == 0 ? 9 : r / 8 % 5;
            enum frame_type type = r % 3 == 0 ? FRAME_ROOT : FRAME_GUEST;
            if (frame_alloc(held[count].order, 7, type, &held[count].f) == STATUS_OK) {
                assert_int_equal(held[count].f.v & ((1UL << held[count].order) - 1), 0);
                count++;
            }
        } else if (count > 0) {
            unsigned k = r / 2 % count;
            frame_free(held[k].f, held[k].order);
            held[k] = held[--count];
        }
        if (r % 5 == 0)
            frame_scrub_step(r % 40 + 1);
        if (i % 2000 == 0)
            check();
    }
    while (count > 0) {
        count--;
        frame_free(held[count].f, held[count].order);
    }
    struct frame_stats after = frame_stats();
    assert_int_equal(after.free_clean + after.free_dirty, before.free_clean + before.free_dirty);
    for (uint64_t f = 0; f < FRAMES; f++)
        assert_int_equal(mapped[f], 0);
    /* Free blocks of unlike cleanliness must not keep memory from being whole again. */
    hfn_t big[2048];
    unsigned n = 0;
    while (frame_alloc(9, 1, FRAME_GUEST, &big[n]) == STATUS_OK)
        n++;
    assert_true(n > 1480);
    while (n > 0)
        frame_free(big[--n], 9);
    check();
}

static void count_frame(hfn_t f, uint16_t owner, enum frame_type type, uint32_t refs, void *ctx)
{
    (void)f;
    assert_int_equal(refs, 1);
    if (owner == 0 && type == FRAME_GUEST)
        ++*(uint64_t *)ctx;
}

static void test_walk(void **state)
{
    (void)state;
    uint64_t dom0 = 0;
    frame_walk(count_frame, &dom0);
    assert_true(dom0 >= 32 * MIB / 4096 + 3);
    check();
}

static void test_check_finds_damage(void **state)
{
    (void)state;
    char why[128];
    uint64_t *d = &frame_test_table[64 * MIB >> 12];
    uint64_t keep = *d;
    *d = 0; /* a used frame turned into the inside of a free block */
    assert_false(frame_check(why, sizeof(why)));
    *d = keep ^ 0xf; /* a type that does not exist */
    assert_false(frame_check(why, sizeof(why)));
    *d = keep;
    check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot), /* first: looks at the state after boot */
        cmocka_unit_test(test_root_frames_cluster),
        cmocka_unit_test(test_clean_first),
        cmocka_unit_test(test_scrub_budget),
        cmocka_unit_test(test_1g),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_map_failure_gives_back),
        cmocka_unit_test(test_stress),
        cmocka_unit_test(test_check_finds_damage),
        cmocka_unit_test(test_misuse_panics), /* last: leaves the lists locked */
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
