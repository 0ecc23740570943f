/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The xenstore's arena, tree and permissions: every state that an operation leaves passes the checker, and the
 * checker finds damage. */
#include <stdio.h>

#include "store_fixture.h"

static void paths(void **state)
{
    (void)state;
    static const char *const good[] = {"/", "/a", "/a/b", "/local/domain/0/backend/vif/1/0", "/A-b_c@9"};
    static const char *const wrong[] = {"", "a", "//", "/a/", "/a//b", "/a b", "/a.b", "/\x80", "a/b"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(store_path_valid(good[i]));
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(store_path_valid(wrong[i]));
    }
    char deep[2 * STORE_DEPTH_MAX + 3] = "";
    for (unsigned i = 0; i < STORE_DEPTH_MAX; i++) {
        strcat(deep, "/x");
    }
    assert_true(store_path_valid(deep));
    strcat(deep, "/x");
    assert_false(store_path_valid(deep));
    char longest[STORE_PATH_MAX + 3];
    memset(longest, 'a', sizeof(longest));
    for (size_t i = 0; i < sizeof(longest); i += 200) {
        longest[i] = '/';
    }
    longest[STORE_PATH_MAX] = '\0';
    assert_true(store_path_valid(longest));
    longest[STORE_PATH_MAX] = 'a';
    longest[STORE_PATH_MAX + 1] = '\0';
    assert_false(store_path_valid(longest));
    char wide[STORE_NAME_MAX + 3] = "/";
    memset(wide + 1, 'n', STORE_NAME_MAX);
    assert_true(store_path_valid(wide));
    wide[STORE_NAME_MAX + 1] = 'n';
    assert_false(store_path_valid(wide));
    assert_true(store_path_under("/a/b", "/a"));
    assert_true(store_path_under("/a", "/"));
    assert_true(store_path_under("/a", "/a"));
    assert_false(store_path_under("/ab", "/a"));
    assert_false(store_path_under("/a", "/a/b"));
    assert_int_equal(store_path_parent("/a/b"), 2);
    assert_int_equal(store_path_parent("/a"), 1);
}

static void write_read_remove(void **state)
{
    (void)state;
    struct store *s = arena_new(ARENA_BYTES);
    struct store_caller c = as(s, 0);
    struct store_view v;
    uint32_t empty = s->used;
    assert_int_equal(wr(s, 0, "/a/b/c", "value"), 0);
    assert_int_equal(s->nodes, 4);
    assert_int_equal(store_op_read(&c, "/a/b/c", &v), 0);
    assert_int_equal(v.value_len, 5);
    assert_memory_equal(v.value, "value", 5);
    assert_int_equal(store_op_read(&c, "/a/b", &v), 0);
    assert_int_equal(v.value_len, 0);
    assert_int_equal(wr(s, 0, "/a/b/c", "longer value than before"), 0);
    assert_int_equal(wr(s, 0, "/a/b/c", ""), 0);
    assert_int_equal(store_op_read(&c, "/a/b/c", &v), 0);
    assert_int_equal(v.value_len, 0);
    assert_int_equal(store_op_read(&c, "/a/b/c/d", &v), XEN_ENOENT);
    assert_int_equal(store_op_mkdir(&c, "/a/b/d"), 0);
    assert_int_equal(store_op_mkdir(&c, "/a/b/d"), 0);
    arena_assert_good(s);
    assert_int_equal(store_op_rm(&c, "/a/x"), 0); /* nothing there */
    assert_int_equal(store_op_rm(&c, "/x/y"), XEN_ENOENT);
    assert_int_equal(store_op_rm(&c, "/"), XEN_EINVAL);
    assert_int_equal(store_op_rm(&c, "/a"), 0);
    assert_int_equal(s->nodes, 1);
    assert_int_equal(s->used, empty);
    assert_int_equal(store_op_read(&c, "/a", &v), XEN_ENOENT);
    char big[STORE_VALUE_MAX + 2];
    memset(big, 'v', sizeof(big));
    assert_int_equal(store_op_write(&c, "/v", big, STORE_VALUE_MAX), 0);
    assert_int_equal(store_op_write(&c, "/v", big, STORE_VALUE_MAX + 1), XEN_E2BIG);
    arena_delete(s);
}

static void collect(void *ctx, const char *name, size_t len)
{
    strncat(ctx, name, len);
    strcat(ctx, " ");
}

