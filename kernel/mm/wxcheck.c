/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The W^X invariant of root's map. Pure: sees the tables only through a function. */
#include "kernel/mm/pagetable_priv.h"

#define VA_BITS 48U

static uint64_t canonical(uint64_t va) { return (uint64_t)((int64_t)(va << (64 - VA_BITS)) >> (64 - VA_BITS)); }

/* Follows VA down; returns the level where the walk ended. *WX: it ended at a leaf that is writable and executable by all levels. */
static unsigned descend(uint64_t (*entry)(unsigned level, uint64_t va), uint64_t va, bool *wx)
{
    unsigned level = 5;
    uint64_t e;
    *wx = true;
    do {
        e = entry(--level, canonical(va));
        *wx &= (e & (PTE_P | PTE_W | PTE_NX)) == (PTE_P | PTE_W);
    } while ((e & PTE_P) != 0 && level > 1 && (level == 4 || (e & PTE_PS) == 0));
    return level;
}

bool wxcheck_walk(uint64_t (*entry)(unsigned level, uint64_t va), uint64_t *bad_va)
{
    for (uint64_t va = 0; va >> VA_BITS == 0;) {
        bool wx = false;
        unsigned level = va >> 39 != PAGETABLE_RECURSIVE_SLOT ? descend(entry, va, &wx) : 4;
        if (wx) {
            *bad_va = canonical(va);
            return false;
        }
        uint64_t span = 1UL << (PAGE_SHIFT + 9 * (level - 1));
        va = (va & ~(span - 1)) + span;
    }
    return true;
}
