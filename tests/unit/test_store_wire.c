/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The xenstore as a guest sees it: requests and replies through a ring page, watches, quotas, hostile rings. */
#include <stdio.h>

#include "store_fixture.h"

static struct guest *guest_of(void **state) { return ((struct fixture *)*state)->g; }
static struct store *store_of(void **state) { return ((struct fixture *)*state)->s; }

static void basic_requests(void **state)
{
    struct guest *g = guest_of(state);
    assert_ok(ASK(g, XS_WRITE, 0, "data/x\0hello"));
    assert_answer(ASK(g, XS_READ, 0, "data/x\0"), "hello", 5);
    assert_answer(ASK(g, XS_READ, 0, "/local/domain/5/data/x\0"), "hello", 5);
    assert_ok(ASK(g, XS_WRITE, 0, "data/x\0"));
    assert_answer(ASK(g, XS_READ, 0, "data/x\0"), "", 0);
    assert_ok(ASK(g, XS_MKDIR, 0, "data/dir/sub\0"));
    assert_ok(ASK(g, XS_WRITE, 0, "data/dir/sub/leaf\0bin\0ary"));
    assert_answer(ASK(g, XS_READ, 0, "data/dir/sub/leaf\0"), "bin\0ary", 7);
    assert_answer(ASK(g, XS_DIRECTORY, 0, "data\0"), "x\0dir", 6);
    assert_answer(ASK(g, XS_DIRECTORY, 0, "data/x\0"), "", 0);
    assert_answer(ASK(g, XS_GET_PERMS, 0, "data/x\0"), "n5", 3);
    assert_ok(ASK(g, XS_SET_PERMS, 0, "data/x\0n5\0r0\0"));
    assert_answer(ASK(g, XS_GET_PERMS, 0, "data/x\0"), "n5\0r0", 6);
    assert_ok(ASK(g, XS_RM, 0, "data/dir\0"));
    assert_err(ASK(g, XS_READ, 0, "data/dir/sub\0"), "ENOENT");
    assert_answer(ASK(g, XS_GET_DOMAIN_PATH, 0, "7\0"), "/local/domain/7", 16);
    assert_answer(ASK(g, XS_IS_DOMAIN_INTRODUCED, 0, "0\0"), "T", 2);
    assert_answer(ASK(g, XS_IS_DOMAIN_INTRODUCED, 0, "9\0"), "F", 2);
    assert_answer(ASK(g, XS_IS_DOMAIN_INTRODUCED, 0, "32752\0"), "T", 2); /* DOMID_SELF */
    assert_silence(g);
}

