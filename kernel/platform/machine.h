/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The machine under the hypervisor: the order in which its parts come up.
 *
 * boot/entry.asm copies struct boot_info into .bss, builds the first page tables and calls root_main() (kernel/main.c) on the
 * boot stack, interrupts off. root_main calls, in this order (each is declared in the header named; all take the boot CPU only):
 *
 *   percpu_init();                     kernel/cpu/percpu.h       GS base, GDT, TSS with IST stacks; CR0.WP; PAT
 *   traps_init();                      kernel/cpu/traps.h        IDT: from here on a fault is a panic with a backtrace
 *   features_init();                   kernel/cpu/features.h     what the CPU has; CR4
 *   console_init_early(&boot_info);    kernel/platform/console.h log level, port-I/O UART if there is one; log lines appear from here on
 *   pagetable_init();                  kernel/mm/pagetable.h     final W^X map of the image, windows (needs no frame allocator)
 *   frame_init(&boot_info);            kernel/mm/frame.h         frame table; enum status: not OK -> panic
 *   console_init(&boot_info);          kernel/platform/console.h MMIO UART, framebuffer
 *   lapic_init();                      kernel/platform/lapic.h
 *   irq_init();                        kernel/platform/irq.h     I/O APICs, 8259 masked
 *   clock_init(&boot_info);            kernel/time/clock.h       time runs
 *   deadline_init();                   kernel/time/deadline.h    takes VECTOR_TIMER
 *   uart_enable_irq();                 kernel/platform/uart.h
 *
 * Then vmx_global_init, ept_global_init, vmx_cpu_init, the other CPUs (smp_init) and the domains. The run loop's idle path calls uart_poll() (uart.h) and
 * cpu_idle_wait() (kernel/cpu/idle.h). */
#pragma once

#include "boot/boot_info.h"

/* Root's copy of what the loader handed over; never written after entry. */
extern const struct boot_info boot_info;
