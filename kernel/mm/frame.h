/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The frame allocator. Every frame of RAM has an 8-byte descriptor: owner, type, reference count
 * (or, while free, its place in the free lists). Buddy lists for 4 KiB .. 1 GiB, each in a clean (scrubbed) and a
 * dirty form. Lock: one spinlock in frame.c guards the lists and all descriptors' owner/type; reference counts are
 * atomic. Root-owned frames are mapped for good at root_va() (see pagetable.h). */
#pragma once

#include "boot/boot_info.h"
#include "kernel/core/addr.h"
#include "kernel/core/status.h"

#define FRAME_ORDER_4K 0U
#define FRAME_ORDER_2M 9U
#define FRAME_ORDER_1G 18U

#define FRAME_OWNER_NONE 0x7ff4U /* DOMID_INVALID */
#define FRAME_OWNER_ROOT 0x7ff2U /* DOMID_XEN */

enum frame_type {
    FRAME_FREE = 0,
    FRAME_UNUSABLE,   /* not RAM, or not ours */
    FRAME_ROOT,       /* root's image, tables, pools, stacks */
    FRAME_PAGE_TABLE, /* root's own page tables */
    FRAME_EPT,        /* an EPT table of a domain; owner = the domain */
    FRAME_VMX,        /* VMCS, bitmaps, APIC page, XSAVE area of a domain; owner = the domain */
    FRAME_GUEST,      /* RAM of a domain */
    FRAME_SHARED,     /* shared_info and grant-table frames: owned by a domain, mapped by root as well */
    FRAME_QUARANTINE, /* freed, waits for a flush epoch */
    FRAME_TYPE_COUNT
};

struct frame_stats {
    uint64_t total;      /* frames of RAM under management */
    uint64_t free_clean; /* frames */
    uint64_t free_dirty;
    uint64_t by_type[FRAME_TYPE_COUNT];
    uint64_t table_bytes; /* size of the frame table itself */
};

/* Builds the frame table from BOOT's ranges. Frames of ROOT, DOM0, MODULE ranges get their types; FREE ones go to the dirty lists.
 * Precondition: boot CPU only, before any allocation. */
enum status frame_init(const struct boot_info *boot);

/* Allocates 2^ORDER frames, naturally aligned, zeroed (clean ones are taken first; dirty ones are scrubbed here), as TYPE for OWNER
 * with a reference count of 1. Types ROOT, EPT, VMX and SHARED are mapped at root_va(). STATUS_NO_MEMORY: none that large. */
enum status frame_alloc(unsigned order, uint16_t owner, enum frame_type type, hfn_t *out);
/* As frame_alloc, but never maps at root_va() (what frame_alloc and the page-table code are built on). */
enum status frame_take(unsigned order, uint16_t owner, enum frame_type type, hfn_t *out);
/* Returns 2^ORDER frames to the dirty lists and unmaps them from root. Panics when a count is above 1 (our bug):
 * callers drop references first (1: the owner's own, 0: after a frame_put that returned true).
 * The caller guarantees that no TLB can still reach them (flush epochs: ept/flush.h). */
void frame_free(hfn_t first, unsigned order);

/* Is HFN a frame of RAM under management? */
bool frame_is_ram(hfn_t f);
uint16_t frame_owner(hfn_t f);
enum frame_type frame_type(hfn_t f);
/* Takes a reference when the frame is of TYPE and owned by OWNER; false otherwise or on overflow. */
bool frame_get(hfn_t f, uint16_t owner, enum frame_type type);
/* Drops a reference; true when it was the last (count now 0 and the caller must release the frame). */
bool frame_put(hfn_t f);
uint32_t frame_refs(hfn_t f);

/* Scrubs at most BUDGET_PAGES pages of free dirty memory; false when nothing was left to do. Called by idle CPUs. */
bool frame_scrub_step(unsigned budget_pages);
struct frame_stats frame_stats(void);
/* For audit: walks all descriptors, calling FN for each used one. */
void frame_walk(void (*fn)(hfn_t f, uint16_t owner, enum frame_type type, uint32_t refs, void *ctx), void *ctx);
/* For audit: checks free lists and counters against descriptors; returns false and writes the reason. */
bool frame_check(char *why, size_t len);
