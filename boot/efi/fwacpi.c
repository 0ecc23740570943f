/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] What the loader needs from ACPI: the static tables, the CPU list (MADT) and the S5 sleep types (DSDT). Reads memory
 * only. ACPI 6.5, "ACPI Software Programming Model". */
#include "boot/efi/fwacpi.h"

#include "boot/efi/handoff.h"
#include "boot/efi/lib.h"

#define HEADER_BYTES    36U
#define TABLE_MAX_BYTES (16UL << 20) /* larger is damage */
#define ADDRESS_LIMIT   (1UL << 47)  /* higher is as well */

static uint16_t read16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

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

static bool intact(const uint8_t *table)
{
    if ((uintptr_t)table >= ADDRESS_LIMIT) {
        return false;
    }
    size_t bytes = read32(table + 4);
    return bytes >= HEADER_BYTES && bytes <= TABLE_MAX_BYTES && sums_to_zero(table, bytes);
}

/* The table at a physical address if it has this signature, a sane length and a right checksum. */
static const void *table_at(uint64_t address, const char *signature, size_t *bytes)
{
    const uint8_t *table = (const uint8_t *)(uintptr_t)address;

    if (address == 0 || address >= ADDRESS_LIMIT || memcmp(table, signature, 4) != 0 || !intact(table)) {
        return NULL;
    }
    *bytes = read32(table + 4);
    return table;
}

/* XSDT (64-bit entries) or RSDT. */
struct root {
    const uint8_t *list; /* NULL: there are no tables */
    size_t bytes;
    size_t entry_bytes;
};

static struct root find_root(uint64_t rsdp)
{
    const uint8_t *p = (const uint8_t *)(uintptr_t)rsdp;
    struct root root = {NULL, 0, 4};

    if (rsdp == 0 || memcmp(p, "RSD PTR ", 8) != 0 || !sums_to_zero(p, 20)) {
        return root;
    }
    if (p[15] >= 2 && sums_to_zero(p, 36) && read64(p + 24) != 0) {
        root.entry_bytes = 8;
        root.list = table_at(read64(p + 24), "XSDT", &root.bytes);
    } else {
        root.list = table_at(read32(p + 16), "RSDT", &root.bytes);
    }
    return root;
}

/* The address in entry N; false: the list is over. */
static bool entry(const struct root *root, size_t n, uint64_t *address)
{
    size_t at = HEADER_BYTES + n * root->entry_bytes;

    if (root->list == NULL || at + root->entry_bytes > root->bytes) {
        return false;
    }
    *address = root->entry_bytes == 8 ? read64(root->list + at) : read32(root->list + at);
    return true;
}

const void *fwacpi_find(uint64_t rsdp, const char *signature, size_t *bytes)
{
    struct root root = find_root(rsdp);
    uint64_t address;

    for (size_t n = 0; entry(&root, n, &address); n++) {
        const void *table = table_at(address, signature, bytes);
        if (table != NULL) {
            return table;
        }
    }
    return NULL;
}

uint32_t fwacpi_damaged(uint64_t rsdp)
{
    struct root root = find_root(rsdp);
    uint64_t address;
    uint32_t count = 0;

    for (size_t n = 0; entry(&root, n, &address); n++) {
        count += address != 0 && !intact((const uint8_t *)(uintptr_t)address) ? 1 : 0;
    }
    return count;
}

/* ---- the static tables ------------------------------------------------------------------ */
static struct fwacpi_register register_at(const uint8_t *p)
{
    return (struct fwacpi_register){.space = p[0], .bits = p[1], .address = read64(p + 4)};
}

