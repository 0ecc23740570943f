/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/folder.c: names of the guests' files, and one warning for each cause of leaving some out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <uchar.h>

#include <cmocka.h>

#include "boot/efi/folder.h"

static char out[FOLDER_NAME_MAX];

static enum folder_join join(const char *folder, const char16_t *name)
{
    memset(out, 'x', sizeof(out));
    return folder_join(out, folder, name);
}

static void test_join(void **state)
{
    (void)state;
    assert_int_equal(join("", u"a.vmx"), FOLDER_JOINED);
    assert_string_equal(out, "a.vmx");
    for (size_t i = 5; i < sizeof(out); i++) {
        assert_int_equal(out[i], 0);
    }
    assert_int_equal(join("dir/sub", u"\u00e4\u20ac"), FOLDER_JOINED);
    assert_string_equal(out, "dir/sub/\xc3\xa4\xe2\x82\xac");
}

static void test_unfit(void **state)
{
    static const char16_t bad[] = {0x1b, 0x1f, 0x7f, 0x80, 0x9b, 0x9f, '/', '\\', ':', 0xd800, 0xdfff, '\n'};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char16_t name[] = {'a', bad[i], 'b', 0};
        assert_int_equal(join("d", name), FOLDER_JOIN_UNFIT);
        assert_string_equal(out, "d/a");
    }
}

/* Each length from short to far too long: joined or refused, always ended. */
static void test_length(void **state)
{
    char16_t name[256];
    size_t longest = 0;

    (void)state;
    for (size_t len = 1; len < 255; len++) {
        for (size_t i = 0; i < len; i++) {
            name[i] = 'n';
        }
        name[len] = 0;
        enum folder_join r = join("folder", name);
        assert_int_equal(out[sizeof(out) - 1], 0);
        longest = r == FOLDER_JOINED ? len : longest;
        assert_int_equal(r, len == longest ? FOLDER_JOINED : FOLDER_JOIN_TOO_LONG);
    }
    assert_true(longest >= 100);
    char full[FOLDER_NAME_MAX];
    memset(full, 'f', sizeof(full) - 1);
    full[sizeof(full) - 1] = '\0';
    assert_int_equal(join(full, u"x"), FOLDER_JOIN_TOO_LONG);
}

static void test_widen(void **state)
{
    uint16_t wide[16];
    static const uint16_t expected[] = {'a', '\\', 0xe4, 0x20ac, 0};

    (void)state;
    assert_true(folder_widen(wide, 16, "a/\xc3\xa4\xe2\x82\xac"));
    assert_memory_equal(wide, expected, sizeof(expected));
    assert_true(folder_widen(wide, 5, "abcd"));
    assert_false(folder_widen(wide, 4, "abcd"));
    assert_false(folder_widen(wide, 16, "a\xc3"));
    assert_false(folder_widen(wide, 16, "a\xff"));
    assert_false(folder_widen(wide, 16, "\xf0\x9f\x98\x80"));
}

static void test_disk_images(void **state)
{
    (void)state;
    assert_false(folder_disk_image("vm/disk.img", 16 << 20));
    assert_true(folder_disk_image("vm/disk.img", (16 << 20) + 1));
    assert_true(folder_disk_image("vm/DISK.Img", 1UL << 32));
    assert_true(folder_disk_image("a.vmdk", 1UL << 30));
    assert_true(folder_disk_image("a.iso", 1UL << 30));
    assert_true(folder_disk_image("a.raw", 1UL << 30));
    assert_false(folder_disk_image("initrd.img-6.1", 1UL << 30));
    assert_false(folder_disk_image(".img", 1UL << 30));
    assert_false(folder_disk_image("vmlinuz", 1UL << 30));
    assert_false(folder_disk_image("", 1UL << 30));
}

static void test_warnings(void **state)
{
    struct folder_left_out left = {0};
    char text[512];

    (void)state;
    for (unsigned c = 0; c < FOLDER_CAUSES; c++) {
        assert_false(folder_warning(&left, (enum folder_cause)c, "/corbel/vm", text, sizeof(text)));
    }
    folder_leave_out(&left, FOLDER_TOO_MANY_FILES, "one.bin");
    folder_leave_out(&left, FOLDER_TOO_MANY_FILES, "two.bin");
    folder_leave_out(&left, FOLDER_NO_MEMORY, "big.bin");
    assert_true(folder_warning(&left, FOLDER_TOO_MANY_FILES, "/corbel/vm", text, sizeof(text)));
    assert_string_equal(text, "/corbel/vm: left out: 2 x file beyond the 64 that fit, first one.bin: remove some");
    assert_true(folder_warning(&left, FOLDER_NO_MEMORY, "/corbel/vm", text, sizeof(text)));
    assert_non_null(strstr(text, "1 x file too large for the free memory, first big.bin: "));
    assert_false(folder_warning(&left, FOLDER_UNREADABLE, "/corbel/vm", text, sizeof(text)));
    char long_name[300];
    memset(long_name, 'l', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    folder_leave_out(&left, FOLDER_UNREADABLE, long_name);
    assert_true(folder_warning(&left, FOLDER_UNREADABLE, "/corbel/vm", text, sizeof(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),  cmocka_unit_test(test_unfit),    cmocka_unit_test(test_length),
        cmocka_unit_test(test_widen), cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_disk_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
