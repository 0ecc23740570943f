/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The life of a CPU. */
#ifndef KERNEL_RUN_H
#define KERNEL_RUN_H

/* Runs guests on this CPU for ever. Precondition: VMX is on, the run queue exists, interrupts are off. */
void run_cpu(void) __attribute__((noreturn));

#endif
