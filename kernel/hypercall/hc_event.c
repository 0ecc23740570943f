/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercall 32, event_channel_op: event channels, 2-level. The FIFO operations are -ENOSYS, on which guests fall back. */
#include "kernel/domain/event.h"
#include "kernel/hypercall/hc_priv.h"

static int64_t alloc_unbound(struct hc *c, struct evtchn_alloc_unbound *a)
{
    struct domain_locked l;
    int64_t r = hc_lock_managed(c, a->dom, &l);
    if (!l.d)
        return r;
    r = hc_status(event_alloc_unbound(l.d, hc_domid(c, a->remote_dom), &a->port));
    domain_unlock(l);
    return r;
}

/* The port's own check says whether the caller may bind it: it was allocated for this domain. */
static int64_t bind_interdomain(struct hc *c, struct evtchn_bind_interdomain *a)
{
    struct domain_locked l = domain_lock_id(hc_domid(c, a->remote_dom));
    if (!l.d)
        return HC_ESRCH;
    enum status s = event_bind_interdomain(c->v->domain, l.d, a->remote_port, &a->local_port);
    domain_unlock(l);
    return hc_status(s);
}

static int64_t status(struct hc *c, struct evtchn_status *a)
{
    struct domain_locked l;
    int64_t r = hc_lock_managed(c, a->dom, &l);
    if (!l.d)
        return r;
    r = hc_status(event_status(l.d, a->port, a));
    domain_unlock(l);
    return r;
}

/* Closes all ports of a domain that is not running (or of the caller): DESIGN's rule against races with a live owner. */
static int64_t reset(struct hc *c, const struct evtchn_reset *a)
{
    struct domain_locked l;
    int64_t r = hc_lock_managed(c, a->dom, &l);
    if (!l.d)
        return r;
    bool stopped = l.d == c->v->domain || l.d->pause_count > 0 || l.d->state != CBL_DOM_RUNNING;
    if (stopped)
        event_close_all(l.d);
    domain_unlock(l);
    return stopped ? 0 : HC_EINVAL;
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
    struct evtchn_reset reset;
};

/* Size of the argument of CMD, and whether it is written back; 0: no such operation. */
static size_t arg_size(uint64_t cmd, bool *out)
{
    *out = cmd == EVTCHNOP_bind_interdomain || cmd == EVTCHNOP_bind_virq || cmd == EVTCHNOP_status || cmd == EVTCHNOP_alloc_unbound || cmd == EVTCHNOP_bind_ipi;
    switch (cmd) {
    case EVTCHNOP_bind_interdomain:
        return sizeof(struct evtchn_bind_interdomain);
    case EVTCHNOP_bind_virq:
        return sizeof(struct evtchn_bind_virq);
    case EVTCHNOP_close:
    case EVTCHNOP_send:
    case EVTCHNOP_unmask:
        return sizeof(evtchn_port_t);
    case EVTCHNOP_status:
        return sizeof(struct evtchn_status);
    case EVTCHNOP_alloc_unbound:
        return sizeof(struct evtchn_alloc_unbound);
    case EVTCHNOP_bind_ipi:
        return sizeof(struct evtchn_bind_ipi);
    case EVTCHNOP_bind_vcpu:
        return sizeof(struct evtchn_bind_vcpu);
    case EVTCHNOP_reset:
        return sizeof(struct evtchn_reset);
    default:
        return 0;
    }
}

static int64_t invoke(struct hc *c, union event_args *a)
{
    struct domain *d = c->v->domain;
    switch (c->a1) {
    case EVTCHNOP_bind_interdomain:
        return bind_interdomain(c, &a->bind_interdomain);
    case EVTCHNOP_bind_virq:
        return hc_status(event_bind_virq(d, a->bind_virq.virq, a->bind_virq.vcpu, &a->bind_virq.port));
    case EVTCHNOP_close:
        return hc_status(event_close(d, a->close.port));
    case EVTCHNOP_send:
        return hc_status(event_send(d, a->send.port));
    case EVTCHNOP_status:
        return status(c, &a->status);
    case EVTCHNOP_alloc_unbound:
        return alloc_unbound(c, &a->alloc_unbound);
    case EVTCHNOP_bind_ipi:
        return hc_status(event_bind_ipi(d, a->bind_ipi.vcpu, &a->bind_ipi.port));
    case EVTCHNOP_bind_vcpu:
        return hc_status(event_bind_vcpu(d, a->bind_vcpu.port, a->bind_vcpu.vcpu));
    case EVTCHNOP_unmask:
        return hc_status(event_unmask(d, a->unmask.port));
    default: /* EVTCHNOP_reset: arg_size knows no other */
        return reset(c, &a->reset);
    }
}

int64_t hc_event_channel_op(struct hc *c)
{
    union event_args a;
    bool out;
    size_t size = arg_size(c->a1, &out);
    if (size == 0)
        return HC_ENOSYS;
    if (hc_get(c, &a, c->a2, size) != 0)
        return HC_EFAULT;
    int64_t r = invoke(c, &a);
    if (r == 0 && out && hc_put(c, c->a2, &a, size) != 0)
        return HC_EFAULT;
    return r;
}
