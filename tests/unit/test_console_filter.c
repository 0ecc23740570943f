/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The filter between a guest's output and the operator's terminal, and the console ring with its scroll-back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/backend/console_backend.h"
#include "dom0/backend/guest_ring.h"

/* Filters IN in pieces of STEP bytes. */
static size_t filter(const char *in, size_t len, size_t step, char *out)
{
    struct console_filter f = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < len; i += step) {
        size_t part = len - i < step ? len - i : step;
        char *exact = malloc(part + CONSOLE_FILTER_EXTRA);
        size_t got = console_filter(&f, in + i, part, exact, part + CONSOLE_FILTER_EXTRA);
        assert_true(got <= part + CONSOLE_FILTER_EXTRA);
        memcpy(out + n, exact, got);
        n += got;
        free(exact);
    }
    return n;
}

/* The same result however the text is cut. */
static void check(const char *in, const char *want)
{
    char out[512];
    for (size_t step = 1; step <= strlen(in) + 1; step++) {
        size_t n = filter(in, strlen(in), step, out);
        if (n != strlen(want) || memcmp(out, want, n) != 0)
            fail_msg("step %zu: \"%.*s\" instead of \"%s\"", step, (int)n, out, want);
    }
}

static void test_text_passes(void **s)
{
    (void)s;
    check("hello\r\n\tworld\b\a~", "hello\r\n\tworld\b\a~");
    check("Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x98\x80 \xc4\x9b", "Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x98\x80 \xc4\x9b");
}

static void test_colours_and_movement_pass(void **s)
{
    (void)s;
    check("\x1b[31mred\x1b[0m\x1b[1;38;5;12mx\x1b[m", "\x1b[31mred\x1b[0m\x1b[1;38;5;12mx\x1b[m");
    check("\x1b" "7a\x1b[s\x1b[5Ib\x1b[u\x1b" "8\x1bM\x1b" "D\x1b" "E", "\x1b" "7a\x1b[s\x1b[5Ib\x1b[u\x1b" "8\x1bM\x1b" "D\x1b" "E");
    check("\x1b[9999Cx", "\x1b[9999Cx");
    check("\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[A\x1b[3D", "\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[A\x1b[3D");
}

static void test_harm_is_dropped(void **s)
{
    (void)s;
    check("a\x1b]0;title\x07" "b", "ab");
    check("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab");
    check("a\x1bP+q544e\x1b\\b", "ab");
    check("a\x1b_x\x1b\\b\x1b^y\x1b\\c\x1bXz\x1b\\d", "abcd");
    check("a\x1b[6nb\x1b[5nc\x1b[cd\x1b[>c\x1b[=c", "abcd");       /* reports that the terminal would type */
    check("a\x1b[?1049hb\x1b[?25lc\x1b[?1000h", "abc");             /* modes */
    check("a\x1b[20hb\x1b[4lc", "abc");
    check("a\x1b" "cb\x1b=c\x1b>d\x1b(0e\x1b#8f\x1b" "Z", "abcdef"); /* reset, keypad, charset, alignment, identify */
    check("a\x1b[!pb\x1b[1$rc\x1b[ q", "abc");
    check("a\x1b[8;1;1tb", "ab");
    check("a\x1b[21tb\x1b[11tc\x1b[t", "abc"); /* the window's title and state, as if typed */
    check("a\x1b[1;80sb\x1b[?6c", "ab");       /* margins; identity */
    check("a\x1b[99999999bb\x1b[1;00001Hc", "abc"); /* repeats the letter so often */
    check("a\x1b[0qb\x1b[2;1yc\x1b[x", "abc"); /* lamps, self-test, parameters */
    check("a\x1b[?6nb\x1b[?15nc\x1b[0c\x1b[>0;0;0c", "abc");
    check("a\x1bP1$r0m\x1b\\b\x1bPq#0;2;0;0;0\x1b\\c", "abc");  /* DECRQSS, sixel */
    check("a\x1b]10;?\x07" "b\x1b]4;1;?\x1b\\c\x1b]8;;http://x\x1b\\d", "abcd"); /* colours asked for, links */
    check("a\x1b]P7ff0000b\x07" "c", "ac");
    check("a\x1bkname\x1b\\b", "aname" "b"); /* screen's title is no string elsewhere: its text shows */
    check("a\x1b%Gb\x1b%@c\x1b n", "abc"); /* character set, 8-bit controls on */
    check("a\x1b[1;5rb", "ab");
    check("a\x1b[1ib", "ab"); /* printer */
    check("\x05" "a\x0e\x0f\x7f\x01", "a"); /* ENQ, shifts, DEL */
}