static void directory(void **state)
{
    (void)state;
    struct store *s = arena_new(ARENA_BYTES);
    struct store_caller c = as(s, 0);
    char names[100] = "";
    uint64_t g1, g2;
    wr(s, 0, "/d/one", "");
    wr(s, 0, "/d/two", "");
    wr(s, 0, "/d/three/below", "");
    assert_int_equal(store_op_directory(&c, "/d", collect, names, &g1), 0);
    assert_string_equal(names, "one two three ");
    wr(s, 0, "/d/three/below", "changed");
    store_op_directory(&c, "/d", collect, names, &g2);
    assert_true(g1 == g2); /* the list of children is the same */
    wr(s, 0, "/d/four", "");
    store_op_directory(&c, "/d", collect, names, &g2);
    assert_true(g1 != g2);
    arena_delete(s);
}

/* The search that remembers what it found last: a node that is gone, one of the same name elsewhere, another arena. */
static void many_children(void **state)
{
    (void)state;
    struct store *s = arena_new(ARENA_BYTES);
    struct store_caller c = as(s, 0);
    char path[32];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "/d/%u", i);
        assert_int_equal(wr(s, 0, path, "old"), 0);
    }
    const struct store_node *was = store_node_find(s, "/d/39");
    assert_non_null(was);
    assert_int_equal(store_found(s), store_off(s, was));
    assert_ptr_equal(store_node_find(s, "/d/39"), was);
    assert_null(store_node_find(s, "/39"));
    assert_null(store_node_find(s, "/d/39/39"));
    assert_int_equal(store_op_rm(&c, "/d/39"), 0);
    assert_int_equal(store_found(s), STORE_NONE);
    assert_null(store_node_find(s, "/d/39"));
    assert_non_null(store_node_find(s, "/d/38"));
    struct store *other = arena_new(ARENA_BYTES);
    assert_int_equal(store_found(other), STORE_NONE);
    assert_null(store_node_find(other, "/d/38"));
    arena_delete(other);
    arena_delete(s);
}

/* Random operations against a small model; the checker after each. */
static void random_operations(void **state)
{
    (void)state;
    struct store *s = arena_new(32U << 10);
    struct store_caller c = as(s, 0);
    char model[8][8][48]; /* value of /i/j, first byte 0: absent */
    bool has[8][8] = {0}, top[8] = {0};
    srand(1);
    for (int step = 0; step < 20000; step++) {
        int i = rand() % 8, j = rand() % 8;
        char path[16], value[48];
        snprintf(path, sizeof(path), "/n%d/m%d", i, j);
        if (rand() % 10 == 0) {
            path[3] = '\0';
            int err = store_op_rm(&c, path);
            assert_int_equal(err, 0);
            memset(has[i], 0, sizeof(has[i]));
            top[i] = false;
        } else if (rand() % 3 == 0) {
            assert_int_equal(store_op_rm(&c, path), top[i] ? 0 : XEN_ENOENT);
            has[i][j] = false;
        } else {
            memset(value, 'a' + rand() % 26, sizeof(value));
            value[rand() % 47] = '\0';
            value[47] = '\0';
            assert_int_equal(wr(s, 0, path, value), 0);
            strcpy(model[i][j], value);
            has[i][j] = top[i] = true;
        }
        if (step % 50 == 0) {
            arena_assert_good(s);
        }
        snprintf(path, sizeof(path), "/n%d/m%d", i, j);
        struct store_view v;
        int err = store_op_read(&c, path, &v);
        assert_int_equal(err, has[i][j] ? 0 : XEN_ENOENT);
        if (err == 0) {
            assert_int_equal(v.value_len, strlen(model[i][j]));
            if (v.value_len > 0) {
                assert_memory_equal(v.value, model[i][j], v.value_len);
            }
        }
    }
    arena_delete(s);
}

/* A full arena refuses and stays whole; what is freed can be had again, in other sizes. */
static void exhaustion(void **state)
{
    (void)state;
    struct store *s = arena_new(STORE_ARENA_MIN);
    struct store_caller c = as(s, 0);
    char path[32];
    int n = 0, m = 0, err;
    for (;; n++) {
        snprintf(path, sizeof(path), "/x%d/y", n);
        err = wr(s, 0, path, "0123456789");
        if (err != 0) {
            break;
        }
    }
    assert_int_equal(err, XEN_ENOSPC);
    assert_true(n > 20);
    arena_assert_good(s);
    struct store_view v;
    assert_int_equal(store_op_read(&c, path, &v), XEN_ENOENT);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "/x%d", i);
        assert_int_equal(store_op_rm(&c, path), 0);
    }
    char big[STORE_VALUE_MAX];
    memset(big, 1, sizeof(big));
    for (; m < 6; m++) {
        snprintf(path, sizeof(path), "/big%d", m);
        assert_int_equal(store_op_write(&c, path, big, sizeof(big)), 0);
    }
    arena_delete(s);
}

