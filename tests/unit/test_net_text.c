/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What Dom0's network reads: addresses, http:// addresses, HTTP answers in any pieces, name servers' answers. Input that lies is refused in
 * words; whatever is cut off is found incomplete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/net/address.h"
#include "dom0/net/dns_message.h"
#include "dom0/net/http.h"
#include "dom0/net/url.h"

static void test_address(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", " 1.2.3.4", "1..2.3", "01.2.3.4", "1.2.3.0x4", "1.2.3.1000", "1.2.3.-4", "a.b.c.d"};
    uint32_t a = 0;
    uint8_t bits = 0;
    char text[IPV4_TEXT];
    assert_true(ipv4_parse("192.168.0.255", &a));
    assert_int_equal(a, 0xc0a800ff);
    ipv4_format(text, a);
    assert_string_equal(text, "192.168.0.255");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(ipv4_parse(wrong[i], &a));
    assert_true(ipv4_parse_prefix("10.0.0.5/24", &a, &bits));
    assert_int_equal(a, 0x0a000005);
    assert_int_equal(bits, 24);
    static const char *const wrong_prefix[] = {"10.0.0.5", "10.0.0.5/", "10.0.0.5/0", "10.0.0.5/33", "10.0.0.5/2x", "10.0.0.5/024", "10.0.0.5/24/1"};
    for (size_t i = 0; i < sizeof wrong_prefix / sizeof wrong_prefix[0]; i++)
        assert_false(ipv4_parse_prefix(wrong_prefix[i], &a, &bits));
    for (uint8_t n = 1; n <= 32; n++)
        assert_int_equal(ipv4_prefix(ipv4_mask(n)), n);
    assert_int_equal(ipv4_mask(24), 0xffffff00);
}

static void test_usable(void **state)
{
    static const struct {
        uint32_t address;
        uint8_t prefix;
        bool ok;
    } rows[] = {{0x0a000005, 24, true},  {0x0a000000, 24, false}, {0x0a0000ff, 24, false}, {0x0a0000ff, 16, true}, {0x7f000001, 8, false}, {0x00000001, 8, false},
                {0xe0000001, 24, false}, {0xffffffff, 32, false}, {0x0a000000, 31, true},  {0x0a000000, 32, true}, {0xf0000001, 24, false}};
    const char *why;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(ipv4_usable(rows[i].address, rows[i].prefix, &why), rows[i].ok);
        assert_int_equal(why == NULL, rows[i].ok);
    }
}

static void test_url(void **state)
{
    static const struct {
        const char *text, *host, *path;
        unsigned port;
    } good[] = {{"http://a/b", "a", "/b", 80},          {"HTTP://10.0.0.2:8080", "10.0.0.2", "/", 8080}, {"http://a.b-c_d/x?y=1&z#frag", "a.b-c_d", "/x?y=1&z", 80},
                {"http://a?q", "a", "/?q", 80},         {"http://a#f", "a", "/", 80},                    {"http://a:/x", "a", "/x", 80},
                {"http://a./x%20y", "a.", "/x%20y", 80}, {"http://a:65535/", "a", "/", 65535}};
    static const struct {
        const char *text, *words;
    } bad[] = {{"a/b", "not an address"},       {"https://a/b", "https is not supported"}, {"ftp://a/b", "only http"},        {"http://", "no host's name"},
               {"http:///x", "no host's name"}, {"http://u:p@a/x", "passwords"},           {"http://[::1]/", "IPv6"},         {"http://a:0/", "port"},
               {"http://a:65536/", "port"},     {"http://a:8x/", "port"},                  {"http://a/b c", "blanks"},        {"http://a/b\r\nX: y", "blanks"},
               {"http://a b/", "no host's name"}, {"http://a..b/", "no host's name"},      {"http://a/\xc3\xa4", "blanks"},   {"http://a:99999999999/", "port"}};
    struct url u;
    const char *why = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(url_parse(good[i].text, &u, &why));
        assert_string_equal(u.host, good[i].host);
        assert_string_equal(u.path, good[i].path);
        assert_int_equal(u.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why = "";
        assert_false(url_parse(bad[i].text, &u, &why));
        if (strstr(why, bad[i].words) == NULL)
            fail_msg("%s: %s", bad[i].text, why);
    }
}

