/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The guest-visible clock. All vCPUs run with the same constant rate, so the factors are written once per place: at creation (a
 * guest may read shared_info before it registers anything), and when it registers another place. */
#include "kernel/domain/pvclock.h"

#include "kernel/core/string.h"
#include "kernel/cpu/features.h"
#include "kernel/domain/physmap.h"
#include "kernel/time/clock.h"

#include <xen/xen.h>
#include <xen/vcpu.h>

#define TIME_FLAG_TSC_STABLE 1U
#define RUNSTATE_UPDATE_BIT (1UL << 63)

_Static_assert(sizeof(struct vcpu_time_info) == 32, "Xen ABI");
_Static_assert(sizeof(struct vcpu_runstate_info) == 48, "Xen ABI");
_Static_assert((int)SCHED_TIME_RUNNING == RUNSTATE_running && (int)SCHED_TIME_OFFLINE == RUNSTATE_offline, "Xen ABI");

static struct vcpu_time_info time_of(const struct vcpu *v)
{
    struct vcpu_time_info t = {0};
    clock_pv_factors(&t.tsc_to_system_mul, &t.tsc_shift, &t.tsc_timestamp, &t.system_time);
    t.tsc_timestamp += v->vmx.tsc_offset;
    t.flags = cpu_features.invariant_tsc ? TIME_FLAG_TSC_STABLE : 0;
    return t;
}

/* Even version: consistent; odd: being written. The guest reads version, fields, version. */
static void time_store(struct vcpu_time_info *to, const struct vcpu_time_info *t)
{
    uint32_t version = to->version | 1U;
    __atomic_store_n(&to->version, version, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* pairs with the guest's read barrier after reading version */
    to->tsc_timestamp = t->tsc_timestamp;
    to->system_time = t->system_time;
    to->tsc_to_system_mul = t->tsc_to_system_mul;
    to->tsc_shift = t->tsc_shift;
    to->flags = t->flags;
    __atomic_store_n(&to->version, version + 1, __ATOMIC_RELEASE);
}

void pvclock_write_vcpu(struct vcpu *v)
{
    struct vcpu_time_info t = time_of(v);
    time_store(&vcpu_info(v)->time, &t);
    if (v->time_gpa.v == ~0UL)
        return;
    enum status s = physmap_copy_from(v->domain, &t.version, v->time_gpa, sizeof(t.version));
    t.version = (t.version | 1U) + 1; /* whoever was interrupted while reading reads again */
    if (s != STATUS_OK || physmap_copy_to(v->domain, v->time_gpa, &t, sizeof(t)) != STATUS_OK)
        v->time_gpa = gpa(~0UL); /* the guest took the page away */
}

void pvclock_write_wallclock(struct domain *d)
{
    struct shared_info *s = d->shared_info;
    uint64_t seconds;
    uint32_t ns, version = s->wc_version | 1U;
    clock_wallclock(&seconds, &ns);
    __atomic_store_n(&s->wc_version, version, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* as in time_store */
    s->wc_sec = (uint32_t)seconds;
    s->wc_sec_hi = (uint32_t)(seconds >> 32);
    s->wc_nsec = ns;
    __atomic_store_n(&s->wc_version, version + 1, __ATOMIC_RELEASE);
}

void pvclock_write_runstate(struct vcpu *v)
{
    if (v->runstate_gpa.v == ~0UL)
        return;
    struct sched_times t = sched_times(&v->sched);
    struct vcpu_runstate_info r = {.state = (int)t.state, .state_entry_time = t.since_ns};
    gpa_t entry = gpa(v->runstate_gpa.v + offsetof(struct vcpu_runstate_info, state_entry_time));
    memcpy(r.time, t.time_ns, sizeof(r.time));
    bool ok = true;
    if (v->runstate_flag) { /* VMASST_TYPE_runstate_update_flag: bit 63 is set while the rest changes */
        r.state_entry_time |= RUNSTATE_UPDATE_BIT;
        ok = physmap_copy_to(v->domain, entry, &r.state_entry_time, sizeof(r.state_entry_time)) == STATUS_OK;
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    ok = ok && physmap_copy_to(v->domain, v->runstate_gpa, &r, sizeof(r)) == STATUS_OK;
    if (v->runstate_flag) {
        r.state_entry_time &= ~RUNSTATE_UPDATE_BIT;
        __atomic_thread_fence(__ATOMIC_RELEASE); /* pairs with the guest's re-read of the bit */
        ok = ok && physmap_copy_to(v->domain, entry, &r.state_entry_time, sizeof(r.state_entry_time)) == STATUS_OK;
    }
    if (!ok)
        v->runstate_gpa = gpa(~0UL);
}