static void permissions_text(void **state)
{
    (void)state;
    struct store_perms p;
    char buf[64];
    assert_int_equal(store_perms_parse("n0\0r5\0b7", 9, '\0', &p), 0);
    assert_int_equal(p.count, 3);
    assert_int_equal(store_perms_format(&p, buf), 9);
    assert_memory_equal(buf, "n0\0r5\0b7", 9);
    assert_int_equal(store_perms_parse("n0,r5", 5, ',', &p), 0);
    assert_int_equal(store_perms_parse("", 0, ',', &p), XEN_EINVAL);
    assert_int_equal(store_perms_parse("n0", 2, '\0', &p), XEN_EINVAL); /* no NUL */
    static const char *const wrong[] = {"x0", "n", "0", "n-1", "n32752", "n1x", "n999999", "n0,", "n0,,r1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int err = store_perms_parse(wrong[i], strlen(wrong[i]), ',', &p);
        assert_int_equal(err, i == 7 ? 0 : XEN_EINVAL); /* one comma at the end is fine */
    }
    assert_int_equal(store_perms_parse("n0,r1,r2,r3,r4,r5", 17, ',', &p), XEN_ENOSPC);
}

static void permissions_rules(void **state)
{
    (void)state;
    struct store *s = arena_new(ARENA_BYTES);
    struct store_view v;
    home(s, 5);
    home(s, 6);
    struct store_caller five = as(s, 5), six = as(s, 6), zero = as(s, 0);
    /* Reads its home, writes only below what it owns. */
    assert_int_equal(store_op_read(&five, "/local/domain/5", &v), 0);
    assert_int_equal(wr(s, 5, "/local/domain/5/x", "1"), XEN_EACCES);
    assert_int_equal(wr(s, 5, "/local/domain/5", "1"), XEN_EACCES);
    assert_int_equal(wr(s, 5, "/local/domain/5/data/x/y", "1"), 0);
    assert_int_equal(store_op_read(&five, "/local/domain/5/data/x/y", &v), 0);
    /* The neighbour sees nothing, not even whether it exists. */
    assert_int_equal(store_op_read(&six, "/local/domain/5", &v), XEN_EACCES);
    assert_int_equal(store_op_read(&six, "/local/domain/5/data/x", &v), XEN_EACCES);
    assert_int_equal(store_op_read(&six, "/local/domain/5/data/absent", &v), XEN_EACCES);
    assert_int_equal(store_op_read(&five, "/local/domain/5/absent", &v), XEN_ENOENT);
    assert_int_equal(store_op_rm(&six, "/local/domain/5/data"), XEN_EACCES);
    assert_int_equal(store_op_rm(&five, "/local/domain/5"), XEN_EACCES);
    assert_int_equal(store_op_directory(&six, "/local/domain/5", collect, NULL, NULL), XEN_EACCES);
    assert_int_equal(store_op_directory(&five, "/", collect, NULL, NULL), XEN_EACCES);
    /* Created nodes belong to the creator, or for domain 0 to the parent's owner. */
    struct store_perms p;
    assert_int_equal(store_op_get_perms(&five, "/local/domain/5/data/x/y", &p), 0);
    assert_int_equal(store_perms_owner(&p), 5);
    assert_int_equal(wr(s, 0, "/local/domain/5/data/by0", "1"), 0);
    assert_int_equal(store_op_get_perms(&five, "/local/domain/5/data/by0", &p), 0);
    assert_int_equal(store_perms_owner(&p), 5);
    /* Only the owner sets permissions, and cannot give the node away. */
    assert_int_equal(store_perms_parse("n5,b6", 5, ',', &p), 0);
    assert_int_equal(store_op_set_perms(&six, "/local/domain/5/data/x", &p), XEN_EACCES);
    assert_int_equal(store_op_set_perms(&five, "/local/domain/5", &p), XEN_EACCES);
    assert_int_equal(store_op_set_perms(&five, "/local/domain/5/data/x", &p), 0);
    assert_int_equal(wr(s, 6, "/local/domain/5/data/x", "by 6"), 0);
    assert_int_equal(store_op_set_perms(&six, "/local/domain/5/data/x", &p), XEN_EACCES);
    assert_int_equal(store_perms_parse("n6", 2, ',', &p), 0);
    assert_int_equal(store_op_set_perms(&five, "/local/domain/5/data/x", &p), XEN_EPERM);
    assert_int_equal(store_op_set_perms(&zero, "/local/domain/5/data/x", &p), 0);
    arena_assert_good(s);
    /* When 6 is gone, its number has no rights any more. */
    store_tree_forget_domain(s, 6);
    assert_int_equal(store_op_get_perms(&zero, "/local/domain/5/data/x", &p), 0);
    assert_int_equal(store_perms_owner(&p), 0);
    assert_int_equal(wr(s, 6, "/local/domain/5/data/x", "again"), XEN_EACCES);
    assert_int_equal(store_op_read(&six, "/local/domain/6", &v), XEN_EACCES);
    arena_delete(s);
}

