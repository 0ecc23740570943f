/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Waiting for the next interrupt. */
#pragma once

/* Sleeps until an interrupt has been handled; returns with interrupts off. An interrupt that is already pending ends it at once:
 * STI's effect is delayed by one instruction, so none slips in between (SDM vol 2, "STI"). */
static inline void cpu_idle_wait(void) { __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory"); }

/* Lets pending interrupts in, without sleeping; between steps of idle work. */
static inline void cpu_idle_poll(void) { __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory"); }
