/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/memtype.c against MTRR settings as firmware makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "boot/efi/memtype.h"

#define MEMTYPE_WC 1U
#define MEMTYPE_WT 4U

#define FIXED_ALL(t) ((uint64_t)(t) * 0x0101010101010101UL)

/* Default WB, 0xc0000000..0xffffffff UC, VGA hole UC, a megabyte at 0x80000000 WC, WT over WB at 0x40000000. */
static struct mtrr_state machine(void)
{
    struct mtrr_state m = {.cap = 0x508, .def_type = 0xc06, .phys_bits = 40};
    for (unsigned i = 0; i < 11; i++)
        m.fixed[i] = FIXED_ALL(6);
    m.fixed[2] = 0; /* 0xa0000..0xbffff */
    m.variable[0].base = 0xc0000000UL;
    m.variable[0].mask = (0xffc0000000UL) | 1UL << 11;
    m.variable[1].base = 0x80000000UL | 1;
    m.variable[1].mask = 0xfffff00000UL | 1UL << 11;
    m.variable[2].base = 0x40000000UL | 4;
    m.variable[2].mask = 0xffffe00000UL | 1UL << 11;
    m.variable[3].base = 0x40000000UL | 6;
    m.variable[3].mask = 0xffffe00000UL | 1UL << 11;
    m.variable[4].base = 0x10000000UL; /* not valid: no effect */
    m.variable[4].mask = 0xfff0000000UL;
    return m;
}

static unsigned type_at(const struct mtrr_state *m, uint64_t a) { return memtype_of_frame(m, a >> 12); }

static void test_frames(void **state)
{
    (void)state;
    struct mtrr_state m = machine();
    assert_int_equal(type_at(&m, 0), MEMTYPE_WB);
    assert_int_equal(type_at(&m, 0x9f000), MEMTYPE_WB);
    assert_int_equal(type_at(&m, 0xa0000), MEMTYPE_UC);
    assert_int_equal(type_at(&m, 0xbf000), MEMTYPE_UC);
    assert_int_equal(type_at(&m, 0xc0000), MEMTYPE_WB);
    assert_int_equal(type_at(&m, 0x100000), MEMTYPE_WB);
    assert_int_equal(type_at(&m, 0xfee00000), MEMTYPE_UC);
    assert_int_equal(type_at(&m, 0x80000000), MEMTYPE_WC);
    assert_int_equal(type_at(&m, 0x80100000), MEMTYPE_WB);
    assert_int_equal(type_at(&m, 0x40000000), MEMTYPE_WT);
    assert_int_equal(type_at(&m, 0x10000000), MEMTYPE_WB);
    assert_int_equal(type_at(&m, 0x100000000UL), MEMTYPE_WB);
    m.def_type = 0x406; /* MTRRs off: everything is UC */
    assert_int_equal(type_at(&m, 0x100000), MEMTYPE_UC);
    m.def_type = 0x806; /* fixed ranges off */
    assert_int_equal(type_at(&m, 0xa0000), MEMTYPE_WB);
}

static void test_fixed_units(void **state)
{
    (void)state;
    struct mtrr_state m = machine();
    m.fixed[0] = 0x0605040100060604UL; /* eight units of 64 KiB */
    assert_int_equal(type_at(&m, 0), 4);
    assert_int_equal(type_at(&m, 0x30000), 0);
    assert_int_equal(type_at(&m, 0x4f000), 1);
    assert_int_equal(type_at(&m, 0x70000), 6);
    m.fixed[1] = FIXED_ALL(6) & ~(0xffUL << 56); /* last 16 KiB below 640 KiB */
    assert_int_equal(type_at(&m, 0x9b000), 6);
    assert_int_equal(type_at(&m, 0x9c000), 0);
    m.fixed[10] = FIXED_ALL(6) & ~(0xffUL << 56); /* last 4 KiB of the megabyte */
    assert_int_equal(type_at(&m, 0xfe000), 6);
    assert_int_equal(type_at(&m, 0xff000), 0);
}

static void test_ranges(void **state)
{
    (void)state;
    struct mtrr_state m = machine();
    unsigned type;
    assert_false(memtype_of_range(&m, 0, 9, &type)); /* VGA hole inside */
    assert_true(memtype_of_range(&m, 0x200, 9, &type));
    assert_int_equal(type, MEMTYPE_WB);
    assert_true(memtype_of_range(&m, 0x40000, 9, &type));
    assert_int_equal(type, MEMTYPE_WT);
    assert_false(memtype_of_range(&m, 0x40000, 18, &type));
    assert_false(memtype_of_range(&m, 0x80000, 9, &type));
    assert_true(memtype_of_range(&m, 0xc0000, 18, &type));
    assert_int_equal(type, MEMTYPE_UC);
    assert_true(memtype_of_range(&m, 0x100000, 18, &type));
    assert_int_equal(type, MEMTYPE_WB);
    for (unsigned i = 0; i < 11; i++)
        m.fixed[i] = FIXED_ALL(6);
    assert_true(memtype_of_range(&m, 0, 9, &type));
}

/* Every 2 MiB range that is called uniform is so, frame by frame. */
static void test_range_agrees_with_frames(void **state)
{
    (void)state;
    struct mtrr_state m = machine();
    for (uint64_t f = 0; f < 0x110000; f += 0x200) {
        unsigned type;
        bool uniform = true;
        bool said = memtype_of_range(&m, f, 9, &type);
        for (unsigned i = 1; i < 512; i++)
            uniform &= memtype_of_frame(&m, f + i) == memtype_of_frame(&m, f);
        assert_int_equal(said, uniform);
    }
}

static void test_keep(void **state)
{
    (void)state;
    struct mtrr_state m = machine();
    static struct boot_range list[32];
    struct handoff_ranges r = {list, 0, 32};
    const struct { uint64_t at; uint32_t type; } want[] = {
        {0x100000, BOOT_RANGE_FREE}, {0x3ffff000, BOOT_RANGE_FREE}, {0x40000000, BOOT_RANGE_RESERVED}, {0x40200000, BOOT_RANGE_FREE},
        {0x7ffff000, BOOT_RANGE_FREE}, {0x80000000, BOOT_RANGE_RESERVED}, {0x80050000, BOOT_RANGE_ACPI}, {0x800ff000, BOOT_RANGE_RESERVED},
        {0x80100000, BOOT_RANGE_FREE}, {0xc0000000, BOOT_RANGE_RESERVED}, {0xfffff000, BOOT_RANGE_RESERVED}, {0x100000000, BOOT_RANGE_FREE}};
    assert_true(handoff_paint(&r, 0x1000, 0x140000000 - 0x1000, BOOT_RANGE_FREE));
    assert_true(handoff_paint(&r, 0x80050000, 0x1000, BOOT_RANGE_ACPI));
    assert_true(memtype_keep_write_back(&m, &r));
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        uint32_t k = 0;
        while (list[k].base + list[k].size <= want[i].at)
            k++;
        assert_int_equal(list[k].type, want[i].type);
    }
    struct handoff_ranges full = {list, 0, 3};
    assert_true(handoff_paint(&full, 0x1000, 0x140000000 - 0x1000, BOOT_RANGE_FREE));
    assert_false(memtype_keep_write_back(&m, &full));
    m.def_type = 0;
    assert_true(memtype_keep_write_back(&m, &full));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_fixed_units),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_range_agrees_with_frames),
        cmocka_unit_test(test_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
