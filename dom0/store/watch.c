/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Watches of guests. */
#include "dom0/store/watch.h"

#include <xen/errno.h>

#include "dom0/lib/string.h"
#include "dom0/store/store.h"
#include "dom0/store/tree.h"

static struct store_hooks hook;

void store_watch_set_hooks(const struct store_hooks *hooks) { hook = *hooks; }

size_t store_domain_prefix(uint16_t domid, char *buf)
{
    return (size_t)snprintf(buf, 32, "/local/domain/%u/", (unsigned)domid);
}

static const char *watch_path(const struct store_watch *w) { return w->text; }
static const char *watch_token(const struct store_watch *w) { return w->text + w->path_len + 1U; }

static uint32_t *chain_of(struct store *s, uint32_t hash) { return &s->chain[hash & (STORE_CHAINS - 1U)]; }

static void chain_add(struct store *s, struct store_watch *w)
{
    uint32_t *first = chain_of(s, store_hash(STORE_HASH_SEED, watch_path(w), w->path_len));
    w->chain = *first;
    *first = store_off(s, w);
    s->watches++;
}

/* W, which is out of its domain D's list and has no events, ends. */
static void end_watch(struct store *s, struct store_domain *d, struct store_watch *w)
{
    uint32_t *prev = chain_of(s, store_hash(STORE_HASH_SEED, watch_path(w), w->path_len));
    while (*prev != store_off(s, w)) {
        prev = &((struct store_watch *)store_at(s, *prev))->chain;
    }
    *prev = w->chain;
    s->watches--;
    d->watches--;
    store_free(s, w);
}

static struct store_watch *find(struct store *s, const struct store_domain *d, const char *path, const char *token)
{
    for (struct store_watch *w = store_at(s, d->first_watch); w != NULL; w = store_at(s, w->next)) {
        if (strcmp(watch_path(w), path) == 0 && strcmp(watch_token(w), token) == 0) {
            return w;
        }
    }
    return NULL;
}

