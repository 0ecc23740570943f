/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A heap of deadlines, the earliest first. Pure; no lock. */
#pragma once

#include "kernel/time/deadline.h"

struct deadline_heap {
    struct deadline *first; /* the earliest; NULL: empty */
};

/* Precondition: D->slot is 0. */
void heap_insert(struct deadline_heap *h, struct deadline *d);
/* Precondition: D is in H. Its slot becomes 0. */
void heap_remove(struct deadline_heap *h, struct deadline *d);
