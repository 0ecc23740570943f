/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The one place that joins frame ownership to EPT. Rules: a frame's reference count is 1 for its owner (while the owner keeps it) plus 1
 * for each mapping in another domain's EPT and each pin by name (vcpu_info); a SHARED frame has 1 for root plus 1 while mapped. References to a
 * domain's frames change only under that domain's lock. Each function is all or nothing per unit (a 4 KiB page or a large leaf): what may
 * fail comes first. Whoever removed mappings calls flush_sync(ept) before the guest goes on. */
#pragma once

#include "kernel/domain/domain.h"
#include "kernel/mm/window.h"

/* First gfn that no guest can address. */
uint64_t physmap_gfn_limit(void);

/* Zeroed RAM for [G, G + 2^ORDER), as one leaf. STATUS_NO_MEMORY: limit, frames or table quota. STATUS_EXISTS: something is mapped there. */
enum status physmap_populate(struct domain_locked l, gfn_t g, unsigned order);
/* Takes the domain's RAM at [G, G + 2^ORDER) away. STATUS_NOT_FOUND: nothing there; STATUS_DENIED: not its RAM. Stops at the first such page. */
enum status physmap_release(struct domain_locked l, gfn_t g, unsigned order);
/* Maps [G, +NR) of OF's RAM at AT_GFN of AT, no execution; *DONE counts pages even when a later one fails. Large leaves where both sides are aligned. */
enum status physmap_map_foreign(struct domain_locked at, struct domain_locked of, gfn_t at_gfn, gfn_t g, uint32_t nr, bool writable, uint32_t *done);
/* Undoes it for [AT_GFN, +NR) of SELF, whoever owns the frames. Takes the locks itself: none may be held. */
enum status physmap_unmap_foreign(struct domain *self, gfn_t at_gfn, uint32_t nr);
/* One frame of another domain to which the caller holds a reference already. STATUS_EXISTS: G is taken. */
enum status physmap_map_frame(struct domain_locked at, gfn_t g, hfn_t h, bool writable);
/* Removes it if G still leads to H; the reference stays the caller's. STATUS_NOT_FOUND: it does not. */
enum status physmap_unmap_frame(struct domain_locked at, gfn_t g, hfn_t h);
/* Root's shared frame H of this domain appears at G: RAM there is released, *WHERE (the previous place) is unmapped and updated. Idempotent. */
enum status physmap_map_shared(struct domain_locked l, gfn_t g, hfn_t h, gfn_t *where);
/* 1:1 mapping of [G, +NR) as RIGHTS: Dom0's RAM and modules at boot (owned already), device memory. Repeating it is fine. */
enum status physmap_map_identity(struct domain_locked l, gfn_t g, uint64_t nr, unsigned rights);
/* References the frame of this domain's RAM behind G (WRITABLE: that it may write). false: no such. */
bool physmap_get_frame(struct domain_locked l, gfn_t g, bool writable, hfn_t *out);
/* Drops a reference to H, which OWNER owns; the last one frees the frame after E's flush epoch and takes it off the owner's pages. */
void physmap_put_frame(struct domain_locked owner, struct ept *e, hfn_t h);
/* Gives all RAM back and drops all mappings; the EPT's tables remain for ept_destroy. Frames that others still map stay until they let go. */
void physmap_teardown(struct domain *d);

/* For physmap_open: a window on page NUMBER / 2 of D, writable if NUMBER is odd. */
void *physmap_open_anew(struct domain *d, uint64_t tag, uint64_t number);
/* The bytes behind A up to the end of its page, as window_open gives them; NULL: not RAM, or (WRITE) not writable. As the two below: no lock. */
static inline void *physmap_open(struct domain *d, gpa_t a, bool write)
{
    uint64_t tag = __atomic_load_n(&d->ept.generation, __ATOMIC_ACQUIRE); /* before the lookup: pairs with flush_mark */
    uint64_t number = a.v >> PAGE_SHIFT << 1 | write;
    char *page = window_find(tag, number);
    if (!page)
        page = physmap_open_anew(d, tag, number);
    return page ? page + a.v % PAGE_SIZE : NULL;
}
/* Guest physical memory in and out; needs no lock: frames taken away meanwhile are in quarantine until this CPU passes an epoch.
 * STATUS_FAULT: not RAM, or (to) not writable. A prefix may have been copied. */
enum status physmap_copy_from(struct domain *d, void *dst, gpa_t src, size_t len);
enum status physmap_copy_to(struct domain *d, gpa_t dst, const void *src, size_t len);
