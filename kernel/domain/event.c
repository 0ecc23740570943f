/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Event channels (2-level ABI). The pending and mask bits are shared with the guest: they are changed by atomic
 * read-modify-write only, and nothing read from them is trusted beyond one bit. */
#include "kernel/domain/event.h"

#include "kernel/core/printf.h"
#include "kernel/core/string.h"
#include "kernel/mm/pool.h"

_Static_assert(sizeof(struct shared_info) == 3136 && offsetof(struct shared_info, evtchn_pending) == 2048, "Xen ABI");
_Static_assert(offsetof(struct shared_info, evtchn_mask) == 2560, "Xen ABI");
_Static_assert(sizeof(struct vcpu_info) == 64 && offsetof(struct vcpu_info, evtchn_pending_sel) == 8, "Xen ABI");
_Static_assert(offsetof(struct vcpu_info, evtchn_upcall_pending) == 0, "vcpu_upcall_pending");

static struct spinlock event_lock;
static struct pool event_tables = POOL_INIT(struct event_table);

static struct event_port *port_bound(struct domain *d, uint32_t port)
{
    struct event_port *page = d->events && port < EVENT_PORTS ? d->events->pages[port / EVENT_PORTS_PER_PAGE] : NULL;
    struct event_port *p = page ? &page[port % EVENT_PORTS_PER_PAGE] : NULL;
    return p && p->state != EVTCHNSTAT_closed ? p : NULL; /* port 0 never is anything else */
}

/* Puts VALUE into the lowest free port. Event lock held. */
static enum status port_alloc(struct domain *d, struct event_port value, uint32_t *port)
{
    for (*port = 1; *port < EVENT_PORTS; ++*port) {
        struct event_port **page = &d->events->pages[*port / EVENT_PORTS_PER_PAGE];
        if (!*page && !(*page = domain_table_page(d)))
            return STATUS_NO_MEMORY;
        struct event_port *p = &(*page)[*port % EVENT_PORTS_PER_PAGE];
        if (p->state != EVTCHNSTAT_closed)
            continue;
        *p = value;
        d->events->used++;
        return STATUS_OK;
    }
    return STATUS_NO_SPACE;
}

static bool test_and_set(xen_ulong_t *words, uint32_t bit)
{
    xen_ulong_t m = 1UL << (bit % 64);
    return __atomic_fetch_or(&words[bit / 64], m, __ATOMIC_SEQ_CST) & m; /* pairs with the guest's xchg and test_and_clear */
}

static bool test_and_clear(xen_ulong_t *words, uint32_t bit)
{
    xen_ulong_t m = 1UL << (bit % 64);
    return __atomic_fetch_and(&words[bit / 64], ~m, __ATOMIC_SEQ_CST) & m;
}

static bool test_bit(const xen_ulong_t *words, uint32_t bit)
{
    return __atomic_load_n(&words[bit / 64], __ATOMIC_ACQUIRE) >> (bit % 64) & 1;
}

/* Tells V that a bit of selector word PORT / 64 is pending. */
static void mark_vcpu(struct vcpu *v, uint32_t port)
{
    struct vcpu_info *info = vcpu_info(v);
    if (test_and_set(&info->evtchn_pending_sel, port / 64))
        return;
    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST); /* pairs with the guest clearing it before it scans */
    vcpu_kick(v);
}

static void wake_pollers(struct domain *d)
{
    for (uint32_t i = 0; i < d->nr_vcpus; i++) {
        if (!d->vcpus[i]->polling)
            continue;
        d->vcpus[i]->polling = false;
        vcpu_kick(d->vcpus[i]);
    }
}

/* Event lock held. Pollers wake on 0 -> 1 even if the port is masked. */
static void set_pending(struct domain *d, uint32_t port, const struct event_port *p)
{
    struct shared_info *s = d->shared_info;
    if (test_and_set(s->evtchn_pending, port))
        return;
    if (!test_bit(s->evtchn_mask, port))
        mark_vcpu(d->vcpus[p->vcpu], port);
    wake_pollers(d);
}

