/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] ACPI tables of a PVH guest. Layouts: ACPI 5.0, chapter 5 "ACPI Software Programming Model". */
#include "dom0/builder/acpi_tables.h"

#include "dom0/lib/string.h"

struct __attribute__((packed)) rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
};
_Static_assert(sizeof(struct rsdp) == 36, "ACPI");

struct __attribute__((packed)) table {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
};
_Static_assert(sizeof(struct table) == 36, "ACPI");

struct __attribute__((packed)) fadt {
    struct table head;
    uint32_t facs;
    uint32_t dsdt;
    uint8_t reserved0;
    uint8_t preferred_profile;
    uint8_t unused_ports[63]; /* SCI_INT .. CENTURY: fixed hardware that a hardware-reduced system has not */
    uint16_t iapc_boot_arch;
    uint8_t reserved1;
    uint32_t flags;
    uint8_t reset_reg[12];
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor;
    uint64_t x_facs;
    uint64_t x_dsdt;
    uint8_t unused_blocks[120];
};
_Static_assert(sizeof(struct fadt) == 0x10c && offsetof(struct fadt, iapc_boot_arch) == 109 &&
                   offsetof(struct fadt, flags) == 112 && offsetof(struct fadt, x_dsdt) == 140,
               "ACPI");

struct __attribute__((packed)) madt {
    struct table head;
    uint32_t lapic;
    uint32_t flags;
};
_Static_assert(sizeof(struct madt) == 44, "ACPI");

struct __attribute__((packed)) madt_lapic {
    uint8_t type, length, uid, apic_id;
    uint32_t flags;
};
_Static_assert(sizeof(struct madt_lapic) == 8, "ACPI");

#define FADT_HW_REDUCED  (1U << 20)
#define BOOT_ARCH_NO_VGA 4U
#define BOOT_ARCH_NO_RTC 0x20U
#define LAPIC_BASE       0xfee00000U
#define MADT_TYPE_LAPIC  0U
#define LAPIC_ENABLED    1U

static uint8_t checksum(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + p[i]);
    }
    return (uint8_t)(0x100U - sum);
}

static struct table head(const char *signature, uint8_t revision, size_t length)
{
    struct table t = {.length = (uint32_t)length, .revision = revision, .oem_revision = 1, .creator_revision = 1};
    memcpy(t.signature, signature, 4);
    memcpy(t.oem_id, "CORBEL", 6);
    memcpy(t.oem_table_id, "CORBEL  ", 8);
    memcpy(t.creator_id, "CRBL", 4);
    return t;
}

/* Tables start at multiples of 16. */
static size_t place(size_t *at, size_t len)
{
    size_t here = *at;
    *at = (here + len + 15U) & ~(size_t)15U;
    return here;
}

static void put_table(uint8_t *buf, size_t at, void *table, size_t len)
{
    struct table *t = table;
    t->checksum = 0;
    t->checksum = checksum(table, len);
    memcpy(buf + at, table, len);
}

static void put_madt(uint8_t *buf, size_t at, size_t len, uint32_t vcpus)
{
    struct madt m = {.head = head("APIC", 3, len), .lapic = LAPIC_BASE};
    memcpy(buf + at, &m, sizeof(m));
    for (uint32_t i = 0; i < vcpus; i++) {
        struct madt_lapic l = {MADT_TYPE_LAPIC, sizeof(l), (uint8_t)i, (uint8_t)(2U * i), LAPIC_ENABLED};
        memcpy(buf + at + sizeof(m) + i * sizeof(l), &l, sizeof(l));
    }
    buf[at + offsetof(struct table, checksum)] = checksum(buf + at, len);
}

size_t acpi_tables_build(uint8_t *buf, uint64_t gpa, uint32_t vcpus)
{
    if (vcpus == 0 || vcpus > ACPI_TABLES_MAX_VCPUS) {
        return 0;
    }
    size_t end = 0, madt_len = sizeof(struct madt) + vcpus * sizeof(struct madt_lapic);
    struct __attribute__((packed)) {
        struct table head;
        uint64_t entry[2];
    } xsdt;
    size_t rsdp_at = place(&end, sizeof(struct rsdp)), xsdt_at = place(&end, sizeof(xsdt)),
           fadt_at = place(&end, sizeof(struct fadt));
    size_t dsdt_at = place(&end, sizeof(struct table)), madt_at = place(&end, madt_len);

    struct rsdp r = {
        .signature = "RSD PTR ", .oem_id = "CORBEL", .revision = 2, .length = sizeof(r), .xsdt = gpa + xsdt_at};
    r.checksum = checksum(&r, 20);
    r.extended_checksum = checksum(&r, sizeof(r));
    memcpy(buf + rsdp_at, &r, sizeof(r));

    xsdt.head = head("XSDT", 1, sizeof(xsdt));
    xsdt.entry[0] = gpa + fadt_at;
    xsdt.entry[1] = gpa + madt_at;
    put_table(buf, xsdt_at, &xsdt, sizeof(xsdt));

    struct fadt f = {.head = head("FACP", 5, sizeof(f)),
                     .dsdt = (uint32_t)(gpa + dsdt_at),
                     .flags = FADT_HW_REDUCED,
                     .x_dsdt = gpa + dsdt_at};
    f.iapc_boot_arch = BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_RTC;
    put_table(buf, fadt_at, &f, sizeof(f));

    struct table dsdt = head("DSDT", 5, sizeof(dsdt));
    put_table(buf, dsdt_at, &dsdt, sizeof(dsdt));
    put_madt(buf, madt_at, madt_len, vcpus);
    return end;
}