/* "Multiple APIC Description Table": type 1 = I/O APIC, 2 = interrupt source override. */
static void read_madt(const uint8_t *p, size_t bytes, struct boot_machine *machine)
{
    for (size_t at = 44; at + 2 <= bytes && p[at + 1] >= 2 && p[at + 1] <= bytes - at; at += p[at + 1]) {
        const uint8_t *e = p + at;
        if (e[0] == 1 && e[1] >= 12 && machine->nr_ioapics < BOOT_MAX_IOAPICS) {
            machine->ioapics[machine->nr_ioapics].addr = read32(e + 4);
            machine->ioapics[machine->nr_ioapics++].gsi_base = read32(e + 8);
        } else if (e[0] == 2 && e[1] >= 10 && e[2] == 0 && e[3] < BOOT_ISA_IRQS) {
            machine->isa[e[3]].gsi = read32(e + 4);
            machine->isa[e[3]].flags = read16(e + 8);
        }
    }
}

/* "Fixed ACPI Description Table". The sleep registers are of use only together with \_S5 of the DSDT. */
static void read_fadt(const uint8_t *p, size_t bytes, struct fwacpi *acpi, struct boot_machine *machine)
{
    size_t dsdt_bytes = 0;
    const void *dsdt = fwacpi_dsdt(p, bytes, &dsdt_bytes);

    if (dsdt != NULL && bytes >= 72 && fwacpi_s5(dsdt, dsdt_bytes, machine->sleep_type)) {
        machine->pm1_control[0] = (uint16_t)read32(p + 64);
        machine->pm1_control[1] = (uint16_t)read32(p + 68);
    }
    if (bytes >= 92 && p[91] == 4) {
        acpi->pm_timer_port = (uint16_t)read32(p + 76);
    }
    if (bytes >= 129 && (read32(p + 112) >> 10 & 1) != 0) {
        struct fwacpi_register reset = register_at(p + 116);
        machine->reset_addr = reset.space <= 1 ? reset.address : 0;
        machine->reset_space = reset.space;
        machine->reset_value = p[128];
    }
}

/* VT-d specification, "DMA Remapping Reporting Structure": type 0 = one unit. */
static void read_dmar(const uint8_t *p, size_t bytes, struct fwacpi *acpi)
{
    size_t length;

    for (size_t at = 48; at + 4 <= bytes; at += length) {
        length = read16(p + at + 2);
        if (length < 4 || length > bytes - at) {
            return;
        }
        if (read16(p + at) == 0 && length >= 16 && acpi->nr_iommus < FWACPI_MAX_IOMMUS) {
            acpi->iommus[acpi->nr_iommus++] = read64(p + at + 8);
        }
    }
}

void fwacpi_read(uint64_t rsdp, struct fwacpi *acpi, struct boot_machine *machine)
{
    size_t bytes = 0;
    const uint8_t *table;

    memset(acpi, 0, sizeof(*acpi));
    memset(machine, 0, sizeof(*machine));
    for (uint32_t i = 0; i < BOOT_ISA_IRQS; i++) {
        machine->isa[i].gsi = i;
    }
    if ((table = fwacpi_find(rsdp, "APIC", &bytes)) != NULL) {
        read_madt(table, bytes, machine);
    }
    if ((table = fwacpi_find(rsdp, "FACP", &bytes)) != NULL) {
        read_fadt(table, bytes, acpi, machine);
    }
    if ((table = fwacpi_find(rsdp, "DMAR", &bytes)) != NULL) {
        read_dmar(table, bytes, acpi);
    }
    if ((table = fwacpi_find(rsdp, "HPET", &bytes)) != NULL && bytes >= 56 && table[40] == 0) {
        acpi->hpet = read64(table + 44);
    }
    /* Interface types 0, 1 and 0x12 are 16550s. */
    if ((table = fwacpi_find(rsdp, "SPCR", &bytes)) != NULL && bytes >= 52 && (table[36] <= 1 || table[36] == 0x12)) {
        acpi->serial = register_at(table + 40);
    }
}

/* ---- FADT and DSDT -------------------------------------------------------------------------- */
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

bool fwacpi_s5(const void *dsdt, size_t bytes, uint8_t types[2])
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
            types[0] = (uint8_t)(a & 7);
            types[1] = (uint8_t)(b & 7);
            return true;
        }
    }
    return false;
}
