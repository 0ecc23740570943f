/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Dom0's own watches. Changes queue events; the server thread delivers them, so that a callback may change the
 * store itself. */
#include "dom0/store/local.h"

#include <xen/errno.h>

#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "dom0/store/store.h"
#include "dom0/store/tree.h"

/* Guests write what Dom0 watches: past this an event names the watched path and stands for all. */
#define EVENTS_MAX 256U

struct local_watch {
    struct local_watch *next;
    void (*fn)(const char *path, void *ctx);
    void *ctx;
    int id;
    bool merged; /* no memory or too many events: one that names the watched path is due */
    char path[];
};

struct local_event {
    struct local_event *next;
    int id;
    char path[];
};

static struct local_watch *watches;
static struct local_event *first, **last = &first;
static unsigned queued;
static int next_id = 1;

static struct local_watch *find(int id)
{
    struct local_watch *w = watches;
    while (w != NULL && w->id != id) {
        w = w->next;
    }
    return w;
}

static void queue(struct local_watch *w, const char *path)
{
    if (w->merged) {
        return;
    }
    for (const struct local_event *e = first; e != NULL; e = e->next) {
        if (e->id == w->id && strcmp(e->path, path) == 0) {
            return;
        }
    }
    size_t len = strlen(path) + 1U;
    struct local_event *e = queued < EVENTS_MAX ? heap_alloc(sizeof(*e) + len) : NULL;
    if (e == NULL) {
        w->merged = true;
    } else {
        e->id = w->id;
        memcpy(e->path, path, len);
        *last = e;
        last = &e->next;
        queued++;
    }
    store_server_wake();
}

void store_local_changed(const char *path, bool removed)
{
    for (struct local_watch *w = watches; w != NULL; w = w->next) {
        if (store_path_under(path, w->path)) {
            queue(w, path);
        } else if (removed && store_path_under(w->path, path)) {
            queue(w, w->path);
        }
    }
}

static bool deliver_merged(void)
{
    for (struct local_watch *w = watches; w != NULL; w = w->next) {
        if (w->merged) {
            w->merged = false;
            w->fn(w->path, w->ctx);
            return true; /* the list may have changed */
        }
    }
    return false;
}

bool store_local_deliver(void)
{
    struct local_event *e = first;
    if (e == NULL) {
        return deliver_merged();
    }
    first = e->next;
    queued--;
    if (first == NULL) {
        last = &first;
    }
    struct local_watch *w = find(e->id);
    if (w != NULL) {
        w->fn(e->path, w->ctx);
    }
    heap_free(e);
    return true;
}

int store_watch(const char *path, void (*fn)(const char *path, void *ctx), void *ctx)
{
    if (path[0] != '@' && !store_path_valid(path)) {
        return -XEN_EINVAL;
    }
    size_t len = strlen(path) + 1U;
    struct local_watch *w = heap_alloc(sizeof(*w) + len);
    if (w == NULL) {
        return -XEN_ENOMEM;
    }
    w->fn = fn;
    w->ctx = ctx;
    w->id = next_id++;
    memcpy(w->path, path, len);
    w->next = watches;
    watches = w;
    queue(w, path);
    return w->id;
}

void store_unwatch(int id)
{
    for (struct local_watch **at = &watches; *at != NULL; at = &(*at)->next) {
        struct local_watch *w = *at;
        if (w->id == id) {
            *at = w->next;
            heap_free(w); /* its queued events find nobody */
            return;
        }
    }
}
