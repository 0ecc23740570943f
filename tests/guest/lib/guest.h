/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] What the tiny test guests share: hypercalls, output to the hypervisor's log, expected faults. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HC_MEMORY_OP 12
#define HC_XEN_VERSION 17
#define HC_CONSOLE_IO 18
#define HC_GRANT 20
#define HC_VCPU_OP 24
#define HC_SCHED_OP 29
#define HC_EVTCHN 32
#define HC_HVM_OP 34
#define DOMID_SELF 0x7ff0U

static inline long hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    long ret;
    __asm__ volatile("vmcall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "memory");
    return ret;
}

/* Each guest's main; returning halts with interrupts off, which powers the guest off. */
void guest_main(const void *start_info);
/* printf subset (%s %d %u %x %lx %ld %%) into the hypervisor's log, one line per call. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Installs the IDT: an exception outside TRY ends the guest with reason crash. */
void traps_on(void);
/* Checks COND; counts and prints failures with NAME. */
void check(bool cond, const char *name, ...) __attribute__((format(printf, 2, 3)));
/* Prints "NAME: N passed, N failed". */
void summary(const char *name);
void shut_down(unsigned reason) __attribute__((noreturn));

struct trap_state { uint64_t resume; uint64_t vector; uint64_t error; };
extern volatile struct trap_state trap_state;
#define NO_TRAP 0xffffUL
/* Executes INSN; VEC becomes the vector of the fault it raised, or NO_TRAP. */
#define TRY(vec, insn, ...)                                                                                    \
    do {                                                                                                       \
        trap_state.vector = NO_TRAP;                                                                           \
        __asm__ volatile("leaq 1f(%%rip), %%r11\n\tmovq %%r11, trap_state(%%rip)\n\t" insn "\n1:\tmovq $0, trap_state(%%rip)" __VA_ARGS__); \
        (vec) = trap_state.vector;                                                                             \
    } while (0)
