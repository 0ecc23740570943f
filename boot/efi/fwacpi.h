/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] What the loader needs from ACPI: the static tables, the CPU list (MADT) and the S5 sleep types (DSDT). Reads memory
 * only.
 *
 * Tables lie where the firmware says, in its identity map; every length in them is checked before use. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"

#define FWACPI_MAX_IOMMUS 16U

struct fwacpi_register { /* a generic address structure; address 0: absent */
    uint64_t address;
    uint8_t space; /* 0 memory, 1 I/O port, 2 PCI configuration */
    uint8_t bits;
};

/* What the loader itself goes on with. */
struct fwacpi {
    uint64_t hpet;           /* 0: none */
    uint16_t pm_timer_port;  /* 0: none */
    uint32_t nr_iommus;
    uint64_t iommus[FWACPI_MAX_IOMMUS];
    struct fwacpi_register serial; /* the serial console's registers (SPCR), of 16550 kind */
};

/* Fills both from the static tables: a table that is absent or damaged leaves its part at the defaults of a PC. */
void fwacpi_read(uint64_t rsdp, struct fwacpi *acpi, struct boot_machine *machine);

/* How many tables have a wrong checksum or length. */
uint32_t fwacpi_damaged(uint64_t rsdp);

/* The first table with this signature and a right checksum, found from the RSDP; NULL: none. *bytes: its length. */
const void *fwacpi_find(uint64_t rsdp, const char *signature, size_t *bytes);

/* The DSDT that a FADT names, or NULL. */
const void *fwacpi_dsdt(const void *fadt, size_t fadt_bytes, size_t *bytes);

/* Adds the MADT's enabled CPUs to info. Returns how many did not fit. */
uint32_t fwacpi_cpus(const void *madt, size_t bytes, struct boot_info *info);

/* Sleep types of \_S5 by a bounded scan of the AML (no interpreter); false: not found. */
bool fwacpi_s5(const void *dsdt, size_t bytes, uint8_t types[2]);
