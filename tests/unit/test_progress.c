/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The line of long work: what it says, when it is drawn, and Ctrl-C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/cli/cli_priv.h"
#include "dom0/cli/progress.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/time.h"

#define MS 1000000UL

static uint64_t now;
static bool key, partial;
static char screen[4096];

uint64_t time_now_ns(void) { return now; }
bool cli_interrupted(void)
{
    bool was = key;
    key = false;
    return was;
}
void cli_partial_line(bool on) { partial = on; }
enum exit_code cli_error(const struct error *e)
{
    strcat(screen, e->text);
    return e->code;
}
void console_write(const char *text, size_t len) { strncat(screen, text, len); }
void console_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(screen + strlen(screen), sizeof screen - strlen(screen), fmt, ap);
    va_end(ap);
}

static const char *shown(void)
{
    static char last[4096];
    strcpy(last, screen);
    screen[0] = '\0';
    return last;
}

static void test_sizes(void **s)
{
    static const struct { uint64_t bytes; const char *text; } sizes[] = {
        {0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {1536, "1.5 KiB"}, {1048575, "1023.9 KiB"}, {1048576, "1.0 MiB"},
        {28311552, "27.0 MiB"}, {5UL << 30, "5.0 GiB"}, {3UL << 40, "3.0 TiB"},
    };
    char text[32];
    (void)s;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        progress_size(text, sizeof text, sizes[i].bytes);
        assert_string_equal(text, sizes[i].text);
    }
    progress_size(text, sizeof text, UINT64_MAX); /* absurd, and still text */
    assert_true(strlen(text) < 24);
}

static void test_text(void **s)
{
    struct progress p = {.doing = "copying", .what = "disk.img", .total = 27U << 20};
    char text[100];
    (void)s;
    progress_text(text, sizeof text, &p, 13U << 20, 3U << 20);
    assert_string_equal(text, "copying disk.img: 48%, 13.0 MiB of 27.0 MiB, 3.0 MiB/s, 0:05 left");
    progress_text(text, sizeof text, &p, 27U << 20, 1024);
    assert_string_equal(text, "copying disk.img: 100%, 27.0 MiB of 27.0 MiB, 1.0 KiB/s");
    p.total = 0;
    progress_text(text, sizeof text, &p, 0, 0);
    assert_string_equal(text, "copying disk.img");
    progress_text(text, sizeof text, &p, 2048, 1024);
    assert_string_equal(text, "copying disk.img: 2.0 KiB, 1.0 KiB/s");
    p.total = 10;
    progress_text(text, sizeof text, &p, 5, 0);
    assert_string_equal(text, "copying disk.img: 50%, 5 B of 10 B");
    p.total = UINT64_MAX;
    progress_text(text, sizeof text, &p, UINT64_MAX - 1, 1);
    assert_non_null(strstr(text, ": 99%,"));
    progress_text(text, 20, &p, 1, 1);
    assert_int_equal(strlen(text), 19);
    p.total = 1UL << 40;
    progress_text(text, sizeof text, &p, 0, 1UL << 27);
    assert_non_null(strstr(text, "2:16:32 left"));
}

static void test_drawing(void **s)
{
    struct progress p;
    (void)s;
    now = 5000 * MS;
    progress_begin(&p, "copying");
    assert_true(progress_step(&p, "hd0p1:/a/big.bin", 0, 1 << 20));
    now += 199 * MS;
    assert_true(progress_step(&p, "hd0p1:/a/big.bin", 65536, 1 << 20));
    assert_string_equal(shown(), "");
    assert_false(partial);
    now += 1 * MS; /* 200 ms: 128 KiB since the start */
    assert_true(progress_step(&p, "hd0p1:/a/big.bin", 131072, 1 << 20));
    assert_string_equal(shown(), "\r\x1b[K" "copying big.bin: 12%, 128.0 KiB of 1.0 MiB, 640.0 KiB/s, 0:02 left ...");
    assert_true(partial);
    assert_true(progress_step(&p, "hd0p1:/a/big.bin", 131073, 1 << 20)); /* at most every 100 ms */
    assert_string_equal(shown(), "");
    now += 100 * MS;
    assert_true(progress_step(&p, "hd0p1:/a/other.bin", 0, 1 << 20)); /* begins anew: its own rate */
    assert_string_equal(shown(), "\r\x1b[K" "copying other.bin: 0%, 0 B of 1.0 MiB ...");
    now += 1000 * MS;
    assert_true(progress_step(&p, "hd0p1:/a/third.bin", 1 << 19, 1 << 20)); /* the next of the same folder */
    assert_string_equal(shown(), "\r\x1b[K" "copying third.bin: 50%, 512.0 KiB of 1.0 MiB, 512.0 KiB/s, 0:01 left ...");
    assert_int_equal(progress_end(&p, true, NULL), EXIT_OK);
    assert_string_equal(shown(), "\r\x1b[K");
    assert_false(partial);
}

/* A disk that gets slower: within four seconds the rate is the new one. */
static void test_rate_follows(void **s)
{
    struct progress p;
    uint64_t done = 0;
    (void)s;
    progress_begin(&p, "copying");
    for (int i = 0; i < 40; i++, now += 250 * MS, done += 1 << 20)
        assert_true(progress_step(&p, "x", done, 1UL << 40));
    assert_non_null(strstr(shown(), "4.0 MiB/s"));
    for (int i = 0; i < 20; i++, now += 250 * MS, done += 1 << 18)
        assert_true(progress_step(&p, "x", done, 1UL << 40));
    screen[0] = '\0';
    assert_true(progress_step(&p, "x", done, 1UL << 40));
    assert_non_null(strstr(shown(), "1.0 MiB/s"));
    progress_clear(&p);
    shown();
}

static void test_interrupt(void **s)
{
    struct progress p;
    struct error e = {EXIT_FAILED, "x: stopped"};
    (void)s;
    progress_begin(&p, "copying");
    assert_true(progress_fn(&p, "x", 0, 0));
    key = true;
    assert_false(progress_fn(&p, "x", 0, 0));
    assert_false(progress_fn(&p, "x", 0, 0)); /* it stays stopped */
    assert_int_equal(progress_end(&p, false, &e), EXIT_FAILED);
    assert_string_equal(shown(), "x: stopped");
}

static void test_long_names(void **s)
{
    struct progress p;
    char name[200];
    (void)s;
    progress_begin(&p, "building something with quite a long name indeed:");
    memset(name, 'n', 199);
    name[199] = '\0';
    memcpy(name + 199 - 48, "\xc3\xbc", 2); /* its end begins inside of this character */
    now += 1000 * MS;
    progress_step(&p, name, 1 << 20, 1 << 21);
    const char *line = shown();
    assert_true(strlen(line) <= 79 + 4);
    assert_null(strstr(line, "\xbc"));
    progress_clear(&p);
    shown();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_text), cmocka_unit_test(test_drawing),
                                       cmocka_unit_test(test_rate_follows), cmocka_unit_test(test_interrupt), cmocka_unit_test(test_long_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
