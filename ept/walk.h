/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] EPT entries as numbers: pure functions, no memory. SDM vol 3, "EPT Translation Mechanism". Level 0 is the
 * page table (4 KiB leaves), 1 the page directory (2 MiB), 2 the page-directory-pointer table (1 GiB), 3 the PML4. */
#pragma once

#include "ept/ept.h"

#define EPT_LEVELS 4U
#define EPT_ENTRIES 512U
#define EPT_GFN_BITS 36U
#define EPT_LARGE (1UL << 7)
/* Ignored by the CPU; ours: "executable as far as its owner is concerned" on large leaves that are mapped without X
 * (see hw_nx_large). */
#define EPT_SOFT_X (1UL << 58)
#define EPT_ADDR_MASK 0x000ffffffffff000UL

#define EPT_MEMTYPE_UC 0U
#define EPT_MEMTYPE_WB 6U

static inline unsigned walk_index(gfn_t g, unsigned level) { return (unsigned)(g.v >> (9U * level)) & 511U; }
static inline unsigned walk_order(unsigned level) { return 9U * level; }
static inline unsigned walk_level(unsigned order) { return order / 9U; }
static inline bool walk_present(uint64_t entry) { return (entry & EPT_RWX) != 0; }
static inline bool walk_is_leaf(uint64_t entry, unsigned level) { return level == 0 || (entry & EPT_LARGE) != 0; }
static inline hpa_t walk_addr(uint64_t entry) { return hpa(entry & EPT_ADDR_MASK); }

/* An entry that points to TABLE. */
uint64_t walk_table_entry(hpa_t table);
/* A leaf at LEVEL for frame H. NX_LARGE: a large executable leaf gets the soft bit in place of X. */
uint64_t walk_leaf_entry(hfn_t h, unsigned level, unsigned rights, unsigned memtype, bool nx_large);
/* Entry INDEX of the table that replaces the large LEAF at LEVEL (1 or 2): same frames, rights and type. */
uint64_t walk_split_entry(uint64_t leaf, unsigned level, unsigned index);
/* What the leaf ENTRY at LEVEL means for G. */
struct ept_leaf walk_decode(uint64_t entry, unsigned level, gfn_t g);
/* Is [G, +2^ORDER) aligned, of an order that exists, and within the 48 bits that 4 levels translate? */
bool walk_range_ok(gfn_t g, unsigned order);
