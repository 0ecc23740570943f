/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Transactions: an overlay of records over the tree, one per node that the transaction touched. A record
 * remembers the node's generation when it was first touched; the end fails with EAGAIN when any of them changed since.
 * What the overlay creates is allocated (and paid for) at once, so that a commit allocates nothing and cannot fail
 * half-way. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/store/arena.h"
#include "dom0/store/perms.h"
#include "dom0/store/tree.h"

struct store_tx {
    uint32_t next;
    uint32_t id;
    uint32_t first_record, last_record;
    uint32_t records;
    uint16_t domid;
    uint16_t pad;
};

#define STORE_RECORD_PRESENT 1U  /* the node exists for this transaction */
#define STORE_RECORD_HIDE    2U  /* what the tree has at and below this path was removed */
#define STORE_RECORD_CREATED 4U  /* node is new */
#define STORE_RECORD_VALUE   8U  /* value is new */
#define STORE_RECORD_PERMS   16U /* perms are new */
#define STORE_RECORD_EVENT   32U /* report it when committed */

struct store_record {
    uint32_t next;
    uint32_t hash;            /* of the path */
    uint64_t base_generation; /* 0: was not in the tree */
    uint32_t node;            /* CREATED: not linked yet */
    uint32_t value;           /* VALUE */
    uint16_t value_len;
    uint16_t path_len;
    uint32_t flags;
    struct store_perms perms;
    char path[];
};

/* One node as domain sees it, within a transaction or (tx == NULL) directly. */
struct store_view {
    bool present;
    struct store_node *node;     /* the tree's node, if it has one that is not hidden */
    struct store_record *record; /* in a transaction */
    const struct store_perms *perms;
    const void *value;
    size_t value_len;
    uint64_t generation; /* at first touch */
};

/* 0 and a new id, XEN_ENOSPC, or XEN_E2BIG-like quota as XEN_ENOSPC. */
int store_tx_start(struct store *s, uint16_t domid, uint32_t *id);
struct store_tx *store_tx_find(struct store *s, uint16_t domid, uint32_t id);
/* Ends it: 0, XEN_EAGAIN (nothing was changed), always freed. */
int store_tx_commit(struct store *s, struct store_tx *tx);
void store_tx_abort(struct store *s, struct store_tx *tx);
void store_tx_abort_all(struct store *s, uint16_t domid);

/* How TX (or, for NULL, the tree) sees PATH; in a transaction the node counts as touched. 0 or XEN_ENOSPC. */
int store_view_get(struct store *s, struct store_tx *tx, const char *path, struct store_view *v);
/* Changes as OWNER's rights were checked before; LIMITED: the quota applies. 0 or XEN_ENOSPC; nothing changed in the
 * tree on an error. PATH exists (value, perms) */
int store_view_set_value(struct store *s, struct store_tx *tx, const char *path, bool limited, const void *data,
                         size_t len);
int store_view_set_perms(struct store *s, struct store_tx *tx, const char *path, const struct store_perms *perms);
/* Makes PATH and what is missing above it, each with PERMS. */
int store_view_create(struct store *s, struct store_tx *tx, const char *path, const struct store_perms *perms,
                      bool limited, const void *data, size_t len);
int store_view_remove(struct store *s, struct store_tx *tx, const char *path);
/* EMIT for each child. */
void store_view_children(struct store *s, struct store_tx *tx, const char *path,
                         void (*emit)(void *ctx, const char *name, size_t len), void *ctx);
