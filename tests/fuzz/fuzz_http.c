/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What servers send to Dom0: any bytes as an HTTP answer in two pieces, as a redirect, and as a name server's answer. Nothing outside of what
 * was given is read, pieces of the body lie within it, and how it is cut makes no difference. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/net/dns_message.h"
#include "dom0/net/http.h"
#include "dom0/net/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
    if (!cond)
        abort();
}

static struct http_parser p;

struct sum { enum http_step end; uint64_t bytes, hash; };

static void feed(const uint8_t *data, size_t size, struct sum *s)
{
    uint8_t *exact = malloc(size + (size == 0));
    const uint8_t *body = NULL;
    size_t at = 0, used = 0, len = 0;
    memcpy(exact, data, size);
    for (enum http_step r = HTTP_HEADERS; r == HTTP_HEADERS || r == HTTP_BODY; at += used, s->end = r) {
        r = http_take(&p, exact + at, size - at, &used, &body, &len);
        require(used <= size - at);
        if (r != HTTP_BODY)
            continue;
        require(len > 0 && body >= exact && body + len <= exact + size);
        for (size_t i = 0; i < len; i++, s->bytes++)
            s->hash = s->hash * 31 + body[i];
    }
    free(exact);
}

static void http(const uint8_t *data, size_t size, size_t cut)
{
    struct sum whole = {0}, pieces = {0};
    http_begin(&p);
    feed(data, size, &whole);
    bool complete = http_end(&p);
    http_begin(&p);
    feed(data, cut, &pieces);
    if (pieces.end == HTTP_MORE)
        feed(data + cut, size - cut, &pieces);
    require(whole.end == pieces.end && whole.bytes == pieces.bytes && whole.hash == pieces.hash && http_end(&p) == complete);
    require(strlen(p.r.location) < URL_MAX);
}

static void url(const uint8_t *data, size_t size)
{
    struct url base, u;
    const char *why = NULL;
    char *text = malloc(size + 1), name[16];
    memcpy(text, data, size);
    text[size] = '\0';
    require(url_parse("http://a:8080/b/c?d", &base, &why));
    if (url_follow(&base, text, &u, &why)) {
        require(u.path[0] == '/' && u.host[0] != '\0' && u.port != 0 && strpbrk(u.path, " \r\n\t") == NULL && host_name_ok(u.host));
        url_file_name(&u, name, sizeof name);
        require(strchr(name, '/') == NULL);
        base = u;
        require(url_follow(&base, "/", &u, &why));
    }
    free(text);
}

static void dns(const uint8_t *data, size_t size)
{
    uint8_t query[DNS_MESSAGE_MAX], *answer = malloc(size + 32);
    uint32_t found[3];
    unsigned count = 0;
    size_t len = dns_message_query(query, 7, "a.bc");
    memcpy(answer, query, len); /* our question, and anything behind it */
    answer[2] |= 0x80;
    memcpy(answer + len, data, size);
    answer[7] = size > 0 ? data[0] : 0;
    answer = realloc(answer, len + size);
    (void)dns_message_answer(answer, len + size, query, len, found, 3, &count);
    require(count <= 3);
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t cut = (size_t)(data[0] << 8 | data[1]) % (size - 1);
    http(data + 2, size - 2, cut <= size - 2 ? cut : 0);
    url(data + 2, size - 2);
    dns(data + 2, size - 2);
    return 0;
}
