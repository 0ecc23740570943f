/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What the hypervisor's console keys show of domains. */
#pragma once

/* q domains, e event channels, g grants, r run queues, a timers, d registers, v VMCS, D second-level tables, A audit. */
void dump_register_keys(void);
