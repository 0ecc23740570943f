/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercall 32, event_channel_op: event channels, 2-level. The FIFO operations are -ENOSYS, on which guests fall back. */
#include "kernel/domain/event.h"
#include "kernel/hypercall/hc_priv.h"

static int64_t alloc_unbound(struct hc *c, struct evtchn_alloc_unbound *a)
{
    struct domain_locked l DOMAIN_GUARD;
    int64_t r = hc_lock_managed(c, a->dom, &l);
    struct event_port value = {.state = EVTCHNSTAT_unbound, .remote = hc_domid(c, a->remote_dom)};
    return r ? r : hc_status(event_alloc(l.d, value, &a->port));
}

/* The port's own check says whether the caller may bind it: it was allocated for this domain. */
static int64_t bind_interdomain(struct hc *c, struct evtchn_bind_interdomain *a)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock_id(hc_domid(c, a->remote_dom));
    return l.d ? hc_status(event_bind_interdomain(c->v->domain, l.d, a->remote_port, &a->local_port)) : HC_ESRCH;
}

static int64_t bind_ipi(struct domain *d, struct evtchn_bind_ipi *a)
{
    struct event_port value = {.state = EVTCHNSTAT_ipi, .vcpu = (uint8_t)a->vcpu};
    return a->vcpu < d->nr_vcpus ? hc_status(event_alloc(d, value, &a->port)) : HC_ENOENT;
}

static int64_t status(struct hc *c, struct evtchn_status *a)
{
    struct domain_locked l DOMAIN_GUARD;
    int64_t r = hc_lock_managed(c, a->dom, &l);
    return r ? r : hc_status(event_status(l.d, a->port, a));
}

union event_args {
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
};

/* Size of each operation's argument (0: not offered), and whether it is written back. */
static const struct { uint8_t size; bool out; } ops[] = {
    [EVTCHNOP_bind_interdomain] = {sizeof(struct evtchn_bind_interdomain), true},
    [EVTCHNOP_bind_virq] = {sizeof(struct evtchn_bind_virq), true},
    [EVTCHNOP_close] = {sizeof(struct evtchn_close), false},
    [EVTCHNOP_send] = {sizeof(struct evtchn_send), false},
    [EVTCHNOP_status] = {sizeof(struct evtchn_status), true},
    [EVTCHNOP_alloc_unbound] = {sizeof(struct evtchn_alloc_unbound), true},
    [EVTCHNOP_bind_ipi] = {sizeof(struct evtchn_bind_ipi), true},
    [EVTCHNOP_bind_vcpu] = {sizeof(struct evtchn_bind_vcpu), false},
    [EVTCHNOP_unmask] = {sizeof(struct evtchn_unmask), false},
};

static int64_t invoke(struct hc *c, union event_args *a)
{
    struct domain *d = c->v->domain;
    switch (c->a1) {
    case EVTCHNOP_bind_interdomain: return bind_interdomain(c, &a->bind_interdomain);
    case EVTCHNOP_bind_virq: return hc_status(event_bind_virq(d, a->bind_virq.virq, a->bind_virq.vcpu, &a->bind_virq.port));
    case EVTCHNOP_close: return hc_status(event_close(d, a->close.port, false));
    case EVTCHNOP_send: return hc_status(event_send(d, a->send.port));
    case EVTCHNOP_status: return status(c, &a->status);
    case EVTCHNOP_alloc_unbound: return alloc_unbound(c, &a->alloc_unbound);
    case EVTCHNOP_bind_ipi: return bind_ipi(d, &a->bind_ipi);
    case EVTCHNOP_bind_vcpu: return hc_status(event_bind_vcpu(d, a->bind_vcpu.port, a->bind_vcpu.vcpu));
    default: return hc_status(event_unmask(d, a->unmask.port)); /* the table knows no other */
    }
}

int64_t hc_event_channel_op(struct hc *c)
{
    union event_args a;
    if (c->a1 >= ARRAY_SIZE(ops) || ops[c->a1].size == 0)
        return HC_ENOSYS;
    if (hc_get(c, &a, c->a2, ops[c->a1].size) != 0)
        return HC_EFAULT;
    int64_t r = invoke(c, &a);
    return r == 0 && ops[c->a1].out ? hc_put(c, c->a2, &a, ops[c->a1].size) : r;
}
