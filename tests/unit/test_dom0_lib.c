/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Dom0's C library against the host's: the same calls, the same results. The real files are included under other
 * names, so that both can be called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define memcpy our_memcpy
#define memmove our_memmove
#define memset our_memset
#define memcmp our_memcmp
#define memchr our_memchr
#define strlen our_strlen
#define strnlen our_strnlen
#define strcmp our_strcmp
#define strncmp our_strncmp
#define strcasecmp our_strcasecmp
#define strncasecmp our_strncasecmp
#define strchr our_strchr
#define strrchr our_strrchr
#define strstr our_strstr
#define strlcpy our_strlcpy
#define strlcat our_strlcat
#define snprintf our_snprintf
#define vsnprintf our_vsnprintf
#include "dom0/lib/error.c"
#include "dom0/lib/mem.c"
#include "dom0/lib/printf.c"
#include "dom0/lib/string.c"
#include "dom0/lib/text.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strcasecmp
#undef strncasecmp
#undef strchr
#undef strrchr
#undef strstr
#undef strlcpy
#undef strlcat
#undef snprintf
#undef vsnprintf

static int sign(int v) { return (v > 0) - (v < 0); }

static void test_blocks(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        unsigned char a[128], b[128];
        for (size_t i = 0; i < sizeof(a); i++) {
            a[i] = b[i] = (unsigned char)rand();
        }
        size_t from = (size_t)rand() % 64, to = (size_t)rand() % 64, len = (size_t)rand() % 64;
        switch (rand() % 3) {
        case 0:
            assert_ptr_equal(our_memmove(a + to, a + from, len), a + to);
            memmove(b + to, b + from, len);
            break;
        case 1:
            assert_ptr_equal(our_memset(a + to, (int)from - 32, len), a + to);
            memset(b + to, (int)from - 32, len);
            break;
        default:
            assert_ptr_equal(our_memcpy(a + 64, a + from % 32, len % 32), a + 64);
            memcpy(b + 64, b + from % 32, len % 32);
            break;
        }
        assert_memory_equal(a, b, sizeof(a));
        b[(size_t)rand() % sizeof(b)] ^= (unsigned char)(rand() % 2);
        assert_int_equal(sign(our_memcmp(a + from, b + from, len)), sign(memcmp(a + from, b + from, len)));
        assert_ptr_equal(our_memchr(a, round & 0xff, len), memchr(a, round & 0xff, len));
    }
}

static void random_string(char *s, size_t max)
{
    size_t len = (size_t)rand() % max;
    for (size_t i = 0; i < len; i++) {
        s[i] = "abAB\xe4\x01"[rand() % 6];
    }
    s[len] = '\0';
}

static void test_strings(void **state)
{
    (void)state;
    srand(2);
    for (int round = 0; round < 20000; round++) {
        char a[16], b[8];
        random_string(a, sizeof(a));
        random_string(b, rand() % 2 ? sizeof(b) : 3);
        size_t n = (size_t)rand() % 10;
        assert_int_equal(our_strlen(a), strlen(a));
        assert_int_equal(our_strnlen(a, n), strnlen(a, n));
        assert_int_equal(sign(our_strcmp(a, b)), sign(strcmp(a, b)));
        assert_int_equal(sign(our_strncmp(a, b, n)), sign(strncmp(a, b, n)));
        assert_int_equal(our_strcasecmp(a, b) == 0, strcasecmp(a, b) == 0);
        assert_int_equal(our_strncasecmp(a, b, n) == 0, strncasecmp(a, b, n) == 0);
        assert_ptr_equal(our_strchr(a, b[0]), strchr(a, b[0]));
        assert_ptr_equal(our_strrchr(a, b[0]), strrchr(a, b[0]));
        assert_ptr_equal(our_strstr(a, b), strstr(a, b));
    }
}

static void test_bounded(void **state)
{
    (void)state;
    char buf[8];
    assert_int_equal(our_strlcpy(buf, "hello", sizeof(buf)), 5);
    assert_string_equal(buf, "hello");
    assert_int_equal(our_strlcat(buf, " world", sizeof(buf)), 11);
    assert_string_equal(buf, "hello w");
    assert_int_equal(our_strlcpy(buf, "0123456789", sizeof(buf)), 10);
    assert_string_equal(buf, "0123456");
    char one[1] = {'x'};
    assert_int_equal(our_strlcpy(one, "abc", 0), 3);
    assert_int_equal(one[0], 'x');
    assert_int_equal(our_strlcat(one, "abc", 1), 4); /* no end within the size: left alone */
    assert_int_equal(one[0], 'x');
}

