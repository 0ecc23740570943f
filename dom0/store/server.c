/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore server: the arena, the guests' rings, one cooperative thread that gives each ring one request per
 * turn, and the operations for Dom0 itself. Threads are cooperative and nothing here waits in the middle of a change,
 * so there is no lock. */
#include <xen/errno.h>

#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/page.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/limit.h"
#include "dom0/lib/string.h"
#include "dom0/store/local.h"
#include "dom0/store/ops.h"
#include "dom0/store/ring.h"
#include "dom0/store/store.h"
#include "dom0/store/watch.h"

#define SERVER_STACK    (32U << 10)
#define CLEAR_BYTES     (128U << 10)
#define NOTICES_AT_ONCE 5U /* about broken rings, of all guests together */
#define NOTICE_EVERY_NS 10000000000UL

struct connection {
    struct connection *next;
    uint32_t port;
    struct store_ring ring;
};

static struct store *arena;
static struct connection *connections;
static struct waitq server_q;

void store_server_wake(void) { waitq_wake(&server_q); }

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    store_server_wake();
}

/* Serves one ring. false: the list of connections may have changed (printing can switch threads). */
static bool serve(struct connection *c, bool *progress)
{
    bool notify = false;
    const char *why = "";
    enum store_ring_result result = store_ring_turn(arena, &c->ring, &notify, &why);
    if (result == STORE_RING_BAD) {
        static struct limit limit;
        uint32_t dropped = 0;
        uint16_t domid = c->ring.domid;
        event_send(c->port); /* so that it looks at the page's error word */
        if (limit_pass(&limit, time_now_ns(), NOTICES_AT_ONCE, NOTICE_EVERY_NS, &dropped)) {
            console_notice("xenstore: domain %u: %s: its ring is not served until it reconnects%s", domid, why,
                           dropped != 0 ? " (nor were others, not shown)" : "");
        }
        return false;
    }
    if (notify) {
        event_send(c->port);
    }
    *progress = *progress || result == STORE_RING_PROGRESS;
    return true;
}

static bool serve_all(void)
{
    bool progress = false;
    for (struct connection *c = connections; c != NULL; c = c->next) {
        if (!serve(c, &progress)) {
            return true;
        }
    }
    return store_local_deliver() || progress;
}

static void server_main(void *arg)
{
    (void)arg;
    while (true) {
        while (serve_all()) {
            thread_yield();
        }
        waitq_wait(&server_q, WAIT_FOREVER); /* a wake-up since the last look is remembered: returns at once */
    }
}

bool store_init(size_t arena_bytes)
{
    static const struct store_hooks hooks = {.changed = store_local_changed, .wake = store_server_wake};
    char *mem = page_take(arena_bytes / PAGE_SIZE); /* for good, and cleared in steps: all at once takes more than a millisecond */
    for (size_t at = 0; mem != NULL && at < arena_bytes; at += CLEAR_BYTES) {
        memset(mem + at, 0, arena_bytes - at < CLEAR_BYTES ? arena_bytes - at : CLEAR_BYTES);
        thread_yield();
    }
    arena = mem == NULL ? NULL : store_arena_init(mem, arena_bytes);
    if (arena == NULL)
        return false;
    store_watch_set_hooks(&hooks);
    return thread_create("xenstore", server_main, NULL, SERVER_STACK) != NULL;
}

/* ---- operations of Dom0 ----------------------------------------------------------------------- */

static struct store_caller dom0(void) { return (struct store_caller){.s = arena, .domid = 0}; }

int store_write(const char *path, const char *value)
{
    struct store_caller c = dom0();
    return store_path_valid(path) ? store_op_write(&c, path, value, strlen(value)) : XEN_EINVAL;
}

int store_write_fmt(const char *path, const char *fmt, ...)
{
    char small[128];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    int err;
    if (len < 0) {
        err = XEN_EINVAL;
    } else if ((size_t)len < sizeof(small)) {
        err = store_write(path, small);
    } else {
        char *large = heap_alloc((size_t)len + 1U);
        err = XEN_ENOMEM;
        if (large != NULL) {
            (void)vsnprintf(large, (size_t)len + 1U, fmt, again);
            err = store_write(path, large);
            heap_free(large);
        }
    }
    va_end(again);
    return err;
}

