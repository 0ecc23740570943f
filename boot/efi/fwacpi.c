/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] What the loader needs from ACPI: the CPU list (MADT) and the S5 sleep types (DSDT). Reads memory only. */
#include "boot/efi/fwacpi.h"

#include "boot/efi/handoff.h"
#include "boot/efi/lib.h"

#define HEADER_BYTES    36U
#define TABLE_MAX_BYTES (16UL << 20) /* larger is damage */

static uint32_t read32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t read64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static bool sums_to_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum = (uint8_t)(sum + p[i]);
    }
    return sum == 0;
}

/* The table at a physical address if it has this signature, a sane length and a right checksum. */
static const void *table_at(uint64_t address, const char *signature, size_t *bytes)
{
    const uint8_t *table = (const uint8_t *)(uintptr_t)address;

    if (address == 0 || memcmp(table, signature, 4) != 0) {
        return NULL;
    }
    *bytes = read32(table + 4);
    if (*bytes < HEADER_BYTES || *bytes > TABLE_MAX_BYTES || !sums_to_zero(table, *bytes)) {
        return NULL;
    }
    return table;
}

const void *fwacpi_find(uint64_t rsdp, const char *signature, size_t *bytes)
{
    const uint8_t *root = (const uint8_t *)(uintptr_t)rsdp;
    size_t root_bytes = 0;

    if (rsdp == 0 || memcmp(root, "RSD PTR ", 8) != 0 || !sums_to_zero(root, 20)) {
        return NULL;
    }
    bool wide = root[15] >= 2 && read64(root + 24) != 0; /* revision 2: an XSDT with 64-bit entries */
    const uint8_t *list =
        wide ? table_at(read64(root + 24), "XSDT", &root_bytes) : table_at(read32(root + 16), "RSDT", &root_bytes);
    size_t entry_bytes = wide ? 8 : 4;

    for (size_t at = HEADER_BYTES; list != NULL && at + entry_bytes <= root_bytes; at += entry_bytes) {
        const void *table = table_at(wide ? read64(list + at) : read32(list + at), signature, bytes);
        if (table != NULL) {
            return table;
        }
    }
    return NULL;
}

const void *fwacpi_dsdt(const void *fadt, size_t fadt_bytes, size_t *bytes)
{
    const uint8_t *p = fadt;
    uint64_t address = 0;

    if (fadt_bytes >= 148) {
        address = read64(p + 140); /* X_DSDT */
    }
    if (address == 0 && fadt_bytes >= 44) {
        address = read32(p + 40);
    }
    return table_at(address, "DSDT", bytes);
}

/* ACPI 6.4, section "Multiple APIC Description Table": type 0 = local APIC, 9 = local x2APIC. */
uint32_t fwacpi_cpus(const void *madt, size_t bytes, struct boot_info *info)
{
    const uint8_t *p = madt;
    uint32_t lost = 0;

    for (size_t at = 44; at + 2 <= bytes && p[at + 1] >= 2 && p[at + 1] <= bytes - at; at += p[at + 1]) {
        if (p[at] == 0 && p[at + 1] >= 8 && (read32(p + at + 4) & 1) != 0) {
            lost += handoff_add_cpu(info, p[at + 3]) ? 0 : 1;
        } else if (p[at] == 9 && p[at + 1] >= 16 && (read32(p + at + 8) & 1) != 0) {
            lost += handoff_add_cpu(info, read32(p + at + 4)) ? 0 : 1;
        }
    }
    return lost;
}

/* One AML integer at *at: ZeroOp, OneOp, BytePrefix, WordPrefix or DWordPrefix (ACPI 6.4, section "Data Objects
 * Encoding"). */
static bool aml_integer(const uint8_t *aml, size_t bytes, size_t *at, uint32_t *value)
{
    static const uint8_t length[] = {[0x0a] = 1, [0x0b] = 2, [0x0c] = 4};

    if (*at >= bytes) {
        return false;
    }
    uint8_t op = aml[(*at)++];
    if (op <= 1) {
        *value = op;
        return true;
    }
    if (op >= sizeof(length) || length[op] == 0 || length[op] > bytes - *at) {
        return false;
    }
    *value = aml[*at]; /* sleep types have 3 bits: the low byte is enough */
    *at += length[op];
    return true;
}

uint32_t fwacpi_s5(const void *dsdt, size_t bytes)
{
    const uint8_t *aml = dsdt;
    uint32_t a, b;

    for (size_t i = HEADER_BYTES; i + 8 <= bytes; i++) {
        if (memcmp(aml + i, "_S5_", 4) != 0 || aml[i + 4] != 0x12) { /* Name (_S5_, Package ...) */
            continue;
        }
        size_t at = i + 5;
        at += 1 + (size_t)(aml[at] >> 6); /* PkgLength: its top bits count the bytes that follow */
        at += 1;                          /* NumElements */
        if (aml_integer(aml, bytes, &at, &a)) {
            if (!aml_integer(aml, bytes, &at, &b)) {
                b = a;
            }
            return 1U << 31 | (b & 7) << 8 | (a & 7);
        }
    }
    return 0;
}
