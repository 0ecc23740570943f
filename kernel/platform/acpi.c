/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Reads the static ACPI tables: each is copied into a buffer once, its checksum tested, and only then looked at. */
#include "kernel/platform/acpi.h"

#include "kernel/core/log.h"
#include "kernel/core/string.h"
#include "kernel/mm/window.h"

#define TABLE_MAX 16384U /* larger tables are not read (a MADT of 1,000 CPUs fits) */
#define ROOT_ENTRIES_MAX 256U
#define HEADER_BYTES 36U
#define ADDRESS_LIMIT (1UL << 46)

struct acpi_info acpi_info;
static uint8_t table[TABLE_MAX];
static uint64_t entries[ROOT_ENTRIES_MAX];

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t get32(const uint8_t *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }
static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static void copy_physical(uint8_t *out, uint64_t pa, size_t len)
{
    for (uint64_t end = pa + len; pa < end; pa++)
        *out++ = ((const uint8_t *)window_open(hfn_of_hpa(hpa(pa))))[pa % PAGE_SIZE];
}

static bool checksum_ok(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

/* Copies the table at PA into `table`; returns its length, 0 when it is not valid. */
static size_t load_table(uint64_t pa)
{
    if (pa == 0 || pa >= ADDRESS_LIMIT)
        return 0;
    copy_physical(table, pa, HEADER_BYTES);
    size_t len = get32(table + 4);
    if (len < HEADER_BYTES || len > TABLE_MAX)
        return 0;
    copy_physical(table, pa, len);
    if (get32(table + 4) != len || !checksum_ok(table, len)) {
        log_warn("acpi: %.*s at 0x%lx: bad checksum, skipped", 4, (const char *)table, pa);
        return 0;
    }
    return len;
}

/* A generic address structure at P (ACPI 6.5, "Generic Address Structure"). */
static struct acpi_gas gas(const uint8_t *p)
{
    return (struct acpi_gas){.space = p[0], .bits = p[1], .addr = get64(p + 4)};
}

static void parse_madt_entry(const uint8_t *e, size_t len)
{
    struct acpi_info *a = &acpi_info;
    if (e[0] == 1 && len >= 12 && a->nr_ioapics < ACPI_MAX_IOAPICS) { /* I/O APIC */
        a->ioapics[a->nr_ioapics].addr = get32(e + 4);
        a->ioapics[a->nr_ioapics++].gsi_base = get32(e + 8);
    } else if (e[0] == 2 && len >= 10 && e[2] == 0 && e[3] < ACPI_ISA_IRQS) { /* interrupt source override */
        a->isa[e[3]].gsi = get32(e + 4);
        a->isa[e[3]].flags = get16(e + 8);
    }
}

static void parse_fadt(size_t len)
{
    struct acpi_info *a = &acpi_info;
    a->pm1a_control = (uint16_t)get32(table + 64);
    a->pm1b_control = (uint16_t)get32(table + 68);
    a->pm_timer_port = table[91] == 4 ? (uint16_t)get32(table + 76) : 0;
    if (len >= 129 && (get32(table + 112) >> 10 & 1) != 0) {
        a->reset = gas(table + 116);
        a->reset_value = table[128];
    }
}

static void parse_dmar_entry(const uint8_t *e, size_t len)
{
    if (get16(e) == 0 && len >= 16 && acpi_info.nr_dmar_units < ACPI_MAX_DMAR_UNITS) /* DRHD */
        acpi_info.dmar_units[acpi_info.nr_dmar_units++] = get64(e + 8);
}

/* Walks a table's entries from AT on. Their type and their length have WIDTH bytes each. */
static void parse_entries(size_t at, size_t len, size_t width, void (*fn)(const uint8_t *e, size_t len))
{
    while (at + 2 * width <= len) {
        size_t n = width == 1 ? table[at + 1] : get16(table + at + 2);
        if (n < 2 * width || at + n > len)
            return;
        fn(table + at, n);
        at += n;
    }
}

static void parse_table(uint64_t pa)
{
    size_t len = load_table(pa);
    if (len == 0)
        return;
    if (memcmp(table, "APIC", 4) == 0)
        parse_entries(44, len, 1, parse_madt_entry);
    else if (memcmp(table, "FACP", 4) == 0 && len >= 116)
        parse_fadt(len);
    else if (memcmp(table, "DMAR", 4) == 0)
        parse_entries(48, len, 2, parse_dmar_entry);
    else if (memcmp(table, "HPET", 4) == 0 && len >= 56 && table[40] == 0)
        acpi_info.hpet = get64(table + 44);
    else if (memcmp(table, "SPCR", 4) == 0 && len >= 52 && (table[36] <= 1 || table[36] == 0x12))
        acpi_info.spcr = gas(table + 40); /* 16550 kinds only */
}

/* The RSDP's root table: XSDT where there is one, else RSDT. *WIDTH: bytes per entry. */
static uint64_t root_table(uint64_t rsdp, unsigned *width)
{
    uint8_t p[36];
    if (rsdp == 0 || rsdp >= ADDRESS_LIMIT)
        return 0;
    copy_physical(p, rsdp, sizeof(p));
    if (memcmp(p, "RSD PTR ", 8) != 0 || !checksum_ok(p, 20))
        return 0;
    bool extended = p[15] >= 2 && checksum_ok(p, 36) && get64(p + 24) != 0;
    *width = extended ? 8 : 4;
    return extended ? get64(p + 24) : get32(p + 16);
}

void acpi_init(uint64_t rsdp)
{
    acpi_info = (struct acpi_info){0};
    for (uint32_t i = 0; i < ACPI_ISA_IRQS; i++)
        acpi_info.isa[i].gsi = i;
    unsigned width = 0;
    uint64_t root = root_table(rsdp, &width);
    size_t len = root != 0 ? load_table(root) : 0;
    if (len == 0) {
        log_info("acpi: no tables (rsdp 0x%lx); using the legacy defaults", rsdp);
        return;
    }
    acpi_info.present = true;
    size_t count = MIN((len - HEADER_BYTES) / width, ROOT_ENTRIES_MAX);
    for (size_t i = 0; i < count; i++) /* kept aside: `table` is reused for each of them */
        entries[i] = width == 8 ? get64(table + HEADER_BYTES + i * 8) : get32(table + HEADER_BYTES + i * 4);
    for (size_t i = 0; i < count; i++)
        parse_table(entries[i]);
    log_debug("acpi: %zu tables, %u I/O APICs, %u IOMMUs, hpet 0x%lx, pm timer 0x%x", count, acpi_info.nr_ioapics,
              acpi_info.nr_dmar_units, acpi_info.hpet, acpi_info.pm_timer_port);
}
