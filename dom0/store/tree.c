/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore tree. */
#include "dom0/store/tree.h"

#include "dom0/lib/string.h"
#include "dom0/store/store.h"

bool store_path_next(const char *path, size_t *pos, const char **part, size_t *len)
{
    size_t at = *pos;
    while (path[at] == '/') {
        at++;
    }
    if (path[at] == '\0') {
        return false;
    }
    *part = path + at;
    size_t n = 0;
    while (path[at + n] != '\0' && path[at + n] != '/') {
        n++;
    }
    *len = n;
    *pos = at + n;
    return true;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '@';
}

bool store_path_valid(const char *path)
{
    size_t len = strnlen(path, STORE_PATH_MAX + 1U);
    if (path[0] != '/' || len > STORE_PATH_MAX) {
        return false;
    }
    if (len == 1) {
        return true;
    }
    unsigned depth = 0;
    size_t name = 0;
    for (size_t i = 0; i < len; i++) {
        if (path[i] == '/') {
            if (i > 0 && name == 0) {
                return false;
            }
            depth++;
            name = 0;
        } else if (!name_char(path[i]) || ++name > STORE_NAME_MAX) {
            return false;
        }
    }
    return name > 0 && depth <= STORE_DEPTH_MAX;
}

bool store_special_valid(const char *name)
{
    size_t len = strnlen(name, STORE_NAME_MAX + 1U);
    if (name[0] != '@' || len < 2 || len > STORE_NAME_MAX) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (!name_char(name[i])) {
            return false;
        }
    }
    return true;
}

struct store_perms *store_special_perms(struct store *s, const char *name)
{
    static const char *const names[STORE_SPECIALS] = {"@introduceDomain", "@releaseDomain"};
    for (unsigned i = 0; i < STORE_SPECIALS; i++) {
        if (strcmp(name, names[i]) == 0) {
            return &s->special[i];
        }
    }
    return NULL;
}

size_t store_path_parent(const char *path)
{
    size_t slash = 0;
    for (size_t i = 0; path[i] != '\0'; i++) {
        if (path[i] == '/') {
            slash = i;
        }
    }
    return slash == 0 ? 1 : slash;
}

bool store_path_under(const char *path, const char *top)
{
    size_t len = strlen(top);
    if (strncmp(path, top, len) != 0) {
        return false;
    }
    return path[len] == '\0' || path[len] == '/' || (len == 1 && top[0] == '/');
}

#define LONG_SEARCH 16U

static bool is_called(const struct store_node *n, uint32_t hash, const char *name, size_t len)
{
    return n->hash == hash && n->name_len == len && memcmp(n->name, name, len) == 0;
}

/* A domain that starts is looked for again and again, behind all others. */
struct store_node *store_node_child(struct store *s, const struct store_node *parent, const char *name, size_t len)
{
    uint32_t hash = store_hash(STORE_HASH_SEED, name, len), steps = 0;
    struct store_node *last = store_at(s, store_found(s));
    if (last != NULL && last->parent == store_off(s, parent) && is_called(last, hash, name, len)) {
        return last;
    }
    for (struct store_node *n = store_at(s, parent->child); n != NULL; n = store_at(s, n->next), steps++) {
        if (is_called(n, hash, name, len)) {
            if (steps >= LONG_SEARCH) {
                store_note_found(s, n);
            }
            return n;
        }
    }
    return NULL;
}

struct store_node *store_node_find_n(struct store *s, const char *path, size_t len)
{
    struct store_node *n = store_at(s, s->root);
    size_t pos = 0, part_len;
    const char *part;
    while (n != NULL && pos < len && store_path_next(path, &pos, &part, &part_len) && pos <= len) {
        n = store_node_child(s, n, part, part_len);
    }
    return n;
}

struct store_node *store_node_find(struct store *s, const char *path)
{
    return store_node_find_n(s, path, strlen(path));
}

static void count_node(struct store *s, uint16_t owner, bool add)
{
    struct store_domain *d = owner == 0 ? NULL : store_domain_find(s, owner);
    if (d != NULL) {
        d->nodes = add ? d->nodes + 1U : d->nodes - 1U;
    }
}

struct store_node *store_node_new(struct store *s, const struct store_perms *perms, bool limited, const char *name,
                                  size_t name_len)
{
    uint16_t owner = store_perms_owner(perms);
    const struct store_domain *d = owner == 0 ? NULL : store_domain_find(s, owner);
    if (limited && d != NULL && d->nodes >= STORE_QUOTA_NODES) {
        return NULL;
    }
    struct store_node *n = store_alloc(s, owner, limited, STORE_NODE, sizeof(*n) + name_len);
    if (n == NULL) {
        return NULL;
    }
    n->perms = *perms;
    n->hash = store_hash(STORE_HASH_SEED, name, name_len);
    n->name_len = (uint16_t)name_len;
    n->generation = ++s->generation;
    memcpy(n->name, name, name_len);
    count_node(s, owner, true);
    return n;
}

