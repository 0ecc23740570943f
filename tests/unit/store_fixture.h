/* SPDX-License-Identifier: Apache-2.0
 * [HOST] For the tests of the xenstore: an arena and a guest's side of a ring. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <xen/errno.h>

#include "dom0/store/ops.h"
#include "dom0/store/ring.h"
#include "dom0/store/store.h"
#include "dom0/store/watch.h"

#define ARENA_BYTES (256U << 10)

static inline struct store *arena_new(size_t bytes)
{
    void *mem = aligned_alloc(16, bytes);
    memset(mem, 0xa5, bytes); /* the arena must not count on cleared memory */
    struct store *s = store_arena_init(mem, bytes);
    assert_non_null(s);
    return s;
}

static inline void arena_assert_good(struct store *s)
{
    const char *why = "";
    if (!store_arena_check(s, s->size, &why)) {
        fail_msg("arena: %s", why);
    }
}

static inline void arena_delete(struct store *s)
{
    arena_assert_good(s);
    free(s);
}

static inline struct store_caller as(struct store *s, uint16_t domid)
{
    return (struct store_caller){.s = s, .domid = domid};
}

static inline int wr(struct store *s, uint16_t domid, const char *path, const char *value)
{
    struct store_caller c = as(s, domid);
    return store_op_write(&c, path, value, strlen(value));
}

static inline int perms(struct store *s, const char *path, const char *text)
{
    struct store_caller c = as(s, 0);
    struct store_perms p;
    assert_int_equal(store_perms_parse(text, strlen(text), ',', &p), 0);
    return store_op_set_perms(&c, path, &p);
}

/* The home of a guest, as the manager makes it: readable, with a writable "data". */
static inline void home(struct store *s, uint16_t domid)
{
    char path[64], text[32];
    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    snprintf(text, sizeof(text), "n0,r%u", domid);
    assert_int_equal(wr(s, 0, path, ""), 0);
    assert_int_equal(perms(s, path, text), 0);
    strcat(path, "/data");
    snprintf(text, sizeof(text), "n%u", domid);
    assert_int_equal(wr(s, 0, path, ""), 0);
    assert_int_equal(perms(s, path, text), 0);
}

/* A guest's end of a ring. */
struct guest {
    struct store *s;
    struct xenstore_domain_interface page;
    struct store_ring ring;
    uint32_t next_id;
    bool bad;
    const char *why;
};

static inline struct guest *guest_new(struct store *s, uint16_t domid)
{
    struct guest *g = calloc(1, sizeof(*g));
    g->s = s;
    store_ring_start(&g->ring, &g->page, domid);
    g->next_id = 100;
    return g;
}

/* Runs the server until it has nothing to do. */
static inline void guest_serve(struct guest *g)
{
    bool notify;
    for (int i = 0; i < 10000 && !g->bad; i++) {
        enum store_ring_result r = store_ring_turn(g->s, &g->ring, &notify, &g->why);
        g->bad = r == STORE_RING_BAD;
        assert_int_equal(notify, r == STORE_RING_PROGRESS);
        if (r == STORE_RING_IDLE) {
            return;
        }
    }
    assert_true(g->bad);
}

static inline void guest_put(struct guest *g, const void *data, size_t len)
{
    const char *p = data;
    for (size_t i = 0; i < len; i++) {
        while (g->page.req_prod - g->page.req_cons == XENSTORE_RING_SIZE) {
            uint32_t before = g->page.req_cons;
            guest_serve(g);
            assert_true(g->bad || g->page.req_cons != before);
            if (g->bad) {
                return;
            }
        }
        g->page.req[MASK_XENSTORE_IDX(g->page.req_prod)] = p[i];
        g->page.req_prod++;
    }
}

static inline uint32_t guest_send(struct guest *g, uint32_t type, uint32_t tx, const void *body, size_t len)
{
    struct xsd_sockmsg h = {.type = type, .req_id = g->next_id++, .tx_id = tx, .len = (uint32_t)len};
    guest_put(g, &h, sizeof(h));
    guest_put(g, body, len);
    return h.req_id;
}