static void test_c1_and_broken_utf8(void **s)
{
    (void)s;
    check("a\x9b" "6nb", "a?6nb");          /* 8-bit CSI is not UTF-8 */
    check("a\xc2\x9b" "6nb", "ab");         /* U+009B is CSI */
    check("a\xc2\x9dtitle\x07" "b", "ab");  /* U+009D is OSC */
    check("a\xc2\x85" "b", "ab");
    check("a\xc2\x90q\x1b\\b\xc2\x98x\x07" "c\xc2\x9ey\x1b\\d\xc2\x9fz\x1b\\e", "abcde"); /* DCS, SOS, PM, APC */
    check("a\xc2\x9b[31mb", "a31mb"); /* CSI ends at its final byte */
    check("a\xc2\x9a" "b\xc2\x9c" "c\xc2\x84\xc2\x8d", "abc"); /* identify, ST, IND, RI */
    check("a\x9d" "52;c;x\x07" "b\x90q\x9c", "a?52;c;x\a" "b?q?"); /* raw: no control characters for a UTF-8 terminal */
    check("a\xc2\xa0" "b", "a\xc2\xa0" "b");
    check("a\xe0\x82\x9b" "b", "a???b");    /* overlong U+009B */
    check("a\xc0\x9b\xff" "b", "a???b");
    check("a\xe2\x82" "b", "a\xe2\x82" "b"); /* cut: the terminal replaces it, the text goes on */
    check("a\xc3\x1b[31mb", "a?\x1b[31mb");
}

static void test_broken_sequences(void **s)
{
    (void)s;
    check("a\x1b\x1b[31mb", "a\x1b[31mb");
    check("a\x1b[3\x1b[31mb", "a\x1b[31mb");
    check("a\x1b[31\x18" "b", "ab");
    check("a\x1b]never ending", "a");
    check("a\x1b]x\x18" "b", "ab");
    check("a\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17mb", "ab"); /* longer than is kept */
    check("a\x1b[3\r1mb", "a\x1b[31mb");
}

/* Random bytes: whatever comes out has no byte that was not allowed. */
static void test_random(void **s)
{
    (void)s;
    static const char alphabet[] = "\x1b\x1b\x1b[[[]P_^X;0123456789?>=!$ mnchlHJKt\x07\x18\\\xc2\x9b\x9d\xe2\x82\xac" "ab\r\n";
    char in[256], out[256 + CONSOLE_FILTER_EXTRA], whole[512];
    srand(1);
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof in; i++)
            in[i] = alphabet[rand() % (int)(sizeof alphabet - 1)];
        struct console_filter f = { 0 };
        size_t n = console_filter(&f, in, sizeof in, out, sizeof out);
        size_t m = filter(in, sizeof in, 1 + (size_t)rand() % 7, whole);
        assert_int_equal(n, m);
        assert_memory_equal(out, whole, n);
        for (size_t i = 0; i < n; i++) {
            if (out[i] != 0x1b)
                continue;
            assert_true(i + 1 < n);
            if (strchr("78DEM", out[i + 1]) != NULL)
                continue;
            assert_int_equal(out[i + 1], '[');
            size_t k = i + 2;
            while (k < n && strchr("0123456789;:", out[k]) != NULL)
                k++;
            assert_true(k < n && strchr("ABCDEFGHIJKLMPSTXZ@`abdefmsu", out[k]) != NULL);
        }
    }
}

