/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Transactions of the xenstore: isolation, conflict, all or nothing, quotas. */
#include <stdio.h>

#include "store_fixture.h"

static uint32_t start(struct guest *g)
{
    struct answer a = ASK(g, XS_TRANSACTION_START, 0, "\0");
    assert_int_equal(a.h.type, XS_TRANSACTION_START);
    return (uint32_t)strtoul(a.body, NULL, 10);
}

#define SETUP                                                                                                          \
    struct guest *g = ((struct fixture *)*state)->g;                                                                   \
    struct store *s = ((struct fixture *)*state)->s;                                                                   \
    (void)s;                                                                                                           \
    (void)g

static void commit(void **state)
{
    SETUP;
    uint32_t t = start(g);
    assert_true(t != 0);
    assert_ok(ASK(g, XS_WRITE, t, "data/a/b\0inside"));
    assert_answer(ASK(g, XS_READ, t, "data/a/b\0"), "inside", 6);
    assert_err(ASK(g, XS_READ, 0, "data/a/b\0"), "ENOENT");
    assert_answer(ASK(g, XS_DIRECTORY, t, "data\0"), "a", 2);
    assert_answer(ASK(g, XS_DIRECTORY, 0, "data\0"), "", 0);
    assert_answer(ASK(g, XS_GET_PERMS, t, "data/a/b\0"), "n5", 3);
    arena_assert_good(s);
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "T\0"));
    assert_answer(ASK(g, XS_READ, 0, "data/a/b\0"), "inside", 6);
    assert_err(ASK(g, XS_TRANSACTION_END, t, "T\0"), "ENOENT");
    assert_int_equal(store_domain_find(s, 5)->transactions, 0);
}

static void abort_leaves_nothing(void **state)
{
    SETUP;
    uint32_t used = s->used;
    uint32_t t = start(g);
    assert_ok(ASK(g, XS_WRITE, t, "data/a/b\0inside"));
    assert_ok(ASK(g, XS_MKDIR, t, "data/c\0"));
    assert_ok(ASK(g, XS_SET_PERMS, t, "data\0b5\0"));
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "F\0"));
    assert_err(ASK(g, XS_READ, 0, "data/a\0"), "ENOENT");
    assert_answer(ASK(g, XS_GET_PERMS, 0, "data\0"), "n5", 3);
    assert_int_equal(s->used, used);
}

static void conflict(void **state)
{
    SETUP;
    uint32_t used;
    assert_ok(ASK(g, XS_WRITE, 0, "data/x\0one"));
    assert_ok(ASK(g, XS_WRITE, 0, "data/y\0one"));
    used = s->used;
    /* A node that was read changed. */
    uint32_t t = start(g);
    assert_answer(ASK(g, XS_READ, t, "data/x\0"), "one", 3);
    assert_ok(ASK(g, XS_WRITE, t, "data/y\0tx"));
    assert_int_equal(wr(s, 0, "/local/domain/5/data/x", "two"), 0);
    assert_err(ASK(g, XS_TRANSACTION_END, t, "T\0"), "EAGAIN");
    assert_answer(ASK(g, XS_READ, 0, "data/y\0"), "one", 3);
    assert_int_equal(s->used, used);
    /* A node that was absent appeared. */
    t = start(g);
    assert_err(ASK(g, XS_READ, t, "data/new\0"), "ENOENT");
    assert_int_equal(wr(s, 0, "/local/domain/5/data/new", ""), 0);
    assert_err(ASK(g, XS_TRANSACTION_END, t, "T\0"), "EAGAIN");
    /* A node that was written disappeared. */
    t = start(g);
    struct store_caller zero = as(s, 0);
    assert_ok(ASK(g, XS_WRITE, t, "data/new\0v"));
    assert_int_equal(store_op_rm(&zero, "/local/domain/5/data/new"), 0);
    assert_err(ASK(g, XS_READ, t, "data/new/z\0"), "ENOENT");
    assert_err(ASK(g, XS_TRANSACTION_END, t, "T\0"), "EAGAIN");
    /* A directory that was listed got another child. */
    t = start(g);
    ASK(g, XS_DIRECTORY, t, "data\0");
    assert_int_equal(wr(s, 0, "/local/domain/5/data/child", ""), 0);
    assert_err(ASK(g, XS_TRANSACTION_END, t, "T\0"), "EAGAIN");
    /* Something unrelated changed: fine. */
    t = start(g);
    assert_ok(ASK(g, XS_WRITE, t, "data/y\0tx"));
    assert_int_equal(wr(s, 0, "/local/domain/5/data/x", "three"), 0);
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "T\0"));
    assert_answer(ASK(g, XS_READ, 0, "data/y\0"), "tx", 2);
    /* Two transactions on one node: the second loses. */
    uint32_t t1 = start(g), t2 = start(g);
    assert_ok(ASK(g, XS_WRITE, t1, "data/x\0t1"));
    assert_ok(ASK(g, XS_WRITE, t2, "data/x\0t2"));
    assert_ok(ASK(g, XS_TRANSACTION_END, t2, "T\0"));
    assert_err(ASK(g, XS_TRANSACTION_END, t1, "T\0"), "EAGAIN");
    assert_answer(ASK(g, XS_READ, 0, "data/x\0"), "t2", 2);
}

