/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Control operations on domains and their memory. */
#include "ept/flush.h"
#include "kernel/core/string.h"
#include "kernel/cpu/percpu.h"
#include "kernel/domain/physmap.h"
#include "kernel/domain/pvclock.h"
#include "kernel/hypercall/hc_control_priv.h"
#include "kernel/hypercall/policy.h"
#include "kernel/platform/machine.h"
#include "kernel/time/clock.h"

#define MAX_UNITS 512U /* pages, leaves or frames in one call: the bound of its work */

enum status hc_control_DOMAIN_CREATE(struct control *c, struct cbl_domain_create *a)
{
    struct domain *d;
    if (!policy_delegate(c->caller, a->privileges))
        return STATUS_DENIED;
    enum status s = domain_create(a, &d);
    if (s == STATUS_OK)
        a->domid = d->id;
    return s;
}

enum status hc_control_DOMAIN_DESTROY(struct control *c, struct cbl_domain_ref *a)
{
    return policy_life(c->caller, a->domid) ? domain_destroy(a->domid) : STATUS_DENIED;
}

enum status hc_control_DOMAIN_PAUSE(struct control *c, struct cbl_domain_ref *a)
{
    (void)a;
    domain_pause(c->pair.other);
    return STATUS_OK;
}

enum status hc_control_DOMAIN_UNPAUSE(struct control *c, struct cbl_domain_ref *a)
{
    (void)a;
    return domain_unpause(c->pair.other);
}

enum status hc_control_DOMAIN_INFO(struct control *c, struct cbl_domain_info *a)
{
    (void)c;
    struct domain_locked l DOMAIN_GUARD = a->exact ? domain_lock_any(a->domid) : domain_next(a->domid);
    if (!l.d)
        return STATUS_NO_DOMAIN;
    domain_info(l, a);
    return STATUS_OK;
}

/* The vCPUs of D do not run: its memory may be taken, its registers looked at and set. */
static bool stands_still(const struct domain *d) { return d->pause_count > 0 || d->state == CBL_DOM_NEW || d->state == CBL_DOM_SHUTDOWN; }

static enum status memory(struct domain_locked l, struct cbl_mem_units *a, bool populate)
{
    enum status s = a->nr <= MAX_UNITS && a->order <= 18 && a->gfn < 1UL << 52 ? STATUS_OK : STATUS_INVALID;
    for (a->done = 0; s == STATUS_OK && a->done < a->nr; a->done += s == STATUS_OK) {
        gfn_t g = gfn(a->gfn + ((uint64_t)a->done << a->order));
        spin_pass(); /* zeroing a large unit takes long; no translation is in use here */
        s = populate ? physmap_populate(l, g, a->order) : physmap_release(l, g, a->order);
    }
    flush_sync(&l.d->ept); /* also after populating: a large page may have taken the place of a table */
    return s;
}

enum status hc_control_MEM_POPULATE(struct control *c, struct cbl_mem_units *a)
{
    return memory(c->pair.other, a, true);
}

enum status hc_control_MEM_RELEASE(struct control *c, struct cbl_mem_units *a)
{
    bool allowed = c->pair.other.d == c->caller || stands_still(c->pair.other.d);
    a->done = 0;
    return allowed ? memory(c->pair.other, a, false) : STATUS_BAD_STATE;
}

enum status hc_control_MAP_FOREIGN(struct control *c, struct cbl_map_foreign *a)
{
    a->done = 0;
    if (a->nr > MAX_UNITS || !policy_map_at(c->caller, a->at_gfn, a->nr))
        return STATUS_INVALID;
    return physmap_map_foreign(c->pair.self, c->pair.other, gfn(a->at_gfn), gfn(a->gfn), a->nr, a->writable, &a->done);
}

enum status hc_control_UNMAP_FOREIGN(struct control *c, struct cbl_unmap_foreign *a)
{
    if (a->nr > MAX_UNITS || !policy_map_at(c->caller, a->at_gfn, a->nr))
        return STATUS_INVALID;
    return physmap_unmap_foreign(c->caller, gfn(a->at_gfn), a->nr);
}

enum status hc_control_MAP_MMIO(struct control *c, struct cbl_map_mmio *a)
{
    if (a->nr > (1U << 18) || !policy_mmio(c->caller, a->gfn, a->nr))
        return STATUS_DENIED;
    struct domain_locked l DOMAIN_GUARD = domain_lock(c->caller);
    return physmap_map_identity(l, gfn(a->gfn), a->nr, EPT_R | EPT_W);
}

