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
    struct vcpu *current;      /* the vCPU whose state is loaded, or NULL */
    bool need_resched;         /* set by timers, wake-ups and IPIs; tested once per loop in run.c */
};

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}
static inline uint32_t cpu_id(void) { return this_cpu()->id; }

/* The boot CPU's GS base, GDT and TSS; the control bits that root's map relies on (CR0.WP, PAT). First of all stages. */
void percpu_init(void);
/* The CPU with number ID (< cpu_count()). */
struct cpu *cpu_get(uint32_t id);
uint32_t cpu_count(void);