static void removal(void **state)
{
    SETUP;
    assert_ok(ASK(g, XS_WRITE, 0, "data/d/e/f\0old"));
    uint32_t t = start(g);
    assert_ok(ASK(g, XS_RM, t, "data/d\0"));
    assert_err(ASK(g, XS_READ, t, "data/d/e/f\0"), "ENOENT");
    assert_err(ASK(g, XS_READ, t, "data/d\0"), "ENOENT");
    assert_answer(ASK(g, XS_DIRECTORY, t, "data\0"), "", 0);
    assert_answer(ASK(g, XS_READ, 0, "data/d/e/f\0"), "old", 3);
    /* Made again within: the old children stay hidden. */
    assert_ok(ASK(g, XS_WRITE, t, "data/d/g\0new"));
    assert_answer(ASK(g, XS_DIRECTORY, t, "data\0"), "d", 2);
    assert_answer(ASK(g, XS_DIRECTORY, t, "data/d\0"), "g", 2);
    assert_err(ASK(g, XS_READ, t, "data/d/e\0"), "ENOENT");
    assert_ok(ASK(g, XS_WRITE, t, "data/d/e/h\0new"));
    assert_ok(ASK(g, XS_RM, t, "data/d/g\0"));
    arena_assert_good(s);
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "T\0"));
    assert_answer(ASK(g, XS_DIRECTORY, 0, "data/d\0"), "e", 2);
    assert_answer(ASK(g, XS_DIRECTORY, 0, "data/d/e\0"), "h", 2);
    assert_answer(ASK(g, XS_READ, 0, "data/d\0"), "", 0);
    assert_answer(ASK(g, XS_READ, 0, "data/d/e/h\0"), "new", 3);
    /* Made and removed within: as if never. */
    uint32_t used = s->used;
    t = start(g);
    assert_ok(ASK(g, XS_WRITE, t, "data/q/r\0x"));
    assert_ok(ASK(g, XS_RM, t, "data/q\0"));
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "T\0"));
    assert_err(ASK(g, XS_READ, 0, "data/q\0"), "ENOENT");
    assert_int_equal(s->used, used);
}

static void events_after_commit(void **state)
{
    SETUP;
    assert_ok(ASK(g, XS_WRITE, 0, "data/gone\0x"));
    assert_ok(ASK(g, XS_WATCH, 0, "data\0t\0"));
    assert_event(g, "data", "t");
    uint32_t t = start(g);
    assert_ok(ASK(g, XS_WRITE, t, "data/a\0one"));
    assert_ok(ASK(g, XS_WRITE, t, "data/a\0two"));
    assert_ok(ASK(g, XS_RM, t, "data/gone\0"));
    assert_silence(g);
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "T\0"));
    assert_event(g, "data/gone", "t");
    assert_event(g, "data/a", "t");
    assert_silence(g);
    t = start(g);
    assert_ok(ASK(g, XS_WRITE, t, "data/b\0one"));
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "F\0"));
    assert_silence(g);
}

static void rights_hold_inside(void **state)
{
    SETUP;
    uint32_t t = start(g);
    assert_err(ASK(g, XS_WRITE, t, "cpu\0x"), "EACCES");
    assert_err(ASK(g, XS_READ, t, "/local/domain/0\0"), "EACCES");
    assert_err(ASK(g, XS_TRANSACTION_START, t, "\0"), "EBUSY");
    assert_err(ASK(g, XS_TRANSACTION_END, t, "X\0"), "EINVAL");
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "T\0"));
    assert_err(ASK(g, XS_TRANSACTION_END, 0, "T\0"), "ENOENT");
    /* Another domain's transaction is not its own. */
    home(s, 6);
    struct guest *six = guest_new(s, 6);
    t = start(g);
    assert_err(ASK(six, XS_READ, t, "data\0"), "ENOENT");
    free(six);
}

