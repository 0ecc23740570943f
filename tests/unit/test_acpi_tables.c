/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The guests' ACPI tables: walked as a guest walks them, by pointers and checksums; offsets from the ACPI
 * specification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dom0/builder/acpi_tables.h"

#define GPA 0xfc000000ULL
static uint8_t *tables;
static size_t used;

static uint32_t u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static uint64_t u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static void assert_sum(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + p[i]);
    }
    assert_int_equal(sum, 0);
}

static const uint8_t *table_at(uint64_t gpa, const char *signature)
{
    assert_in_range(gpa, GPA, GPA + used - 36);
    const uint8_t *t = tables + (gpa - GPA);
    assert_memory_equal(t, signature, 4);
    assert_true(u32(t + 4) <= used - (gpa - GPA));
    assert_sum(t, u32(t + 4));
    assert_memory_equal(t + 10, "CORBEL", 6);
    return t;
}

static void walk(uint32_t vcpus)
{
    tables = calloc(1, ACPI_TABLES_BYTES);
    used = acpi_tables_build(tables, GPA, vcpus);
    assert_in_range(used, 400, ACPI_TABLES_BYTES);
    assert_memory_equal(tables, "RSD PTR ", 8);
    assert_sum(tables, 20);
    assert_sum(tables, 36);
    assert_int_equal(tables[15], 2);
    assert_int_equal(u32(tables + 20), 36);
    const uint8_t *xsdt = table_at(u64(tables + 24), "XSDT");
    assert_int_equal(u32(xsdt + 4), 36 + 16);
    const uint8_t *fadt = table_at(u64(xsdt + 36), "FACP");
    assert_int_equal(u32(fadt + 4), 0x10c);
    assert_int_equal(fadt[8], 5);
    assert_int_equal(u32(fadt + 112), 1U << 20);
    assert_int_equal(fadt[109] | fadt[110] << 8, 0x24);
    assert_int_equal(u32(fadt + 40), u64(fadt + 140));
    const uint8_t *dsdt = table_at(u64(fadt + 140), "DSDT");
    assert_int_equal(u32(dsdt + 4), 36);
    const uint8_t *madt = table_at(u64(xsdt + 44), "APIC");
    assert_int_equal(u32(madt + 4), 44 + 8 * vcpus);
    for (uint32_t i = 0; i < vcpus; i++) {
        const uint8_t *l = madt + 44 + 8 * i;
        assert_int_equal(l[0], 0);
        assert_int_equal(l[1], 8);
        assert_int_equal(l[2], i);
        assert_int_equal(l[3], 2 * i);
        assert_int_equal(u32(l + 4), 1);
    }
    free(tables);
}

static void tables_are_right(void **state)
{
    (void)state;
    walk(1);
    walk(2);
    walk(32);
    walk(ACPI_TABLES_MAX_VCPUS);
}

static void refuses(void **state)
{
    (void)state;
    uint8_t buf[ACPI_TABLES_BYTES];
    assert_int_equal(acpi_tables_build(buf, GPA, 0), 0);
    assert_int_equal(acpi_tables_build(buf, GPA, ACPI_TABLES_MAX_VCPUS + 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables_are_right), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
