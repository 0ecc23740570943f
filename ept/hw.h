/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What this machine means for EPT: memory types and page sizes. Filled by ept_global_init. */
#pragma once

#include "kernel/core/addr.h"

/* The EPT memory type for a leaf of ORDER at H: by MTRR for RAM, UC otherwise or where the range is mixed. */
unsigned hw_memtype(hfn_t h, unsigned order);
/* Large leaves must not be executable here (ITLB multihit), and the operator wants mitigations. */
bool hw_nx_large(void);
/* Single-context INVEPT. */
void hw_invept(uint64_t eptp);
