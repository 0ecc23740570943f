/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Root's reader of ACPI tables: made-up tables in 1 MiB of pretended memory, well-formed and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/core/log.h"
#include "kernel/mm/window.h"
#include "kernel/platform/acpi.h"

#define MEMORY 0x100000UL
#define RSDP 0xe0010UL
#define XSDT 0x10ff0UL /* across a page */

static uint8_t memory[MEMORY];
static uint8_t elsewhere[4096];
static unsigned warnings;

void log_line(enum log_level level, const char *fmt, ...)
{
    (void)fmt;
    warnings += level == LOG_WARN;
}
void *window_open(hfn_t f) { return f.v < MEMORY >> 12 ? memory + (f.v << 12) : elsewhere; }

static void put(uint64_t at, uint64_t v, unsigned bytes) { memcpy(memory + at, &v, bytes); }

static void checksum(uint64_t at, size_t len, size_t where)
{
    uint8_t sum = 0;
    memory[at + where] = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + memory[at + i]);
    memory[at + where] = (uint8_t)(0 - sum);
}

static void table(uint64_t at, const char *sig, uint32_t len)
{
    memcpy(memory + at, sig, 4);
    put(at + 4, len, 4);
    checksum(at, len, 9);
}

static void root(const uint64_t *tables, unsigned count)
{
    memcpy(memory + RSDP, "RSD PTR ", 8);
    memory[RSDP + 15] = 2;
    put(RSDP + 20, 36, 4);
    put(RSDP + 24, XSDT, 8);
    checksum(RSDP, 20, 8);
    checksum(RSDP, 36, 32);
    for (unsigned i = 0; i < count; i++)
        put(XSDT + 36 + 8 * i, tables[i], 8);
    table(XSDT, "XSDT", 36 + 8 * count);
}

static void gas(uint64_t at, uint8_t space, uint64_t addr)
{
    memory[at] = space;
    memory[at + 1] = 16;
    put(at + 4, addr, 8);
}

static void make_madt(uint64_t at)
{
    put(at + 40, 1, 4);
    uint64_t e = at + 44;
    memory[e] = 0, memory[e + 1] = 8; /* a local APIC: skipped */
    e += 8;
    memory[e] = 1, memory[e + 1] = 12;
    put(e + 4, 0xfec00000, 4);
    put(e + 8, 0, 4);
    e += 12;
    memory[e] = 2, memory[e + 1] = 10, memory[e + 3] = 0;
    put(e + 4, 2, 4);
    e += 10;
    memory[e] = 2, memory[e + 1] = 10, memory[e + 3] = 9;
    put(e + 4, 9, 4);
    put(e + 8, 0xd, 2);
    e += 10;
    table(at, "APIC", (uint32_t)(e - at));
}

static int reset(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    warnings = 0;
    return 0;
}

static void test_none(void **state)
{
    (void)state;
    acpi_init(0);
    assert_false(acpi_info.present);
    assert_int_equal(acpi_info.isa[4].gsi, 4);
    acpi_init(RSDP); /* zeros */
    assert_false(acpi_info.present);
    acpi_init(~0UL);
    assert_false(acpi_info.present);
}