void store_node_touch(struct store *s, struct store_node *node) { node->generation = ++s->generation; }

/* Is N part of the tree (and not under a node that hangs nowhere)? */
static bool in_tree(struct store *s, const struct store_node *n)
{
    while (n->parent != STORE_NONE) {
        n = store_at(s, n->parent);
    }
    return store_off(s, n) == s->root;
}

static struct store_node *deepest_first(struct store *s, struct store_node *n)
{
    while (n->child != STORE_NONE) {
        n = store_at(s, n->child);
    }
    return n;
}

/* How many nodes TOP has with all below it. */
static uint32_t subtree_count(struct store *s, const struct store_node *top)
{
    uint32_t count = 1;
    const struct store_node *n = top;
    while (true) {
        if (n->child != STORE_NONE) {
            n = store_at(s, n->child);
        } else {
            while (n != top && n->next == STORE_NONE) {
                n = store_at(s, n->parent);
            }
            if (n == top) {
                return count;
            }
            n = store_at(s, n->next);
        }
        count++;
    }
}

void store_node_link(struct store *s, struct store_node *parent, struct store_node *node)
{
    uint32_t *prev = &parent->child;
    while (*prev != STORE_NONE) {
        prev = &((struct store_node *)store_at(s, *prev))->next;
    }
    *prev = store_off(s, node);
    node->parent = store_off(s, parent);
    node->next = STORE_NONE;
    store_node_touch(s, parent);
    store_node_touch(s, node);
    if (in_tree(s, parent)) {
        s->nodes += subtree_count(s, node);
    }
}

static void free_one(struct store *s, struct store_node *n)
{
    count_node(s, store_perms_owner(&n->perms), false);
    store_free(s, store_at(s, n->value));
    store_free(s, n);
}

void store_node_discard(struct store *s, struct store_node *node)
{
    node->next = STORE_NONE;
    while (true) {
        struct store_node *n = deepest_first(s, node);
        if (n == node) {
            break;
        }
        struct store_node *parent = store_at(s, n->parent);
        parent->child = n->next;
        free_one(s, n);
    }
    free_one(s, node);
}

void store_node_remove(struct store *s, struct store_node *node)
{
    struct store_node *parent = store_at(s, node->parent);
    uint32_t *prev = &parent->child;
    while (*prev != store_off(s, node)) {
        prev = &((struct store_node *)store_at(s, *prev))->next;
    }
    s->nodes -= subtree_count(s, node);
    *prev = node->next;
    store_node_touch(s, parent);
    store_node_discard(s, node);
}

bool store_value_new(struct store *s, uint16_t owner, bool limited, const void *data, size_t len, uint32_t *out)
{
    *out = STORE_NONE;
    if (len == 0) {
        return true;
    }
    void *p = store_alloc(s, owner, limited, STORE_VALUE, len);
    if (p == NULL) {
        return false;
    }
    memcpy(p, data, len);
    *out = store_off(s, p);
    return true;
}

void store_node_set_value(struct store *s, struct store_node *node, uint32_t value, size_t len)
{
    store_free(s, store_at(s, node->value));
    node->value = value;
    node->value_len = (uint16_t)len;
    store_node_touch(s, node);
}

bool store_node_set_perms(struct store *s, struct store_node *node, const struct store_perms *perms)
{
    uint16_t from = store_perms_owner(&node->perms), to = store_perms_owner(perms);
    if (to != from) {
        if (to != 0 && store_domain_get(s, to) == NULL) {
            return false;
        }
        count_node(s, from, false);
        count_node(s, to, true);
        store_charge_move(s, node, to);
        if (node->value != STORE_NONE) {
            store_charge_move(s, store_at(s, node->value), to);
        }
    }
    node->perms = *perms;
    store_node_touch(s, node);
    return true;
}

static bool mentions(const struct store_perms *p, uint16_t domid)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->entry[i].domid == domid) {
            return true;
        }
    return false;
}

void store_tree_forget_domain(struct store *s, uint16_t domid)
{
    for (unsigned i = 0; i < STORE_SPECIALS; i++) {
        (void)store_perms_forget(&s->special[i], domid);
    }
    struct store_node *root = store_at(s, s->root);
    struct store_node *n = root;
    while (true) {
        if (mentions(&n->perms, domid)) { /* all nodes of all domains are looked at: most do not */
            struct store_perms p = n->perms;
            (void)store_perms_forget(&p, domid);
            (void)store_node_set_perms(s, n, &p); /* cannot fail: a new owner is domain 0 */
        }
        if (n->child != STORE_NONE) {
            n = store_at(s, n->child);
            continue;
        }
        while (n != root && n->next == STORE_NONE) {
            n = store_at(s, n->parent);
        }
        if (n == root) {
            return;
        }
        n = store_at(s, n->next);
    }
}