static void test_url_length(void **state)
{
    char text[2100] = "http://a/";
    struct url u;
    const char *why = "";
    (void)state;
    for (size_t len = 9; len < 2000; len++) {
        text[len] = 'x';
        assert_int_equal(url_parse(text, &u, &why), len + 1 - 8 < URL_MAX);
    }
    strcpy(text, "http://");
    for (size_t len = 1; len < 400; len++) { /* of the host, in labels of 50 */
        text[7 + len - 1] = len % 50 == 0 ? '.' : 'h';
        text[7 + len] = '\0';
        assert_int_equal(url_parse(text, &u, &why), len < HOST_MAX);
    }
    memset(text + 7, 'h', 64);
    text[7 + 63] = '\0';
    assert_true(url_parse(text, &u, &why));
    text[7 + 63] = 'h';
    text[7 + 64] = '\0';
    assert_false(url_parse(text, &u, &why));
}

static void test_follow(void **state)
{
    static const struct {
        const char *location, *host, *path;
        unsigned port;
    } rows[] = {{"http://b/c", "b", "/c", 80}, {"/c", "a", "/c", 8080},     {"c", "a", "/x/c", 8080}, {"?r", "a", "/x/y?r", 8080},
                {"//b:81/c", "b", "/c", 81},   {"c?d#e", "a", "/x/c?d", 8080}, {"a:b", "a", "/x/a:b", 8080}};
    struct url base, u;
    const char *why = "";
    char name[8];
    (void)state;
    assert_true(url_parse("http://a:8080/x/y?q/z", &base, &why));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(url_follow(&base, rows[i].location, &u, &why));
        assert_string_equal(u.host, rows[i].host);
        assert_string_equal(u.path, rows[i].path);
        assert_int_equal(u.port, rows[i].port);
    }
    assert_false(url_follow(&base, "https://a/", &u, &why));
    assert_non_null(strstr(why, "https"));
    assert_false(url_follow(&base, "/a b", &u, &why));
    url_file_name(&base, name, sizeof name);
    assert_string_equal(name, "y");
    assert_true(url_parse("http://a/longer-than-that", &u, &why));
    url_file_name(&u, name, sizeof name);
    assert_string_equal(name, "longer-");
    assert_true(url_parse("http://a/x/", &u, &why));
    url_file_name(&u, name, sizeof name);
    assert_string_equal(name, "");
}

/* ---- HTTP ---- */

struct answer {
    enum http_step end; /* DONE, BROKEN, or MORE: all was taken */
    bool whole;         /* http_end after it */
    unsigned headers;
    size_t body_len;
    char body[512];
};

static struct http_parser p;

/* TEXT in pieces of STEP bytes, each in a block of its exact size. */
static struct answer feed(const char *text, size_t len, size_t step)
{
    struct answer a = {.end = HTTP_MORE};
    http_begin(&p);
    for (size_t at = 0; at < len && a.end == HTTP_MORE; at += step) {
        size_t n = len - at < step ? len - at : step, used, body_len, done = 0;
        uint8_t *block = malloc(n);
        const uint8_t *body;
        memcpy(block, text + at, n);
        for (a.end = HTTP_HEADERS; a.end == HTTP_HEADERS || a.end == HTTP_BODY; done += used) {
            a.end = http_take(&p, block + done, n - done, &used, &body, &body_len);
            a.headers += a.end == HTTP_HEADERS;
            if (a.end == HTTP_BODY) {
                assert_true(body >= block + done && body + body_len <= block + n && body_len > 0);
                assert_true(a.body_len + body_len < sizeof a.body);
                memcpy(a.body + a.body_len, body, body_len);
                a.body_len += body_len;
            }
        }
        free(block);
    }
    a.body[a.body_len] = '\0';
    a.whole = http_end(&p);
    return a;
}

#define PLAIN "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"
#define CHUNKS "HTTP/1.1 200 OK\nTransfer-Encoding: Chunked\n\n3;x=y\nhel\n02 \r\nlo\r\n0\r\nTrailer: z\r\n\r\n"

