/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The heap of deadlines: a pairing heap. Inserting is constant, removing logarithmic on average; it needs no memory of its own,
 * so it never fills up. */
#include "kernel/time/heap.h"

/* Of two trees the one that is due later becomes the first child of the other. */
static struct deadline *meld(struct deadline *a, struct deadline *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    struct deadline *parent = a->tsc <= b->tsc ? a : b;
    struct deadline *child = a->tsc <= b->tsc ? b : a;
    child->next = parent->child;
    if (child->next != NULL)
        child->next->prev = child;
    child->prev = parent;
    parent->child = child;
    return parent;
}

/* One tree of a list of siblings: by pairs from the left, then all pairs into one. */
static struct deadline *meld_all(struct deadline *list)
{
    struct deadline *pairs = NULL;
    struct deadline *all = NULL;
    while (list != NULL) {
        struct deadline *second = list->next;
        struct deadline *rest = second != NULL ? second->next : NULL;
        struct deadline *pair = meld(list, second);
        pair->next = pairs;
        pairs = pair;
        list = rest;
    }
    while (pairs != NULL) {
        struct deadline *rest = pairs->next;
        all = meld(all, pairs);
        pairs = rest;
    }
    return all;
}

void heap_insert(struct deadline_heap *h, struct deadline *d)
{
    d->slot = 1;
    d->child = NULL;
    h->first = meld(h->first, d);
}

void heap_remove(struct deadline_heap *h, struct deadline *d)
{
    struct deadline *children = meld_all(d->child);
    if (h->first == d) {
        h->first = children;
    } else {
        if (d->next != NULL)
            d->next->prev = d->prev;
        if (d->prev->child == d)
            d->prev->child = d->next;
        else
            d->prev->next = d->next;
        h->first = meld(h->first, children);
    }
    d->slot = 0;
}
