/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The heap of deadlines. */
#include "kernel/time/heap.h"

static void place(struct deadline_heap *h, uint32_t i, struct deadline *d)
{
    h->slots[i] = d;
    d->slot = i + 1;
}

static void sift_up(struct deadline_heap *h, uint32_t i, struct deadline *d)
{
    while (i > 0 && h->slots[(i - 1) / 2]->tsc > d->tsc) {
        place(h, i, h->slots[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, d);
}

static void sift_down(struct deadline_heap *h, uint32_t i, struct deadline *d)
{
    while (2 * i + 1 < h->count) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < h->count && h->slots[child + 1]->tsc < h->slots[child]->tsc)
            child++;
        if (h->slots[child]->tsc >= d->tsc)
            break;
        place(h, i, h->slots[child]);
        i = child;
    }
    place(h, i, d);
}

bool heap_insert(struct deadline_heap *h, struct deadline *d)
{
    if (h->count == h->capacity)
        return false;
    sift_up(h, h->count++, d);
    return true;
}

void heap_remove(struct deadline_heap *h, struct deadline *d)
{
    uint32_t i = d->slot - 1;
    struct deadline *last = h->slots[--h->count];
    d->slot = 0;
    if (last == d)
        return;
    if (i > 0 && h->slots[(i - 1) / 2]->tsc > last->tsc)
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
}
