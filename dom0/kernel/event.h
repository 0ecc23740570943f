/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Event channels of Dom0. Handlers run in upcall context (interrupts off): set a flag, wake a waitq, return. */
#pragma once

#include <stdint.h>

typedef void (*event_handler)(uint32_t port, void *arg);

/* Each returns the port (> 0) or a negative errno; the port is unmasked with FN set. */
int event_alloc_unbound(uint16_t remote, event_handler fn, void *arg);
int event_bind_interdomain(uint16_t remote, uint32_t remote_port, event_handler fn, void *arg);
int event_bind_virq(uint32_t virq, event_handler fn, void *arg);
/* A port that root allocated (IRQ_BIND, MSI_BIND). */
void event_set_handler(uint32_t port, event_handler fn, void *arg);
void event_mask(uint32_t port);
void event_unmask(uint32_t port);
void event_send(uint32_t port);
void event_close(uint32_t port);
/* Ports with a handler: all that Dom0 has open. */
uint32_t event_ports(void);
/* In another domain's table (a new domain's store and console ports): the remote side is this Dom0. Port in DOMID,
 * or negative errno. */
int event_alloc_unbound_in(uint16_t domid);
