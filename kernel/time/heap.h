/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A binary heap of deadlines, the earliest first. Pure; no lock. */
#ifndef KERNEL_TIME_HEAP_H
#define KERNEL_TIME_HEAP_H

#include "kernel/time/deadline.h"

struct deadline_heap {
    struct deadline **slots; /* room for capacity; slots[i] has slot == i + 1 */
    uint32_t count, capacity;
};

/* The earliest, or NULL. */
static inline struct deadline *heap_first(const struct deadline_heap *h) { return h->count != 0 ? h->slots[0] : NULL; }
/* Precondition: D->slot is 0. false: full. */
bool heap_insert(struct deadline_heap *h, struct deadline *d);
/* Precondition: D is in H. Its slot becomes 0. */
void heap_remove(struct deadline_heap *h, struct deadline *d);

#endif
