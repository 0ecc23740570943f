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

static void raise(const struct binding *b)
{
    struct domain *d = domain_peek(b->domid);
    if (d)
        event_notify(d, b->port);
}

static void line_arrived(uint32_t gsi, void *ctx)
{
    (void)gsi;
    raise(ctx);
}

static void message_arrived(uint32_t vector, void *ctx)
{
    (void)vector;
    raise(ctx);
}

/* A binding with a port of its own for D, complete but for its hardware side. Lock held. */
static enum status binding_new(struct domain *d, uint32_t irq, struct binding **out)
{
    for (uint32_t i = 0; i < MAX_BINDINGS; i++) {
        struct binding *b = &bindings[i];
        if (b->used)
            continue;
        *b = (struct binding){.domid = d->id, .gsi = irq};
        enum status s = event_alloc(d, (struct event_port){.state = EVTCHNSTAT_pirq, .peer = irq}, &b->port);
        b->used = s == STATUS_OK;
        *out = b;
        return s;
    }
    return STATUS_NO_SPACE;
}

static void binding_drop(struct domain *d, struct binding *b)
{
    (void)event_unbind_pirq(d, b->port); /* the guest may have reset its ports before */
    b->used = false;
}

static struct binding *binding_of(const struct domain *d, uint32_t port)
{
    for (uint32_t i = 0; i < MAX_BINDINGS; i++) {
        if (bindings[i].used && bindings[i].domid == d->id && bindings[i].port == port)
            return &bindings[i];
    }
    return NULL;
}

static bool owns_line(const struct domain *d, uint32_t gsi)
{
    for (uint32_t i = 0; i < MAX_BINDINGS; i++) {
        if (bindings[i].used && !bindings[i].msi && bindings[i].domid == d->id && bindings[i].gsi == gsi)
            return true;
    }
    return false;
}

enum status hc_control_IRQ_BIND(struct control *c, struct cbl_irq_bind *a)
{
    struct binding *b;
    if (a->flags != ~0U && (a->flags & ~(IRQ_TRIGGER_LEVEL | IRQ_POLARITY_LOW)))
        return STATUS_INVALID;
    spin_lock(&bindings_lock);
    enum status s = binding_new(c->caller, a->gsi, &b);
    if (s == STATUS_OK) {
        s = irq_bind_gsi(a->gsi, a->flags, line_arrived, b);
        if (s == STATUS_OK)
            a->port = b->port;
        else
            binding_drop(c->caller, b);
    }
    spin_unlock(&bindings_lock);
    return s;
}

enum status hc_control_IRQ_ACK(struct control *c, struct cbl_irq_ack *a)
{
    spin_lock(&bindings_lock);
    bool own = owns_line(c->caller, a->gsi);
    if (own)
        irq_unmask(a->gsi);
    spin_unlock(&bindings_lock);
    return own ? STATUS_OK : STATUS_DENIED;
}

enum status hc_control_MSI_BIND(struct control *c, struct cbl_msi_bind *a)
{
    struct binding *b;
    spin_lock(&bindings_lock);
    enum status s = binding_new(c->caller, 0, &b);
    if (s == STATUS_OK) {
        b->msi = true;
        s = irq_alloc_msi(message_arrived, b, &b->vector, &a->address, &a->data);
        if (s == STATUS_OK)
            a->port = b->port;
        else
            binding_drop(c->caller, b);
    }
    spin_unlock(&bindings_lock);
    return s;
}

enum status hc_control_IRQ_UNBIND(struct control *c, struct cbl_irq_unbind *a)
{
    spin_lock(&bindings_lock);
    struct binding *b = binding_of(c->caller, a->port);
    if (b) {
        if (b->msi)
            irq_free_msi(b->vector);
        else
            irq_unbind_gsi(b->gsi);
        binding_drop(c->caller, b);
    }
    spin_unlock(&bindings_lock);
    return b ? STATUS_OK : STATUS_NOT_FOUND;
}
