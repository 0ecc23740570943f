/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Per-CPU data, reached through GS. Modules with state per CPU keep `static struct x x[MAX_CPUS]`
 * indexed by cpu_id(); only what traps and the exit path need lives in struct cpu. */
#pragma once

#include "kernel/core/types.h"

#define MAX_CPUS 32U

struct vcpu;

struct cpu {
    struct cpu *self;          /* must be first: this_cpu() is one load */
    uint32_t id;               /* 0..MAX_CPUS-1 */
    uint32_t apic_id;
    uint64_t epoch;            /* the last flush epoch passed: kernel/core/spinlock.h; atomic */
    struct vcpu *current;      /* the vCPU whose state is loaded, or NULL */
    bool need_resched;         /* set by timers, wake-ups and IPIs; tested once per loop in run.c; atomic */
    bool resting;              /* in HLT: it holds nothing and passes every epoch; atomic */
    bool parked;               /* stands still for smp_stop_others; atomic */
    bool online;               /* an AP came so far that it runs on its own; atomic */
    char *stacks;              /* pages: NMI, double fault, machine check, a hole, then its stack */
};

#define CPU_STACK_ORDER 3U     /* all of `stacks` */
#define CPU_STACK_HOLE 3U      /* its page that is not mapped */

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}
static inline uint32_t cpu_id(void) { return this_cpu()->id; }

/* The boot CPU's GS base, GDT and TSS; the control bits that root's map relies on (CR0.WP, PAT). First of all stages. */
void percpu_init(void);
/* What percpu_init does, on CPU itself, when another CPU made it. */
void percpu_init_this(struct cpu *cpu);
/* A CPU that is not counted yet; percpu_count_in counts it. NULL: there are MAX_CPUS. */
struct cpu *percpu_next(uint32_t apic_id, char *stacks);
void percpu_count_in(void);
/* The CPU with number ID (< cpu_count()). */
struct cpu *cpu_get(uint32_t id);
uint32_t cpu_count(void);
