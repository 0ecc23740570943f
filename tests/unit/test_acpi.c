/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/fwacpi.c, the static tables: made-up ones in 1 MiB of pretended memory, well-formed and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/fwacpi.h"

#define MEMORY 0x100000UL
#define RSDP 0xe0010UL
#define XSDT 0x10ff0UL /* across a page */

static uint8_t memory[MEMORY];
static struct fwacpi acpi;
static struct boot_machine machine;

static uint64_t there(uint64_t at) { return (uintptr_t)memory + at; }
static void read_all(void) { fwacpi_read(there(RSDP), &acpi, &machine); }

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
    put(RSDP + 24, there(XSDT), 8);
    checksum(RSDP, 20, 8);
    checksum(RSDP, 36, 32);
    for (unsigned i = 0; i < count; i++)
        put(XSDT + 36 + 8 * i, tables[i] < MEMORY && tables[i] != 0 ? there(tables[i]) : tables[i], 8);
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
    return 0;
}

static void test_none(void **state)
{
    (void)state;
    fwacpi_read(0, &acpi, &machine);
    assert_int_equal(machine.nr_ioapics, 0);
    assert_int_equal(machine.isa[4].gsi, 4);
    read_all(); /* zeros */
    assert_int_equal(machine.isa[15].gsi, 15);
    assert_int_equal(machine.reset_addr + machine.pm1_control[0] + acpi.hpet + acpi.serial.address, 0);
    assert_int_equal(fwacpi_damaged(there(RSDP)), 0);
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
    static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00};
    memcpy(memory + 0x26000 + 36, s5, sizeof(s5));
    table(0x26000, "DSDT", 36 + sizeof(s5));
    put(0x21000 + 140, there(0x26000), 8);
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
    read_all();
    assert_int_equal(machine.nr_ioapics, 1);
    assert_int_equal(machine.ioapics[0].addr, 0xfec00000);
    assert_int_equal(machine.isa[0].gsi, 2);
    assert_int_equal(machine.isa[9].flags, 0xd);
    assert_int_equal(machine.isa[4].gsi, 4);
    assert_int_equal(machine.pm1_control[0], 0x604);
    assert_int_equal(machine.sleep_type[0] << 8 | machine.sleep_type[1], 0x501);
    assert_int_equal(acpi.pm_timer_port, 0x608);
    assert_true(machine.reset_addr == 0xcf9 && machine.reset_space == 1 && machine.reset_value == 0xf);
    assert_int_equal(acpi.hpet, 0xfed00000);
    assert_int_equal(acpi.serial.address, 0x2f8);
    assert_int_equal(acpi.nr_iommus, 1);
    assert_int_equal(acpi.iommus[0], 0xfed90000);
    assert_int_equal(fwacpi_damaged(there(RSDP)), 0);
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
    read_all();
    assert_int_equal(machine.nr_ioapics, 0);
    assert_int_equal(acpi.nr_iommus, 0);
    assert_int_equal(machine.reset_addr, 0);
    assert_int_equal(fwacpi_damaged(there(RSDP)), 4); /* the checksum, two lengths, the address */
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
    read_all();
    assert_int_equal(machine.nr_ioapics, BOOT_MAX_IOAPICS);
}

/* Whatever is in the tables' bodies (with right checksums), nothing outside is touched: the sanitizers watch a copy of that size. */
static void test_noise(void **state)
{
    (void)state;
    static const char *const sigs[] = {"APIC", "FACP", "DMAR", "MCFG", "SPCR", "HPET"};
    srand(11);
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t len = 36 + (uint32_t)rand() % 400;
        for (unsigned i = 36; i < len; i++)
            memory[0x20000 + i] = (uint8_t)(rand() % 3 == 0 ? rand() : rand() % 20);
        if (len >= 44)
            put(0x20000 + 40, 0, 4); /* as FADT: no DSDT, neither here nor there */
        if (len >= 148)
            put(0x20000 + 140, 0, 8);
        table(0x20000, sigs[round % 6], len);
        uint8_t *copy = malloc(len);
        memcpy(copy, memory + 0x20000, len);
        const uint64_t all[] = {(uintptr_t)copy};
        root(all, 1);
        read_all();
        assert_true(machine.nr_ioapics <= BOOT_MAX_IOAPICS && acpi.nr_iommus <= FWACPI_MAX_IOMMUS);
        free(copy);
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
