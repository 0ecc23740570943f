/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Pure: see walk.h. */
#include "ept/walk.h"

uint64_t walk_table_entry(hpa_t table) { return table.v | EPT_RWX; }

uint64_t walk_leaf_entry(hfn_t h, unsigned level, unsigned rights, unsigned memtype, bool nx_large)
{
    uint64_t entry = hpa_of_hfn(h).v | (rights & EPT_RWX) | (uint64_t)memtype << 3;
    if (level == 0)
        return entry;
    if (nx_large && (rights & EPT_X) != 0)
        entry = (entry & ~(uint64_t)EPT_X) | EPT_SOFT_X;
    return entry | EPT_LARGE;
}

uint64_t walk_split_entry(uint64_t leaf, unsigned level, unsigned index)
{
    uint64_t entry = leaf + ((uint64_t)index << (PAGE_SHIFT + walk_order(level - 1)));
    if (level > 1)
        return entry;
    entry &= ~EPT_LARGE; /* bit 7 is ignored in a 4 KiB leaf; kept clear */
    if ((entry & EPT_SOFT_X) != 0)
        entry = (entry & ~EPT_SOFT_X) | EPT_X;
    return entry;
}

struct ept_leaf walk_decode(uint64_t entry, unsigned level, gfn_t g)
{
    uint64_t offset = g.v & ((1UL << walk_order(level)) - 1);
    unsigned rights = (unsigned)(entry & EPT_RWX) | ((entry & EPT_SOFT_X) != 0 ? EPT_X : 0U);
    return (struct ept_leaf){
        .hfn = hfn_add(hfn_of_hpa(walk_addr(entry)), offset),
        .order = walk_order(level),
        .rights = rights,
        .memtype = (unsigned)(entry >> 3) & 7U,
    };
}

bool walk_range_ok(gfn_t g, unsigned order)
{
    if (order != 0 && order != 9 && order != 18)
        return false;
    return (g.v >> EPT_GFN_BITS) == 0 && (g.v & ((1UL << order) - 1)) == 0;
}