enum status event_init(struct domain *d)
{
    d->events = pool_alloc(&event_tables);
    return d->events ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status event_alloc(struct domain *d, struct event_port value, uint32_t *port)
{
    if (value.vcpu >= d->nr_vcpus)
        return STATUS_NOT_FOUND;
    SPIN_GUARD(&event_lock);
    return port_alloc(d, value, port);
}

enum status event_bind_interdomain(struct domain *d, struct domain *remote, uint32_t rport, uint32_t *port)
{
    SPIN_GUARD(&event_lock);
    struct event_port *r = port_bound(remote, rport);
    if (!r || r->state != EVTCHNSTAT_unbound || r->remote != d->id)
        return STATUS_INVALID;
    enum status s = port_alloc(d, (struct event_port){.state = EVTCHNSTAT_interdomain, .remote = remote->id, .peer = rport}, port);
    if (s != STATUS_OK)
        return s;
    r->state = EVTCHNSTAT_interdomain;
    r->remote = d->id;
    r->peer = *port;
    set_pending(d, *port, port_bound(d, *port)); /* covers a notification lost before the bind */
    return STATUS_OK;
}

static bool virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

enum status event_bind_virq(struct domain *d, uint32_t virq, uint32_t vcpu, uint32_t *port)
{
    if (virq >= VCPU_NR_VIRQS || (virq_is_global(virq) && vcpu != 0))
        return STATUS_INVALID;
    if (vcpu >= d->nr_vcpus)
        return STATUS_NOT_FOUND;
    SPIN_GUARD(&event_lock);
    if (d->vcpus[vcpu]->virq_port[virq])
        return STATUS_EXISTS;
    enum status s = port_alloc(d, (struct event_port){.state = EVTCHNSTAT_virq, .vcpu = (uint8_t)vcpu, .peer = virq}, port);
    if (s == STATUS_OK)
        d->vcpus[vcpu]->virq_port[virq] = *port;
    return s;
}

/* Where the port of a VIRQ is noted; a global one may notify another vCPU than 0 but is vCPU 0's. */
static uint32_t *virq_slot(struct domain *d, const struct event_port *p)
{
    return &d->vcpus[virq_is_global(p->peer) ? 0 : p->vcpu]->virq_port[p->peer];
}

/* Event lock held, P open. */
static void close_port(struct domain *d, uint32_t port, struct event_port *p)
{
    if (p->state == EVTCHNSTAT_virq)
        *virq_slot(d, p) = 0;
    if (p->state == EVTCHNSTAT_interdomain) {
        struct domain *remote = domain_peek(p->remote);
        struct event_port *r = remote ? port_bound(remote, p->peer) : NULL;
        if (r) { /* waits for the same domain again */
            r->state = EVTCHNSTAT_unbound;
            r->remote = d->id;
            r->peer = 0;
            r->vcpu = 0;
        }
    }
    (void)test_and_clear(((struct shared_info *)d->shared_info)->evtchn_pending, port);
    *p = (struct event_port){0};
    d->events->used--;
}

enum status event_close(struct domain *d, uint32_t port, bool pirq)
{
    SPIN_GUARD(&event_lock);
    struct event_port *p = port_bound(d, port);
    if (!p)
        return STATUS_INVALID;
    if ((p->state == EVTCHNSTAT_pirq) != pirq)
        return STATUS_BAD_STATE;
    close_port(d, port, p);
    return STATUS_OK;
}

void event_close_all(struct domain *d)
{
    SPIN_GUARD(&event_lock);
    for (uint32_t i = 1; d->events && d->events->used && i < EVENT_PORTS; i++) {
        struct event_port *p = port_bound(d, i);
        if (p)
            close_port(d, i, p);
    }
}

void event_destroy(struct domain *d)
{
    for (size_t i = 0; d->events && i < ARRAY_SIZE(d->events->pages); i++)
        pool_page_free(d->events->pages[i]);
    pool_free(&event_tables, d->events);
    d->events = NULL;
}

enum status event_send(struct domain *d, uint32_t port)
{
    SPIN_GUARD(&event_lock);
    struct event_port *p = port_bound(d, port);
    if (!p || (p->state != EVTCHNSTAT_interdomain && p->state != EVTCHNSTAT_ipi))
        return p && p->state == EVTCHNSTAT_unbound ? STATUS_OK : STATUS_INVALID; /* nobody there yet: fine, and nothing happens */
    struct domain *to = p->state == EVTCHNSTAT_ipi ? d : domain_peek(p->remote);
    uint32_t to_port = p->state == EVTCHNSTAT_ipi ? port : p->peer;
    struct event_port *r = to ? port_bound(to, to_port) : NULL;
    if (r)
        set_pending(to, to_port, r);
    return STATUS_OK;
}

enum status event_status(struct domain *d, uint32_t port, struct evtchn_status *out)
{
    if (port >= EVENT_PORTS)
        return STATUS_INVALID;
    SPIN_GUARD(&event_lock);
    struct event_port *p = port_bound(d, port);
    struct event_port v = p ? *p : (struct event_port){0};
    out->status = v.state;
    out->vcpu = v.vcpu;
    memset(&out->u, 0, sizeof(out->u));
    out->u.interdomain.dom = v.remote; /* also unbound.dom; 0 for the other kinds */
    if (v.state == EVTCHNSTAT_interdomain)
        out->u.interdomain.port = v.peer;
    else if (v.state != EVTCHNSTAT_unbound)
        out->u.virq = v.peer; /* and pirq */
    return STATUS_OK;
}

enum status event_bind_vcpu(struct domain *d, uint32_t port, uint32_t vcpu)
{
    if (vcpu >= d->nr_vcpus)
        return STATUS_NOT_FOUND;
    SPIN_GUARD(&event_lock);
    struct event_port *p = port_bound(d, port);
    if (!p || p->state == EVTCHNSTAT_ipi || (p->state == EVTCHNSTAT_virq && !virq_is_global(p->peer)))
        return STATUS_INVALID;
    p->vcpu = (uint8_t)vcpu;
    return STATUS_OK;
}

enum status event_unmask(struct domain *d, uint32_t port)
{
    struct shared_info *s = d->shared_info;
    SPIN_GUARD(&event_lock);
    struct event_port *p = port_bound(d, port);
    if (!p)
        return STATUS_INVALID;
    if (test_and_clear(s->evtchn_mask, port) && test_bit(s->evtchn_pending, port))
        mark_vcpu(d->vcpus[p->vcpu], port);
    return STATUS_OK;
}

void event_notify(struct domain *d, uint32_t port)
{
    SPIN_GUARD(&event_lock);
    struct event_port *p = port_bound(d, port);
    if (p)
        set_pending(d, port, p);
}

void event_raise_virq(struct vcpu *v, uint32_t virq) { event_notify(v->domain, __atomic_load_n(&v->virq_port[virq], __ATOMIC_RELAXED)); }

void event_mark_all(struct vcpu *v)
{
    struct vcpu_info *info = vcpu_info(v);
    __atomic_store_n(&info->evtchn_pending_sel, ~0UL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    vcpu_kick(v);
}

bool event_poll_begin(struct vcpu *v, const uint32_t *ports, uint32_t nr)
{
    const struct shared_info *s = v->domain->shared_info;
    SPIN_GUARD(&event_lock); /* a sender that comes later finds v->polling; one that came before left its bit */
    for (uint32_t i = 0; i < nr; i++) {
        if (test_bit(s->evtchn_pending, ports[i]))
            return true;
    }
    v->polling = true;
    sched_block(&v->sched); /* not later: a sender only wakes it if it waits, and its port may be masked */
    return false;
}

void event_poll_end(struct vcpu *v)
{
    SPIN_GUARD(&event_lock);
    v->polling = false;
}

static bool port_consistent(struct domain *d, uint32_t port, const struct event_port *p)
{
    if (p->vcpu >= d->nr_vcpus)
        return false;
    if (p->state == EVTCHNSTAT_virq)
        return p->peer < VCPU_NR_VIRQS && *virq_slot(d, p) == port;
    if (p->state != EVTCHNSTAT_interdomain)
        return p->state <= EVTCHNSTAT_ipi;
    struct domain *remote = domain_peek(p->remote);
    struct event_port *r = remote ? port_bound(remote, p->peer) : NULL;
    return r && r->state == EVTCHNSTAT_interdomain && r->remote == d->id && r->peer == port;
}

bool event_check(struct domain *d, char *why, size_t len)
{
    uint32_t used = 0;
    SPIN_GUARD(&event_lock);
    for (uint32_t i = 1; d->events && i < EVENT_PORTS; i++) {
        struct event_port *p = port_bound(d, i);
        used += p != NULL;
        if (p && !port_consistent(d, i, p)) {
            snprintf(why, len, "d%u event port %u (state %u): its other end or VIRQ table disagrees", d->id, i, p->state);
            return false;
        }
    }
    bool ok = !d->events || used == d->events->used;
    if (!ok)
        snprintf(why, len, "d%u has %u event ports in use, its table says %u", d->id, used, d->events->used);
    return ok;
}
