/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Transactions: their records, start and end. What they do in between is in view.c. */
#include "dom0/store/transaction.h"

#include <xen/errno.h>

#include "dom0/lib/string.h"
#include "dom0/store/transaction_priv.h"
#include "dom0/store/watch.h"

struct store_record *store_record_find(struct store *s, const struct store_tx *tx, const char *path, size_t len,
                                       uint32_t hash)
{
    for (struct store_record *r = store_at(s, tx->first_record); r != NULL; r = store_at(s, r->next)) {
        if (r->hash == hash && r->path_len == len && memcmp(r->path, path, len) == 0) {
            return r;
        }
    }
    return NULL;
}

static void append(struct store *s, struct store_tx *tx, struct store_record *r)
{
    struct store_record *last = store_at(s, tx->last_record);
    *(last == NULL ? &tx->first_record : &last->next) = store_off(s, r);
    tx->last_record = store_off(s, r);
    r->next = STORE_NONE;
}

void store_record_to_end(struct store *s, struct store_tx *tx, struct store_record *r)
{
    if (tx->last_record == store_off(s, r)) {
        return;
    }
    uint32_t *prev = &tx->first_record;
    while (*prev != store_off(s, r)) {
        prev = &((struct store_record *)store_at(s, *prev))->next;
    }
    *prev = r->next;
    append(s, tx, r);
}

struct store_record *store_record_new(struct store *s, struct store_tx *tx, const char *path, size_t len, uint32_t hash)
{
    if (tx->records >= STORE_QUOTA_RECORDS) {
        return NULL;
    }
    struct store_record *r = store_alloc(s, tx->domid, true, STORE_RECORD, sizeof(*r) + len + 1U);
    if (r == NULL) {
        return NULL;
    }
    r->hash = hash;
    r->path_len = (uint16_t)len;
    memcpy(r->path, path, len);
    append(s, tx, r);
    tx->records++;
    return r;
}

void store_record_drop_changes(struct store *s, struct store_record *r)
{
    store_free(s, store_at(s, r->value));
    r->value = STORE_NONE;
    r->value_len = 0;
    if (r->node != STORE_NONE) {
        store_node_discard(s, store_at(s, r->node));
        r->node = STORE_NONE;
    }
    r->flags &= ~(STORE_RECORD_CREATED | STORE_RECORD_VALUE | STORE_RECORD_PERMS | STORE_RECORD_EVENT);
}

int store_tx_start(struct store *s, uint16_t domid, uint32_t *id)
{
    struct store_domain *d = store_domain_get(s, domid);
    if (d == NULL || d->transactions >= STORE_QUOTA_TRANSACTIONS) {
        return XEN_ENOSPC;
    }
    struct store_tx *tx = store_alloc(s, domid, true, STORE_TX, sizeof(*tx));
    if (tx == NULL) {
        return XEN_ENOSPC;
    }
    do {
        tx->id = s->next_tx++;
    } while (tx->id == 0 || store_tx_find(s, domid, tx->id) != NULL);
    tx->domid = domid;
    tx->next = d->first_tx;
    d->first_tx = store_off(s, tx);
    d->transactions++;
    *id = tx->id;
    return 0;
}

struct store_tx *store_tx_find(struct store *s, uint16_t domid, uint32_t id)
{
    const struct store_domain *d = store_domain_find(s, domid);
    struct store_tx *tx = d == NULL ? NULL : store_at(s, d->first_tx);
    while (tx != NULL && tx->id != id) {
        tx = store_at(s, tx->next);
    }
    return tx;
}

void store_tx_abort(struct store *s, struct store_tx *tx)
{
    struct store_domain *d = store_domain_find(s, tx->domid);
    uint32_t *prev = &d->first_tx;
    while (*prev != store_off(s, tx)) {
        prev = &((struct store_tx *)store_at(s, *prev))->next;
    }
    *prev = tx->next;
    d->transactions--;
    while (tx->first_record != STORE_NONE) {
        struct store_record *r = store_at(s, tx->first_record);
        tx->first_record = r->next;
        store_record_drop_changes(s, r);
        store_free(s, r);
    }
    store_free(s, tx);
}

void store_tx_abort_all(struct store *s, uint16_t domid)
{
    struct store_domain *d = store_domain_find(s, domid);
    while (d != NULL && d->first_tx != STORE_NONE) {
        store_tx_abort(s, store_at(s, d->first_tx));
    }
}

static bool unchanged(struct store *s, const struct store_tx *tx)
{
    for (struct store_record *r = store_at(s, tx->first_record); r != NULL; r = store_at(s, r->next)) {
        const struct store_node *n = store_node_find(s, r->path);
        if ((n == NULL ? 0 : n->generation) != r->base_generation) {
            return false;
        }
    }
    return true;
}

static void commit_removals(struct store *s, struct store_tx *tx)
{
    for (struct store_record *r = store_at(s, tx->first_record); r != NULL; r = store_at(s, r->next)) {
        struct store_node *n = (r->flags & STORE_RECORD_HIDE) != 0 ? store_node_find(s, r->path) : NULL;
        if (n != NULL) {
            store_watch_fire(s, r->path, &n->perms, true);
            store_node_remove(s, n);
        }
    }
}

static void commit_record(struct store *s, struct store_record *r)
{
    struct store_node *n;
    if ((r->flags & STORE_RECORD_CREATED) != 0) {
        n = store_at(s, r->node);
        r->node = STORE_NONE;
        store_node_link(s, store_node_find_n(s, r->path, store_path_parent(r->path)), n);
    } else {
        n = store_node_find(s, r->path);
    }
    struct store_perms old = n->perms;
    if ((r->flags & STORE_RECORD_VALUE) != 0) {
        store_node_set_value(s, n, r->value, r->value_len);
        if (r->value != STORE_NONE) {
            store_charge_move(s, store_at(s, r->value), store_perms_owner(&n->perms));
        }
        r->value = STORE_NONE;
    }
    if ((r->flags & STORE_RECORD_PERMS) != 0) {
        (void)store_node_set_perms(s, n, &r->perms); /* the new owner's record was made when it was asked for */
        store_watch_fire(s, r->path, &old, false);
    }
    if ((r->flags & STORE_RECORD_EVENT) != 0) {
        store_watch_fire(s, r->path, &n->perms, false);
    }
}

int store_tx_commit(struct store *s, struct store_tx *tx)
{
    if (!unchanged(s, tx)) {
        store_tx_abort(s, tx);
        return XEN_EAGAIN;
    }
    commit_removals(s, tx);
    for (struct store_record *r = store_at(s, tx->first_record); r != NULL; r = store_at(s, r->next)) {
        if ((r->flags & STORE_RECORD_PRESENT) != 0 &&
            (r->flags & (STORE_RECORD_CREATED | STORE_RECORD_VALUE | STORE_RECORD_PERMS)) != 0) {
            commit_record(s, r);
        }
    }
    store_tx_abort(s, tx);
    return 0;
}
