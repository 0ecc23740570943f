/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What the static ACPI tables say, as one struct. ACPI 6.5, "ACPI Software Programming Model". No AML. */
#pragma once

#include "kernel/core/addr.h"

#define ACPI_MAX_IOAPICS 8U
#define ACPI_MAX_DMAR_UNITS 16U
#define ACPI_ISA_IRQS 16U

struct acpi_gas { /* generic address; addr 0: absent */
    uint64_t addr;
    uint8_t space; /* 0 memory, 1 I/O port, 2 PCI configuration */
    uint8_t bits;
};

struct acpi_info {
    bool present;      /* a valid RSDP was found */
    uint32_t nr_ioapics;
    struct {
        uint64_t addr;
        uint32_t gsi_base;
    } ioapics[ACPI_MAX_IOAPICS];
    struct {
        uint32_t gsi;
        uint16_t flags; /* MPS INTI: [1:0] polarity 1 high 3 low, [3:2] trigger 1 edge 3 level; 0: bus default */
    } isa[ACPI_ISA_IRQS]; /* identity where the MADT says nothing */
    struct acpi_gas reset;
    uint8_t reset_value;
    uint16_t pm1a_control, pm1b_control; /* ports; 0: none */
    uint16_t pm_timer_port; /* 0: none */
    uint64_t hpet;          /* 0: none */
    struct acpi_gas spcr;   /* the serial console's registers */
    uint32_t nr_dmar_units;
    uint64_t dmar_units[ACPI_MAX_DMAR_UNITS];
};

extern struct acpi_info acpi_info;

/* Fills acpi_info from the RSDP at physical address RSDP (0: none). Everything is copied and checked; a bad table is logged and skipped. */
void acpi_init(uint64_t rsdp);