static void quota_nodes(void **state)
{
    (void)state;
    struct store *s = arena_new(4U << 20);
    char path[64];
    home(s, 5);
    int err = 0;
    unsigned n = 0;
    for (; err == 0 && n < 2000; n++) {
        snprintf(path, sizeof(path), "/local/domain/5/data/n%u", n);
        err = wr(s, 5, path, "");
    }
    assert_int_equal(err, XEN_ENOSPC);
    assert_int_equal(store_domain_find(s, 5)->nodes, STORE_QUOTA_NODES);
    assert_int_equal(wr(s, 0, path, ""), 0); /* not for domain 0 */
    struct store_caller c = as(s, 5);
    assert_int_equal(store_op_rm(&c, "/local/domain/5/data/n1"), 0);
    assert_int_equal(store_op_rm(&c, "/local/domain/5/data/n2"), 0);
    assert_int_equal(wr(s, 5, "/local/domain/5/data/again", ""), 0);
    /* A chain that would pass the limit half-way leaves nothing. */
    assert_int_equal(wr(s, 5, "/local/domain/5/data/p/q/r", ""), XEN_ENOSPC);
    struct store_view v;
    assert_int_equal(store_op_read(&c, "/local/domain/5/data/p", &v), XEN_ENOENT);
    arena_delete(s);
}

static void quota_bytes(void **state)
{
    (void)state;
    struct store *s = arena_new(ARENA_BYTES);
    char path[64], big[STORE_VALUE_MAX];
    memset(big, 'b', sizeof(big));
    /* However many guests: domain 0 can always write. */
    for (uint16_t d = 1; d <= 20; d++) {
        home(s, d);
        struct store_caller c = as(s, d);
        int err = 0, n = 0;
        for (; err == 0; n++) {
            snprintf(path, sizeof(path), "/local/domain/%u/data/n%d", d, n);
            err = store_op_write(&c, path, big, sizeof(big));
        }
        assert_int_equal(err, XEN_ENOSPC);
        assert_true(store_domain_find(s, d)->bytes <= store_domain_bytes_max(s));
    }
    assert_true(s->guest_used <= ARENA_BYTES / 4 * 3 + 20 * 512);
    assert_int_equal(wr(s, 0, "/still/there", "yes"), 0);
    arena_delete(s);
}

static void checker_finds_damage(void **state)
{
    (void)state;
    struct store *s = arena_new(ARENA_BYTES);
    home(s, 3);
    wr(s, 3, "/local/domain/3/data/a", "value");
    wr(s, 0, "/other/node", "value");
    struct store_caller zero = as(s, 0);
    assert_int_equal(store_op_rm(&zero, "/other"), 0); /* something in the free lists */
    arena_assert_good(s);
    const char *why;
    /* Every single byte of the header, and of the first blocks, one after another: never a crash, and what matters is
     * found. */
    unsigned found = 0;
    for (uint32_t at = 0; at < s->brk; at++) {
        uint8_t *p = (uint8_t *)s + at;
        uint8_t old = *p;
        for (int bit = 0; bit < 8; bit++) {
            *p = (uint8_t)(old ^ (1U << bit));
            found += !store_arena_check(s, ARENA_BYTES, &why);
        }
        *p = old;
    }
    assert_true(found > 2000);
    s->nodes++;
    assert_false(store_arena_check(s, ARENA_BYTES, &why));
    s->nodes--;
    s->version++;
    assert_false(store_arena_check(s, ARENA_BYTES, &why));
    assert_string_equal(why, "another version");
    s->version--;
    assert_false(store_arena_check(s, ARENA_BYTES / 2, &why));
    /* The arena may be mapped elsewhere. */
    struct store *moved = aligned_alloc(16, ARENA_BYTES);
    memcpy(moved, s, ARENA_BYTES);
    free(s);
    arena_assert_good(moved);
    struct store_caller c = as(moved, 3);
    struct store_view v;
    assert_int_equal(store_op_read(&c, "/local/domain/3/data/a", &v), 0);
    assert_memory_equal(v.value, "value", 5);
    arena_delete(moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(write_read_remove),
        cmocka_unit_test(directory),
        cmocka_unit_test(many_children),
        cmocka_unit_test(random_operations),
        cmocka_unit_test(exhaustion),
        cmocka_unit_test(permissions_text),
        cmocka_unit_test(permissions_rules),
        cmocka_unit_test(quota_nodes),
        cmocka_unit_test(quota_bytes),
        cmocka_unit_test(checker_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
