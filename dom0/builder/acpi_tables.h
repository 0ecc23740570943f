/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The few ACPI tables that a PVH guest needs: RSDP, XSDT, FADT (hardware-reduced), an empty DSDT, MADT. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ACPI_TABLES_BYTES     4096U
#define ACPI_TABLES_MAX_VCPUS 32U /* APIC ids are 2 * vCPU and have to be below 255 */

/* Builds all into BUF (ACPI_TABLES_BYTES, zeroed), to be seen by the guest at GPA (below 4 GiB); the RSDP is at GPA.
 * Bytes used; 0: too many vCPUs. */
size_t acpi_tables_build(uint8_t *buf, uint64_t gpa, uint32_t vcpus);
