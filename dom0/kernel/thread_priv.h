/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The scheduler's connections to interrupts, time and stacks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/kernel/thread.h"

/* The caller becomes the first thread (its stack is never freed). IRQ_FLAGS: RFLAGS.IF for new threads, or 0 where no
 * interrupts exist. CHECK: name threads that run for more than 1 ms without yielding. */
void thread_init(uint64_t irq_flags, bool check);
/* The timer fired: wakes whose deadline has passed. Interrupts off. */
void thread_timer_event(void);
/* The end of an upcall, interrupts off: switches away from a thread in a preemptible section when its turn is over. */
void thread_preempt(void);
/* First C code of a thread, from traps.asm. */
_Noreturn void thread_begin(void);
/* The thread whose stack ADDRESS overran (it lies in the guard page), or NULL. */
bool thread_in_guard(uint64_t address);

/* stack.c: PAGES mapped pages below *TOP with an unmapped one beneath. false: no memory. */
bool stack_alloc(size_t pages, uint64_t *top);
void stack_free(uint64_t top, size_t pages);
