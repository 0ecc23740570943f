/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What this machine means for EPT: memory types and page sizes. Filled by ept_global_init. */
#pragma once

#include "kernel/core/addr.h"

/* The EPT memory type for a leaf at H. All RAM is write-back (the loader leaves out what is not), the rest uncached. */
unsigned hw_memtype(hfn_t h);
/* Large leaves must not be executable here (ITLB multihit), and the operator wants mitigations: one is split at its first
 * instruction fetch. */
bool hw_nx_large(void);
/* Single-context INVEPT. */
void hw_invept(uint64_t eptp);