static bool queued(struct store *s, const struct store_domain *d, uint32_t watch, const char *path)
{
    for (struct store_event *e = store_at(s, d->first_event); e != NULL; e = store_at(s, e->next)) {
        if (e->watch == watch && strcmp(e->path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void queue(struct store *s, struct store_domain *d, struct store_watch *w, const char *path)
{
    uint32_t off = store_off(s, w);
    size_t len = strlen(path);
    if (w->merged != 0 || queued(s, d, off, path)) {
        return;
    }
    struct store_event *e = NULL;
    if (d->events < STORE_QUOTA_EVENTS) {
        e = store_alloc(s, d->domid, true, STORE_EVENT, sizeof(*e) + len + 1U);
    }
    if (e == NULL) {
        w->merged = 1;
    } else {
        e->watch = off;
        e->path_len = (uint16_t)len;
        memcpy(e->path, path, len);
        struct store_event *last = store_at(s, d->last_event);
        *(last == NULL ? &d->first_event : &last->next) = store_off(s, e);
        d->last_event = store_off(s, e);
        d->events++;
    }
    if (hook.wake != NULL) {
        hook.wake();
    }
}

/* Frees the queued events of watch OFF (of all watches: STORE_NONE). */
static void drop_events(struct store *s, struct store_domain *d, uint32_t off)
{
    uint32_t *prev = &d->first_event;
    d->last_event = STORE_NONE;
    for (struct store_event *e = store_at(s, *prev); e != NULL; e = store_at(s, *prev)) {
        if (off == STORE_NONE || e->watch == off) {
            *prev = e->next;
            store_free(s, e);
            d->events--;
        } else {
            d->last_event = store_off(s, e);
            prev = &e->next;
        }
    }
}

int store_watch_add(struct store *s, uint16_t domid, const char *path, bool rel, const char *token)
{
    struct store_domain *d = store_domain_get(s, domid);
    if (d == NULL) {
        return XEN_ENOSPC;
    }
    if (find(s, d, path, token) != NULL) {
        return XEN_EEXIST;
    }
    if (d->watches >= STORE_QUOTA_WATCHES) {
        return XEN_E2BIG;
    }
    size_t path_len = strlen(path), token_len = strlen(token);
    struct store_watch *w = store_alloc(s, domid, true, STORE_WATCH, sizeof(*w) + path_len + token_len + 2U);
    if (w == NULL) {
        return XEN_ENOSPC;
    }
    w->domid = domid;
    w->rel = rel;
    w->path_len = (uint16_t)path_len;
    w->token_len = (uint16_t)token_len;
    memcpy(w->text, path, path_len);
    memcpy(w->text + path_len + 1U, token, token_len);
    w->next = d->first_watch;
    d->first_watch = store_off(s, w);
    d->watches++;
    chain_add(s, w);
    queue(s, d, w, path);
    return 0;
}

int store_watch_del(struct store *s, uint16_t domid, const char *path, const char *token)
{
    struct store_domain *d = store_domain_find(s, domid);
    struct store_watch *w = d == NULL ? NULL : find(s, d, path, token);
    if (w == NULL) {
        return XEN_ENOENT;
    }
    uint32_t *prev = &d->first_watch;
    while (*prev != store_off(s, w)) {
        prev = &((struct store_watch *)store_at(s, *prev))->next;
    }
    *prev = w->next;
    drop_events(s, d, store_off(s, w));
    end_watch(s, d, w);
    return 0;
}

void store_watch_del_all(struct store *s, uint16_t domid)
{
    struct store_domain *d = store_domain_find(s, domid);
    if (d == NULL) {
        return;
    }
    drop_events(s, d, STORE_NONE);
    while (d->first_watch != STORE_NONE) {
        struct store_watch *w = store_at(s, d->first_watch);
        d->first_watch = w->next;
        end_watch(s, d, w);
    }
}

static bool may_read(const struct store_perms *perms, uint16_t domid)
{
    return (store_perms_access(perms, domid) & STORE_ACCESS_READ) != 0;
}

/* Tells who watches the first LEN bytes of PATH. */
static void tell(struct store *s, const char *path, size_t len, uint32_t hash, const struct store_perms *perms)
{
    for (struct store_watch *w = store_at(s, *chain_of(s, hash)); w != NULL; w = store_at(s, w->chain)) {
        if (w->path_len == len && memcmp(watch_path(w), path, len) == 0 && may_read(perms, w->domid)) {
            queue(s, store_domain_find(s, w->domid), w, path);
        }
    }
}

/* Who watches PATH or a node above it. One pass: the hash of a path is the hash of its parent, gone on with. */
static void tell_above(struct store *s, const char *path, const struct store_perms *perms)
{
    uint32_t hash = STORE_HASH_SEED;
    size_t at = 0;
    if (path[0] == '/') {
        tell(s, path, 1, store_hash(hash, path, 1), perms); /* "/", above all */
    }
    do {
        hash = store_hash(hash, path + at, 1);
        at++;
        if (path[at] == '\0' ? at > 1 : path[at] == '/') {
            tell(s, path, at, hash, perms);
        }
    } while (path[at] != '\0');
}

/* Who watches a node below PATH, which goes with it: each hears of the path that it watches. */
static void tell_below(struct store *s, const char *path)
{
    size_t len = strlen(path);
    for (struct store_domain *d = store_at(s, s->domains); d != NULL; d = store_at(s, d->next)) {
        for (struct store_watch *w = store_at(s, d->first_watch); w != NULL; w = store_at(s, w->next)) {
            if (w->path_len == len || !store_path_under(watch_path(w), path)) {
                continue;
            }
            const struct store_node *n = store_node_find(s, watch_path(w));
            if (n != NULL && may_read(&n->perms, w->domid)) {
                queue(s, d, w, watch_path(w));
            }
        }
    }
}

void store_watch_fire(struct store *s, const char *path, const struct store_perms *perms, bool removed)
{
    if (s->watches != 0) {
        if (removed) {
            tell_below(s, path);
        }
        tell_above(s, path, perms);
    }
    if (hook.changed != NULL) {
        hook.changed(path, removed);
    }
}

void store_watch_fire_special(struct store *s, const char *name)
{
    const struct store_perms *perms = store_special_perms(s, name);
    if (perms != NULL) {
        store_watch_fire(s, name, perms, false);
    }
}

static size_t emit(const struct store_watch *w, const char *path, size_t path_len, char *buf)
{
    char prefix[32];
    size_t skip = w->rel != 0 ? store_domain_prefix(w->domid, prefix) : 0;
    if (skip > path_len) {
        skip = path_len;
    }
    size_t n = path_len - skip;
    memcpy(buf, path + skip, n);
    buf[n++] = '\0';
    memcpy(buf + n, watch_token(w), w->token_len);
    n += w->token_len;
    buf[n++] = '\0';
    return n;
}

bool store_watch_waiting(struct store *s, uint16_t domid)
{
    struct store_domain *d = store_domain_find(s, domid);
    if (d == NULL) {
        return false;
    }
    for (struct store_watch *w = store_at(s, d->first_watch); w != NULL; w = store_at(s, w->next)) {
        if (w->merged != 0) {
            return true;
        }
    }
    return d->first_event != STORE_NONE;
}

size_t store_watch_next(struct store *s, uint16_t domid, char *buf)
{
    struct store_domain *d = store_domain_find(s, domid);
    struct store_event *e = d == NULL ? NULL : store_at(s, d->first_event);
    if (e != NULL) {
        size_t n = emit(store_at(s, e->watch), e->path, e->path_len, buf);
        d->first_event = e->next;
        if (e->next == STORE_NONE) {
            d->last_event = STORE_NONE;
        }
        d->events--;
        store_free(s, e);
        return n;
    }
    for (struct store_watch *w = d == NULL ? NULL : store_at(s, d->first_watch); w != NULL; w = store_at(s, w->next)) {
        if (w->merged != 0) {
            w->merged = 0;
            return emit(w, watch_path(w), w->path_len, buf);
        }
    }
    return 0;
}
