/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Windows: what is found is what was entered, a pointer lasts as long as promised, nothing is left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel/mm/pagetable.h"
#include "kernel/mm/window.h"

static struct cpu boot_cpu;
static char pages[WINDOW_SLOTS + 1][PAGE_SIZE];
static uint64_t shown[WINDOW_SLOTS + 1]; /* hfn + 1 behind each page; 0: none */
static unsigned changes;

void *pagetable_set_window(uint32_t cpu, unsigned slot, hfn_t f)
{
    assert_int_equal(cpu, 0);
    assert_true(slot <= WINDOW_SLOTS);
    shown[slot] = hfn_valid(f) ? f.v + 1 : 0;
    changes++;
    return pages[slot];
}

static uint64_t frame_at(const void *p) { return shown[((const char *)p - pages[0]) / PAGE_SIZE] - 1; }

static int fresh(void **state)
{
    (void)state;
    window_flush();
    return 0;
}

static void same_name_same_page(void **state)
{
    (void)state;
    char *p = window_open(hfn(7));
    assert_int_equal(frame_at(p), 7);
    unsigned before = changes;
    assert_ptr_equal(window_open(hfn(7)), p);
    assert_int_equal(changes, before); /* only looked up */
    assert_null(window_find(1, 7));    /* a guest's page 7 is something else */
    char *q = window_enter(1, 7, hfn(90));
    assert_ptr_equal(window_find(1, 7), q);
    assert_null(window_find(2, 7)); /* another generation */
    assert_int_equal(frame_at(q), 90);
    assert_ptr_equal(window_open(hfn(7)), p);
}

/* However often the first is looked up, a pointer survives WINDOW_LASTS new windows: what is found is never about to be evicted. */
static void pointers_last(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 200; round++) {
        char *p = window_open(hfn(5));
        for (uint64_t i = 0; i < round % 40; i++)
            window_open(hfn(1000 + round * 100 + i));
        p = window_open(hfn(5));
        for (uint64_t i = 0; i < WINDOW_LASTS; i++) {
            assert_int_equal(frame_at(p), 5);
            window_enter(3, round * 100 + i, hfn(500 + i));
        }
        assert_int_equal(frame_at(p), 5);
    }
}

/* What copy.c builds on: a pointer that was found when `opened` was N shows its frame while `opened` is below N + WINDOW_LASTS, and one opening more may end it. */
static void opened_tells_how_long(void **state)
{
    (void)state;
    unsigned ended = 0;
    for (uint64_t round = 0; round < 400; round++) {
        for (uint64_t i = 0; i < round % 37; i++)
            window_open(hfn(9000 + round * 100 + i));
        window_open(hfn(5));
        for (uint64_t i = 0; i < round % 11; i++)
            window_open(hfn(5000 + round * 100 + i));
        uint64_t before = windows[0].opened;
        char *p = window_open(hfn(5)); /* found, or opened */
        while (windows[0].opened - before < WINDOW_LASTS) {
            assert_int_equal(frame_at(p), 5);
            window_enter(3, windows[0].opened, hfn(500));
        }
        for (uint64_t i = 0; i < WINDOW_SLOTS; i++)
            window_enter(3, windows[0].opened, hfn(500));
        ended += frame_at(p) != 5;
        before = windows[0].opened;
        window_open(hfn(5));
        window_flush();
        assert_true(windows[0].opened - before >= WINDOW_LASTS);
    }
    assert_int_equal(ended, 400);
}

/* Random names against what was entered last under each. */
static void model(void **state)
{
    (void)state;
    static uint64_t entered[4][64];
    uint64_t seed = 42;
    memset(entered, 0, sizeof entered);
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 6364136223846793005UL + 1442695040888963407UL;
        uint64_t tag = 1 + (seed >> 33) % 3, number = (seed >> 40) % 64;
        char *p = window_find(tag, number);
        if (!p) {
            entered[tag][number] = 1 + (seed >> 50);
            p = window_enter(tag, number, hfn(entered[tag][number]));
        }
        assert_int_equal(frame_at(p), entered[tag][number]);
        if (i % 1000 == 0) {
            window_flush();
            for (unsigned k = 0; k < WINDOW_SLOTS; k++)
                assert_int_equal(shown[k], 0);
        }
    }
}

static void scrubbing(void **state)
{
    (void)state;
    char *p = window_open(hfn(7));
    memset(pages[WINDOW_SLOTS], 0xaa, PAGE_SIZE);
    window_scrub(hfn(33));
    assert_int_equal(shown[WINDOW_SLOTS], 34);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(pages[WINDOW_SLOTS][i], 0);
    assert_ptr_equal(window_open(hfn(7)), p); /* it evicts nobody */
}

int main(void)
{
    boot_cpu.self = &boot_cpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &boot_cpu); /* this_cpu() reads GS:0 */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(same_name_same_page, fresh), cmocka_unit_test_setup(pointers_last, fresh), cmocka_unit_test_setup(model, fresh),
        cmocka_unit_test_setup(opened_tells_how_long, fresh),
        cmocka_unit_test_setup(scrubbing, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
