/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Who may do what to whom: every such decision, and nothing else. Pure questions; the caller holds what it asks about. */
#pragma once

#include "kernel/domain/domain.h"

/* A control operation that asks for PRIVILEGE (CBL_PRIV_*). */
bool policy_control(const struct domain *caller, uint32_t privilege);
/* A new domain gets no right that its creator lacks. */
bool policy_delegate(const struct domain *caller, uint32_t privileges);
/* Xen-ABI operations on another domain's ports, parameters, memory: itself, or with the DOMAIN privilege any but Dom0. */
bool policy_manage(const struct domain *caller, uint16_t target);
/* Destroying, pausing, contexts: never oneself, never Dom0. */
bool policy_life(const struct domain *caller, uint16_t target);
/* HVM parameters: a guest sets its callback and reads its own ring addresses; the rest is management. */
bool policy_param_set(const struct domain *caller, uint16_t target, uint32_t index);
bool policy_param_get(const struct domain *caller, uint16_t target, uint32_t index);
/* The physical console. */
bool policy_console(const struct domain *caller);
/* Learns host addresses of memory granted to it, because its devices reach them. */
bool policy_dma(const struct domain *caller);
/* Foreign mappings appear only in Dom0's scratch range. */
bool policy_map_at(const struct domain *caller, uint64_t gfn, uint64_t nr);
/* Device memory: no RAM, no interrupt controller, none of root's own devices. */
bool policy_mmio(const struct domain *caller, uint64_t gfn, uint64_t nr);