static inline bool guest_get(struct guest *g, void *to, size_t len)
{
    char *p = to;
    for (size_t i = 0; i < len; i++) {
        if (g->page.rsp_prod == g->page.rsp_cons) {
            guest_serve(g);
        }
        if (g->page.rsp_prod == g->page.rsp_cons) {
            return false;
        }
        p[i] = g->page.rsp[MASK_XENSTORE_IDX(g->page.rsp_cons)];
        g->page.rsp_cons++;
    }
    return true;
}

struct answer {
    struct xsd_sockmsg h;
    char body[4097];
};

static inline bool guest_receive(struct guest *g, struct answer *a)
{
    memset(a, 0, sizeof(*a));
    if (!guest_get(g, &a->h, sizeof(a->h))) {
        return false;
    }
    assert_true(a->h.len <= 4096);
    assert_true(guest_get(g, a->body, a->h.len));
    return true;
}

/* One request and its reply; events in between are kept apart by the tests that expect them. */
static inline struct answer ask(struct guest *g, uint32_t type, uint32_t tx, const void *body, size_t len)
{
    struct answer a;
    uint32_t id = guest_send(g, type, tx, body, len);
    do {
        assert_true(guest_receive(g, &a));
    } while (a.h.type == XS_WATCH_EVENT);
    assert_int_equal(a.h.req_id, id);
    assert_int_equal(a.h.tx_id, tx);
    assert_true(a.h.type == type || a.h.type == XS_ERROR);
    return a;
}

/* A store with the home of domain 5, and that guest. */
struct fixture {
    struct store *s;
    struct guest *g;
};

static inline int fixture_new(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->s = arena_new(ARENA_BYTES);
    home(f->s, 5);
    f->g = guest_new(f->s, 5);
    *state = f;
    return 0;
}

static inline int fixture_delete(void **state)
{
    struct fixture *f = *state;
    store_tx_abort_all(f->s, 5);
    store_watch_del_all(f->s, 5);
    free(f->g);
    arena_delete(f->s);
    free(f);
    return 0;
}

#define ASK(g, type, tx, text) ask(g, type, tx, text, sizeof(text) - 1)
#define assert_answer(a, want, wanted_len)                                                                             \
    do {                                                                                                               \
        struct answer a_ = (a);                                                                                        \
        assert_int_equal(a_.h.len, (wanted_len));                                                                      \
        assert_memory_equal(a_.body, (want), (wanted_len));                                                            \
    } while (0)
#define assert_ok(a) assert_answer(a, "OK", 3)
#define assert_err(a, name)                                                                                            \
    do {                                                                                                               \
        struct answer a_ = (a);                                                                                        \
        assert_int_equal(a_.h.type, XS_ERROR);                                                                         \
        assert_string_equal(a_.body, (name));                                                                          \
        assert_int_equal(a_.h.len, sizeof(name));                                                                      \
    } while (0)
/* The next message is this event. */
#define assert_event(g, path, token)                                                                                   \
    do {                                                                                                               \
        struct answer a_;                                                                                              \
        assert_true(guest_receive(g, &a_));                                                                            \
        assert_int_equal(a_.h.type, XS_WATCH_EVENT);                                                                   \
        assert_int_equal(a_.h.req_id, 0);                                                                              \
        assert_int_equal(a_.h.tx_id, 0);                                                                               \
        assert_int_equal(a_.h.len, sizeof(path) + sizeof(token));                                                      \
        assert_memory_equal(a_.body, path "\0" token, sizeof(path) + sizeof(token));                                   \
    } while (0)
#define assert_silence(g)                                                                                              \
    do {                                                                                                               \
        struct answer a_;                                                                                              \
        assert_false(guest_receive(g, &a_));                                                                           \
    } while (0)
