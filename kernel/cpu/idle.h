/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Waiting for the next interrupt. */
#pragma once

#include "kernel/cpu/percpu.h"

/* The CPU works again: whoever took it for resting before has changed what it sees from here on. Full barrier: pairs with flush.c's. */
static inline void cpu_awake(void)
{
    struct cpu *cpu = this_cpu();
    if (cpu->resting)
        (void)__atomic_exchange_n(&cpu->resting, false, __ATOMIC_SEQ_CST);
}

/* Sleeps until an interrupt has been handled; returns with interrupts off. An interrupt that is already pending ends it at once:
 * STI's effect is delayed by one instruction, so none slips in between (SDM vol 2, "STI"). */
static inline void cpu_idle_wait(void)
{
    __atomic_store_n(&this_cpu()->resting, true, __ATOMIC_RELEASE);
    __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
    cpu_awake();
}

/* Lets pending interrupts in, without sleeping; between steps of idle work. */
static inline void cpu_idle_poll(void) { __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory"); }