/* The vCPU whose registers may be looked at: its domain stands still. */
static enum status context_vcpu(struct control *c, uint32_t id, struct vcpu **out)
{
    struct domain *d = c->pair.other.d;
    if (id >= d->nr_vcpus)
        return STATUS_NOT_FOUND;
    *out = d->vcpus[id];
    if (!stands_still(d))
        return STATUS_BAD_STATE;
    return __atomic_load_n(&d->vcpus[id]->sched.on_cpu, __ATOMIC_ACQUIRE) ? STATUS_BUSY : STATUS_OK; /* its CPU lets go of it soon */
}

enum status hc_control_CONTEXT_GET(struct control *c, struct cbl_vcpu_context_op *a)
{
    struct vcpu *v;
    enum status s = context_vcpu(c, a->vcpu, &v);
    return s == STATUS_OK ? vmx_context_get(&v->vmx, &a->ctx) : s;
}

enum status hc_control_CONTEXT_SET(struct control *c, struct cbl_vcpu_context_op *a)
{
    struct vcpu *v;
    enum status s = context_vcpu(c, a->vcpu, &v);
    if (s == STATUS_OK)
        s = vmx_context_set(&v->vmx, &a->ctx);
    if (s != STATUS_OK)
        return s;
    v->initialised = true;
    __atomic_store_n(&v->sipi, 0, __ATOMIC_RELAXED); /* it starts here, not there: it is held, so nobody else looks */
    pvclock_write_vcpu(v); /* the TSC offset may have changed */
    return STATUS_OK;
}

enum status hc_control_VCPU_INFO(struct control *c, struct cbl_vcpu_info *a)
{
    struct domain *d = c->pair.other.d;
    if (a->vcpu >= d->nr_vcpus)
        return STATUS_NOT_FOUND;
    struct vcpu *v = d->vcpus[a->vcpu];
    struct sched_times t = sched_times(&v->sched);
    uint64_t now = clock_now_ns();
    *a = (struct cbl_vcpu_info){.domid = a->domid, .vcpu = a->vcpu, .state = v->sched.state, .hold = v->sched.hold, .cpu = v->sched.cpu,
                                .loaded = v->sched.on_cpu, .affinity = v->sched.affinity, .exits = v->vmx.exits};
    for (unsigned i = 0; i < ARRAY_SIZE(a->time_ns); i++)
        a->time_ns[i] = t.time_ns[i] + (i == t.state && now > t.since_ns ? now - t.since_ns : 0);
    return STATUS_OK;
}

enum status hc_control_EXIT_COUNTS(struct control *c, struct cbl_exit_counts *a)
{
    struct domain *d = c->pair.other.d;
    if (a->vcpu >= d->nr_vcpus)
        return STATUS_NOT_FOUND;
    memcpy(a->by_reason, d->vcpus[a->vcpu]->vmx.by_reason, sizeof(a->by_reason)); /* it may run on: no sum is promised to fit another */
    return STATUS_OK;
}

enum status hc_control_VCPU_PIN(struct control *c, struct cbl_vcpu_pin *a)
{
    struct domain *d = c->pair.other.d;
    if (a->vcpu >= d->nr_vcpus || !(a->affinity & ((1UL << cpu_count()) - 1)))
        return STATUS_INVALID;
    sched_set_affinity(&d->vcpus[a->vcpu]->sched, a->affinity);
    return STATUS_OK;
}

enum status hc_control_SCHED_SET(struct control *c, struct cbl_sched *a)
{
    struct sched_group *g = &c->pair.other.d->sched;
    if (a->weight == 0 || a->weight > SCHED_WEIGHT_MAX || a->cap > 100 * MAX_VCPUS)
        return STATUS_INVALID;
    g->weight = a->weight;
    g->cap = a->cap;
    return STATUS_OK;
}

enum status hc_control_MEM_MAX(struct control *c, struct cbl_mem_max *a)
{
    struct domain *d = c->pair.other.d;
    if (a->max_pages == 0 || a->max_pages > d->created_pages)
        return STATUS_INVALID;
    d->max_pages = a->max_pages;
    return STATUS_OK;
}

enum status hc_control_DEBUG_VMWRITE(struct control *c, struct cbl_vmwrite *a)
{
    struct vcpu *v;
    enum status s = boot_info.options.debug != 0 ? context_vcpu(c, a->vcpu, &v) : STATUS_DENIED;
    return s == STATUS_OK ? vmx_poke(&v->vmx, a->field, a->value, &a->broken) : s;
}