static void errors(void **state)
{
    struct guest *g = guest_of(state);
    assert_err(ASK(g, XS_READ, 0, "data/none\0"), "ENOENT");
    assert_err(ASK(g, XS_READ, 0, "/tool\0"), "EACCES");
    assert_err(ASK(g, XS_WRITE, 0, "/local/domain/5/cpu\0x"), "EACCES");
    assert_err(ASK(g, XS_READ, 0, "no-nul"), "EINVAL");
    assert_err(ASK(g, XS_READ, 0, ""), "EINVAL");
    assert_err(ASK(g, XS_READ, 0, "\0"), "EINVAL");
    assert_err(ASK(g, XS_READ, 0, "data\0more"), "EINVAL");
    assert_err(ASK(g, XS_READ, 0, "data//x\0"), "EINVAL");
    assert_err(ASK(g, XS_READ, 0, "../6/data\0"), "EINVAL");
    assert_err(ASK(g, XS_WATCH, 0, "@release/Domain\0t\0"), "EINVAL");
    assert_err(ASK(g, XS_WATCH, 0, "@\0t\0"), "EINVAL");
    assert_err(ASK(g, XS_READ, 0, "@releaseDomain\0"), "EINVAL");
    assert_err(ASK(g, XS_WRITE, 0, "@releaseDomain\0x"), "EINVAL");
    assert_err(ASK(g, XS_RM, 0, "@releaseDomain\0"), "EINVAL");
    assert_err(ASK(g, XS_GET_PERMS, 0, "@releaseDomain\0"), "EACCES");
    assert_err(ASK(g, XS_SET_PERMS, 0, "@releaseDomain\0n5\0"), "EACCES");
    assert_err(ASK(g, XS_GET_PERMS, 0, "@other\0"), "ENOENT");
    assert_err(ASK(g, XS_SET_PERMS, 0, "data\0n5\0r1\0r2\0r3\0r4\0r6\0"), "ENOSPC");
    assert_err(ASK(g, XS_RESUME, 0, "5\0"), "EACCES");
    assert_err(ASK(g, XS_SET_TARGET, 0, "5\0006\0"), "EACCES");
    assert_err(ASK(g, XS_WATCH, 0, "data\0token-without-nul"), "EINVAL");
    assert_err(ASK(g, XS_WATCH, 0, "data\0"), "EINVAL");
    assert_err(ASK(g, XS_UNWATCH, 0, "data\0t\0"), "ENOENT");
    assert_err(ASK(g, XS_SET_PERMS, 0, "data\0"), "EINVAL");
    assert_err(ASK(g, XS_SET_PERMS, 0, "data\0n6\0"), "EPERM");
    assert_err(ASK(g, XS_SET_PERMS, 0, "data\0z5\0"), "EINVAL");
    assert_err(ASK(g, XS_GET_DOMAIN_PATH, 0, "x\0"), "EINVAL");
    assert_err(ASK(g, XS_GET_DOMAIN_PATH, 0, "70000\0"), "EINVAL");
    assert_err(ASK(g, XS_CONTROL, 0, "help\0"), "EACCES");
    assert_err(ASK(g, XS_INTRODUCE, 0, "5\0001\0001\0"), "EACCES");
    assert_err(ASK(g, XS_RELEASE, 0, "5\0"), "EACCES");
    assert_err(ASK(g, 20, 0, "\0"), "ENOSYS");
    assert_err(ASK(g, XS_WATCH_EVENT, 0, "a\0b\0"), "ENOSYS");
    assert_err(ASK(g, 23, 0, "\0"), "ENOSYS");
    assert_err(ASK(g, 0xffffffff, 0, "\0"), "ENOSYS");
    assert_err(ASK(g, XS_READ, 77, "data\0"), "ENOENT");
    char body[4096];
    memset(body, 'v', sizeof(body));
    memcpy(body, "data/v", 7);
    assert_err(ask(g, XS_WRITE, 0, body, 7 + 2049), "E2BIG");
    assert_ok(ask(g, XS_WRITE, 0, body, 7 + 2048));
    /* A relative path of 2049 characters, an absolute one of 3073. */
    memset(body, 'a', sizeof(body));
    for (int i = 200; i < 4096; i += 200) {
        body[i] = '/';
    }
    body[2049] = '\0';
    assert_err(ask(g, XS_READ, 0, body, 2050), "EINVAL");
    body[0] = '/';
    body[2049] = 'a';
    body[3073] = '\0';
    assert_err(ask(g, XS_READ, 0, body, 3074), "EINVAL");
    body[4095] = 'a';
    assert_err(ask(g, XS_READ, 0, body, 4096), "EINVAL");
}

static void directory_part(void **state)
{
    struct guest *g = guest_of(state);
    char path[64];
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "/local/domain/5/data/child-with-a-long-name-%03d", i);
        assert_int_equal(wr(store_of(state), 0, path, ""), 0);
    }
    assert_err(ASK(g, XS_DIRECTORY, 0, "data\0"), "E2BIG");
    size_t offset = 0;
    int seen = 0, parts = 0;
    char generation[24] = "";
    for (bool end = false; !end; parts++) {
        char body[32];
        size_t len = 5 + (size_t)snprintf(body + 5, 20, "%zu", offset) + 1;
        memcpy(body, "data", 5);
        struct answer a = ask(g, XS_DIRECTORY_PART, 0, body, len);
        assert_int_equal(a.h.type, XS_DIRECTORY_PART);
        assert_true(parts == 0 || strcmp(generation, a.body) == 0);
        strcpy(generation, a.body);
        for (size_t at = strlen(a.body) + 1; at < a.h.len;) {
            size_t n = strlen(a.body + at) + 1;
            end = n == 1;
            at += n;
            if (!end) {
                snprintf(path, sizeof(path), "child-with-a-long-name-%03d", seen++);
                assert_string_equal(a.body + at - n, path);
                offset += n;
            }
        }
    }
    assert_int_equal(seen, 300);
    assert_true(parts > 1);
    assert_err(ASK(g, XS_DIRECTORY_PART, 0, "data\00099999\0"), "EINVAL");
    assert_err(ASK(g, XS_DIRECTORY_PART, 0, "data\0x\0"), "EINVAL");
    assert_err(ASK(g, XS_DIRECTORY_PART, 0, "data\0"), "EINVAL");
}

