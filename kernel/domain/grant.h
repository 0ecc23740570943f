/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Grant tables, version 1. The granter's side (entries in frames shared with the guest, and how often each is in use) is guarded by the
 * granter's lock; the mapper's side (handles) by the mapper's. An entry in use keeps its frame referenced. */
#pragma once

#include "kernel/domain/domain.h"

#include <xen/xen.h>
#include <xen/grant_table.h>

#define GRANT_MAX_FRAMES 64U
#define GRANT_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define GRANT_ACTIVE_PER_PAGE (PAGE_SIZE / sizeof(struct grant_active))
#define GRANT_ACTIVE_PAGES (GRANT_MAX_FRAMES * GRANT_PER_FRAME / GRANT_ACTIVE_PER_PAGE)
#define GRANT_HANDLE_PAGES 128U
#define GRANT_HANDLES_PER_PAGE (PAGE_SIZE / sizeof(struct grant_handle))

struct grant_active { /* per reference of the granter, 16 bytes */
    uint16_t domid;   /* the one domain that uses it now */
    uint16_t pad;
    uint16_t readers, writers;
    uint64_t hfn;     /* of the first use: later ones get the same */
};

struct grant_handle { /* per mapping, at the mapper */
    uint16_t granter;
    uint8_t used, writable;
    uint32_t ref;
    uint32_t generation; /* of the granter */
    uint32_t pad;
    uint64_t gfn;
    uint64_t hfn;
};
_Static_assert(sizeof(grant_entry_v1_t) == 8 && sizeof(struct grant_active) == 16 && sizeof(struct grant_handle) == 32, "layout");

struct grant_table { /* one page */
    uint32_t nr_frames;
    uint32_t nr_handles; /* handles that exist, used or free */
    uint32_t none_free_below; /* where to look for the next */
    uint32_t pad;
    grant_entry_v1_t *frames[GRANT_MAX_FRAMES];
    gfn_t gfns[GRANT_MAX_FRAMES];
    struct grant_active *active[GRANT_ACTIVE_PAGES];
    struct grant_handle *handles[GRANT_HANDLE_PAGES];
};
_Static_assert(sizeof(struct grant_table) <= PAGE_SIZE, "one root frame");

enum status grant_init(struct domain *d);
void grant_destroy(struct domain *d); /* precondition: no use left */

/* Shows frame IDX at G (XENMAPSPACE_grant_table); makes the table as large as needed; idempotent. */
enum status grant_map_frame(struct domain_locked l, uint32_t idx, gfn_t g);

/* One operation each; the results are in the op. MAY_DMA: the caller learns the host address. No locks held. */
void grant_map(struct domain *mapper, struct gnttab_map_grant_ref *op, bool may_dma);
void grant_unmap(struct domain *mapper, struct gnttab_unmap_grant_ref *op);
void grant_copy(struct domain *self, struct gnttab_copy *op);
/* Undoes all mappings that D made. */
void grant_release_mappings(struct domain *d);

/* NULL: not in use. Also for audit and dumps. */
const struct grant_handle *grant_handle_get(const struct domain *d, uint32_t handle);
struct grant_active *grant_active_get(const struct domain *d, uint32_t ref);
