/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The I/O APICs: from the MADT, else one at 0xfec00000. GSI numbers in, redirection entries out. */
#ifndef KERNEL_PLATFORM_IOAPIC_H
#define KERNEL_PLATFORM_IOAPIC_H

#include "kernel/core/types.h"

/* Finds and maps them, masks every line. */
void ioapic_init(void);
uint32_t ioapic_gsi_count(void); /* highest GSI + 1 */
bool ioapic_has(uint32_t gsi);
/* Routes GSI, unmasked, as fixed VECTOR to physical APIC_ID (8 bits). Precondition for all below: ioapic_has(gsi). */
void ioapic_route(uint32_t gsi, uint8_t vector, bool level, bool low, uint32_t apic_id);
void ioapic_mask(uint32_t gsi, bool masked);

#endif
