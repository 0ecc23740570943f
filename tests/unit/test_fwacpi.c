/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/fwacpi.c: tables built in memory, and each kind of damage to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/fwacpi.h"

static uint8_t rsdp[36], xsdt[36 + 16], madt[44 + 8 + 16 + 8 + 12], fadt[148], dsdt[36 + 16];

static void put(uint8_t *p, uint64_t value, size_t n) { memcpy(p, &value, n); }

static void seal(uint8_t *table, size_t n, size_t at)
{
    uint8_t sum = 0;

    table[at] = 0;
    for (size_t i = 0; i < n; i++) {
        sum = (uint8_t)(sum + table[i]);
    }
    table[at] = (uint8_t)-sum;
}

static void header(uint8_t *table, const char *signature, size_t n)
{
    memset(table, 0, n);
    memcpy(table, signature, 4);
    put(table + 4, n, 4);
}

static int build(void **state)
{
    static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00};

    (void)state;
    header(dsdt, "DSDT", sizeof(dsdt));
    memcpy(dsdt + 36, s5, sizeof(s5));
    seal(dsdt, sizeof(dsdt), 9);
    header(fadt, "FACP", sizeof(fadt));
    put(fadt + 140, (uintptr_t)dsdt, 8);
    seal(fadt, sizeof(fadt), 9);
    header(madt, "APIC", sizeof(madt));
    static const uint8_t entries[] = {
        0, 8,  0, 3, 1, 0, 0,    0,                            /* APIC id 3, enabled */
        9, 16, 0, 0, 0, 1, 0,    0,    1, 0, 0, 0, 0, 0, 0, 0, /* x2APIC id 256, enabled */
        0, 8,  1, 4, 0, 0, 0,    0,                            /* disabled */
        1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,             /* an I/O APIC */
    };
    memcpy(madt + 44, entries, sizeof(entries));
    seal(madt, sizeof(madt), 9);
    header(xsdt, "XSDT", sizeof(xsdt));
    put(xsdt + 36, (uintptr_t)fadt, 8);
    put(xsdt + 44, (uintptr_t)madt, 8);
    seal(xsdt, sizeof(xsdt), 9);
    memset(rsdp, 0, sizeof(rsdp));
    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = 2;
    put(rsdp + 24, (uintptr_t)xsdt, 8);
    seal(rsdp, 20, 8);
    seal(rsdp, 36, 32);
    return 0;
}

static void test_find(void **state)
{
    size_t n = 0;

    (void)state;
    assert_ptr_equal(fwacpi_find((uintptr_t)rsdp, "APIC", &n), madt);
    assert_int_equal(n, sizeof(madt));
    assert_ptr_equal(fwacpi_find((uintptr_t)rsdp, "FACP", &n), fadt);
    assert_null(fwacpi_find((uintptr_t)rsdp, "DMAR", &n));
    assert_null(fwacpi_find(0, "APIC", &n));
    madt[50] ^= 1; /* the checksum is wrong now */
    assert_null(fwacpi_find((uintptr_t)rsdp, "APIC", &n));
    put(xsdt + 4, 0xffffffff, 4);
    assert_null(fwacpi_find((uintptr_t)rsdp, "FACP", &n));
    rsdp[0] = 'x';
    assert_null(fwacpi_find((uintptr_t)rsdp, "FACP", &n));
}

static void test_cpus(void **state)
{
    static struct boot_info info;

    (void)state;
    memset(&info, 0, sizeof(info));
    assert_int_equal(fwacpi_cpus(madt, sizeof(madt), &info), 0);
    assert_int_equal(info.nr_cpus, 2);
    assert_int_equal(info.cpus[0].apic_id, 3);
    assert_int_equal(info.cpus[1].apic_id, 256);
    for (size_t n = 0; n <= sizeof(madt); n++) { /* every truncation, in a copy of that size */
        uint8_t *copy = malloc(n > 0 ? n : 1);
        memcpy(copy, madt, n);
        fwacpi_cpus(copy, n, &info);
        free(copy);
    }
    madt[45] = 0; /* an entry without length ends the walk */
    memset(&info, 0, sizeof(info));
    assert_int_equal(fwacpi_cpus(madt, sizeof(madt), &info), 0);
    assert_int_equal(info.nr_cpus, 0);
}

static void test_s5(void **state)
{
    size_t n = 0;

    (void)state;
    assert_ptr_equal(fwacpi_dsdt(fadt, sizeof(fadt), &n), dsdt);
    assert_int_equal(n, sizeof(dsdt));
    uint8_t types[2];
    assert_true(fwacpi_s5(dsdt, n, types));
    assert_int_equal(types[0] << 8 | types[1], 0x501);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *copy = malloc(cut > 0 ? cut : 1);
        memcpy(copy, dsdt, cut);
        fwacpi_s5(copy, cut, types);
        free(copy);
    }
    dsdt[36 + 6] = 0xc8; /* a package length that leads outside */
    dsdt[36 + 8] = 0xff;
    assert_false(fwacpi_s5(dsdt, 36 + 9, types));
    dsdt[37] = 'x';
    assert_false(fwacpi_s5(dsdt, n, types));
    assert_null(fwacpi_dsdt(fadt, 40, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_find, build),
        cmocka_unit_test_setup(test_cpus, build),
        cmocka_unit_test_setup(test_s5, build),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
