/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Exceptions and interrupts that arrive in root mode itself. SDM vol 3, "Interrupt and Exception Handling". */
#pragma once

#include "kernel/core/types.h"

struct trap_frame { /* as traps.asm pushes it */
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Builds and loads the IDT. Precondition: percpu_init. */
void traps_init(void);
/* Loads it on another CPU. */
void traps_load(void);
/* From now on an NMI is the order to stand still for good: a panic is under way. */
void traps_halt_at_nmi(void);
/* For the host-state area of a VMCS. */
uint64_t traps_idt_base(void);
/* Who takes vectors 0x20..0xff; set by platform/irq.c. */
void traps_set_irq_handler(void (*fn)(uint8_t vector));
/* Ends the machine on a fault of root itself. Defined in kernel/platform/panic.c, as panic() is. */
void traps_fatal(const struct trap_frame *frame) __attribute__((noreturn));
/* RDMSR and WRMSR that survive #GP: false when the MSR (or the value) does not exist. */
bool rdmsr_safe(uint32_t msr, uint64_t *value);
bool wrmsr_safe(uint32_t msr, uint64_t value);
/* VMXOFF; false when this CPU was not in VMX operation. */
bool vmxoff_safe(void);
