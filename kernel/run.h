/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The life of a CPU. */
#pragma once

/* Runs guests on this CPU for ever. Precondition: VMX is on, the run queue exists, interrupts are off. */
void run_cpu(void) __attribute__((noreturn));