static void watches(void **state)
{
    struct guest *g = guest_of(state);
    struct store *s = store_of(state);
    assert_ok(ASK(g, XS_WATCH, 0, "data\0rel\0"));
    assert_event(g, "data", "rel");
    assert_ok(ASK(g, XS_WATCH, 0, "/local/domain/5\0abs\0"));
    assert_event(g, "/local/domain/5", "abs");
    assert_err(ASK(g, XS_WATCH, 0, "data\0rel\0"), "EEXIST");
    assert_ok(ASK(g, XS_WATCH, 0, "data\0other\0"));
    assert_event(g, "data", "other");
    assert_ok(ASK(g, XS_UNWATCH, 0, "data\0other\0"));
    assert_silence(g);
    /* A change below: relative for the relative watch, absolute for the other. The higher path first. */
    assert_int_equal(wr(s, 0, "/local/domain/5/data/a/b", "1"), 0);
    assert_event(g, "/local/domain/5/data/a/b", "abs");
    assert_event(g, "data/a/b", "rel");
    assert_silence(g);
    /* Other places do not concern it. */
    assert_int_equal(wr(s, 0, "/local/domain/5x", "1"), 0);
    assert_int_equal(wr(s, 0, "/local/domain/6/data", "1"), 0);
    assert_silence(g);
    /* Its own write: reply first, then the event. */
    uint32_t id = guest_send(g, XS_WRITE, 0, "data/own\0v", 10);
    struct answer a;
    assert_true(guest_receive(g, &a));
    assert_int_equal(a.h.req_id, id);
    assert_event(g, "/local/domain/5/data/own", "abs");
    assert_event(g, "data/own", "rel");
    /* The same event twice before the guest looks is one. */
    wr(s, 0, "/local/domain/5/data/twice", "1");
    wr(s, 0, "/local/domain/5/data/twice", "2");
    assert_event(g, "/local/domain/5/data/twice", "abs");
    assert_event(g, "data/twice", "rel");
    assert_silence(g);
    /* Nothing about what it may not read. */
    wr(s, 0, "/local/domain/5/secret", "1");
    perms(s, "/local/domain/5/secret", "n0");
    struct answer drop;
    while (guest_receive(g, &drop)) {
    }
    wr(s, 0, "/local/domain/5/secret", "2");
    assert_silence(g);
    /* A removed ancestor reports the watched path. */
    assert_ok(ASK(g, XS_WATCH, 0, "data/a/b\0deep\0"));
    assert_event(g, "data/a/b", "deep");
    struct store_caller zero = as(s, 0);
    assert_int_equal(store_op_rm(&zero, "/local/domain/5/data/a"), 0);
    assert_event(g, "data/a/b", "deep");
    assert_event(g, "/local/domain/5/data/a", "abs");
    assert_event(g, "data/a", "rel");
    assert_silence(g);
    assert_ok(ASK(g, XS_RESET_WATCHES, 0, "\0"));
    wr(s, 0, "/local/domain/5/data/a", "1");
    assert_silence(g);
    assert_int_equal(store_domain_find(s, 5)->watches, 0);
}

