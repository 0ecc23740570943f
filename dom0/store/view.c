/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The tree as a request sees it: directly, or through a transaction's records. */
#include <xen/errno.h>

#include "dom0/lib/string.h"
#include "dom0/store/store.h"
#include "dom0/store/transaction.h"
#include "dom0/store/transaction_priv.h"
#include "dom0/store/watch.h"

/* What the walk from the root to a path found in a transaction. */
struct walk {
    struct store_node *base; /* the tree's node at the path, hidden or not */
    struct store_record *record;
    bool present;
    bool hidden; /* the tree's children of this path are hidden */
    uint32_t hash;
};

static struct walk walk_to(struct store *s, const struct store_tx *tx, const char *path)
{
    struct walk w = {.base = store_at(s, s->root), .hash = store_hash(STORE_HASH_SEED, "/", 1)};
    w.record = store_record_find(s, tx, "/", 1, w.hash);
    w.present = true;
    size_t pos = 0, len, end = 0;
    const char *part;
    uint32_t hash = STORE_HASH_SEED;
    while (store_path_next(path, &pos, &part, &len)) {
        hash = store_hash(hash, path + end, pos - end);
        end = pos;
        w.base = w.base == NULL ? NULL : store_node_child(s, w.base, part, len);
        w.record = store_record_find(s, tx, path, pos, hash);
        w.hash = hash;
        if (w.record != NULL) {
            w.present = w.present && (w.record->flags & STORE_RECORD_PRESENT) != 0;
        } else {
            w.present = w.present && !w.hidden && w.base != NULL;
        }
        w.hidden = w.hidden || (w.record != NULL && (w.record->flags & STORE_RECORD_HIDE) != 0);
    }
    return w;
}

static void fill_view(struct store *s, const struct walk *w, struct store_view *v)
{
    struct store_record *r = w->record;
    v->present = w->present;
    v->record = r;
    v->generation = r->base_generation;
    if (!w->present) {
        return;
    }
    if ((r->flags & STORE_RECORD_CREATED) == 0) {
        v->node = w->base;
        if (w->base == NULL) { /* removed by another meanwhile: this transaction will fail */
            v->present = false;
            return;
        }
        v->perms = &w->base->perms;
        v->value = store_at(s, w->base->value);
        v->value_len = w->base->value_len;
    }
    if ((r->flags & (STORE_RECORD_CREATED | STORE_RECORD_PERMS)) != 0) {
        v->perms = &r->perms;
    }
    if ((r->flags & (STORE_RECORD_CREATED | STORE_RECORD_VALUE)) != 0) {
        v->value = store_at(s, r->value);
        v->value_len = r->value_len;
    }
}

int store_view_get(struct store *s, struct store_tx *tx, const char *path, struct store_view *v)
{
    *v = (struct store_view){0};
    if (tx == NULL) {
        struct store_node *n = store_node_find(s, path);
        if (n != NULL) {
            *v = (struct store_view){.present = true,
                                     .node = n,
                                     .perms = &n->perms,
                                     .value = store_at(s, n->value),
                                     .value_len = n->value_len,
                                     .generation = n->generation};
        }
        return 0;
    }
    struct walk w = walk_to(s, tx, path);
    if (w.record == NULL) {
        w.record = store_record_new(s, tx, path, strlen(path), w.hash);
        if (w.record == NULL) {
            return XEN_ENOSPC;
        }
        w.record->base_generation = w.base == NULL ? 0 : w.base->generation;
        w.record->flags = w.present ? STORE_RECORD_PRESENT : 0;
    }
    fill_view(s, &w, v);
    return 0;
}

int store_view_set_value(struct store *s, struct store_tx *tx, const char *path, bool limited, const void *data,
                         size_t len)
{
    struct store_view v;
    int err = store_view_get(s, tx, path, &v);
    if (err != 0 || !v.present) {
        return err != 0 ? err : XEN_ENOENT;
    }
    uint32_t value;
    uint16_t owner = store_perms_owner(v.perms);
    if (!store_value_new(s, owner, limited && owner != 0, data, len, &value)) {
        return XEN_ENOSPC;
    }
    if (tx == NULL) {
        store_node_set_value(s, v.node, value, len);
        store_watch_fire(s, path, &v.node->perms, false);
        return 0;
    }
    store_free(s, store_at(s, v.record->value));
    v.record->value = value;
    v.record->value_len = (uint16_t)len;
    v.record->flags |= STORE_RECORD_VALUE | STORE_RECORD_EVENT;
    return 0;
}

