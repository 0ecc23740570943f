/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/handoff.c: memory ranges against a page-by-page model, the firmware's map, CPUs and time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/handoff.h"
#include "boot/efi/start_info.h"

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

#define PAGE  4096UL
#define PAGES 64U
#define CAP   40U

struct descriptor {
    uint32_t type, pad;
    uint64_t base, virtual_base, pages, attributes;
    uint64_t more; /* firmware's descriptors may be longer */
};

static struct boot_range list[CAP];
static struct handoff_ranges ranges;

static int empty(void **state)
{
    (void)state;
    ranges = (struct handoff_ranges){list, 0, CAP};
    return 0;
}

static void check_invariants(void)
{
    for (uint32_t i = 0; i < ranges.count; i++) {
        assert_true(list[i].size > 0 && list[i].base % PAGE == 0 && list[i].size % PAGE == 0);
        if (i > 0) {
            uint64_t end = list[i - 1].base + list[i - 1].size;
            assert_true(end <= list[i].base);
            assert_false(end == list[i].base && list[i - 1].type == list[i].type); /* merged */
        }
    }
}

static uint32_t type_of(uint64_t address)
{
    for (uint32_t i = 0; i < ranges.count; i++) {
        if (address >= list[i].base && address - list[i].base < list[i].size) {
            return list[i].type;
        }
    }
    return 0;
}

static void test_paint_model(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < 400; seed++) {
        uint32_t model[PAGES] = {0};
        srand(seed);
        empty(NULL);
        for (unsigned step = 0; step < 30; step++) {
            unsigned first = (unsigned)rand() % PAGES;
            unsigned count = (unsigned)rand() % (PAGES - first) % 16;
            uint32_t type = 1 + (unsigned)rand() % 4;
            if (!handoff_paint(&ranges, first * PAGE, count * PAGE, type)) {
                assert_true(ranges.count + 2 > CAP);
                continue;
            }
            for (unsigned i = 0; i < count; i++) {
                model[first + i] = type;
            }
            check_invariants();
            for (unsigned i = 0; i < PAGES; i++) {
                assert_int_equal(type_of(i * PAGE), model[i]);
            }
        }
    }
}

static void test_paint_edges(void **state)
{
    (void)state;
    assert_true(handoff_paint(&ranges, 0x1800, 0x10, BOOT_RANGE_MODULE)); /* outwards to whole pages */
    assert_int_equal(list[0].base, 0x1000);
    assert_int_equal(list[0].size, 0x1000);
    assert_false(handoff_paint(&ranges, UINT64_MAX - PAGE, PAGE, BOOT_RANGE_FREE));
    assert_int_equal(ranges.count, 1);
    ranges.cap = 2;
    assert_false(handoff_paint(&ranges, 0x8000, PAGE, BOOT_RANGE_FREE));
    assert_int_equal(ranges.count, 1);
}

static struct descriptor entry(uint32_t type, uint64_t base, uint64_t pages, uint64_t attributes)
{
    return (struct descriptor){type, 0, base, 0, pages, attributes, 0};
}

static void test_map(void **state)
{
    struct descriptor map[] = {
        entry(7, 0x100000, 16, 0xf),         /* conventional */
        entry(4, 0x110000, 16, 0xf),         /* boot services' data */
        entry(5, 0x10f000, 2, 0xf),          /* runtime code over both: wins */
        entry(9, 0x130000, 1, 0xf),          /* ACPI */
        entry(10, 0x131000, 1, 0xf),         /* NVS */
        entry(11, 0xfec00000, 1, 1),         /* MMIO */
        entry(7, 0x200000, 4, 0x1),          /* uncached */
        entry(7, 0x300000, 4, 0x4000f),      /* specific purpose */
        entry(0x80000001, 0x400000, 1, 0xf), /* an OEM's */
        entry(8, 0x500000, 1, 0xf),          /* bad */
        entry(7, 0x600000, 0, 0xf),          /* empty */
    };

    (void)state;
    assert_true(handoff_read_map(&ranges, map, sizeof(map), sizeof(map[0]), false));
    check_invariants();
    assert_int_equal(type_of(0x100000), BOOT_RANGE_FREE);
    assert_int_equal(type_of(0x10f000), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(0x110000), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(0x111000), BOOT_RANGE_FREE);
    assert_int_equal(type_of(0x130000), BOOT_RANGE_ACPI);
    assert_int_equal(type_of(0x131000), BOOT_RANGE_NVS);
    assert_int_equal(type_of(0xfec00000), BOOT_RANGE_MMIO);
    assert_int_equal(type_of(0x200000), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(0x300000), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(0x400000), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(0x500000), BOOT_RANGE_BAD);
    assert_int_equal(type_of(0x600000), 0);
    assert_int_equal(handoff_free_bytes(&ranges), 30 * PAGE);
    assert_true(handoff_read_map(&ranges, map, sizeof(map), sizeof(map[0]), true));
    assert_int_equal(type_of(0x111000), BOOT_RANGE_RESERVED); /* not to be had from boot services */
    assert_int_equal(handoff_free_bytes(&ranges), 15 * PAGE);
    map[0].pages = UINT64_MAX;
    assert_false(handoff_read_map(&ranges, map, sizeof(map), sizeof(map[0]), false));
    assert_false(handoff_read_map(&ranges, map, sizeof(map), 8, false));
    assert_true(handoff_read_map(&ranges, map + 1, sizeof(map[0]) - 1, sizeof(map[0]), false)); /* a cut last entry */
    assert_int_equal(ranges.count, 0);
}