/* Who hears of domains that come and go: Dom0, and whom it lets. */
static void special_events(void **state)
{
    struct guest *g = guest_of(state);
    struct store *s = store_of(state);
    assert_ok(ASK(g, XS_WATCH, 0, "@releaseDomain\0gone\0"));
    assert_event(g, "@releaseDomain", "gone"); /* the first one always */
    assert_ok(ASK(g, XS_WATCH, 0, "@introduceDomain\0new\0"));
    assert_event(g, "@introduceDomain", "new");
    store_watch_fire_special(s, "@releaseDomain");
    assert_silence(g);
    assert_int_equal(perms(s, "@releaseDomain", "n0,r5"), 0);
    assert_answer(ASK(g, XS_GET_PERMS, 0, "@releaseDomain\0"), "n0\0r5", 6);
    assert_err(ASK(g, XS_SET_PERMS, 0, "@releaseDomain\0b5\0"), "EACCES");
    store_watch_fire_special(s, "@releaseDomain");
    store_watch_fire_special(s, "@introduceDomain");
    store_watch_fire_special(s, "@unknown");
    assert_event(g, "@releaseDomain", "gone");
    assert_silence(g);
    /* A watch on everything is about the tree. */
    assert_int_equal(perms(s, "/", "r0"), 0);
    assert_ok(ASK(g, XS_WATCH, 0, "/\0all\0"));
    assert_event(g, "/", "all");
    store_watch_fire_special(s, "@releaseDomain");
    assert_event(g, "@releaseDomain", "gone");
    assert_silence(g);
    assert_ok(ASK(g, XS_UNWATCH, 0, "@releaseDomain\0gone\0"));
    store_watch_fire_special(s, "@releaseDomain");
    assert_silence(g);
    /* Its number is given to somebody else later. */
    store_tree_forget_domain(s, 5);
    struct store_caller zero = as(s, 0);
    struct store_perms p;
    assert_int_equal(store_op_get_perms(&zero, "@releaseDomain", &p), 0);
    assert_int_equal(p.count, 1);
}

/* The protocol: the tx_id of WATCH and UNWATCH is ignored, all others must name a transaction. */
static void transaction_ids(void **state)
{
    struct guest *g = guest_of(state);
    assert_ok(ASK(g, XS_WATCH, 99, "data\0t\0"));
    assert_event(g, "data", "t");
    assert_ok(ASK(g, XS_UNWATCH, 98, "data\0t\0"));
    assert_err(ASK(g, XS_TRANSACTION_START, 99, "\0"), "ENOENT");
    struct answer a = ASK(g, XS_TRANSACTION_START, 0, "\0");
    uint32_t tx = (uint32_t)strtoul(a.body, NULL, 10);
    assert_err(ASK(g, XS_TRANSACTION_START, tx, "\0"), "EBUSY");
    assert_err(ASK(g, XS_TRANSACTION_END, tx, "X\0"), "EINVAL");
    assert_err(ASK(g, XS_TRANSACTION_END, 0, "T\0"), "ENOENT");
    assert_ok(ASK(g, XS_TRANSACTION_END, tx, "T\0"));
    for (unsigned i = 0; i < STORE_QUOTA_TRANSACTIONS; i++) {
        assert_int_equal(ASK(g, XS_TRANSACTION_START, 0, "\0").h.type, XS_TRANSACTION_START);
    }
    assert_err(ASK(g, XS_TRANSACTION_START, 0, "\0"), "ENOSPC");
    assert_ok(ASK(g, XS_RESET_WATCHES, 0, "\0"));
    assert_int_equal(ASK(g, XS_TRANSACTION_START, 0, "\0").h.type, XS_TRANSACTION_START);
}

