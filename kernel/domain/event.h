/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Event channels, the 2-level kind of the Xen ABI. One lock (in event.c) guards all tables, so that both ends of a channel change
 * together; it nests inside domain locks and outside the scheduler's. While a channel is bound to a domain's port that domain's struct exists. */
#pragma once

#include "kernel/domain/vcpu.h"

#include <xen/xen.h>
#include <xen/event_channel.h>

#define EVENT_PORTS 4096U
#define EVENT_PORTS_PER_PAGE (PAGE_SIZE / sizeof(struct event_port))
#define EVENT_MAX_POLL 128U

struct event_port {
    uint8_t state;   /* EVTCHNSTAT_* */
    uint8_t vcpu;    /* whom it notifies */
    uint16_t remote; /* unbound: who may bind; interdomain: the peer's domid */
    uint32_t peer;   /* interdomain: the peer's port; virq: which; pirq: line or vector */
};
_Static_assert(sizeof(struct event_port) == 8, "512 ports in a page");

struct event_table {
    struct event_port *pages[EVENT_PORTS / 512]; /* on demand */
    uint32_t used;    /* ports not closed */
};

enum status event_init(struct domain *d);
/* Closes every port of D; peers become unbound. */
void event_close_all(struct domain *d);
/* Frees the table. Precondition: all closed. */
void event_destroy(struct domain *d);

/* A new port with VALUE: unbound (REMOTE may bind it), ipi (of VCPU), pirq (PEER is only remembered). STATUS_NOT_FOUND: no such vCPU. */
enum status event_alloc(struct domain *d, struct event_port value, uint32_t *port);
/* A new port of V's domain, bound to RPORT of REMOTE, which must wait for it. The new port starts pending. */
enum status event_bind_interdomain(struct domain *d, struct domain *remote, uint32_t rport, uint32_t *port);
/* STATUS_EXISTS: that VIRQ has a port already. STATUS_INVALID: unknown, or a global one for another vCPU than 0. */
enum status event_bind_virq(struct domain *d, uint32_t virq, uint32_t vcpu, uint32_t *port);
/* PIRQ: by who manages device interrupts. STATUS_BAD_STATE: the port is of the other sort. */
enum status event_close(struct domain *d, uint32_t port, bool pirq);
enum status event_send(struct domain *d, uint32_t port);
enum status event_status(struct domain *d, uint32_t port, struct evtchn_status *out);
enum status event_bind_vcpu(struct domain *d, uint32_t port, uint32_t vcpu);
enum status event_unmask(struct domain *d, uint32_t port);

/* Makes PORT of D pending, if it is bound. Any context without the event lock. */
void event_notify(struct domain *d, uint32_t port);
/* Raises VIRQ on V, if it is bound. */
void event_raise_virq(struct vcpu *v, uint32_t virq);
/* For a moved vcpu_info: all selectors and the upcall pending. */
void event_mark_all(struct vcpu *v);
/* V waits, and that it polls (each port below EVENT_PORTS) is published; true, and nothing done, when one of the ports is pending already. */
bool event_poll_begin(struct vcpu *v, const uint32_t *ports, uint32_t nr);
void event_poll_end(struct vcpu *v);

/* For audit: the peer of the peer is the port itself, VIRQ tables agree, counts agree. */
bool event_check(struct domain *d, char *why, size_t len);