static void test_find(void **state)
{
    uint64_t m = 1UL << 20;

    (void)state;
    assert_true(handoff_paint(&ranges, 1 * m, 4 * m, BOOT_RANGE_FREE));
    assert_true(handoff_paint(&ranges, 16 * m - PAGE, 8 * m, BOOT_RANGE_FREE));
    assert_true(handoff_paint(&ranges, 4096 * m, 64 * m, BOOT_RANGE_FREE));
    assert_int_equal(handoff_find_free(&ranges, 2 * m, 2 * m, 0, UINT64_MAX), 2 * m);
    assert_int_equal(handoff_find_free(&ranges, 4 * m, 2 * m, 0, UINT64_MAX), 16 * m);
    assert_int_equal(handoff_find_free(&ranges, 2 * m, 2 * m, 17 * m, UINT64_MAX), 18 * m);
    assert_int_equal(handoff_find_free(&ranges, 16 * m, 2 * m, 0, UINT64_MAX), 4096 * m);
    assert_int_equal(handoff_find_free(&ranges, 16 * m, 2 * m, 0, 4096 * m), 0);
    assert_int_equal(handoff_find_free(&ranges, 65 * m, PAGE, 0, UINT64_MAX), 0);
    assert_int_equal(handoff_largest_free(&ranges, 2 * m, 4096 * m), 6 * m);
    assert_int_equal(handoff_largest_free(&ranges, 2 * m, 4097 * m), 6 * m);
    assert_int_equal(handoff_largest_free(&ranges, 2 * m, UINT64_MAX), 64 * m);
}

static void test_cpus(void **state)
{
    static struct boot_info info;

    (void)state;
    memset(&info, 0, sizeof(info));
    assert_true(handoff_add_cpu(&info, 4) && handoff_add_cpu(&info, 2) && handoff_add_cpu(&info, 4));
    assert_int_equal(info.nr_cpus, 2);
    handoff_mark_boot_cpu(&info, 2);
    assert_int_equal(info.nr_cpus, 2);
    assert_int_equal(info.cpus[0].apic_id, 2);
    assert_int_equal(info.cpus[0].flags, 3);
    assert_int_equal(info.cpus[1].apic_id, 4);
    assert_int_equal(info.cpus[1].flags, 1);
    for (uint32_t i = 10; info.nr_cpus < BOOT_MAX_CPUS; i++) {
        assert_true(handoff_add_cpu(&info, i));
    }
    assert_false(handoff_add_cpu(&info, 1000));
    handoff_mark_boot_cpu(&info, 1000); /* not in the full table: it must still be there */
    assert_int_equal(info.nr_cpus, BOOT_MAX_CPUS);
    assert_int_equal(info.cpus[0].apic_id, 1000);
    memset(&info, 0, sizeof(info));
    handoff_mark_boot_cpu(&info, 7);
    assert_int_equal(info.nr_cpus, 1);
    assert_int_equal(info.cpus[0].flags, 3);
}

static void test_time(void **state)
{
    (void)state;
    assert_int_equal(handoff_unix_seconds(2023, 11, 14, 22 * 3600 + 13 * 60 + 20, 0), 1700000000);
    assert_int_equal(handoff_unix_seconds(2024, 2, 29, 0, 0), 1709164800);
    assert_int_equal(handoff_unix_seconds(2024, 3, 1, 0, -60), 1709251200 - 3600);
    assert_int_equal(handoff_unix_seconds(2000, 1, 1, 0, 0), 946684800);
    assert_int_equal(handoff_unix_seconds(2023, 2, 29, 0, 0), 0);
    assert_int_equal(handoff_unix_seconds(2023, 13, 1, 0, 0), 0);
    assert_int_equal(handoff_unix_seconds(2023, 0, 1, 0, 0), 0);
    assert_int_equal(handoff_unix_seconds(2023, 1, 0, 0, 0), 0);
    assert_int_equal(handoff_unix_seconds(2023, 1, 1, 86400, 0), 0);
    assert_int_equal(handoff_unix_seconds(1600, 1, 1, 0, 0), 0);
    assert_int_equal(handoff_unix_seconds(2023, 1, 1, 0, 1441), 0);
}

