/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Lists of host CPUs: what people write, and how it is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/manager/cpulist.h"

static void test_parse(void **s)
{
    (void)s;
    static const struct { const char *text; uint64_t mask; } good[] = {
        {"0", 1}, {"3", 8}, {"0-2,4", 0x17}, {"0,1", 3}, {"4,0-2", 0x17}, {"1-1", 2}, {"63", 1UL << 63}, {"0-63", ~0UL}, {"all", ~0UL}, {"ALL", ~0UL}, {"1,1", 2},
    };
    static const char *const bad[] = {"", ",", "0,", ",0", "1-", "-1", "2-1", "64", "0-64", "a", "0 1", "0;1", "99999999999", "1-2-3", "all,1", "^1", "0x1"};
    uint64_t mask;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(cpu_list_parse(good[i].text, &mask));
        assert_true(mask == good[i].mask);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mask = 0x1234;
        if (cpu_list_parse(bad[i], &mask))
            fail_msg("taken: \"%s\"", bad[i]);
        assert_int_equal(mask, 0x1234);
    }
}

static void shows(uint64_t mask, uint32_t cpus, const char *want)
{
    char out[200];
    cpu_list_format(out, sizeof out, mask, cpus);
    assert_string_equal(out, want);
}

static void test_format(void **s)
{
    (void)s;
    shows(~0UL, 4, "all");
    shows(0xf, 4, "all");
    shows(0x7, 4, "0-2");
    shows(0x17, 8, "0-2,4");
    shows(0xf1, 4, "0");
    shows(0xaa, 8, "1,3,5,7");
    shows(~0UL, 64, "all");
    shows(1UL << 63, 64, "63");
    shows(~1UL, 64, "1-63");
    /* Every list that is shown in full can be read again; a short buffer never runs over. */
    for (uint64_t x = 1, i = 0; i < 2000; i++) {
        char out[200], tiny[12];
        uint64_t mask = 0;
        x = x * 6364136223846793005UL + 1442695040888963407UL;
        cpu_list_format(out, sizeof out, x, 64);
        assert_true(cpu_list_parse(out, &mask) && mask == x);
        cpu_list_format(tiny, sizeof tiny, x, 64);
        assert_true(strlen(tiny) < sizeof tiny);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_format)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
