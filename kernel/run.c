/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The life of a CPU, from top to bottom: pick a vCPU, prepare, enter, handle the exit, again. Everything that could change who runs sets
 * need_resched, so the way round tests one flag. */
#include "kernel/run.h"

#include "ept/flush.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/trace.h"
#include "kernel/cpu/idle.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/event.h"
#include "kernel/domain/pvclock.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/window.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/uart.h"
#include "kernel/smp/smp.h"
#include "vmx/exit/dispatch.h"
#include "vmx/exit/handlers.h"

#define POLL_EXITS 4U /* a power of two; few, for a hypercall may take more than a million ticks */
#define IDLE_SCRUB_PAGES 1U /* about five hundred stores between two looks for interrupts */

static void unload(struct cpu *cpu)
{
    struct vcpu *v = cpu->current;
    pvclock_write_runstate(v); /* while nobody else can load it */
    vmx_unload(&v->vmx);
    cpu->current = NULL;
}

/* NEXT's state on this CPU. That of the one before stays loaded while nobody else comes. */
static void load(struct cpu *cpu, struct vcpu *next)
{
    struct vcpu *prev = cpu->current;
    trace(TRACE_SWITCH, (uint64_t)next->domain->id << 32 | next->id, prev ? (uint64_t)prev->domain->id << 32 | prev->id : ~0UL);
    if (prev) {
        unload(cpu);
        __atomic_store_n(&prev->sched.on_cpu, false, __ATOMIC_RELEASE); /* others may load or free it: pairs with their lock, and with vcpu_settle */
    }
    if (boot_info.options.mitigations) /* what is not mapped cannot leak; the windows themselves would still be right */
        window_flush();
    vmx_load(&next->vmx);
    cpu->current = next;
    deadline_bring(&next->singleshot);
    deadline_bring(&next->poll_timer);
    deadline_bring(&next->vmx.vlapic.timer);
}

/* What NEXT, loaded, has to be told before it goes on. */
static void before_turn(struct vcpu *next)
{
    if (next->sipi)
        vcpu_start(next);
    if (next->vmx.vlapic.timer_rearm)
        exit_apic_timer(next);
    if (next->polling || next->poll_timer.slot) { /* whatever woke it, its SCHEDOP_poll is over */
        event_poll_end(next);
        deadline_cancel(&next->poll_timer);
    }
    pvclock_write_runstate(next);
    if (next->domain->first_entry_tsc == 0)
        next->domain->first_entry_tsc = rdtsc();
}

/* Who runs now, loaded; false: nobody wants to. */
static bool pick(struct cpu *cpu)
{
    struct vcpu *prev = cpu->current;
    /* Before all that is looked at: who changes it later finds the flag clear and sends an interrupt. Full barrier: pairs with smp_kick. */
    (void)__atomic_exchange_n(&cpu->need_resched, false, __ATOMIC_SEQ_CST);
    spin_pass();
    smp_park_point();
    if (prev && sched_must_leave(&prev->sched)) {
        unload(cpu);
        sched_leave(&prev->sched);
        prev = NULL;
    }
    struct sched_unit *u = sched_pick(cpu->id, prev ? &prev->sched : NULL);
    struct vcpu *next = u ? vcpu_of_sched(u) : NULL;
    if (!next) {
        if (prev)
            pvclock_write_runstate(prev);
        return false;
    }
    if (prev != next)
        load(cpu, next);
    before_turn(next);
    return true;
}

/* Nothing to run: clean a little free memory, or sleep until an interrupt. */
static void idle(struct cpu *cpu)
{
    struct vcpu *v = cpu->current; /* may stay loaded meanwhile */
    if (v)
        (void)vmx_book_ticks(&v->vmx);
    if (cpu->id == 0) /* whose interrupt the console has */
        uart_poll();
    if (cpu->need_resched || frame_scrub_step(IDLE_SCRUB_PAGES)) /* set during the pick: nobody else interrupts for it */
        cpu_idle_poll();
    else
        cpu_idle_wait();
    if (v)
        v->vmx.exit.tsc = (uint32_t)rdtsc(); /* nobody's exit took that long */
    cpu->need_resched = true;
}

static void enter(struct vcpu *v)
{
    flush_before_entry(&v->domain->ept);
    vmx_inject_pending(&v->vmx, vcpu_upcall_pending(v));
    if (vmx_enter(&v->vmx) == STATUS_OK)
        exit_dispatch(v);
    else
        domain_kill(v->domain, "the CPU refused to enter the guest");
}

void run_cpu(void)
{
    struct cpu *cpu = this_cpu();
    cpu->need_resched = true;
    for (;;) {
        /* Pairs with smp_kick. Never into a guest with the flag set: no kick would get it out. */
        while (__atomic_load_n(&cpu->need_resched, __ATOMIC_ACQUIRE)) {
            if (!pick(cpu))
                idle(cpu);
        }
        enter(cpu->current);
        /* Pending interrupts normally leave the guest at once. Under Bochs they do not while a guest is entered with IF=0 each time; the VMX-preemption
         * timer does not help against one that exits in quick succession, so root lets them in itself now and then. */
        if (cpu->current->vmx.exits % POLL_EXITS == 0) {
            cpu_idle_poll();
            if (cpu->id == 0 && cpu->current->vmx.exits % (8 * POLL_EXITS) == 0) /* a port is slow */
                uart_poll_silent();
        }
    }
}