/* New nodes have their parent's permissions with the creator as owner, also in a transaction. */
static void inheritance(void **state)
{
    struct guest *g = guest_of(state);
    struct store *s = store_of(state);
    assert_int_equal(perms(s, "/local/domain/5/data", "w0,b5,r7"), 0);
    assert_ok(ASK(g, XS_WRITE, 0, "data/a/b\0v"));
    assert_answer(ASK(g, XS_GET_PERMS, 0, "data/a/b\0"), "w5\0b5\0r7", 9);
    assert_int_equal(wr(s, 0, "/local/domain/5/data/a/zero", ""), 0);
    assert_answer(ASK(g, XS_GET_PERMS, 0, "data/a/zero\0"), "w5\0b5\0r7", 9);
    struct answer a = ASK(g, XS_TRANSACTION_START, 0, "\0");
    uint32_t tx = (uint32_t)strtoul(a.body, NULL, 10);
    assert_ok(ASK(g, XS_MKDIR, tx, "data/c\0"));
    assert_answer(ASK(g, XS_GET_PERMS, tx, "data/c\0"), "w5\0b5\0r7", 9);
    assert_ok(ASK(g, XS_TRANSACTION_END, tx, "T\0"));
    assert_answer(ASK(g, XS_GET_PERMS, 0, "data/c\0"), "w5\0b5\0r7", 9);
    /* Write-only for everybody else. */
    struct store_caller six = as(s, 6);
    struct store_view v;
    assert_int_equal(store_op_read(&six, "/local/domain/5/data/c", &v), XEN_EACCES);
    assert_int_equal(wr(s, 6, "/local/domain/5/data/c", "6"), 0);
    struct store_caller seven = as(s, 7);
    assert_int_equal(store_op_read(&seven, "/local/domain/5/data/c", &v), 0);
    assert_int_equal(wr(s, 7, "/local/domain/5/data/c", "7"), XEN_EACCES);
    assert_int_equal(wr(s, 6, "/local/domain/5/data/c/six", "6"), 0); /* 6 owns it now */
    store_tree_forget_domain(s, 6);
}

/* A guest that never fetches costs a bounded amount and hears of every watch in the end. */
static void watch_flood(void **state)
{
    struct guest *g = guest_of(state);
    struct store *s = store_of(state);
    assert_ok(ASK(g, XS_WATCH, 0, "data\0one\0"));
    assert_event(g, "data", "one");
    uint32_t before = store_domain_find(s, 5)->bytes;
    for (int i = 0; i < 3000; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/local/domain/5/data/n%d", i);
        struct store_caller zero = as(s, 0);
        assert_int_equal(wr(s, 0, path, ""), 0);
        assert_int_equal(store_op_rm(&zero, path), 0);
    }
    const struct store_domain *d = store_domain_find(s, 5);
    assert_true(d->events <= STORE_QUOTA_EVENTS);
    assert_true(d->bytes - before <= 64 * 1024);
    arena_assert_good(s);
    struct answer a, last;
    int n = 0;
    while (guest_receive(g, &a)) {
        last = a;
        n++;
    }
    assert_in_range(n, 2, STORE_QUOTA_EVENTS + 1);
    assert_memory_equal(last.body, "data\0one", 9); /* the merged one */
    assert_int_equal(store_domain_find(s, 5)->bytes, before);
}

static void watch_quota(void **state)
{
    struct guest *g = guest_of(state);
    char body[64];
    for (unsigned i = 0; i < STORE_QUOTA_WATCHES; i++) {
        size_t len = 5 + (size_t)snprintf(body + 5, 20, "%u", i) + 1;
        memcpy(body, "data", 5);
        assert_ok(ask(g, XS_WATCH, 0, body, len));
    }
    assert_err(ASK(g, XS_WATCH, 0, "data\0more\0"), "E2BIG");
    assert_ok(ASK(g, XS_UNWATCH, 0, "data\0000\0"));
    assert_ok(ASK(g, XS_WATCH, 0, "data\0more\0"));
    char big[2048];
    memset(big, 't', sizeof(big));
    memcpy(big, "data", 5);
    big[5 + STORE_TOKEN_MAX + 1] = '\0';
    assert_err(ask(g, XS_WATCH, 0, big, 5 + STORE_TOKEN_MAX + 2), "EINVAL");
}

static void assert_numbered_event(struct guest *g, unsigned i, const char *below)
{
    char want[64];
    int len = snprintf(want, sizeof want, "data/%u%s%ct%u", i, below, 0, i) + 1;
    struct answer a;
    assert_true(guest_receive(g, &a));
    assert_int_equal(a.h.type, XS_WATCH_EVENT);
    assert_int_equal(a.h.len, len);
    assert_memory_equal(a.body, want, (size_t)len);
}

