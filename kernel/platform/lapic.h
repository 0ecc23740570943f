/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] This CPU's local APIC, in xAPIC or x2APIC mode as found. SDM vol 3, "Advanced Programmable Interrupt Controller". */
#pragma once

#include "kernel/core/types.h"

#define LAPIC_NMI 0x4400U           /* lapic_ipi's ICR: NMI, assert */
#define LAPIC_INIT 0x4500U
#define LAPIC_SIPI 0x4600U          /* | page number where the CPU starts */
#define LAPIC_TO_OTHERS 0xc0000U    /* shorthand: all CPUs but this; apic_id does not matter */

void lapic_init(void);        /* enables it on this CPU, masks the LVTs, arms nothing. On each CPU, one at a time */
uint32_t lapic_id(void);
void lapic_eoi(void);
void lapic_ipi(uint32_t apic_id, uint32_t icr); /* ICR: a vector for a fixed interrupt, or one of the above */
void lapic_timer_arm(uint64_t tsc); /* one shot at host TSC (VECTOR_TIMER); past: at once; UINT64_MAX: never */