static void test_finish(void **state)
{
    const uint64_t gib = 1UL << 30;

    (void)state;
    handoff_paint(&ranges, 0, 3 * gib, BOOT_RANGE_FREE);
    handoff_paint(&ranges, 0x9f000, 0x61000, BOOT_RANGE_RESERVED);
    handoff_paint(&ranges, 64 << 20, 32 << 20, BOOT_RANGE_DOM0);
    handoff_paint(&ranges, 10 * gib, gib, BOOT_RANGE_MMIO);
    handoff_paint(&ranges, 511 * gib, 3 * gib, BOOT_RANGE_FREE);
    handoff_paint(&ranges, 600 * gib, gib, BOOT_RANGE_FREE);
    assert_true(handoff_finish(&ranges));
    check_invariants();
    assert_int_equal(type_of(0), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(0xff000), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(0x100000), BOOT_RANGE_FREE);
    assert_int_equal(type_of(512 * gib), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(601 * gib - PAGE), BOOT_RANGE_RESERVED);
    assert_int_equal(type_of(512 * gib - (8 << 20)), BOOT_RANGE_FRAME_TABLE); /* GiBs 0, 1, 2 and 511 */
    assert_int_equal(type_of(512 * gib - PAGE), BOOT_RANGE_FRAME_TABLE);
    assert_int_equal(type_of(512 * gib - (8 << 20) - PAGE), BOOT_RANGE_FREE);
    empty(NULL);
    handoff_paint(&ranges, 2 << 20, (2 << 20) - PAGE, BOOT_RANGE_FREE); /* no whole 2 MiB */
    assert_false(handoff_finish(&ranges));
}

static void test_scratch(void **state)
{
    const uint64_t gib = 1UL << 30;

    (void)state;
    assert_int_equal(handoff_scratch(&ranges, 36), 32 * gib / PAGE);
    handoff_paint(&ranges, 33 * gib - PAGE, 2 * PAGE, BOOT_RANGE_RESERVED);
    assert_int_equal(handoff_scratch(&ranges, 36), 34 * gib / PAGE);
    handoff_paint(&ranges, 32 * gib, 32 * gib, BOOT_RANGE_MMIO);
    assert_int_equal(handoff_scratch(&ranges, 36), 0);
}

static void test_start_info(void **state)
{
    (void)state;
    static struct boot_info b;
    static char out[START_INFO_BYTES];
    b.dom0_base = 64 << 20;
    b.dom0_size = 24 << 20;
    b.rsdp = 0xe0000;
    b.nr_modules = BOOT_MAX_MODULES;
    memset(out, 0xa5, sizeof(out));
    for (uint32_t i = 0; i < b.nr_modules; i++) {
        b.modules[i] = (struct boot_module){.base = 0x8000000 + i * 4096, .size = 100 + i};
        memset(b.modules[i].name, 'a', sizeof(b.modules[i].name)); /* not terminated */
    }
    uint64_t base = b.dom0_base + b.dom0_size - START_INFO_BYTES;
    assert_true(start_info_build(&b, out, base));
    const struct hvm_start_info *si = (void *)out;
    assert_int_equal(si->magic, 0x336ec578);
    assert_int_equal(si->flags, 3);
    assert_int_equal(si->nr_modules, BOOT_MAX_MODULES);
    assert_string_equal(out + (si->cmdline_paddr - base), "corbel");
    const struct hvm_modlist_entry *m = (void *)(out + (si->modlist_paddr - base));
    assert_int_equal(m[63].size, 163);
    assert_int_equal(strlen(out + (m[63].cmdline_paddr - base)), sizeof(b.modules[0].name) - 1);
    const struct hvm_memmap_table_entry *map = (void *)(out + (si->memmap_paddr - base));
    assert_int_equal(map[0].size + map[1].size, b.dom0_size);
    b.nr_modules++;
    assert_false(start_info_build(&b, out, base));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_paint_model, empty),
        cmocka_unit_test_setup(test_paint_edges, empty),
        cmocka_unit_test_setup(test_map, empty),
        cmocka_unit_test_setup(test_find, empty),
        cmocka_unit_test_setup(test_finish, empty),
        cmocka_unit_test_setup(test_scratch, empty),
        cmocka_unit_test(test_start_info),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
