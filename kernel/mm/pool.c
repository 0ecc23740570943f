/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Pools of fixed-size objects. */
#include "kernel/mm/pool.h"

#include "kernel/core/string.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"

void *pool_page_alloc(void)
{
    hfn_t f;
    return frame_alloc(FRAME_ORDER_4K, FRAME_OWNER_ROOT, FRAME_ROOT, &f) == STATUS_OK ? root_va(hpa_of_hfn(f)) : NULL;
}

void pool_page_free(void *page)
{
    if (page)
        frame_free(hfn_of_hpa(root_pa(page)), FRAME_ORDER_4K);
}

static void pool_grow(struct pool *p)
{
    char *page = p->size <= PAGE_SIZE ? pool_page_alloc() : NULL;
    for (size_t at = 0; page && at + p->size <= PAGE_SIZE; at += p->size) {
        memcpy(page + at, &p->free, sizeof(p->free));
        p->free = page + at;
    }
}

void *pool_alloc(struct pool *p)
{
    SPIN_GUARD(&p->lock);
    if (!p->free)
        pool_grow(p);
    void *object = p->free;
    if (object) {
        memcpy(&p->free, object, sizeof(p->free));
        memset(object, 0, p->size);
    }
    return object;
}

void pool_free(struct pool *p, void *object)
{
    if (!object)
        return;
    SPIN_GUARD(&p->lock);
    memcpy(object, &p->free, sizeof(p->free));
    p->free = object;
}
