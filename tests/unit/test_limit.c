/* SPDX-License-Identifier: Apache-2.0
 * [HOST] dom0/lib/limit.c: bursts pass, floods do not, and what was dropped is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dom0/lib/limit.h"

#define SECOND 1000000000UL

static bool pass(struct limit *l, uint64_t now, uint32_t *dropped) { return limit_pass(l, now, 5, 10 * SECOND, dropped); }

static void test_burst(void **state)
{
    struct limit l = {0};
    uint32_t dropped = 77;
    uint64_t now = 1000 * SECOND;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        assert_true(pass(&l, now + i, &dropped));
        assert_int_equal(dropped, 0);
    }
    for (unsigned i = 0; i < 300; i++) {
        assert_false(pass(&l, now + 5 + i, &dropped));
    }
    assert_true(pass(&l, now + 10 * SECOND, &dropped));
    assert_int_equal(dropped, 300);
    assert_false(pass(&l, now + 10 * SECOND + 1, &dropped));
    for (unsigned i = 0; i < 5; i++) { /* all is refilled after long silence, and not more than all */
        assert_true(pass(&l, now + 9000 * SECOND, &dropped));
        assert_int_equal(dropped, i == 0);
    }
    assert_false(pass(&l, now + 9000 * SECOND, &dropped));
}

/* One a second for an hour: the burst, then one in ten. */
static void test_flood(void **state)
{
    struct limit l = {0};
    uint32_t dropped = 0, shown = 0, counted = 0;

    (void)state;
    for (uint64_t s = 1; s <= 3600; s++) {
        if (pass(&l, s * SECOND, &dropped)) {
            shown++;
            counted += dropped + 1;
        }
    }
    assert_in_range(shown, 364, 366);
    assert_int_equal(counted + l.dropped, 3600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_burst), cmocka_unit_test(test_flood)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
