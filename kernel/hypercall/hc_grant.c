/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercall 20, grant_table_op: version 1 tables. Each operation's result is in its status field. */
#include "kernel/domain/grant.h"
#include "kernel/hypercall/hc_priv.h"
#include "kernel/hypercall/policy.h"

_Static_assert(sizeof(struct gnttab_map_grant_ref) == 32 && sizeof(struct gnttab_unmap_grant_ref) == 24, "Xen ABI");
_Static_assert(sizeof(struct gnttab_copy) == 40 && sizeof(struct gnttab_query_size) == 16, "Xen ABI");

#define AT_ONCE 16UL

union grant_args {
    struct gnttab_map_grant_ref map;
    struct gnttab_unmap_grant_ref unmap;
    struct gnttab_copy copy;
    struct gnttab_query_size query_size;
    struct gnttab_set_version set_version;
};

static void query_size(struct hc *c, struct gnttab_query_size *q)
{
    struct domain_locked l DOMAIN_GUARD;
    int64_t r = hc_lock_managed(c, q->dom, &l);
    q->status = r == 0 ? GNTST_okay : r == HC_EPERM ? GNTST_permission_denied : GNTST_bad_domain;
    q->nr_frames = l.d && l.d->grants->nr_frames ? l.d->grants->nr_frames : 1;
    q->max_nr_frames = GRANT_MAX_FRAMES;
}

static const uint8_t sizes[] = { /* of each operation's argument; 0: not offered */
    [GNTTABOP_map_grant_ref] = sizeof(struct gnttab_map_grant_ref), [GNTTABOP_unmap_grant_ref] = sizeof(struct gnttab_unmap_grant_ref),
    [GNTTABOP_copy] = sizeof(struct gnttab_copy), [GNTTABOP_query_size] = sizeof(struct gnttab_query_size),
    [GNTTABOP_set_version] = sizeof(struct gnttab_set_version),
};

static int64_t invoke(struct hc *c, union grant_args *a)
{
    struct domain *d = c->v->domain;
    switch (c->a1) {
    case GNTTABOP_map_grant_ref: grant_map(d, &a->map, policy_dma(d)); return 0;
    case GNTTABOP_unmap_grant_ref: grant_unmap(d, &a->unmap); return 0;
    case GNTTABOP_copy: grant_copy(d, &a->copy); return 0;
    case GNTTABOP_query_size: query_size(c, &a->query_size); return 0;
    default: return a->set_version.version == 1 ? 0 : HC_EINVAL; /* there is only one */
    }
}

int64_t hc_grant_table_op(struct hc *c)
{
    int64_t r = 0;
    size_t size = c->a1 < ARRAY_SIZE(sizes) ? sizes[c->a1] : 0;
    if (size == 0)
        return HC_ENOSYS;
    if (c->a3 > HC_MAX_BATCH)
        return HC_EINVAL;
    for (uint64_t i = 0, n; r == 0 && i < c->a3; i += n) { /* a few arguments at a time: the way to them costs more than they do */
        union grant_args a[AT_ONCE] __attribute__((uninitialized)); /* what is used is read in first */
        n = MIN(c->a3 - i, AT_ONCE);
        if (hc_get(c, a, c->a2 + i * size, n * size) != 0)
            return HC_EFAULT;
        for (uint64_t k = 0; r == 0 && k < n; k++)
            r = invoke(c, (union grant_args *)(void *)((char *)a + k * size));
        if (hc_put(c, c->a2 + i * size, a, n * size) != 0)
            return HC_EFAULT;
    }
    return r;
}