static void test_parse(void **state)
{
    (void)state;
    static const struct { const char *text; bool ok; uint64_t value; } cases[] = {
        {"0", true, 0}, {"42", true, 42}, {"0x2A", true, 42}, {"0Xff", true, 255},
        {"18446744073709551615", true, UINT64_MAX}, {"18446744073709551616", false, 0},
        {"0xffffffffffffffff", true, UINT64_MAX}, {"0x10000000000000000", false, 0},
        {"", false, 0}, {"0x", false, 0}, {"12a", false, 0}, {"-1", false, 0}, {" 1", false, 0}, {"1 ", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t v = 7;
        assert_int_equal(parse_u64(cases[i].text, &v), cases[i].ok);
        assert_int_equal(v, cases[i].ok ? cases[i].value : 7);
    }
}

/* One call of both; every size of the buffer. */
#define SAME(...) \
    do { \
        for (size_t size = 0; size <= 40; size++) { \
            char ours[48], theirs[48]; \
            memset(ours, '#', sizeof(ours)); \
            memset(theirs, '#', sizeof(theirs)); \
            int n = snprintf(theirs, size, __VA_ARGS__); \
            assert_int_equal(our_snprintf(ours, size, __VA_ARGS__), n); \
            assert_memory_equal(ours, theirs, sizeof(ours)); \
        } \
    } while (0)

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

/* Each combination of flags, width, precision and length with each number. */
static void test_print_numbers(void **state)
{
    (void)state;
    static const char *const flags[] = {"", "-", "0", "+", " ", "#", "-0", "+0", "- ", "#0", "#-"};
    static const char *const widths[] = {"", "1", "5", "20"};
    static const char *const precisions[] = {"", ".", ".0", ".1", ".8"};
    static const char *const lengths[] = {"", "l", "ll", "z", "h", "hh"};
    static const long values[] = {0, 1, -1, 7, 10, 255, -128, 32768, 2147483647, -2147483648L, 1L << 40, INT64_MIN, INT64_MAX};
    for (size_t f = 0; f < 11; f++) {
        for (size_t w = 0; w < 4; w++) {
            for (size_t p = 0; p < 5; p++) {
                for (size_t l = 0; l < 6; l++) {
                    for (const char *conv = "diuxXo"; *conv != '\0'; conv++) {
                        char fmt[32], ours[80], theirs[80];
                        snprintf(fmt, sizeof(fmt), "%%%s%s%s%s%c", flags[f], widths[w], precisions[p], lengths[l], *conv);
                        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
                            int n = snprintf(theirs, sizeof(theirs), fmt, values[v]);
                            assert_int_equal(our_snprintf(ours, sizeof(ours), fmt, values[v]), n);
                            assert_string_equal(ours, theirs);
                        }
                    }
                }
            }
        }
    }
}

static void test_print_text(void **state)
{
    (void)state;
    char name[] = {'a', 'b', 'c'}; /* no end: the precision must hold */
    SAME("plain");
    SAME("%s|%10s|%-10s|%.2s", "text", "right", "left", "cut");
    SAME("%.*s|%*d|%-*d|%*d", 3, name, 6, 42, 6, 42, -6, 42);
    SAME("%.*d|%.*s", -1, 5, -1, "all");
    SAME("%c%c|%3c|%-3c|", 'a', 'b', 'c', 'd');
    SAME("100%%|%5d%%", 7);
    SAME("%lu of %zu at %lx", 123456789012UL, (size_t)99, 0xdeadbeefUL);
    char buf[32];
    our_snprintf(buf, sizeof(buf), "%p", (void *)0x1234);
    assert_string_equal(buf, "0x1234");
    our_snprintf(buf, sizeof(buf), "%s", (char *)NULL);
    assert_string_equal(buf, "(null)");
    our_snprintf(buf, sizeof(buf), "50%q|%");
    assert_string_equal(buf, "50%q|%");
}

static void test_error(void **state)
{
    (void)state;
    struct error e;
    assert_false(error_set(&e, EXIT_REFUSED, "%s: no: ask %d", "thing", 3));
    assert_int_equal(e.code, EXIT_REFUSED);
    assert_string_equal(e.text, "thing: no: ask 3");
    assert_false(error_set(&e, EXIT_FAILED, "%300d", 1));
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),  cmocka_unit_test(test_strings),       cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_print_numbers), cmocka_unit_test(test_print_text),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
