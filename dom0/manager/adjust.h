/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Changing a domain while it lives: its name, virtual CPUs, scheduling and memory. WHO: a name or a number. What a
 * guest has to do itself is asked for through xenstore and waited for, at most WAIT_NS; INTERRUPTED may be NULL. */
#pragma once

#include "dom0/manager/manager.h"

#define VM_ALL_VCPUS UINT32_MAX
#define VM_KEEP      UINT32_MAX /* for manager_sched: as it is */

bool manager_rename(const char *who, const char *name, struct error *e);
/* The guest is to have COUNT virtual CPUs online. EXIT_TIMEOUT: it was asked and has not done it. */
bool manager_vcpu_set(const char *who, uint32_t count, uint64_t wait_ns, bool (*interrupted)(void), struct error *e);
/* Virtual CPU VCPU (or VM_ALL_VCPUS) may run on the host CPUs of MASK. Dom0's as well. */
bool manager_vcpu_pin(const char *who, uint32_t vcpu, uint64_t mask, struct error *e);
/* Weight and cap; Dom0's as well. */
bool manager_sched(const char *who, uint32_t weight, uint32_t cap, struct error *e);
/* The guest is to have MIB of memory: its balloon driver gives back or takes what is missing. The limit of the
 * hypervisor goes with it. EXIT_TIMEOUT: it was asked and is not there yet; *NOW_MIB says where it is. */
bool manager_mem_set(const char *who, uint32_t mib, uint64_t wait_ns, bool (*interrupted)(void), uint32_t *now_mib,
                     struct error *e);
/* The hypervisor's limit alone: what the guest has above it stays, and it gets nothing more. */
bool manager_mem_max(const char *who, uint32_t mib, struct error *e);
