/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Per-CPU data. */
#include "kernel/cpu/percpu.h"

#include "kernel/core/trace.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/x86.h"

/* SDM vol 3, "Page Attribute Table": the power-on value; entry 3 (PCD and PWT) is uncacheable. */
#define PAT_DEFAULT 0x0007040600070406UL

_Static_assert(offsetof(struct cpu, self) == 0, "this_cpu");
_Static_assert(offsetof(struct cpu, id) == 8, "trace_cpu");
_Static_assert(offsetof(struct cpu, epoch) == 16, "spin_pass");
_Static_assert(MAX_CPUS == TRACE_MAX_CPUS, "one ring each");

static struct cpu cpus[MAX_CPUS];
static uint32_t nr_cpus = 1;

static char boot_ist[CPU_STACK_HOLE * 4096] __attribute__((aligned(16))); /* the boot CPU's stack is boot/entry.asm's */

void percpu_init_this(struct cpu *cpu)
{
    gdt_load(cpu->id, cpu->stacks);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_GS_BASE, (uint64_t)cpu); /* after gdt_load: loading GS clears the base */
    wrmsr(MSR_PAT, PAT_DEFAULT);
    write_cr0((read_cr0() | CR0_WP | CR0_NE | CR0_MP) & ~(CR0_TS | CR0_EM | CR0_AM));
}

void percpu_init(void)
{
    cpus[0] = (struct cpu){.self = &cpus[0], .apic_id = cpuid(1, 0).ebx >> 24, .online = true, .stacks = boot_ist};
    percpu_init_this(&cpus[0]);
}

struct cpu *percpu_next(uint32_t apic_id, char *stacks)
{
    if (nr_cpus == MAX_CPUS)
        return NULL;
    struct cpu *cpu = &cpus[nr_cpus];
    *cpu = (struct cpu){.self = cpu, .id = nr_cpus, .apic_id = apic_id, .stacks = stacks};
    return cpu;
}

void percpu_count_in(void) { nr_cpus++; }
struct cpu *cpu_get(uint32_t id) { return &cpus[id]; }
uint32_t cpu_count(void) { return nr_cpus; }
