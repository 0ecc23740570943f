/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] This CPU's local APIC, in xAPIC or x2APIC mode as found. SDM vol 3, "Advanced Programmable Interrupt Controller". */
#pragma once

#include "kernel/core/types.h"

void lapic_init(void);        /* enables it on this CPU, masks the LVTs, arms nothing */
uint32_t lapic_id(void);
void lapic_eoi(void);
void lapic_ipi(uint32_t apic_id, uint8_t vector);
void lapic_timer_arm(uint64_t tsc); /* one shot at host TSC (VECTOR_TIMER); past: at once; UINT64_MAX: never */
