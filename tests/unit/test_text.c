/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Root's printf and string functions, under other names beside the C library's, which is the oracle. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define memcpy root_memcpy
#define memmove root_memmove
#define memset root_memset
#define memcmp root_memcmp
#define strlen root_strlen
#define strnlen root_strnlen
#define snprintf root_snprintf
#define vsnprintf root_vsnprintf
#include "kernel/core/string.c"
#include "kernel/core/printf.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef snprintf
#undef vsnprintf

#define SAME(...)                                                     \
    do {                                                              \
        char want[200], got[200];                                     \
        int n = snprintf(want, sizeof(want), __VA_ARGS__);            \
        assert_int_equal(root_snprintf(got, sizeof(got), __VA_ARGS__), n); \
        assert_string_equal(got, want);                               \
    } while (0)

static void test_as_libc(void **state)
{
    (void)state;
    SAME("plain %% text");
    SAME("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
    SAME("%u %x %x %u", 0U, 0xdeadbeefU, 0xabcU, UINT_MAX);
    SAME("%ld %lu %lx %llx %zu", LONG_MIN, ULONG_MAX, 0x123456789abcdefUL, ~0ULL, (size_t)7);
    SAME("[%5d] [%05d] [%05d]", 42, 42, -42);
    SAME("[%08lx] [%16lx]", 0xbeefUL, 0xbeefUL);
    SAME("[%10s] [%.*s] [%.*s]", "abc", 2, "xyz", 0, "no");
    SAME("%c%c[%3c]", 'a', 'b', 'c');
    SAME("%s", "");
}

static void test_edges(void **state)
{
    (void)state;
    char buf[8] = "zzzzzzz";
    assert_int_equal(root_snprintf(buf, 4, "%s", "abcdef"), 6);
    assert_string_equal(buf, "abc");
    assert_int_equal(buf[4], 'z');
    assert_int_equal(root_snprintf(buf, 0, "hello"), 5);
    assert_int_equal(buf[0], 'a');
    assert_int_equal(root_snprintf(NULL, 0, "%d", 12345), 5);
    assert_int_equal(root_snprintf(buf, 1, "x"), 1);
    assert_string_equal(buf, "");
    const char *cut = "ab%"; /* a conversion that the text's end cuts off */
    root_snprintf(buf, sizeof(buf), cut, 1);
    assert_string_equal(buf, "ab");
    const char *unknown = "%k";
    root_snprintf(buf, sizeof(buf), unknown, 1);
    assert_string_equal(buf, "%k");
    const char *volatile null = NULL;
    root_snprintf(buf, sizeof(buf), "%s", null);
    assert_string_equal(buf, "(null)");
    const char *volatile wide = "%99999999999d";
    assert_true(root_snprintf(buf, sizeof(buf), wide, 1) < 20000);
}

static void test_memory(void **state)
{
    (void)state;
    unsigned char a[64], b[64];
    for (unsigned len = 0; len < 40; len++) {
        for (unsigned off = 0; off < 9; off++) {
            for (unsigned i = 0; i < sizeof(a); i++)
                a[i] = b[i] = (unsigned char)(i * 7);
            assert_ptr_equal(root_memmove(a + off, a + 4, len), a + off);
            memmove(b + off, b + 4, len);
            assert_memory_equal(a, b, sizeof(a));
            root_memset(a + off, 0x5a, len);
            memset(b + off, 0x5a, len);
            assert_memory_equal(a, b, sizeof(a));
            root_memcpy(a + 30, a, MIN(len, 30));
            memcpy(b + 30, b, MIN(len, 30));
            assert_memory_equal(a, b, sizeof(a));
        }
    }
    uint64_t q[4] = {1, 2, 3, 4};
    memset64(q + 1, 0xabcdef0123456789UL, 2);
    assert_true(q[0] == 1 && q[1] == 0xabcdef0123456789UL && q[2] == q[1] && q[3] == 4);
}

static void test_strings(void **state)
{
    (void)state;
    assert_int_equal(root_strlen("hello"), 5);
    assert_int_equal(root_strnlen("hello", 3), 3);
    assert_true(root_memcmp("abc", "abd", 3) < 0 && root_memcmp("abc", "abd", 2) == 0);
    char buf[4];
    str_copy(buf, sizeof(buf), "abcdef");
    assert_string_equal(buf, "abc");
    str_copy(buf, sizeof(buf), "");
    assert_string_equal(buf, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_libc),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