static void quotas(void **state)
{
    SETUP;
    uint32_t used = s->used;
    for (unsigned i = 0; i < STORE_QUOTA_TRANSACTIONS; i++) {
        start(g);
    }
    assert_err(ASK(g, XS_TRANSACTION_START, 0, "\0"), "ENOSPC");
    assert_ok(ASK(g, XS_RESET_WATCHES, 0, "\0"));
    assert_int_equal(s->used, used);
    /* Nodes that one transaction may touch. */
    uint32_t t = start(g);
    struct answer a = {0};
    unsigned n = 0;
    for (; a.h.type != XS_ERROR && n < 2 * STORE_QUOTA_RECORDS; n++) {
        char body[32];
        int len = snprintf(body, sizeof(body), "data/n%u", n);
        a = ask(g, XS_WRITE, t, body, (size_t)len + 1);
    }
    assert_err(a, "ENOSPC");
    assert_true(n > 50);
    arena_assert_good(s);
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "T\0"));
    assert_answer(ASK(g, XS_READ, 0, "data/n7\0"), "", 0);
    /* A chain that passes the limit half-way leaves nothing in the transaction either. */
    t = start(g);
    char path[256] = "data";
    for (int i = 0; i < 50; i++) {
        strcat(path, "/l");
    }
    uint32_t nodes = store_domain_find(s, 5)->nodes;
    for (int i = 0; i < 100; i++) {
        path[5] = (char)('A' + i % 50);
        a = ask(g, XS_WRITE, t, path, strlen(path) + 1);
        if (a.h.type == XS_ERROR) {
            break;
        }
        nodes = store_domain_find(s, 5)->nodes;
    }
    assert_err(a, "ENOSPC");
    assert_int_equal(store_domain_find(s, 5)->nodes, nodes);
    a = ASK(g, XS_DIRECTORY, t, "data\0");
    for (size_t at = 0; at < a.h.len; at += strlen(a.body + at) + 1) {
        assert_int_not_equal(a.body[at], path[5]);
    }
    assert_ok(ASK(g, XS_TRANSACTION_END, t, "T\0"));
}

/* Random transactions against plain operations on a second arena: the committed ones have the same effect. */
static void random_equivalence(void **state)
{
    SETUP;
    struct store *other = arena_new(ARENA_BYTES);
    home(other, 5);
    struct store_caller plain = as(other, 5);
    srand(3);
    for (int round = 0; round < 400; round++) {
        uint32_t id;
        assert_int_equal(store_tx_start(s, 5, &id), 0);
        struct store_caller c = as(s, 5);
        c.tx = store_tx_find(s, 5, id);
        for (int i = 0; i < 8; i++) {
            char path[64];
            int depth = 1 + rand() % 3, len = snprintf(path, sizeof(path), "/local/domain/5/data");
            for (int k = 0; k < depth; k++) {
                len += snprintf(path + len, sizeof(path) - (size_t)len, "/%c", 'a' + rand() % 3);
            }
            char value = (char)('0' + rand() % 10);
            switch (rand() % 4) {
            case 0:
                assert_int_equal(store_op_rm(&c, path), store_op_rm(&plain, path));
                break;
            case 1: {
                struct store_view v, w;
                int err = store_op_read(&c, path, &v);
                assert_int_equal(err, store_op_read(&plain, path, &w));
                if (err == 0) {
                    assert_int_equal(v.value_len, w.value_len);
                    assert_true(v.value_len == 0 || memcmp(v.value, w.value, v.value_len) == 0);
                }
                break;
            }
            default:
                assert_int_equal(store_op_write(&c, path, &value, 1), store_op_write(&plain, path, &value, 1));
                break;
            }
        }
        arena_assert_good(s);
        assert_int_equal(store_tx_commit(s, c.tx), 0);
        arena_assert_good(s);
        assert_int_equal(s->nodes, other->nodes);
    }
    arena_delete(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_new, fixture_delete)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commit),  TEST(abort_leaves_nothing), TEST(conflict),
        TEST(removal), TEST(events_after_commit),  TEST(rights_hold_inside),
        TEST(quotas),  TEST(random_equivalence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
