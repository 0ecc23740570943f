/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] vCPUs: birth and death, waiting and waking, up and down, where their vcpu_info lives. */
#include "kernel/domain/vcpu.h"

#include "kernel/core/spinlock.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/event.h"
#include "kernel/domain/physmap.h"
#include "kernel/domain/pvclock.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pool.h"
#include "kernel/mm/window.h"
#include "kernel/smp/smp.h"
#include "kernel/time/clock.h"

_Static_assert(sizeof(struct vcpu) <= PAGE_SIZE, "a pool's object");
static struct pool vcpus = POOL_INIT(struct vcpu);
static uint32_t next_cpu; /* where the next new one begins */

static void singleshot_due(struct deadline *self)
{
    event_raise_virq(CONTAINER_OF(self, struct vcpu, singleshot), VIRQ_TIMER);
}

static void poll_due(struct deadline *self)
{
    struct vcpu *v = CONTAINER_OF(self, struct vcpu, poll_timer);
    event_poll_end(v);
    vcpu_kick(v);
}

enum status vcpu_create(struct domain *d)
{
    uint32_t id = d->nr_vcpus;
    struct vcpu *v = pool_alloc(&vcpus);
    if (!v)
        return STATUS_NO_MEMORY;
    bool privileged = d->privileges & CBL_PRIV_DEVICE;
    struct vmx_create how = {.domid = d->id, .vcpu_id = id, .apic_id = 2 * id, .privileged = privileged, .ept = &d->ept};
    enum status s = vmx_vcpu_create(&v->vmx, &how);
    if (s != STATUS_OK) {
        pool_free(&vcpus, v);
        return s;
    }
    v->domain = d;
    v->id = id;
    v->info = &((struct shared_info *)d->shared_info)->vcpu_info[id];
    v->info_hfn = HFN_INVALID;
    v->waits_for_sipi = id != 0;
    v->runstate_gpa = v->time_gpa = gpa(~0UL);
    v->singleshot.fire = singleshot_due;
    v->poll_timer.fire = poll_due;
    sched_unit_init(&v->sched, &d->sched, next_cpu++ % cpu_count(), d->privileges & CBL_PRIV_DEVICE); /* Dom0's, the first: 0 */
    pvclock_write_vcpu(v);
    d->vcpus[id] = v;
    __atomic_store_n(&d->nr_vcpus, id + 1, __ATOMIC_RELEASE); /* debug keys look without being asked */
    return STATUS_OK;
}

void vcpu_settle(struct vcpu *v)
{
    while (__atomic_load_n(&v->sched.on_cpu, __ATOMIC_ACQUIRE)) { /* pairs with the run loop's release */
        spin_pass();
        smp_park_point();
        cpu_relax();
    }
}

void vcpu_destroy(struct domain_locked l, struct vcpu *v)
{
    deadline_cancel(&v->singleshot);
    deadline_cancel(&v->poll_timer);
    if (hfn_valid(v->info_hfn))
        physmap_put_frame(l, &l.d->ept, v->info_hfn);
    vmx_vcpu_destroy(&v->vmx);
    l.d->vcpus[--l.d->nr_vcpus] = NULL;
    pool_free(&vcpus, v);
}

struct vcpu_info *vcpu_info(struct vcpu *v)
{
    void *shared = __atomic_load_n(&v->info, __ATOMIC_ACQUIRE); /* pairs with vcpu_register_info */
    return shared ? shared : (char *)window_open(v->info_hfn) + v->info_offset;
}

static bool event_pending(struct vcpu *v)
{
    if (vmx_nmi_deliverable(&v->vmx) || v->vmx.reinject_valid || vlapic_has_pending(&v->vmx))
        return true;
    return v->vmx.callback_vector && vcpu_upcall_pending(v);
}

/* A poller runs with interrupts off as a rule: an upcall that cannot be taken does not end its wait. */
static bool wait_is_over(struct vcpu *v)
{
    return event_pending(v) && (!__atomic_load_n(&v->polling, __ATOMIC_ACQUIRE) || vmx_interruptible(&v->vmx));
}

void vcpu_block(struct vcpu *v)
{
    sched_block(&v->sched);
    if (wait_is_over(v)) { /* looked at only now: who set it later sees a blocked vCPU and wakes it */
        event_poll_end(v);
        sched_wake(&v->sched);
    }
}

void vcpu_kick(struct vcpu *v) { sched_wake(&v->sched); }

static bool all_down(const struct domain *d)
{
    for (uint32_t i = 0; i < d->nr_vcpus; i++) {
        if (d->vcpus[i]->sched.state != VCPU_DOWN)
            return false;
    }
    return true;
}

void vcpu_up(struct vcpu *v) { sched_up(&v->sched); }

void vcpu_down(struct vcpu *v)
{
    sched_down(&v->sched);
    if (all_down(v->domain))
        domain_shutdown(v->domain, CBL_SHUTDOWN_POWEROFF);
}

void vcpu_halt(struct vcpu *v)
{
    if (vmx_if_set(&v->vmx))
        vcpu_block(v);
    else if (!vmx_nmi_deliverable(&v->vmx) && !v->vmx.reinject_valid)
        vcpu_down(v);
}

void vcpu_init_signal(struct vcpu *v)
{
    sched_down(&v->sched);
    __atomic_store_n(&v->waits_for_sipi, true, __ATOMIC_RELEASE);
}

void vcpu_sipi(struct vcpu *v, uint8_t vector)
{
    if (v->sched.state != VCPU_DOWN || !__atomic_exchange_n(&v->waits_for_sipi, false, __ATOMIC_ACQ_REL))
        return; /* the second SIPI of the usual pair finds it started */
    __atomic_store_n(&v->sipi, (uint16_t)(vector + 1), __ATOMIC_RELEASE);
    v->initialised = true;
    vcpu_up(v);
}

void vcpu_start(struct vcpu *v)
{
    vmx_start_sipi(&v->vmx, (uint8_t)(__atomic_exchange_n(&v->sipi, 0, __ATOMIC_ACQUIRE) - 1));
}

enum status vcpu_register_info(struct domain_locked l, struct vcpu *v, gfn_t g, uint32_t offset)
{
    if (!v->info || offset > PAGE_SIZE - sizeof(struct vcpu_info) || offset % 8)
        return STATUS_INVALID;
    hfn_t h;
    if (!physmap_get_frame(l, g, true, &h))
        return STATUS_INVALID;
    struct vcpu_info *to = (void *)((char *)window_open(h) + offset);
    *to = *(struct vcpu_info *)v->info;
    v->info_hfn = h;
    v->info_offset = offset;
    __atomic_store_n(&v->info, NULL, __ATOMIC_RELEASE); /* senders on other CPUs use the new place from here on */
    pvclock_write_vcpu(v);
    event_mark_all(v);
    return STATUS_OK;
}

void vcpu_set_singleshot(struct vcpu *v, uint64_t ns)
{
    if (ns <= clock_now_ns()) {
        deadline_cancel(&v->singleshot);
        event_raise_virq(v, VIRQ_TIMER);
        return;
    }
    deadline_set(&v->singleshot, clock_tsc_of_ns(ns));
}
