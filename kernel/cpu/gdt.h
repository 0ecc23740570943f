/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Segments and the task state of a root CPU. SDM vol 3, "Protected-Mode Memory Management" and "Task Management". */
#pragma once

#include "kernel/core/types.h"

#define GDT_CODE 0x08U
#define GDT_DATA 0x10U
#define GDT_TSS 0x18U /* two entries */

/* Interrupt stack table slots (1-based, as in the IDT): events that may come when the stack itself is bad. */
#define IST_NMI 1U
#define IST_DOUBLE_FAULT 2U
#define IST_MACHINE_CHECK 3U

/* Loads this CPU's GDT, segment registers and TR; STACKS: three pages for the interrupt stack table. Precondition: CPU < MAX_CPUS. */
void gdt_load(uint32_t cpu, const char *stacks);
/* For the host-state area of a VMCS. */
uint64_t gdt_base(uint32_t cpu);
uint64_t gdt_tss_base(uint32_t cpu);