/* More watches than chains: each hears of its own path and of what is below it, and a watch in the wrong chain is found. */
static void watch_chains(void **state)
{
    struct guest *g = guest_of(state);
    struct store *s = store_of(state);
    char body[64], path[64];
    for (unsigned i = 0; i < STORE_QUOTA_WATCHES; i++) {
        size_t len = (size_t)snprintf(body, sizeof body, "data/%u", i) + 1;
        len += (size_t)snprintf(body + len, sizeof body - len, "t%u", i) + 1;
        assert_ok(ask(g, XS_WATCH, 0, body, len));
        assert_numbered_event(g, i, "");
    }
    arena_assert_good(s);
    for (unsigned i = 0; i < STORE_QUOTA_WATCHES; i++) {
        const char *below = i % 2 != 0 ? "/below" : "";
        snprintf(path, sizeof path, "/local/domain/5/data/%u%s", i, below);
        assert_int_equal(wr(s, 0, path, "1"), 0);
        assert_numbered_event(g, i, below);
        assert_silence(g);
    }
    unsigned full = 0;
    while (s->chain[full] == STORE_NONE) {
        full++;
    }
    const char *why;
    uint32_t first = s->chain[full];
    s->chain[full] = s->chain[(full + 1) % STORE_CHAINS];
    s->chain[(full + 1) % STORE_CHAINS] = first;
    assert_false(store_arena_check(s, s->size, &why));
    assert_string_equal(why, "a chain of watches");
    s->chain[(full + 1) % STORE_CHAINS] = s->chain[full];
    s->chain[full] = first;
    s->watches--;
    assert_false(store_arena_check(s, s->size, &why));
    s->watches++;
    assert_ok(ASK(g, XS_RESET_WATCHES, 0, "\0"));
    assert_int_equal(s->watches, 0);
    arena_assert_good(s);
}

/* One request per turn, however many wait. */
static void fairness(void **state)
{
    struct guest *g = guest_of(state);
    for (int i = 0; i < 10; i++) {
        guest_send(g, XS_READ, 0, "data\0", 5);
    }
    bool notify;
    const char *why;
    for (uint32_t i = 1; i <= 10; i++) {
        assert_int_equal(store_ring_turn(g->s, &g->ring, &notify, &why), STORE_RING_PROGRESS);
        assert_int_equal(g->page.rsp_prod, i * 16);
    }
    assert_int_equal(store_ring_turn(g->s, &g->ring, &notify, &why), STORE_RING_IDLE);
}

/* Bytes come one at a time, and at every place of the ring. */
static void fragments(void **state)
{
    struct guest *g = guest_of(state);
    g->page.req_prod = g->page.req_cons = 0xfffffff0U;
    g->page.rsp_prod = g->page.rsp_cons = 0xfffffff8U;
    for (int i = 0; i < 300; i++) {
        struct xsd_sockmsg h = {.type = XS_WRITE, .req_id = 1, .len = 12};
        char msg[28];
        memcpy(msg, &h, 16);
        memcpy(msg + 16, "data/f\0value", 12);
        for (size_t k = 0; k < sizeof(msg); k++) {
            guest_put(g, msg + k, 1);
            guest_serve(g);
        }
        struct answer a;
        assert_true(guest_receive(g, &a));
        assert_string_equal(a.body, "OK");
    }
    /* The reply ring is full: nothing is lost, nothing more is taken in. */
    for (int i = 0; i < 100; i++) {
        struct xsd_sockmsg h = {.type = XS_READ, .req_id = 5, .len = 7};
        if (XENSTORE_RING_SIZE - (g->page.req_prod - g->page.req_cons) < 23) {
            guest_serve(g);
        }
        if (XENSTORE_RING_SIZE - (g->page.req_prod - g->page.req_cons) < 23) {
            break;
        }
        guest_put(g, &h, 16);
        guest_put(g, "data/f", 7);
    }
    guest_serve(g);
    assert_int_equal(g->page.rsp_prod - g->page.rsp_cons, XENSTORE_RING_SIZE);
    struct answer a;
    int n = 0;
    for (; guest_receive(g, &a); n++) {
        assert_int_equal(a.h.len, 5);
        assert_memory_equal(a.body, "value", 5);
    }
    assert_true(n > 50);
}

static void hostile_indices(void **state)
{
    struct guest *g = guest_of(state);
    g->page.req_prod = g->page.req_cons + XENSTORE_RING_SIZE + 1;
    guest_serve(g);
    assert_true(g->bad);
    assert_non_null(strstr(g->why, "request indices"));
    assert_int_equal(g->page.error, XENSTORE_ERROR_RINGIDX);
}