static void test_http_bodies(void **state)
{
    static const char *const texts[] = {PLAIN, CHUNKS, "HTTP/1.0 200\r\n\r\nhello", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:  5 \r\n\r\nhello",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello and more"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t step = 1; step < 60; step++) {
            struct answer a = feed(texts[i], strlen(texts[i]), step);
            assert_string_equal(a.body, "hello");
            assert_int_equal(a.headers, 1);
            assert_true(a.whole);
            assert_int_equal(p.r.status, 200);
        }
    }
    assert_int_equal(feed("HTTP/1.1 204 No\r\n\r\n", 19, 64).end, HTTP_DONE);
    assert_true(http_end(&p));
    assert_true(feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, 64).whole);
}

/* Wherever it is cut, it is not taken for whole. */
static void test_http_cut(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof PLAIN - 1; len++)
        assert_false(feed(PLAIN, len, 7).whole);
    for (size_t len = 0; len < sizeof CHUNKS - 1; len++)
        assert_false(feed(CHUNKS, len, 7).whole);
}

static void test_http_redirect(void **state)
{
    (void)state;
    const char *text = "HTTP/1.1 302 Found\r\nlocation: http://a/b \r\nContent-Length: 3\r\n\r\nabc";
    assert_int_equal(feed(text, strlen(text), 100).headers, 1);
    assert_int_equal(p.r.status, 302);
    assert_string_equal(p.r.location, "http://a/b");
    assert_string_equal(http_status_text(404), "Not Found");
    assert_string_equal(http_status_text(299), "");
}

static void test_http_lies(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {{"SSH-2.0-x\r\n", "no HTTP/1"},
                {"HTTP/2 200 OK\r\n", "no HTTP/1"},
                {"HTTP/1.1 20 OK\r\n", "status"},
                {"HTTP/1.1 2000 OK\r\n", "status"},
                {"HTTP/1.1 099 OK\r\n", "status"},
                {"HTTP/1.1 200 OK\r\nno colon\r\n", "malformed"},
                {"HTTP/1.1 200 OK\r\n: x\r\n", "malformed"},
                {"HTTP/1.1 200 OK\r\nA : x\r\n", "malformed"},
                {"HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n", "malformed"},
                {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "no length"},
                {"HTTP/1.1 200 OK\r\nContent-Length:\r\n", "no length"},
                {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n", "no length"},
                {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "two different"},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", "encoding"},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", "encoding"},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "no length"},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "no length"},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1234567890123456\r\n", "no length"},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "longer than it says"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a = feed(rows[i].text, strlen(rows[i].text), 1 + i % 9);
        assert_int_equal(a.end, HTTP_BROKEN);
        assert_false(a.whole);
        if (strstr(p.why, rows[i].words) == NULL)
            fail_msg("%s: %s", rows[i].text, p.why);
    }
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nA: \0b\r\n", 24, 64).end, HTTP_BROKEN);
}

/* Headers without an end, long lines: an error, not memory. */
static void test_http_endless(void **state)
{
    char *text = calloc(1, 200000);
    (void)state;
    strcpy(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + 20, 'x', 4000);
    assert_int_equal(feed(text, 4000, 1000).end, HTTP_BROKEN);
    assert_non_null(strstr(p.why, "2047"));
    size_t n = 17;
    while (n < 100000)
        n += (size_t)sprintf(text + n, "X: y\r\n");
    assert_int_equal(feed(text, n, 1000).end, HTTP_BROKEN);
    assert_non_null(strstr(p.why, "do not end"));
    n = (size_t)sprintf(text, "HTTP/1.1 302 Found\r\nLocation: ");
    memset(text + n, 'y', 1500);
    strcpy(text + n + 1500, "\r\n\r\n");
    assert_int_equal(feed(text, strlen(text), 1000).end, HTTP_BROKEN);
    assert_non_null(strstr(p.why, "too long"));
    free(text);
}

/* ---- names ---- */

static uint8_t query[DNS_MESSAGE_MAX], message[DNS_MESSAGE_MAX];
static size_t query_len, message_len;

static void begin_answer(const char *name, unsigned code, unsigned records)
{
    query_len = dns_message_query(query, 0x1234, name);
    memcpy(message, query, query_len);
    message[2] |= 0x80;
    message[3] = (uint8_t)(0x80 | code);
    message[7] = (uint8_t)records;
    message_len = query_len;
}