int store_read(const char *path, char *value, size_t len)
{
    struct store_caller c = dom0();
    struct store_view v;
    if (!store_path_valid(path)) {
        return XEN_EINVAL;
    }
    int err = store_op_read(&c, path, &v);
    if (err != 0) {
        return err;
    }
    if (v.value_len >= len) {
        return XEN_E2BIG;
    }
    if (v.value_len > 0) {
        memcpy(value, v.value, v.value_len);
    }
    value[v.value_len] = '\0';
    return 0;
}

int store_mkdir(const char *path)
{
    struct store_caller c = dom0();
    return store_path_valid(path) ? store_op_mkdir(&c, path) : XEN_EINVAL;
}

int store_rm(const char *path)
{
    struct store_caller c = dom0();
    return store_path_valid(path) ? store_op_rm(&c, path) : XEN_EINVAL;
}

int store_set_perms(const char *path, const char *perms)
{
    struct store_caller c = dom0();
    struct store_perms p;
    int err = store_perms_parse(perms, strlen(perms), ',', &p);
    if (err != 0) {
        return err;
    }
    bool named = store_path_valid(path) || store_special_valid(path);
    return named ? store_op_set_perms(&c, path, &p) : XEN_EINVAL;
}

/* A directory copied out first: the caller's function may change the store. */
struct names {
    char *text;
    size_t len, size;
};

static void count_name(void *ctx, const char *name, size_t len)
{
    (void)name;
    ((struct names *)ctx)->size += len + 1U;
}

static void copy_name(void *ctx, const char *name, size_t len)
{
    struct names *n = ctx;
    memcpy(n->text + n->len, name, len); /* fits: counted by the same walk just before; the NUL is there */
    n->len += len + 1U;
}

bool store_list(const char *path, bool (*fn)(const char *name, void *ctx), void *ctx)
{
    struct store_caller c = dom0();
    struct names n = {0};
    if (!store_path_valid(path) || store_op_directory(&c, path, count_name, &n, NULL) != 0) {
        return false;
    }
    n.text = heap_alloc(n.size + 1U);
    if (n.text == NULL) {
        return false;
    }
    (void)store_op_directory(&c, path, copy_name, &n, NULL);
    for (size_t at = 0; at < n.len && fn(n.text + at, ctx); at += strlen(n.text + at) + 1U) {
    }
    heap_free(n.text);
    return true;
}

/* ---- guests ----------------------------------------------------------------------------------- */

bool store_introduce(uint16_t domid, void *ring, uint32_t remote_port)
{
    struct connection *c = heap_alloc(sizeof(*c));
    struct store_domain *d = store_domain_get(arena, domid);
    if (c == NULL || d == NULL || d->introduced != 0) {
        heap_free(c);
        store_domain_put(arena, domid);
        return false;
    }
    store_ring_start(&c->ring, ring, domid);
    int port = event_bind_interdomain(domid, remote_port, on_event, c);
    if (port <= 0) {
        heap_free(c);
        store_domain_put(arena, domid);
        return false;
    }
    c->port = (uint32_t)port;
    c->next = connections;
    connections = c;
    d->introduced = 1;
    store_watch_fire_special(arena, "@introduceDomain");
    store_server_wake();
    return true;
}

void store_release(uint16_t domid)
{
    for (struct connection **at = &connections; *at != NULL; at = &(*at)->next) {
        struct connection *c = *at;
        if (c->ring.domid == domid) {
            *at = c->next;
            event_close(c->port);
            heap_free(c);
            break;
        }
    }
    store_watch_del_all(arena, domid);
    store_tx_abort_all(arena, domid);
    store_tree_forget_domain(arena, domid);
    struct store_domain *d = store_domain_find(arena, domid);
    if (d != NULL) {
        d->introduced = 0;
        store_domain_put(arena, domid);
    }
    store_watch_fire_special(arena, "@releaseDomain");
}

struct store_stats store_get_stats(void)
{
    struct store_stats st = {.nodes = arena->nodes, .arena_used = arena->used, .arena_total = arena->size};
    for (struct store_domain *d = store_at(arena, arena->domains); d != NULL; d = store_at(arena, d->next)) {
        st.watches += d->watches;
        st.transactions += d->transactions;
    }
    return st;
}
