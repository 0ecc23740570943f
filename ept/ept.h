/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The second-level tables of one domain: 4 KiB, 2 MiB and 1 GiB leaves, 4 levels.
 * Table frames come from a quota fixed at create; each change of an entry is one aligned 64-bit store.
 * Knows frames as numbers only: ownership and references are kernel/domain/physmap.c's. Lock: the caller's (domain). */
#pragma once

#include "kernel/core/addr.h"
#include "kernel/core/status.h"

#define EPT_R 1U
#define EPT_W 2U
#define EPT_X 4U
#define EPT_RWX 7U

struct ept {
    hpa_t root;              /* PML4 frame */
    uint16_t owner;          /* domid, for frame accounting */
    uint32_t tables_used;    /* frames, PML4 included */
    uint32_t tables_max;
    uint32_t reserve;        /* prepared, uncommitted table frames */
    hfn_t reserved[3];       /* no walk lacks more */
    uint64_t eptp;           /* value for the VMCS */
    uint32_t cpus_dirty[1];  /* bit per CPU that must INVEPT before its next entry */
    bool unsynced;           /* changed since the last flush_sync */
    uint64_t generation;     /* no other EPT has or had it, nor this one before a mapping in it changed or went; atomic */
};

/* Where a gfn leads. */
struct ept_leaf {
    hfn_t hfn;       /* frame for exactly the gfn asked for */
    unsigned order;  /* of the leaf: 0, 9, 18 */
    unsigned rights; /* EPT_R|W|X */
    unsigned memtype;
};

/* Capability check, once per boot: page sizes, memory types, INVEPT kinds. */
enum status ept_global_init(void);
unsigned ept_max_order(void); /* 9 or 18 */
enum status ept_init(struct ept *e, uint16_t owner, uint32_t tables_max);
/* Frees all tables. Precondition: no CPU can enter with this EPTP any more; leaves already released. */
void ept_destroy(struct ept *e);

/* Allocates what mapping, splitting or unmapping [G, G + 2^ORDER) at leaf size ORDER needs; one range at a time.
 * STATUS_NO_MEMORY: quota or memory; nothing changed. */
enum status ept_prepare(struct ept *e, gfn_t g, unsigned order);
/* Sets the leaf; cannot fail after ept_prepare for the same range. An existing larger leaf is split, existing smaller
 * tables below are replaced and freed (their leaves must be absent). RAM is write-back, the rest uncached.
 * Marks the EPT for flushing if an entry was present. */
void ept_map(struct ept *e, gfn_t g, unsigned order, hfn_t h, unsigned rights);
/* Clears the leaf(s) of [G, +2^ORDER); splits larger ones; cannot fail after ept_prepare. */
void ept_unmap(struct ept *e, gfn_t g, unsigned order);
/* Gives unused prepared frames back. */
void ept_unprepare(struct ept *e);
/* Gives the 4 KiB pages around G their execute right where large leaves are mapped without it (see hw_nx_large).
 * STATUS_NOT_FOUND: G is not a large executable leaf. STATUS_NO_MEMORY: the quota is used up. */
enum status ept_split_exec(struct ept *e, gfn_t g);
/* false: not mapped. */
bool ept_lookup(const struct ept *e, gfn_t g, struct ept_leaf *out);
/* Calls FN for each present leaf in [first, last]; FN returns false to stop. Used by audit, destroy, save. */
void ept_walk(const struct ept *e, gfn_t first, gfn_t last, bool (*fn)(gfn_t g, const struct ept_leaf *leaf, void *ctx), void *ctx);