static void hostile_reply_indices(void **state)
{
    struct guest *g = guest_of(state);
    guest_send(g, XS_READ, 0, "data\0", 5);
    g->page.rsp_cons = g->page.rsp_prod + 1;
    guest_serve(g);
    assert_true(g->bad);
    assert_non_null(strstr(g->why, "reply indices"));
    assert_int_equal(g->page.error, XENSTORE_ERROR_RINGIDX);
}

static void hostile_length(void **state)
{
    struct guest *g = guest_of(state);
    struct xsd_sockmsg h = {.type = XS_WRITE, .len = 4097};
    guest_put(g, &h, sizeof(h));
    guest_serve(g);
    assert_true(g->bad);
    assert_non_null(strstr(g->why, "4096"));
    assert_int_equal(g->page.error, XENSTORE_ERROR_PROTO);
}

/* A broken ring stays silent; who asks for it gets a fresh connection without the old watches and transactions. */
static void reconnects(void **state)
{
    struct guest *g = guest_of(state);
    struct store *s = store_of(state);
    assert_int_equal(g->page.server_features, XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR);
    assert_ok(ASK(g, XS_WATCH, 0, "data\0t\0"));
    assert_event(g, "data", "t");
    (void)ASK(g, XS_TRANSACTION_START, 0, "\0");
    g->page.req_prod = g->page.req_cons + XENSTORE_RING_SIZE + 1;
    guest_serve(g);
    assert_true(g->bad);
    bool notify;
    assert_int_equal(store_ring_turn(s, &g->ring, &notify, &g->why), STORE_RING_IDLE);
    assert_false(notify);
    g->page.connection = XENSTORE_RECONNECT;
    assert_int_equal(store_ring_turn(s, &g->ring, &notify, &g->why), STORE_RING_PROGRESS);
    assert_true(notify);
    assert_int_equal(g->page.connection, XENSTORE_CONNECTED);
    assert_int_equal(g->page.error, XENSTORE_ERROR_NONE);
    assert_int_equal(g->page.req_prod, 0);
    g->bad = false;
    assert_int_equal(wr(s, 0, "/local/domain/5/data/x", "1"), 0);
    assert_silence(g);
    assert_int_equal(store_domain_find(s, 5)->transactions, 0);
    assert_answer(ASK(g, XS_READ, 0, "data/x\0"), "1", 1);
    /* In the middle of a request as well: nothing of it is left. */
    guest_put(g, "half a header", 13);
    guest_serve(g);
    g->page.connection = XENSTORE_RECONNECT;
    guest_serve(g);
    assert_answer(ASK(g, XS_READ, 0, "data/x\0"), "1", 1);
}

/* The server's own indices changed under it must not matter beyond that ring. */
static void hostile_random(void **state)
{
    struct store *s = store_of(state);
    srand(7);
    for (int round = 0; round < 300; round++) {
        struct guest *g = guest_new(s, 5);
        for (size_t i = 0; i < sizeof(g->page.req); i++) {
            g->page.req[i] = (char)(rand() % 4 == 0 ? rand() : rand() % 24);
        }
        g->page.req_prod = (uint32_t)rand() % 1025;
        bool notify;
        for (int i = 0; i < 50 && store_ring_turn(s, &g->ring, &notify, &g->why) != STORE_RING_BAD; i++) {
            if (rand() % 4 == 0) {
                (&g->page.req_cons)[rand() % 4] = (uint32_t)rand();
            }
        }
        free(g);
        arena_assert_good(s);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_new, fixture_delete)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(basic_requests),  TEST(errors),
        TEST(directory_part),  TEST(watches),
        TEST(watch_flood),     TEST(watch_quota),     TEST(watch_chains),
        TEST(fairness),        TEST(fragments),
        TEST(hostile_indices), TEST(hostile_reply_indices),
        TEST(hostile_length),  TEST(hostile_random),
        TEST(special_events),  TEST(transaction_ids),
        TEST(inheritance),     TEST(reconnects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
