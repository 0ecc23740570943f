/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The bit-per-slot allocator against a plain array of owners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/kernel/range.h"

#define SLOTS 1000U
#define OWNERS 64

static unsigned char owner[SLOTS];

/* Is there any place for such a request? The slow way. */
static bool possible(size_t n, size_t align, size_t offset)
{
    for (size_t at = offset; at + n <= SLOTS; at += align) {
        size_t i = 0;
        while (i < n && owner[at + i] == 0) {
            i++;
        }
        if (i == n) {
            return true;
        }
    }
    return false;
}

static size_t count_free(void)
{
    size_t n = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        n += owner[i] == 0;
    }
    return n;
}

static void test_random(void **state)
{
    (void)state;
    uint64_t *bits = malloc(range_words(SLOTS) * sizeof(*bits));
    memset(bits, 0xa5, range_words(SLOTS) * sizeof(*bits));
    struct { size_t at, n; } held[OWNERS + 1] = {};
    struct range r;
    range_init(&r, bits, SLOTS);
    memset(owner, 0, sizeof(owner));
    srand(3);
    unsigned refused = 0;
    for (int round = 0; round < 100000; round++) {
        size_t who = 1 + (size_t)rand() % OWNERS;
        if (held[who].n != 0) {
            assert_true(range_give(&r, held[who].at, held[who].n));
            memset(owner + held[who].at, 0, held[who].n);
            held[who].n = 0;
        } else {
            size_t n = 1 + (size_t)rand() % (rand() % 8 == 0 ? 200 : 20);
            size_t align = 1UL << rand() % 8, offset = (size_t)rand() % align;
            size_t at = range_take(&r, n, align, offset);
            assert_int_equal(at != RANGE_NONE, possible(n, align, offset));
            refused += at == RANGE_NONE;
            if (at != RANGE_NONE) {
                assert_int_equal(at % align, offset);
                for (size_t i = 0; i < n; i++) {
                    assert_true(at + i < SLOTS);
                    assert_int_equal(owner[at + i], 0);
                    owner[at + i] = (unsigned char)who;
                }
                held[who].at = at;
                held[who].n = n;
            }
        }
        assert_int_equal(r.free, count_free());
    }
    assert_true(refused > 100); /* the full case was met too */
    free(bits);
}

static void test_edges(void **state)
{
    (void)state;
    uint64_t bits[2];
    struct range r;
    range_init(&r, bits, 100);
    assert_int_equal(range_take(&r, 0, 1, 0), RANGE_NONE);
    assert_int_equal(range_take(&r, 101, 1, 0), RANGE_NONE);
    assert_int_equal(range_take(&r, 1, 3, 0), RANGE_NONE); /* not a power of two */
    assert_int_equal(range_take(&r, 1, 4, 4), RANGE_NONE);
    assert_int_equal(range_take(&r, SIZE_MAX, 1, 0), RANGE_NONE);
    assert_int_equal(range_take(&r, 100, 1, 0), 0);
    assert_int_equal(range_take(&r, 1, 1, 0), RANGE_NONE);
    assert_true(range_give(&r, 10, 5)); /* a part */
    assert_false(range_give(&r, 10, 5));
    assert_false(range_give(&r, 9, 2));
    assert_false(range_give(&r, 99, 2));
    assert_false(range_give(&r, 100, 1));
    assert_false(range_give(&r, 1, SIZE_MAX));
    assert_int_equal(r.free, 5);
    range_reserve(&r, 12, 1000);
    range_reserve(&r, 2000, 1);
    assert_int_equal(r.free, 2);
    assert_int_equal(range_take(&r, 3, 1, 0), RANGE_NONE);
    assert_int_equal(range_take(&r, 2, 1, 0), 10);
    range_init(&r, bits, 100); /* the place begins right behind the slot that was in the way */
    range_reserve(&r, 1, 1);
    range_reserve(&r, 4, 96);
    assert_int_equal(range_take(&r, 2, 1, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
