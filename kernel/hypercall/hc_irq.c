/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Control operations on device interrupts: a line or message raises an event channel of the domain that drives the device. The lock
 * guards the table of bindings. */
#include "kernel/domain/event.h"
#include "kernel/hypercall/hc_control_priv.h"
#include "kernel/platform/irq.h"

#define MAX_BINDINGS 64U

struct binding {
    bool used, msi;
    uint8_t vector;  /* msi */
    uint32_t gsi;    /* line */
    uint32_t port;
    uint16_t domid;
};

static struct spinlock bindings_lock;
static struct binding bindings[MAX_BINDINGS];

/* A line by its GSI or a message by its vector. */
static void arrived(uint32_t number, void *ctx)
{
    const struct binding *b = ctx;
    struct domain *d = domain_peek(b->domid);
    (void)number;
    if (d)
        event_notify(d, b->port);
}

/* A binding with a port of its own for D, complete but for its hardware side. Lock held. */
static enum status binding_new(struct domain *d, uint32_t irq, bool msi, struct binding **out)
{
    struct binding *b = bindings;
    while (b < bindings + MAX_BINDINGS && b->used)
        b++;
    if (b == bindings + MAX_BINDINGS)
        return STATUS_NO_SPACE;
    *b = (struct binding){.domid = d->id, .gsi = irq, .msi = msi};
    enum status s = event_alloc(d, (struct event_port){.state = EVTCHNSTAT_pirq, .peer = irq}, &b->port);
    b->used = s == STATUS_OK;
    *out = b;
    return s;
}

static void binding_drop(struct domain *d, struct binding *b)
{
    (void)event_close(d, b->port, true); /* the guest may have reset its ports before */
    b->used = false;
}

/* B with the outcome of its hardware side. */
static enum status binding_done(struct domain *d, struct binding *b, enum status s, uint32_t *port)
{
    *port = b->port;
    if (s != STATUS_OK)
        binding_drop(d, b);
    return s;
}

static struct binding *find(const struct domain *d, bool by_port, uint32_t number)
{
    for (struct binding *b = bindings; b < bindings + MAX_BINDINGS; b++) {
        if (b->used && b->domid == d->id && (by_port ? b->port == number : !b->msi && b->gsi == number))
            return b;
    }
    return NULL;
}

enum status hc_control_IRQ_BIND(struct control *c, struct cbl_irq_bind *a)
{
    struct binding *b;
    if (a->flags != ~0U && (a->flags & ~(IRQ_TRIGGER_LEVEL | IRQ_POLARITY_LOW)))
        return STATUS_INVALID;
    SPIN_GUARD(&bindings_lock);
    enum status s = binding_new(c->caller, a->gsi, false, &b);
    return s == STATUS_OK ? binding_done(c->caller, b, irq_bind_gsi(a->gsi, a->flags, arrived, b), &a->port) : s;
}

enum status hc_control_IRQ_ACK(struct control *c, struct cbl_irq_ack *a)
{
    SPIN_GUARD(&bindings_lock);
    if (!find(c->caller, false, a->gsi))
        return STATUS_DENIED;
    irq_unmask(a->gsi);
    return STATUS_OK;
}

enum status hc_control_MSI_BIND(struct control *c, struct cbl_msi_bind *a)
{
    struct binding *b;
    SPIN_GUARD(&bindings_lock);
    enum status s = binding_new(c->caller, 0, true, &b);
    if (s != STATUS_OK)
        return s;
    return binding_done(c->caller, b, irq_alloc_msi(arrived, b, &b->vector, &a->address, &a->data), &a->port);
}

enum status hc_control_IRQ_UNBIND(struct control *c, struct cbl_irq_unbind *a)
{
    SPIN_GUARD(&bindings_lock);
    struct binding *b = find(c->caller, true, a->port);
    if (!b)
        return STATUS_NOT_FOUND;
    if (b->msi)
        irq_free_msi(b->vector);
    else
        irq_unbind_gsi(b->gsi);
    binding_drop(c->caller, b);
    return STATUS_OK;
}