static void test_all(void **state)
{
    (void)state;
    make_madt(0x20000);
    put(0x21000 + 64, 0x604, 4);
    put(0x21000 + 76, 0x608, 4);
    memory[0x21000 + 91] = 4;
    put(0x21000 + 112, 1 << 10 | 1 << 8, 4);
    gas(0x21000 + 116, 1, 0xcf9);
    memory[0x21000 + 128] = 0xf;
    table(0x21000, "FACP", 244);
    gas(0x22000 + 40, 0, 0xfed00000);
    table(0x22000, "HPET", 56);
    put(0x23000 + 44, 0xb0000000, 8);
    memory[0x23000 + 55] = 255;
    table(0x23000, "MCFG", 60);
    gas(0x24000 + 40, 1, 0x2f8);
    table(0x24000, "SPCR", 80);
    put(0x25000 + 48, 0, 2);
    put(0x25000 + 50, 16, 2);
    put(0x25000 + 56, 0xfed90000, 8);
    table(0x25000, "DMAR", 64);
    const uint64_t all[] = {0x20000, 0x21000, 0x22000, 0x23000, 0x24000, 0x25000};
    root(all, 6);
    acpi_init(RSDP);
    assert_true(acpi_info.present);
    assert_int_equal(acpi_info.nr_ioapics, 1);
    assert_int_equal(acpi_info.ioapics[0].addr, 0xfec00000);
    assert_int_equal(acpi_info.isa[0].gsi, 2);
    assert_int_equal(acpi_info.isa[9].flags, 0xd);
    assert_int_equal(acpi_info.isa[4].gsi, 4);
    assert_int_equal(acpi_info.pm1a_control, 0x604);
    assert_int_equal(acpi_info.pm_timer_port, 0x608);
    assert_true(acpi_info.reset.addr == 0xcf9 && acpi_info.reset.space == 1 && acpi_info.reset_value == 0xf);
    assert_int_equal(acpi_info.hpet, 0xfed00000);
    assert_int_equal(acpi_info.spcr.addr, 0x2f8);
    assert_int_equal(acpi_info.nr_dmar_units, 1);
    assert_int_equal(acpi_info.dmar_units[0], 0xfed90000);
    assert_int_equal(warnings, 0);
}

static void test_broken(void **state)
{
    (void)state;
    make_madt(0x20000);
    memory[0x20000 + 60] ^= 1; /* checksum wrong */
    table(0x21000, "FACP", 20); /* shorter than a header */
    put(0x22000 + 48, 0, 2);    /* a DMAR entry of length 0 */
    table(0x22000, "DMAR", 64);
    memory[0x23000 + 44] = 1, memory[0x23000 + 45] = 200; /* a MADT entry longer than the table */
    table(0x23000, "APIC", 60);
    table(0x24000, "MCFG", 0x7fffffff & 0xfff);
    put(0x24000 + 4, 0x7fffffff, 4); /* length beyond all reason */
    const uint64_t all[] = {0x20000, 0x21000, 0x22000, 0x23000, 0x24000, 0, ~0UL};
    root(all, 7);
    acpi_init(RSDP);
    assert_true(acpi_info.present);
    assert_int_equal(acpi_info.nr_ioapics, 0);
    assert_int_equal(acpi_info.nr_dmar_units, 0);
    assert_int_equal(acpi_info.reset.addr, 0);
    assert_int_equal(warnings, 1);
}

static void test_too_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        uint64_t e = 0x20000 + 44 + 12 * i;
        memory[e] = 1, memory[e + 1] = 12;
        put(e + 4, 0xfec00000 + i * 0x1000, 4);
    }
    table(0x20000, "APIC", 44 + 12 * 40);
    const uint64_t all[] = {0x20000};
    root(all, 1);
    acpi_init(RSDP);
    assert_int_equal(acpi_info.nr_ioapics, ACPI_MAX_IOAPICS);
}

/* Whatever is in the tables' bodies (with right checksums), nothing outside is touched: the sanitizers watch. */
static void test_noise(void **state)
{
    (void)state;
    static const char *const sigs[] = {"APIC", "FACP", "DMAR", "MCFG", "SPCR", "HPET"};
    const uint64_t all[] = {0x20000};
    srand(11);
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t len = 36 + (uint32_t)rand() % 400;
        for (unsigned i = 36; i < len; i++)
            memory[0x20000 + i] = (uint8_t)(rand() % 3 == 0 ? rand() : rand() % 20);
        table(0x20000, sigs[round % 6], len);
        root(all, 1);
        acpi_init(RSDP);
        assert_true(acpi_info.nr_ioapics <= ACPI_MAX_IOAPICS && acpi_info.nr_dmar_units <= ACPI_MAX_DMAR_UNITS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_none, reset),     cmocka_unit_test_setup(test_all, reset),   cmocka_unit_test_setup(test_broken, reset),
        cmocka_unit_test_setup(test_too_many, reset), cmocka_unit_test_setup(test_noise, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
