/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Network cards of domains: who gets which address, and coming and going while a guest runs. */
#pragma once

#include "dom0/lib/error.h"
#include "dom0/manager/nic.h"

struct registry_entry;

/* The cards of a new domain, from its configuration, which learns their addresses. false: some may be there; vif_stop removes them. Under
 * manager_lock. */
bool vif_nodes_create(struct registry_entry *e, struct error *err);
/* All cards of a domain go, whatever it does. */
void vif_stop(uint16_t domid);

/* One more card for a running domain: bridge, rate and (if set) address of WANT. *DEV is its number. It goes on through restarts. */
bool manager_nic_attach(const char *who, const struct vm_nic *want, uint32_t *dev, struct error *e);
/* Takes a card away: WHICH is its number or its address. The guest is asked and gets WAIT_NS; then it goes all the same, and *FORCED says so. */
bool manager_nic_detach(const char *who, const char *which, uint64_t wait_ns, bool (*interrupted)(void), bool *forced, struct error *e);
