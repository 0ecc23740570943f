/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] What the loader needs from ACPI: the CPU list (MADT) and the S5 sleep types (DSDT). Reads memory only.
 *
 * Tables lie where the firmware says, in its identity map; every length in them is checked before use. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"

/* The first table with this signature and a right checksum, found from the RSDP; NULL: none. *bytes: its length. */
const void *fwacpi_find(uint64_t rsdp, const char *signature, size_t *bytes);

/* The DSDT that a FADT names, or NULL. */
const void *fwacpi_dsdt(const void *fadt, size_t fadt_bytes, size_t *bytes);

/* Adds the MADT's enabled CPUs to info. Returns how many did not fit. */
uint32_t fwacpi_cpus(const void *madt, size_t bytes, struct boot_info *info);

/* Sleep types of \_S5 by a bounded scan of the AML (no interpreter): boot_info's acpi_s5, 0 when not found. */
uint32_t fwacpi_s5(const void *dsdt, size_t bytes);
