/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercalls 24 (vcpu_op), 29 (sched_op) and 15 (set_timer_op): vCPUs, their areas and timers, waiting, ending. */
#include "kernel/domain/event.h"
#include "kernel/domain/pvclock.h"
#include "kernel/hypercall/copy.h"
#include "kernel/hypercall/hc_priv.h"
#include "kernel/time/clock.h"

#include <xen/sched.h>
#include <xen/vcpu.h>

_Static_assert(sizeof(struct sched_poll) == 24 && offsetof(struct sched_poll, timeout) == 16, "Xen ABI");
_Static_assert(sizeof(struct vcpu_register_vcpu_info) == 16 && sizeof(struct vcpu_set_singleshot_timer) == 16, "Xen ABI");

/* The argument holds the guest-virtual address of an area of LEN bytes, which may lie in two pages if those are
 * neighbours; *AREA becomes its gpa. No argument, or the address 0: ~0, no area. */
static int64_t register_area(struct hc *c, size_t len, gpa_t *area)
{
    uint64_t va = 0;
    gpa_t first = gpa(~0UL), last;
    if (c->a3 != 0 && hc_get(c, &va, c->a3, sizeof(va)) != 0)
        return HC_EFAULT;
    if (va % 8 || va + len < va)
        return HC_EINVAL;
    if (va && (translate_gva(c->v, gva(va), true, &first) != STATUS_OK ||
               translate_gva(c->v, gva(va + len - 1), true, &last) != STATUS_OK))
        return HC_EFAULT;
    if (va && last.v - first.v != len - 1)
        return HC_EINVAL;
    *area = first;
    return 0;
}

static int64_t register_info(struct hc *c, struct vcpu *v)
{
    struct vcpu_register_vcpu_info a;
    if (hc_get(c, &a, c->a3, sizeof(a)) != 0)
        return HC_EFAULT;
    if (v != c->v && v->sched.state != VCPU_DOWN)
        return HC_EINVAL;
    struct domain_locked l DOMAIN_GUARD = domain_lock(v->domain);
    return hc_status(vcpu_register_info(l, v, gfn(a.mfn), a.offset));
}

static int64_t set_singleshot(struct hc *c, struct vcpu *v)
{
    struct vcpu_set_singleshot_timer a;
    if (v != c->v)
        return HC_EINVAL;
    if (hc_get(c, &a, c->a3, sizeof(a)) != 0)
        return HC_EFAULT;
    if ((a.flags & VCPU_SSHOTTMR_future) && a.timeout_abs_ns < clock_now_ns())
        return HC_ETIME;
    vcpu_set_singleshot(v, a.timeout_abs_ns);
    return 0;
}

int64_t hc_vcpu_op(struct hc *c)
{
    int64_t r;
    if (c->a2 >= c->v->domain->nr_vcpus)
        return HC_ENOENT;
    struct vcpu *v = c->v->domain->vcpus[c->a2];
    switch (c->a1) {
    case VCPUOP_up:
        if (!v->initialised)
            return HC_EINVAL;
        vcpu_up(v);
        return 0;
    case VCPUOP_down:
        c->then = v == c->v ? HC_STOP : HC_DONE;
        vcpu_down(v);
        return 0;
    case VCPUOP_is_up: return v->sched.state != VCPU_DOWN;
    case VCPUOP_register_runstate_memory_area:
        r = register_area(c, sizeof(struct vcpu_runstate_info), &v->runstate_gpa);
        if (v == c->v || !v->sched.on_cpu) /* else the CPU that runs it writes it at its next turn */
            pvclock_write_runstate(v);
        return r;
    case VCPUOP_stop_periodic_timer: return 0; /* there is none: always stopped */
    case VCPUOP_set_singleshot_timer: return set_singleshot(c, v);
    case VCPUOP_stop_singleshot_timer:
        deadline_cancel(&v->singleshot);
        return 0;
    case VCPUOP_register_vcpu_info: return register_info(c, v);
    case VCPUOP_register_vcpu_time_memory_area:
        r = register_area(c, sizeof(struct vcpu_time_info), &v->time_gpa);
        pvclock_write_vcpu(v);
        return r;
    default: return HC_ENOSYS;
    }
}

int64_t hc_set_timer_op(struct hc *c)
{
    if (c->a1 == 0)
        deadline_cancel(&c->v->singleshot);
    else
        vcpu_set_singleshot(c->v, c->a1);
    return 0;
}

static int64_t poll(struct hc *c)
{
    struct sched_poll p;
    uint32_t ports[EVENT_MAX_POLL];
    uint64_t list;
    if (hc_get(c, &p, c->a2, sizeof(p)) != 0)
        return HC_EFAULT;
    __builtin_memcpy(&list, &p.ports, sizeof(list));
    if (p.nr_ports > EVENT_MAX_POLL)
        return HC_EINVAL;
    if (hc_get(c, ports, list, p.nr_ports * sizeof(ports[0])) != 0)
        return HC_EFAULT;
    for (uint32_t i = 0; i < p.nr_ports; i++) {
        if (ports[i] >= EVENT_PORTS)
            return HC_EINVAL;
    }
    if ((p.timeout && p.timeout <= clock_now_ns()) || event_poll_begin(c->v, ports, p.nr_ports))
        return 0;
    if (p.timeout)
        deadline_set(&c->v->poll_timer, clock_tsc_of_ns(p.timeout));
    c->then = HC_BLOCK;
    return 0;
}

static int64_t shutdown(struct hc *c)
{
    struct sched_shutdown s;
    if (hc_get(c, &s, c->a2, sizeof(s)) != 0)
        return HC_EFAULT;
    if (s.reason > SHUTDOWN_soft_reset)
        return HC_EINVAL;
    c->then = HC_STOP; /* a suspended guest goes on behind the VMCALL with RAX = 0 */
    domain_shutdown(c->v->domain, s.reason);
    return 0;
}

int64_t hc_sched_op(struct hc *c)
{
    switch (c->a1) {
    case SCHEDOP_yield:
        sched_give_way(&c->v->sched);
        return 0;
    case SCHEDOP_block:
        c->then = HC_BLOCK;
        return 0;
    case SCHEDOP_shutdown: return shutdown(c);
    case SCHEDOP_poll: return poll(c);
    default: return HC_ENOSYS;
    }
}
