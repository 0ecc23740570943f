/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Keys into a line, the line onto a terminal, words and completion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/cli/lineedit.h"
#include "dom0/cli/words.h"

static struct line_edit l;

static enum line_event keys(const char *k)
{
    enum line_event e = LINE_NOTHING;
    for (; *k != '\0'; k++) {
        e = lineedit_key(&l, (uint8_t)*k);
        assert_true(l.pos <= l.len && l.len < sizeof l.text && l.text[l.len] == '\0');
    }
    return e;
}

static void fresh(void)
{
    memset(&l, 0, sizeof l);
    lineedit_reset(&l);
}

static void typed(const char *k, const char *text, size_t pos)
{
    fresh();
    keys(k);
    assert_string_equal(l.text, text);
    assert_int_equal(l.pos, pos);
}

static void test_editing(void **s)
{
    (void)s;
    typed("list", "list", 4);
    typed("lst\x1b[D\x1b[Di", "list", 2);
    typed("list\x01x", "xlist", 1);
    typed("list\x01\x05x", "listx", 5);
    typed("list\x1b[Hx\x1b[Fy", "xlisty", 6);
    typed("list\x1b[1~x\x1b[4~y", "xlisty", 6);
    typed("list\x1bOHx", "xlist", 1);
    typed("list\x7f\x08", "li", 2);
    typed("list\x01\x1b[3~", "ist", 0);
    typed("list\x01\x04", "ist", 0);
    typed("one two\x17", "one ", 4);
    typed("one two  \x17\x17", "", 0);
    typed("one two\x15", "", 0);
    typed("one two\x1b[D\x1b[D\x0b", "one t", 5);
    typed("one two\x15" "x\x19", "xone two", 8);
    typed("ab\x02\x02\x06" "c", "acb", 2);
    typed("a\x1b[1;5Db", "ba", 1); /* Ctrl with an arrow */
    typed("a\x1b[99~b", "ab", 2);
    typed("a\x1b\rb", "ab", 2);    /* an escape without end does not swallow Enter */
    typed("\x1b[D\x1b[C\x7f\x04\x17\x0b\x15", "", 0);
    fresh();
    keys("some");
    assert_int_equal(keys("\x03"), LINE_INTERRUPT);
    assert_string_equal(l.text, "");
    assert_int_equal(keys("\x7f"), LINE_BELL);
    assert_int_equal(keys("\t"), LINE_TAB);
    assert_int_equal(keys("\x0c"), LINE_CLEAR);
    assert_int_equal(keys("\r"), LINE_ENTER);
    assert_int_equal(keys("\n"), LINE_NOTHING); /* belongs to the \r */
    assert_int_equal(keys("\n"), LINE_ENTER);
}

static void test_utf8(void **s)
{
    (void)s;
    typed("a\xc3\xbc\xe2\x82\xac\x7f", "a\xc3\xbc", 3);
    typed("a\xc3\xbc\x1b[Dx", "ax\xc3\xbc", 2);
    typed("\xc3\xbc" "a\x01\x1b[3~", "a", 0);
    typed("\xc3\xbc" "a\x01\x1b[Cx", "\xc3\xbcxa", 3);
    typed("\xbc\xbc\x7f", "", 0); /* no character at all: still nothing breaks */
}

static void test_full(void **s)
{
    (void)s;
    fresh();
    for (unsigned i = 0; i < LINE_MAX_LEN - 1; i++)
        assert_int_equal(keys("x"), LINE_APPENDED);
    assert_int_equal(keys("x"), LINE_BELL);
    assert_int_equal(l.len, LINE_MAX_LEN - 1);
    keys("\x15");
    assert_int_equal(keys("\x19"), LINE_CHANGED);
    assert_int_equal(keys("\x19"), LINE_BELL);
}

static void test_history(void **s)
{
    (void)s;
    fresh();
    assert_int_equal(keys("\x1b[A"), LINE_BELL);
    lineedit_remember(&l, "one");
    lineedit_remember(&l, "two");
    lineedit_remember(&l, "two");
    lineedit_remember(&l, "");
    assert_string_equal(lineedit_history(&l, 0), "one");
    assert_string_equal(lineedit_history(&l, 1), "two");
    assert_null(lineedit_history(&l, 2));
    keys("dra\x1b[A");
    assert_string_equal(l.text, "two");
    keys("\x10");
    assert_string_equal(l.text, "one");
    assert_int_equal(keys("\x1b[A"), LINE_BELL);
    keys("\x1b[B\x1b[B");
    assert_string_equal(l.text, "dra");
    assert_int_equal(keys("\x1b[B"), LINE_BELL);
    char text[20];
    for (int i = 0; i < 100; i++) {
        sprintf(text, "line %d", i);
        lineedit_remember(&l, text);
    }
    assert_string_equal(lineedit_history(&l, 0), "line 68");
    assert_string_equal(lineedit_history(&l, 31), "line 99");
    assert_null(lineedit_history(&l, 32));
    for (int i = 0; i < 32; i++)
        keys("\x1b[A");
    assert_string_equal(l.text, "line 68");
    assert_int_equal(keys("\x1b[A"), LINE_BELL);
}

static void drawn(const char *want)
{
    char out[LINE_MAX_LEN + 64];
    size_t n = lineedit_render(&l, "> ", 20, out, sizeof out);
    assert_int_equal(n, strlen(out));
    assert_string_equal(out, want);
}

