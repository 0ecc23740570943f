/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Clock arithmetic against 128-bit division, and the heap of deadlines against a sorted scan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/time/heap.h"
#include "kernel/time/scale.h"

static const uint64_t rates[] = {1, 7, 1000, 49999, 50000, 999999, 1000000, 1000001, 2596064, 3500000, 4294967295UL};

static void test_factors(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct scale s = scale_of_khz(rates[i]);
        assert_true(s.mul >> 31 == 1);
        /* one hour in ticks: within 1 us of the truth (2^-31 of an hour is 1.7 us) */
        uint64_t ticks = rates[i] * 1000 * 3600;
        uint64_t ns = scale_ns_of_ticks(&s, ticks);
        uint64_t truth = 3600UL * 1000000000UL;
        assert_true(ns <= truth && truth - ns < 2000);
    }
    struct scale s = scale_of_khz(50000);
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
        struct scale s = scale_of_khz(rates[i]);
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
    struct scale fast = scale_of_khz(4000000);
    assert_true(scale_ticks_of_ns(&fast, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(scale_ticks_of_ns(&fast, 0), 0);
    assert_int_equal(scale_ticks_of_ns(&fast, 10), 40);
}

#define N 200

static void check_heap(const struct deadline_heap *h)
{
    for (uint32_t i = 0; i < h->count; i++) {
        assert_int_equal(h->slots[i]->slot, i + 1);
        if (i > 0)
            assert_true(h->slots[(i - 1) / 2]->tsc <= h->slots[i]->tsc);
    }
}

static void test_heap(void **state)
{
    (void)state;
    struct deadline *slots[N];
    struct deadline d[N];
    struct deadline_heap h = {slots, 0, N};
    memset(d, 0, sizeof(d));
    srand(3);
    assert_null(heap_first(&h));
    for (unsigned round = 0; round < 5000; round++) {
        struct deadline *x = &d[rand() % N];
        if (x->slot != 0) {
            heap_remove(&h, x);
            assert_int_equal(x->slot, 0);
        } else {
            x->tsc = (uint64_t)(rand() % 100);
            assert_true(heap_insert(&h, x));
        }
        check_heap(&h);
        uint64_t least = UINT64_MAX;
        uint32_t count = 0;
        for (unsigned i = 0; i < N; i++) {
            if (d[i].slot != 0) {
                count++;
                least = d[i].tsc < least ? d[i].tsc : least;
            }
        }
        assert_int_equal(count, h.count);
        if (count != 0)
            assert_int_equal(heap_first(&h)->tsc, least);
    }
}

static void test_heap_full(void **state)
{
    (void)state;
    struct deadline *slots[2];
    struct deadline d[3] = {{.tsc = 5}, {.tsc = 4}, {.tsc = 3}};
    struct deadline_heap h = {slots, 0, 2};
    assert_true(heap_insert(&h, &d[0]));
    assert_true(heap_insert(&h, &d[1]));
    assert_false(heap_insert(&h, &d[2]));
    assert_int_equal(d[2].slot, 0);
    assert_ptr_equal(heap_first(&h), &d[1]);
    heap_remove(&h, &d[1]);
    assert_true(heap_insert(&h, &d[2]));
    assert_ptr_equal(heap_first(&h), &d[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factors),
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_heap),
        cmocka_unit_test(test_heap_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