int store_view_set_perms(struct store *s, struct store_tx *tx, const char *path, const struct store_perms *perms)
{
    struct store_view v;
    int err = store_view_get(s, tx, path, &v);
    if (err != 0 || !v.present) {
        return err != 0 ? err : XEN_ENOENT;
    }
    uint16_t owner = store_perms_owner(perms);
    if (owner != 0 && store_domain_get(s, owner) == NULL) {
        return XEN_ENOSPC;
    }
    if (tx == NULL) {
        struct store_perms old = v.node->perms;
        (void)store_node_set_perms(s, v.node, perms); /* the record of the owner is there */
        store_watch_fire(s, path, &old, false);       /* who could read it before learns that it cannot now */
        store_watch_fire(s, path, perms, false);
        return 0;
    }
    v.record->perms = *perms;
    v.record->flags |= STORE_RECORD_PERMS | STORE_RECORD_EVENT;
    return 0;
}

/* The chain of missing nodes below PARENT for PATH from POS on, linked together but not to the tree; the last has the
 * value. NULL: no memory or quota. */
static struct store_node *chain_new(struct store *s, const char *path, size_t pos, const struct store_perms *perms,
                                    bool limited, const void *data, size_t len)
{
    struct store_node *top = NULL, *last = NULL;
    const char *part;
    size_t part_len;
    bool ok = true;
    while (ok && store_path_next(path, &pos, &part, &part_len)) {
        struct store_node *n = store_node_new(s, perms, limited, part, part_len);
        ok = n != NULL;
        if (ok && last != NULL) {
            store_node_link(s, last, n);
        } else if (ok) {
            top = n;
        }
        last = n;
    }
    uint32_t value = STORE_NONE;
    ok = ok && last != NULL && store_value_new(s, store_perms_owner(perms), limited, data, len, &value);
    if (!ok) {
        if (top != NULL) {
            store_node_discard(s, top);
        }
        return NULL;
    }
    store_node_set_value(s, last, value, len);
    return top;
}

/* Length of the longest prefix of PATH that is in the tree, and its node. */
static size_t nearest(struct store *s, const char *path, struct store_node **node)
{
    struct store_node *n = store_at(s, s->root);
    size_t pos = 0, good = 0, len;
    const char *part;
    while (n != NULL) {
        *node = n;
        good = pos;
        n = store_path_next(path, &pos, &part, &len) ? store_node_child(s, n, part, len) : NULL;
    }
    return good;
}

static int create_in_tree(struct store *s, const char *path, const struct store_perms *perms, bool limited,
                          const void *data, size_t len)
{
    struct store_node *parent = NULL;
    size_t have = nearest(s, path, &parent);
    struct store_node *top = chain_new(s, path, have, perms, limited, data, len);
    if (top == NULL) {
        return XEN_ENOSPC;
    }
    store_node_link(s, parent, top);
    store_watch_fire(s, path, perms, false);
    return 0;
}

/* One new node in a transaction. */
static int create_record(struct store *s, struct store_tx *tx, const char *path, const struct store_perms *perms,
                         bool limited)
{
    struct store_view v;
    int err = store_view_get(s, tx, path, &v);
    if (err != 0 || v.present) {
        return err;
    }
    size_t parent = store_path_parent(path);
    const char *name = path + parent + (parent > 1 || path[1] == '/' ? 1 : 0);
    struct store_node *n = store_node_new(s, perms, limited, name, strlen(name));
    if (n == NULL) {
        return XEN_ENOSPC;
    }
    store_record_drop_changes(s, v.record);
    v.record->node = store_off(s, n);
    v.record->perms = *perms;
    v.record->flags |= STORE_RECORD_CREATED | STORE_RECORD_PRESENT;
    store_record_to_end(s, tx, v.record);
    return 0;
}

/* The parent of PATH counts as touched: the commit relies on it to be there still. PATH is changed and put back. */
static int touch_parent(struct store *s, struct store_tx *tx, char *path)
{
    struct store_view v;
    size_t len = store_path_parent(path);
    char cut = path[len];
    path[len] = '\0';
    int err = store_view_get(s, tx, path, &v);
    path[len] = cut;
    return err;
}

/* Takes back the records that a failed create made, from FROM characters of PATH on. */
static void undo_create(struct store *s, struct store_tx *tx, const char *path, size_t from)
{
    for (struct store_record *r = store_at(s, tx->first_record); r != NULL; r = store_at(s, r->next)) {
        if ((r->flags & STORE_RECORD_CREATED) != 0 && r->path_len > from && store_path_under(path, r->path)) {
            store_record_drop_changes(s, r);
            r->flags &= ~STORE_RECORD_PRESENT;
        }
    }
}

