/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Firmware's tables with any contents, each in a block of exactly its size: what the loader makes of them stays within what the hypervisor is handed.
 * Where tables lie is the firmware's word, and lengths that lead out of memory cannot be told apart from true ones; so addresses and outer lengths are right. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/fwacpi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TABLES 6U
#define must(cond) do { if (!(cond)) { fprintf(stderr, "fuzz_acpi: %s\n", #cond); abort(); } } while (0)

static void put(uint8_t *p, uint64_t value, size_t n) { memcpy(p, &value, n); }
static void seal(uint8_t *table, size_t n, size_t at)
{
    uint8_t sum = 0;
    table[at] = 0;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + table[i]);
    table[at] = (uint8_t)-sum;
}

static uint8_t *table(const char *signature, const uint8_t *body, size_t n, uint64_t dsdt)
{
    uint8_t *t = malloc(36 + n);
    memset(t, 0, 36);
    memcpy(t, signature, 4);
    put(t + 4, 36 + n, 4);
    memcpy(t + 36, body, n);
    if (memcmp(signature, "FACP", 4) == 0 && n >= 8) { /* where the DSDT is: old place and new */
        put(t + 40, 0, 4);
        if (36 + n >= 148)
            put(t + 140, dsdt, 8);
    }
    seal(t, 36 + n, 9);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char names[TABLES][5] = {"DSDT", "APIC", "FACP", "DMAR", "HPET", "SPCR"};
    static struct boot_info info;
    uint8_t rsdp[36] = "RSD PTR ", *t[TABLES], *xsdt, types[2];
    uint64_t list[TABLES];
    for (size_t i = 0; i < TABLES; i++) { /* a byte says how long each body is; four times that for the first two */
        size_t n = size > 0 ? data[0] * (i < 2 ? 4U : 1U) : 0;
        data += size > 0;
        size -= size > 0;
        n = n < size ? n : size;
        t[i] = table(names[i], data, n, (uintptr_t)t[0]);
        list[i] = (uintptr_t)t[i];
        data += n;
        size -= n;
    }
    xsdt = table("XSDT", (const uint8_t *)list, sizeof(list), 0);
    rsdp[15] = 2;
    put(rsdp + 24, (uintptr_t)xsdt, 8);
    seal(rsdp, 20, 8);
    seal(rsdp, 36, 32);
    struct fwacpi acpi;
    memset(&info, 0, sizeof(info));
    fwacpi_read((uintptr_t)rsdp, &acpi, &info.machine);
    must(acpi.nr_iommus <= FWACPI_MAX_IOMMUS);
    must(info.machine.nr_private <= sizeof(info.machine.private_pages) / sizeof(info.machine.private_pages[0]));
    must(info.machine.nr_ioapics <= sizeof(info.machine.ioapics) / sizeof(info.machine.ioapics[0]));
    size_t n;
    const void *madt = fwacpi_find((uintptr_t)rsdp, "APIC", &n), *fadt;
    must(madt != NULL);
    (void)fwacpi_cpus(madt, n, &info);
    must(info.nr_cpus <= sizeof(info.cpus) / sizeof(info.cpus[0]));
    fadt = fwacpi_find((uintptr_t)rsdp, "FACP", &n);
    const void *dsdt = fwacpi_dsdt(fadt, n, &n);
    if (dsdt != NULL)
        (void)fwacpi_s5(dsdt, n, types);
    must(fwacpi_damaged((uintptr_t)rsdp) == 0);
    for (size_t i = 0; i < TABLES; i++)
        free(t[i]);
    free(xsdt);
    return 0;
}