static void test_render(void **s)
{
    (void)s;
    fresh();
    drawn("\r\x1b[K> ");
    keys("abc");
    drawn("\r\x1b[K> abc");
    keys("\x1b[D");
    drawn("\r\x1b[K> abc\r\x1b[4C");
    keys("\x01");
    drawn("\r\x1b[K> abc\r\x1b[2C");
    fresh();
    keys("\xc3\xbc\x1b[D");
    drawn("\r\x1b[K> \xc3\xbc\r\x1b[2C");
    fresh();
    keys("abcdefghijklmnopq"); /* 17 columns fill the row up to the last */
    assert_true(lineedit_fits(&l, 2, 20));
    drawn("\r\x1b[K> abcdefghijklmnopq");
    keys("rst");
    assert_false(lineedit_fits(&l, 2, 20));
    drawn("\r\x1b[K> <efghijklmnopqrst");
    keys("\x01");
    drawn("\r\x1b[K> abcdefghijklmnop>\r\x1b[2C");
}

static void test_random_keys(void **s)
{
    (void)s;
    static const char alphabet[] = "ab \xc3\xbc\xe2\x1b[[AABBCDHF13~;O\x01\x02\x03\x04\x05\x06\x08\x0b\x0c\x0e\x10\x15\x17\x19\t\r\n\x7f";
    char out[LINE_MAX_LEN + 64];
    fresh();
    srand(2);
    for (int i = 0; i < 300000; i++) {
        char k[2] = { alphabet[rand() % (int)(sizeof alphabet - 1)], '\0' };
        if (keys(k) == LINE_ENTER) {
            lineedit_remember(&l, l.text);
            lineedit_reset(&l);
        }
        size_t n = lineedit_render(&l, "corbel> ", 1 + (size_t)rand() % 100, out, sizeof out);
        assert_int_equal(n, strlen(out));
    }
}

static void split(const char *line, int argc, const char *a, const char *b)
{
    struct words w;
    assert_null(words_split(&w, line));
    assert_int_equal(w.argc, argc);
    if (a != NULL)
        assert_string_equal(w.argv[0], a);
    if (b != NULL)
        assert_string_equal(w.argv[1], b);
    assert_null(w.argv[w.argc]);
}

static void test_words(void **s)
{
    (void)s;
    struct words w;
    split("", 0, NULL, NULL);
    split("   \t ", 0, NULL, NULL);
    split("list", 1, "list", NULL);
    split("  create\t my.vmx  ", 2, "create", "my.vmx");
    split("create \"my box\"", 2, "create", "my box");
    split("create 'my \"b\\ox'", 2, "create", "my \"b\\ox");
    split("create my\\ box", 2, "create", "my box");
    split("create a\"b c\"d", 2, "create", "ab cd");
    split("create \"\"", 2, "create", "");
    split("list # all of them", 1, "list", NULL);
    split("list a#b", 2, "list", "a#b");
    split("x \\", 2, "x", "\\");
    assert_non_null(words_split(&w, "create \"my"));
    char many[200] = "";
    for (int i = 0; i < 33; i++)
        strcat(many, "a ");
    assert_non_null(words_split(&w, many));
    char longest[LINE_MAX_LEN + 10];
    memset(longest, 'x', sizeof longest);
    longest[LINE_MAX_LEN - 1] = '\0';
    split(longest, 1, longest, NULL);
    longest[LINE_MAX_LEN - 1] = 'x';
    longest[LINE_MAX_LEN] = '\0';
    assert_non_null(words_split(&w, longest));
}

static void test_completion(void **s)
{
    (void)s;
    static struct completion c;
    completion_begin(&c, "des", 3);
    assert_int_equal(c.arg, 0);
    assert_string_equal(c.prefix, "des");
    completion_offer(&c, "destroy");
    completion_offer(&c, "debug-keys");
    assert_int_equal(c.count, 1);
    assert_string_equal(c.common, "destroy");
    completion_begin(&c, "create  de", 10);
    assert_int_equal(c.arg, 1);
    assert_int_equal(c.word_start, 8);
    completion_offer(&c, "debian/");
    completion_offer(&c, "debug/");
    assert_string_equal(c.common, "deb");
    assert_string_equal(c.shown, "debian/  debug/  ");
    completion_begin(&c, "create ", 7);
    assert_int_equal(c.arg, 1);
    assert_string_equal(c.prefix, "");
    completion_begin(&c, "console my\\ b", 13);
    assert_int_equal(c.arg, 1);
    assert_string_equal(c.prefix, "my b");
    completion_begin(&c, "console a\\\"b", 12);
    assert_string_equal(c.prefix, "a\"b");
    completion_begin(&c, "", 0);
    assert_int_equal(c.arg, 0);
    char name[100];
    for (int i = 0; i < 2000; i++) {
        sprintf(name, "candidate-%d", i);
        completion_offer(&c, name);
    }
    assert_int_equal(c.count, 2000);
    assert_int_equal(strlen(c.shown), c.shown_len);
    assert_string_equal(c.common, "candidate-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_editing), cmocka_unit_test(test_utf8), cmocka_unit_test(test_full), cmocka_unit_test(test_history),
        cmocka_unit_test(test_render), cmocka_unit_test(test_random_keys), cmocka_unit_test(test_words), cmocka_unit_test(test_completion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
