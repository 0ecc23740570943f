/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] How ept/ reaches its tables: the host's unit tests put a recording memory in its place. */
#pragma once

#include "ept/ept.h"
#include "kernel/mm/pagetable.h"

#ifdef CORBEL_HOST_TEST
uint64_t *ept_fake_table(hpa_t a);
void ept_fake_store(uint64_t *slot, uint64_t value);
static inline uint64_t *ept_table(hpa_t a) { return ept_fake_table(a); }
static inline void ept_store(uint64_t *slot, uint64_t value) { ept_fake_store(slot, value); }
#else
static inline uint64_t *ept_table(hpa_t a) { return root_va(a); }
/* One aligned 64-bit store; release: the CPU's walker sees what the entry points to before the entry. */
static inline void ept_store(uint64_t *slot, uint64_t value) { __atomic_store_n(slot, value, __ATOMIC_RELEASE); }
#endif