int store_view_create(struct store *s, struct store_tx *tx, const char *path, const struct store_perms *perms,
                      bool limited, const void *data, size_t len)
{
    if (tx == NULL) {
        return create_in_tree(s, path, perms, limited, data, len);
    }
    char prefix[STORE_PATH_MAX + 1U] STORE_NO_INIT;
    size_t pos = 0, part_len, have = SIZE_MAX;
    const char *part;
    while (store_path_next(path, &pos, &part, &part_len)) {
        memcpy(prefix, path, pos);
        prefix[pos] = '\0';
        struct walk w = walk_to(s, tx, prefix);
        if (w.present) {
            continue;
        }
        int err = 0;
        if (have == SIZE_MAX) {
            have = (size_t)(part - path) - 1U;
            err = touch_parent(s, tx, prefix);
        }
        if (err == 0) {
            err = create_record(s, tx, prefix, perms, limited);
        }
        if (err != 0) {
            undo_create(s, tx, path, have);
            return err;
        }
    }
    int err = store_view_set_value(s, tx, path, limited, data, len);
    if (err != 0 && have != SIZE_MAX) {
        undo_create(s, tx, path, have);
    }
    return err;
}

int store_view_remove(struct store *s, struct store_tx *tx, const char *path)
{
    struct store_view v;
    int err = store_view_get(s, tx, path, &v);
    if (err != 0 || !v.present) {
        return err != 0 ? err : XEN_ENOENT;
    }
    if (tx == NULL) {
        struct store_perms perms = v.node->perms;
        store_watch_fire(s, path, &perms, true);
        store_node_remove(s, v.node);
        return 0;
    }
    for (struct store_record *r = store_at(s, tx->first_record); r != NULL; r = store_at(s, r->next)) {
        if (store_path_under(r->path, path)) {
            store_record_drop_changes(s, r);
            r->flags &= ~STORE_RECORD_PRESENT;
        }
    }
    if (v.record->base_generation != 0) {
        v.record->flags |= STORE_RECORD_HIDE;
    }
    return 0;
}

/* Is R a node directly below PATH? Its name. */
static const char *child_name(const struct store_record *r, const char *path)
{
    if ((r->flags & STORE_RECORD_PRESENT) == 0 || r->path_len == 1) {
        return NULL;
    }
    size_t parent = store_path_parent(r->path);
    if (parent != strlen(path) || memcmp(r->path, path, parent) != 0) {
        return NULL;
    }
    return r->path + (parent == 1 ? 1 : parent + 1);
}

void store_view_children(struct store *s, struct store_tx *tx, const char *path,
                         void (*emit)(void *ctx, const char *name, size_t len), void *ctx)
{
    struct walk w = {.base = NULL};
    if (tx == NULL) {
        w.base = store_node_find(s, path);
    } else {
        w = walk_to(s, tx, path);
    }
    uint32_t prefix = STORE_HASH_SEED;
    if (path[1] != '\0') {
        prefix = store_hash(prefix, path, strlen(path));
    }
    prefix = store_hash(prefix, "/", 1);
    size_t prefix_len = path[1] == '\0' ? 1 : strlen(path) + 1U;
    bool shown = w.base != NULL && !w.hidden;
    for (struct store_node *n = shown ? store_at(s, w.base->child) : NULL; n != NULL; n = store_at(s, n->next)) {
        bool gone = false;
        uint32_t hash = tx == NULL ? 0 : store_hash(prefix, n->name, n->name_len);
        for (struct store_record *r = tx == NULL ? NULL : store_at(s, tx->first_record); r != NULL;
             r = store_at(s, r->next)) {
            if (r->hash == hash && r->path_len == prefix_len + n->name_len &&
                memcmp(r->path, path, prefix_len - 1U) == 0 &&
                memcmp(r->path + prefix_len, n->name, n->name_len) == 0) {
                gone = (r->flags & STORE_RECORD_PRESENT) == 0;
                break;
            }
        }
        if (!gone) {
            emit(ctx, n->name, n->name_len);
        }
    }
    for (struct store_record *r = tx == NULL ? NULL : store_at(s, tx->first_record); r != NULL;
         r = store_at(s, r->next)) {
        const char *name = child_name(r, path);
        if (name != NULL && !(shown && store_node_child(s, w.base, name, strlen(name)) != NULL)) {
            emit(ctx, name, strlen(name));
        }
    }
}
