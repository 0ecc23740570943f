/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Paths as text: volumes, relative paths, "..", what is refused. */
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "dom0/fs/path.h"

static void is(const char *path, const char *base, const char *want)
{
    char out[256];
    struct error e = {0};

    assert_true(path_normalize(path, base, out, sizeof(out), &e));
    assert_string_equal(out, want);
}

static void refused(const char *path, const char *word)
{
    char out[256];
    struct error e = {0};

    assert_false(path_normalize(path, "hd0p1:/corbel/vm", out, sizeof(out), &e));
    assert_non_null(strstr(e.text, word));
    assert_int_equal(e.code, EXIT_USAGE);
}

static void test_good(void **state)
{
    (void)state;
    is("debian/debian.vmx", "hd0p1:/corbel/vm", "hd0p1:/corbel/vm/debian/debian.vmx");
    is("debian/debian.vmx", "boot:/", "boot:/debian/debian.vmx");
    is("/debian", "hd0p1:/corbel/vm", "hd0p1:/corbel/vm/debian");
    is("hd0p2:/a//b/./c/", "boot:/", "hd0p2:/a/b/c");
    is("hd0p2:", "boot:/", "hd0p2:/");
    is("hd0p2:x", "boot:/", "hd0p2:/x");
    is("boot:/", "hd0p1:/corbel/vm", "boot:/");
    is(".", "hd0p1:/corbel/vm", "hd0p1:/corbel/vm");
    is("", "hd0p1:/corbel/vm", "hd0p1:/corbel/vm");
    is("", "boot:/", "boot:/");
    is("a/../b", "boot:/", "boot:/b");
    is("a/..", "boot:/", "boot:/");
    is("..", "hd0p1:/corbel/vm", "hd0p1:/corbel");
    is("../../x", "hd0p1:/corbel/vm", "hd0p1:/x");
    is("a/b:c", "boot:/", "boot:/a/b:c");
    is("..a/b..", "boot:/", "boot:/..a/b..");
}

static void test_refused(void **state)
{
    char path[400];
    (void)state;
    refused("a\033b", "control characters");
    refused(":x", "no volume");
    refused("../../..", "leads out");
    refused("boot:/..", "leads out");
    memset(path, 'a', sizeof(path));
    path[300] = '\0';
    refused(path, "too long");
    path[250] = '\0';
    refused(path, "too long"); /* only together with the base */
}

static void test_every_size(void **state)
{
    char out[64];
    struct error e;
    (void)state;
    for (size_t size = 0; size <= sizeof(out); size++) {
        bool ok = path_normalize("a/bc/../d", "hd0p1:/corbel/vm", out, size, &e);
        assert_int_equal(ok, size > strlen("hd0p1:/corbel/vm/a/bc")); /* the longest that it is in between */
    }
}

static void test_in_volume(void **state)
{
    (void)state;
    assert_string_equal(path_in_volume("hd0p1:/a/b"), "/a/b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_every_size), cmocka_unit_test(test_in_volume)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
