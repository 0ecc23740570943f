/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Pools of fixed-size objects (at most a page each), carved from root frames, which a pool keeps for good.
 * Each pool's lock guards its list. */
#pragma once

#include "kernel/core/spinlock.h"
#include "kernel/core/types.h"

struct pool {
    size_t size;           /* of an object; at least 8, a multiple of 8 */
    struct spinlock lock;
    void *free;            /* singly linked through the first word */
};

#define POOL_INIT(type) {.size = (sizeof(type) + 7) & ~7UL}

/* A zeroed object; NULL: no memory. */
void *pool_alloc(struct pool *p);
/* NULL is fine. */
void pool_free(struct pool *p, void *object);

/* A zeroed root frame by its address (NULL: no memory), and back (NULL is fine). */
void *pool_page_alloc(void);
void pool_page_free(void *page);