static void record(const char *name, size_t name_len, unsigned type, const char *data, size_t len)
{
    memcpy(message + message_len, name, name_len);
    message_len += name_len;
    memcpy(message + message_len, (uint8_t[]){0, (uint8_t)type, 0, 1, 0, 0, 0, 9, (uint8_t)(len >> 8), (uint8_t)len}, 10);
    memcpy(message + message_len + 10, data, len);
    message_len += 10 + len;
}

static uint32_t found[4];
static unsigned count;

static enum dns_result answer(size_t len)
{
    uint8_t *exact = malloc(len + (len == 0));
    memcpy(exact, message, len);
    enum dns_result r = dns_message_answer(exact, len, query, query_len, found, 4, &count);
    free(exact);
    return r;
}

static void test_dns(void **state)
{
    (void)state;
    assert_int_equal(dns_message_query(query, 1, "a..b"), 0);
    assert_int_equal(dns_message_query(query, 1, ""), 0);
    assert_int_equal(dns_message_query(query, 0x1234, "www.ab."), 12 + 8 + 4);
    assert_memory_equal(query, "\x12\x34\x01\0\0\1\0\0\0\0\0\0\3www\2ab\0\0\1\0\1", 24);
    begin_answer("www.ab", 0, 3);
    record("\xc0\x0c", 2, 5, "\1x\0", 3); /* an alias first */
    record("\1x\0", 3, 1, "\x0a\0\0\1", 4);
    record("\1x\0", 3, 1, "\x0a\0\0\2", 4);
    assert_int_equal(answer(message_len), DNS_FOUND);
    assert_int_equal(count, 2);
    assert_int_equal(found[0], 0x0a000001);
    assert_int_equal(found[1], 0x0a000002);
    message[12 + 1] ^= 0x20; /* another case */
    assert_int_equal(answer(message_len), DNS_FOUND);
    message[12 + 1] = 'x';
    assert_int_equal(answer(message_len), DNS_NOT_MINE);
    begin_answer("www.ab", 0, 1);
    record("\xc0\x0c", 2, 1, "\x0a\0\0\1", 4);
    message[1]++;
    assert_int_equal(answer(message_len), DNS_NOT_MINE);
    message[1]--;
    message[2] &= 0x7f; /* a question */
    assert_int_equal(answer(message_len), DNS_NOT_MINE);
    begin_answer("www.ab", 3, 0);
    assert_int_equal(answer(message_len), DNS_NO_NAME);
    begin_answer("www.ab", 2, 0);
    assert_int_equal(answer(message_len), DNS_FAILED);
    begin_answer("www.ab", 0, 1);
    record("\xc0\x0c", 2, 28, "0123456789abcdef", 16);
    assert_int_equal(answer(message_len), DNS_NO_ADDRESS);
}

static void test_dns_lies(void **state)
{
    (void)state;
    begin_answer("www.ab", 0, 255); /* more records than there are, and more addresses than asked for */
    for (unsigned i = 0; i < 9; i++)
        record("\xc0\x0c", 2, 1, "\x0a\0\0\1", 4);
    assert_int_equal(answer(message_len), DNS_FOUND);
    assert_int_equal(count, 4);
    for (size_t len = 0; len < message_len; len++)
        assert_true(answer(len) != DNS_FOUND || len >= query_len + 16);
    srand(3);
    for (unsigned i = 0; i < 20000; i++) {
        for (size_t k = query_len; k < sizeof message; k++)
            message[k] = (uint8_t)(rand() & (rand() % 2 ? 0xff : 0xc3));
        message[6] = (uint8_t)rand();
        (void)answer((size_t)rand() % sizeof message);
        assert_true(count <= 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),       cmocka_unit_test(test_usable),    cmocka_unit_test(test_url),      cmocka_unit_test(test_url_length),
        cmocka_unit_test(test_follow),        cmocka_unit_test(test_http_bodies), cmocka_unit_test(test_http_cut), cmocka_unit_test(test_http_redirect),
        cmocka_unit_test(test_http_lies),     cmocka_unit_test(test_http_endless), cmocka_unit_test(test_dns),    cmocka_unit_test(test_dns_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
