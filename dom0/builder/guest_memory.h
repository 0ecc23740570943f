/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A new domain's memory: given to it in large blocks, written through one moving foreign mapping of at most 2
 * MiB. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"

struct guest_memory {
    uint16_t domid;
    uint64_t low_pages, high_pages; /* RAM from 0 and from GUEST_HIGH_BASE on */
    void *window;                   /* NULL: none open */
    uint64_t window_gfn, window_pages;
    /* Called after every few MiB that guest_memory_populate gave: lets others run. false: stop, the error is set. */
    bool (*between)(void *ctx, uint64_t pages);
    void *ctx;
};

/* Gives all RAM, in 2 MiB blocks where the host has some. */
bool guest_memory_populate(struct guest_memory *m, struct error *e);
/* Single pages outside RAM. */
bool guest_memory_populate_at(const struct guest_memory *m, uint64_t gfn, uint32_t pages, struct error *e);
/* Copies to the guest; the range is inside RAM or one of the pages outside. */
bool guest_memory_write(struct guest_memory *m, uint64_t gpa, const void *data, size_t len, struct error *e);
void guest_memory_close(struct guest_memory *m);
