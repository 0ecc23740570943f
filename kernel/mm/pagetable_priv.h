/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Entry bits of root's own tables, and the pure W^X walk. SDM vol 3, "4-Level Paging". */
#pragma once

#include "kernel/core/types.h"

#define PTE_P (1UL << 0)
#define PTE_W (1UL << 1)
#define PTE_PWT (1UL << 3)
#define PTE_PCD (1UL << 4)
#define PTE_A (1UL << 5)
#define PTE_D (1UL << 6)
#define PTE_PS (1UL << 7)
#define PTE_NX (1UL << 63)
#define PTE_ADDR 0x000ffffffffff000UL

#define PTE_TABLE (PTE_P | PTE_W | PTE_A)
#define PTE_DATA (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)
#define PTE_RODATA (PTE_P | PTE_A | PTE_NX)
#define PTE_CODE (PTE_P | PTE_A)

#define PAGETABLE_RECURSIVE_SLOT 480U /* as in boot/entry.asm */

/* Walks all 4-level mappings through ENTRY (the entry of LEVEL, 4..1, on the way to VA; called only when the level above is present).
 * False when a leaf is both writable and executable; *BAD_VA is then its address. The recursive slot, which shows tables, is skipped. */
bool wxcheck_walk(uint64_t (*entry)(unsigned level, uint64_t va), uint64_t *bad_va);
