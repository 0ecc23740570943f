/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The W^X walk of root's tables, over small tables made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/mm/pagetable_priv.h"

#define TABLES 16
static uint64_t memory[TABLES][512]; /* "physical" address of table i: i << 12 */
static unsigned used;

static uint64_t entry(unsigned level, uint64_t va)
{
    uint64_t table = 0;
    for (unsigned l = 4;; l--) {
        uint64_t e = memory[table][va >> (12 + 9 * (l - 1)) & 511];
        if (l == level)
            return e;
        assert_true((e & PTE_P) != 0); /* asked below an absent entry */
        table = (e & PTE_ADDR) >> 12;
        assert_true(table < TABLES);
    }
}

static void map(uint64_t va, unsigned level, uint64_t leaf, uint64_t upper)
{
    uint64_t table = 0;
    for (unsigned l = 4; l > level; l--) {
        uint64_t *e = &memory[table][va >> (12 + 9 * (l - 1)) & 511];
        if (*e == 0)
            *e = (uint64_t)++used << 12 | upper;
        table = (*e & PTE_ADDR) >> 12;
    }
    memory[table][va >> (12 + 9 * (level - 1)) & 511] = leaf;
}

static int reset(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    used = 0;
    map(0xffffffff80000000UL, 1, 0x1000 | PTE_CODE, PTE_TABLE);
    map(0xffffffff80001000UL, 1, 0x2000 | PTE_RODATA, PTE_TABLE);
    map(0xffffffff80002000UL, 1, 0x3000 | PTE_DATA, PTE_TABLE);
    map(0xffffc00000000000UL, 2, 0x200000 | PTE_DATA | PTE_PS, PTE_TABLE);
    memory[0][PAGETABLE_RECURSIVE_SLOT] = PTE_TABLE | PTE_NX; /* to itself: must not be followed */
    return 0;
}

static void test_good(void **state)
{
    (void)state;
    uint64_t bad = 0;
    assert_true(wxcheck_walk(entry, &bad));
}

static void expect_bad(uint64_t va)
{
    uint64_t bad = 0;
    assert_false(wxcheck_walk(entry, &bad));
    assert_true(bad == va);
}

static void test_small_page(void **state)
{
    (void)state;
    map(0xffffffff80005000UL, 1, 0x5000 | PTE_P | PTE_W, PTE_TABLE);
    expect_bad(0xffffffff80005000UL);
}

static void test_large_page(void **state)
{
    (void)state;
    map(0xffffc00000400000UL, 2, 0x400000 | PTE_P | PTE_W | PTE_PS, PTE_TABLE);
    expect_bad(0xffffc00000400000UL);
}

static void test_low_and_huge(void **state)
{
    (void)state;
    map(0x0000004040000000UL, 3, 0x40000000 | PTE_P | PTE_W | PTE_PS, PTE_TABLE);
    expect_bad(0x0000004040000000UL);
}

static void test_upper_levels_count(void **state)
{
    (void)state;
    map(0x0000100000000000UL, 1, 0x6000 | PTE_P | PTE_W, PTE_TABLE | PTE_NX); /* NX above */
    map(0x0000200000000000UL, 1, 0x7000 | PTE_P | PTE_W, PTE_P);              /* read-only above */
    uint64_t bad = 0;
    assert_true(wxcheck_walk(entry, &bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, reset),        cmocka_unit_test_setup(test_small_page, reset),
        cmocka_unit_test_setup(test_large_page, reset),  cmocka_unit_test_setup(test_low_and_huge, reset),
        cmocka_unit_test_setup(test_upper_levels_count, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
