/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Kicks between CPUs. */
#include "kernel/smp/smp.h"

#include "kernel/cpu/percpu.h"
#include "kernel/platform/irq.h"
#include "kernel/platform/lapic.h"

static void on_resched(void) { this_cpu()->need_resched = true; }

void smp_init(void) { irq_set_system(VECTOR_RESCHED, on_resched); }

void smp_kick(uint32_t cpu)
{
    struct cpu *target = cpu_get(cpu);
    /* Release: pairs with the run loop's test after its interrupt or at its next turn. */
    __atomic_store_n(&target->need_resched, true, __ATOMIC_RELEASE);
    if (cpu != cpu_id())
        lapic_ipi(target->apic_id, VECTOR_RESCHED);
}
