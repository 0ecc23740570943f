/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The few things that Dom0's kernel does to its virtual CPU. */
#pragma once

#include <stdint.h>

/* What the entry stubs of traps.asm leave on the stack, lowest address first. */
struct cpu_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct cpu_frame) == 22 * 8, "as traps.asm pushes it");

/* GDT, TSS with a stack of its own for exceptions, IDT. */
void cpu_init(void);
/* Interrupts off; returns what cpu_irq_restore needs. */
uint64_t cpu_irq_save(void);
void cpu_irq_restore(uint64_t flags);
/* With interrupts off: waits for one, lets it be handled, returns with interrupts off. An interrupt that is pending
 * already ends it (STI covers HLT). */
void cpu_wait(void);
_Noreturn void cpu_halt(void);

/* traps.asm: saves the callee-saved registers on the stack, its pointer in *SAVE, and goes on with the stack LOAD. */
void cpu_switch(uint64_t *save, uint64_t load);
/* traps.asm: where a new thread's first cpu_switch lands; calls thread_begin. */
void cpu_thread_start(void);
