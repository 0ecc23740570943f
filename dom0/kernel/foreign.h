/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Start of the foreign mappings that hypercall.h and heap.h offer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Takes over the scratch range that the hypervisor named. false: none, or no memory. */
bool foreign_init(void);
/* Gives PAGES pages at PHYS, which are mapped nowhere any more, back to the hypervisor. false: not all. */
bool foreign_release(uint64_t phys, uint64_t pages);