static void test_ring(void **s)
{
    (void)s;
    struct xencons_interface *ring = calloc(1, sizeof *ring);
    char buf[4096];
    bool broken = true;
    assert_int_equal(guest_ring_take(ring, buf, sizeof buf, &broken), 0);
    assert_false(broken);
    ring->out_cons = ring->out_prod = 0xfffffff0; /* indices run over */
    for (uint32_t i = 0; i < 40; i++)
        ring->out[MASK_XENCONS_IDX(ring->out_prod++, ring->out)] = (char)('a' + i % 26);
    assert_int_equal(guest_ring_take(ring, buf, 16, &broken), 16);
    assert_int_equal(guest_ring_take(ring, buf + 16, sizeof buf - 16, &broken), 24);
    for (int i = 0; i < 40; i++)
        assert_int_equal(buf[i], 'a' + i % 26);
    assert_int_equal(ring->out_cons, ring->out_prod);
    ring->out_prod = ring->out_cons + 2048;
    assert_int_equal(guest_ring_take(ring, buf, sizeof buf, &broken), 2048);
    assert_false(broken);
    ring->out_prod = ring->out_cons + 2049;
    assert_int_equal(guest_ring_take(ring, buf, sizeof buf, &broken), 0);
    assert_true(broken);
    memset(buf, 'k', sizeof buf);
    assert_int_equal(guest_ring_put(ring, buf, 1000, &broken), 1000);
    assert_int_equal(guest_ring_put(ring, buf, 1000, &broken), 24);
    assert_int_equal(guest_ring_put(ring, buf, 1000, &broken), 0);
    assert_false(broken);
    ring->in_cons = ring->in_prod + 1; /* the guest claims to have read what was not there */
    assert_int_equal(guest_ring_put(ring, buf, 1, &broken), 0);
    assert_true(broken);
    free(ring);
}

static void test_scrollback(void **s)
{
    (void)s;
    struct scrollback *b = calloc(1, sizeof *b);
    char buf[1000], text[100];
    uint64_t pos = 0, total = 0;
    assert_int_equal(scrollback_read(b, &pos, buf, sizeof buf), 0);
    scrollback_add(b, "hello", 5);
    assert_int_equal(scrollback_read(b, &pos, buf, 3), 3);
    assert_int_equal(scrollback_read(b, &pos, buf + 3, sizeof buf), 2);
    assert_memory_equal(buf, "hello", 5);
    total = 5;
    for (int i = 0; i < 3000; i++) {
        int n = sprintf(text, "line %d of many that are written\n", i);
        scrollback_add(b, text, (size_t)n);
        total += (size_t)n;
    }
    assert_int_equal(b->end, total);
    pos = 0;
    size_t sum = 0, n;
    char last[40] = "";
    while ((n = scrollback_read(b, &pos, buf, 997)) > 0) {
        sum += n;
        if (n >= 34)
            memcpy(last, buf + n - 34, 34);
    }
    assert_int_equal(sum, SCROLLBACK_BYTES);
    assert_int_equal(pos, total);
    pos = total + 5; /* nonsense: from the oldest */
    assert_int_equal(scrollback_read(b, &pos, buf, 10), 10);
    char *huge = malloc(200000);
    for (int i = 0; i < 200000; i++)
        huge[i] = (char)('a' + i % 23);
    scrollback_add(b, huge, 200000);
    pos = b->end - SCROLLBACK_BYTES;
    for (size_t at = 200000 - SCROLLBACK_BYTES; (n = scrollback_read(b, &pos, buf, sizeof buf)) > 0; at += n)
        assert_memory_equal(buf, huge + at, n);
    free(huge);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_passes), cmocka_unit_test(test_colours_and_movement_pass), cmocka_unit_test(test_harm_is_dropped),
        cmocka_unit_test(test_c1_and_broken_utf8), cmocka_unit_test(test_broken_sequences), cmocka_unit_test(test_random),
        cmocka_unit_test(test_ring), cmocka_unit_test(test_scrollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
