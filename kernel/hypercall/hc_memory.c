/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercall 12, memory_op: shared frames into the guest's address space, and the balloon. */
#include "ept/flush.h"
#include "kernel/domain/grant.h"
#include "kernel/domain/physmap.h"
#include "kernel/hypercall/hc_priv.h"
#include "kernel/mm/frame.h"

#include <xen/xen.h>
#include <xen/memory.h>

#define CMD_BITS 6U /* the bits above say at which extent an interrupted call goes on */
#define MAX_PAGES 512U /* given or taken in one call: they are cleared with interrupts off */

_Static_assert(sizeof(struct xen_memory_reservation) == 32 && sizeof(struct xen_add_to_physmap) == 24, "Xen ABI");
_Static_assert(offsetof(struct xen_memory_reservation, nr_extents) == 8 && offsetof(struct xen_memory_reservation, domid) == 24, "Xen ABI");

static int64_t add_to_physmap(struct hc *c)
{
    struct xen_add_to_physmap a;
    struct domain_locked l DOMAIN_GUARD = {NULL};
    if (hc_get(c, &a, c->a2, sizeof(a)) != 0)
        return HC_EFAULT;
    if (a.space != XENMAPSPACE_shared_info && a.space != XENMAPSPACE_grant_table)
        return HC_ENOSYS;
    if (a.idx >= (a.space == XENMAPSPACE_shared_info ? 1 : GRANT_MAX_FRAMES))
        return HC_EINVAL;
    int64_t r = hc_lock_managed(c, a.domid, &l);
    if (r)
        return r;
    enum status s = a.space == XENMAPSPACE_shared_info ? physmap_map_shared(l, gfn(a.gpfn), l.d->shared_info_hfn, &l.d->shared_info_gfn)
                                                       : grant_map_frame(l, (uint32_t)a.idx, gfn(a.gpfn));
    flush_sync(&l.d->ept);
    return hc_status(s);
}

/* Returns how many extents are done. More than HC_MAX_BATCH, or MAX_PAGES in larger ones, are not done in one call:
 * the caller sees a short count and goes on. */
static int64_t reservation(struct hc *c, bool populate)
{
    struct xen_memory_reservation r;
    struct domain_locked l DOMAIN_GUARD = {NULL};
    uint64_t list, start = c->a1 >> CMD_BITS;
    if (hc_get(c, &r, c->a2, sizeof(r)) != 0)
        return HC_EFAULT;
    __builtin_memcpy(&list, &r.extent_start, sizeof(list));
    if (start > r.nr_extents || r.nr_extents > 1UL << 32 || r.extent_order > FRAME_ORDER_2M)
        return HC_EINVAL;
    int64_t e = hc_lock_managed(c, r.domid, &l);
    if (e)
        return e;
    uint64_t batch = MIN((uint64_t)HC_MAX_BATCH, (uint64_t)MAX_PAGES >> r.extent_order);
    uint64_t done = start, end = MIN(r.nr_extents, start + batch);
    for (xen_pfn_t g; done < end && hc_get(c, &g, list + done * sizeof(g), sizeof(g)) == 0; done++) {
        enum status s = populate ? physmap_populate(l, gfn(g), r.extent_order)
                                 : physmap_release(l, gfn(g), r.extent_order);
        if (s != STATUS_OK)
            break;
    }
    flush_sync(&l.d->ept);
    return (int64_t)done;
}

int64_t hc_memory_op(struct hc *c)
{
    switch (c->a1 & ((1UL << CMD_BITS) - 1)) {
    case XENMEM_add_to_physmap: return add_to_physmap(c);
    case XENMEM_populate_physmap: return reservation(c, true);
    case XENMEM_decrease_reservation: return reservation(c, false);
    default: return HC_ENOSYS;
    }
}
