/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Pools of fixed-size objects. */
#include "kernel/mm/pool.h"

#include "kernel/core/string.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"

static void pool_grow(struct pool *p)
{
    hfn_t f;
    if (p->size > PAGE_SIZE || frame_alloc(FRAME_ORDER_4K, FRAME_OWNER_ROOT, FRAME_ROOT, &f) != STATUS_OK)
        return;
    char *page = root_va(hpa_of_hfn(f));
    for (size_t at = 0; at + p->size <= PAGE_SIZE; at += p->size) {
        memcpy(page + at, &p->free, sizeof(p->free));
        p->free = page + at;
    }
    p->pages++;
}

void *pool_alloc(struct pool *p)
{
    spin_lock(&p->lock);
    if (!p->free)
        pool_grow(p);
    void *object = p->free;
    if (object) {
        memcpy(&p->free, object, sizeof(p->free));
        p->used++;
    }
    spin_unlock(&p->lock);
    if (object)
        memset(object, 0, p->size);
    return object;
}

void pool_free(struct pool *p, void *object)
{
    if (!object)
        return;
    spin_lock(&p->lock);
    memcpy(object, &p->free, sizeof(p->free));
    p->free = object;
    p->used--;
    spin_unlock(&p->lock);
}
