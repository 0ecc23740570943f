/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Start of the foreign mappings that hypercall.h and heap.h offer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Takes over the scratch range that the hypervisor named. false: none, or no memory. */
bool foreign_init(void);
/* For leak counts: pages of the scratch range in use (foreign, granted and borrowed), and grants mapped. */
struct foreign_figures {
    uint64_t pages;
    uint32_t grants;
};
struct foreign_figures foreign_get_figures(void);
/* Gives PAGES pages at PHYS, which are mapped nowhere any more, back to the hypervisor. false: not all. */
bool foreign_release(uint64_t phys, uint64_t pages);
