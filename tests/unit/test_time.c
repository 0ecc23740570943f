/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Clock arithmetic against 128-bit division, and the heap of deadlines against a sorted scan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/handoff.h"
#include "kernel/time/heap.h"
#include "kernel/time/scale.h"

static struct boot_clock scale_of_khz(uint64_t khz)
{
    struct boot_clock c;
    handoff_set_rate(&c, khz);
    assert_int_equal(c.khz, khz);
    return c;
}

static void test_wall(void **state)
{
    (void)state;
    struct boot_clock c;
    handoff_set_rate(&c, 50000);
    assert_int_equal(handoff_wall_ns(&c, 1700000000, 0), 1700000000000000000UL);
    assert_int_equal(handoff_wall_ns(&c, 1700000000, 50000000UL * 7200 + 1), 1700007200000000020UL);
    assert_int_equal(handoff_wall_ns(&c, 0, 5), 0);
    handoff_set_rate(&c, 0);
    assert_int_equal(c.khz, 0);
    assert_int_equal(handoff_wall_ns(&c, 1700000000, 5), 0);
}

static const uint64_t rates[] = {1, 7, 1000, 49999, 50000, 999999, 1000000, 1000001, 2596064, 3500000, 4294967295UL};

static void test_factors(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct boot_clock s = scale_of_khz(rates[i]);
        assert_true(s.mul >> 31 == 1);
        /* one hour in ticks: within 1 us of the truth (2^-31 of an hour is 1.7 us) */
        uint64_t ticks = rates[i] * 1000 * 3600;
        uint64_t ns = scale_ns_of_ticks(&s, ticks);
        uint64_t truth = 3600UL * 1000000000UL;
        assert_true(ns <= truth && truth - ns < 2000);
    }
    struct boot_clock s = scale_of_khz(50000);
    assert_int_equal(scale_ns_of_ticks(&s, 50000000), 1000000000);
    assert_int_equal(scale_ns_of_ticks(&s, 1), 20);
    s = scale_of_khz(1000000);
    assert_int_equal(scale_ns_of_ticks(&s, 123456789), 123456789);
}

static void test_inverse(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct boot_clock s = scale_of_khz(rates[i]);
        for (unsigned k = 0; k < 2000; k++) {
            seed = seed * 6364136223846793005UL + 1442695040888963407UL;
            uint64_t ns = seed >> (10 + k % 50);
            uint64_t ticks = scale_ticks_of_ns(&s, ns);
            if (ticks == UINT64_MAX)
                continue; /* saturated */
            assert_true(scale_ns_of_ticks(&s, ticks) >= ns); /* never early */
            if (ticks > 0 && s.shift >= 0)
                assert_true(scale_ns_of_ticks(&s, ticks - 1) < ns); /* and no tick late */
        }
    }
    struct boot_clock fast = scale_of_khz(4000000);
    assert_true(scale_ticks_of_ns(&fast, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(scale_ticks_of_ns(&fast, 0), 0);
    assert_int_equal(scale_ticks_of_ns(&fast, 10), 40);
}

#define N 200

/* Every tree edge in order, every link both ways; iterative, by the links themselves. Returns how many there are. */
static uint32_t check_heap(const struct deadline_heap *h)
{
    uint32_t count = 0;
    const struct deadline *stack[N];
    unsigned depth = 0;
    if (h->first != NULL)
        stack[depth++] = h->first;
    while (depth > 0) {
        const struct deadline *parent = stack[--depth];
        const struct deadline *left = parent;
        count++;
        assert_int_not_equal(parent->slot, 0);
        for (const struct deadline *c = parent->child; c != NULL; left = c, c = c->next) {
            assert_true(c->tsc >= parent->tsc);
            assert_ptr_equal(c->prev, left);
            stack[depth++] = c;
        }
    }
    return count;
}

static void test_heap(void **state)
{
    (void)state;
    struct deadline d[N];
    struct deadline_heap h = {NULL};
    memset(d, 0, sizeof(d));
    srand(3);
    for (unsigned round = 0; round < 20000; round++) {
        /* now and then empty it from the front, as deadline_run does */
        struct deadline *x = round % 1000 > 800 && h.first != NULL ? h.first : &d[rand() % N];
        if (x->slot != 0) {
            heap_remove(&h, x);
            assert_int_equal(x->slot, 0);
        } else {
            x->tsc = (uint64_t)(rand() % 100);
            heap_insert(&h, x);
        }
        uint64_t least = UINT64_MAX;
        uint32_t count = 0;
        for (unsigned i = 0; i < N; i++) {
            if (d[i].slot != 0) {
                count++;
                least = d[i].tsc < least ? d[i].tsc : least;
            }
        }
        assert_int_equal(check_heap(&h), count);
        if (count != 0)
            assert_int_equal(h.first->tsc, least);
        else
            assert_null(h.first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wall), cmocka_unit_test(test_factors),
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
