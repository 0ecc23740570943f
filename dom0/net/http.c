/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] HTTP responses. Pure. */
#include "dom0/net/http.h"

#include "dom0/lib/string.h"

void http_begin(struct http_parser *p) { memset(p, 0, sizeof *p); }

static bool fail(struct http_parser *p, const char *why)
{
    p->why = why;
    return false;
}

/* "HTTP/1.1 200 OK" */
static bool status_line(struct http_parser *p)
{
    const char *s = p->line;
    if (strncmp(s, "HTTP/1.", 7) != 0 || s[7] < '0' || s[7] > '9' || s[8] != ' ')
        return fail(p, "this is no HTTP/1 answer");
    unsigned status = 0;
    for (s += 9; *s >= '0' && *s <= '9' && status < 1000; s++)
        status = status * 10 + (unsigned)(*s - '0');
    if (s != p->line + 12 || status < 100 || (*s != ' ' && *s != '\0'))
        return fail(p, "its status is no number of three digits");
    p->r = (struct http_response){.status = status};
    p->interim = status < 200;
    p->state = HTTP_AT_HEADER;
    return true;
}

static bool set_length(struct http_parser *p, const char *value)
{
    uint64_t n = 0;
    if (*value == '\0')
        return fail(p, "it tells no length that could be");
    for (const char *c = value; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || n > UINT64_MAX / 10 - 10)
            return fail(p, "it tells no length that could be");
        n = n * 10 + (uint64_t)(*c - '0');
    }
    if (p->r.has_length && p->r.length != n)
        return fail(p, "it tells two different lengths");
    p->r.has_length = true;
    p->r.length = n;
    return true;
}

static bool set_encoding(struct http_parser *p, const char *value)
{
    if (strcasecmp(value, "identity") == 0)
        return true;
    if (strcasecmp(value, "chunked") != 0 || p->r.chunked)
        return fail(p, "it comes in an encoding that was not asked for");
    p->r.chunked = true;
    return true;
}

/* NAME: VALUE, blanks around the value cut off. */
static bool header_line(struct http_parser *p)
{
    char *colon = strchr(p->line, ':');
    if (colon == NULL || colon == p->line || colon[-1] == ' ' || colon[-1] == '\t' || p->line[0] == ' ' || p->line[0] == '\t')
        return fail(p, "one of its headers is malformed");
    char *value = colon + 1, *end = p->line + p->len;
    *colon = '\0';
    while (*value == ' ' || *value == '\t')
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    if (strcasecmp(p->line, "Content-Length") == 0)
        return set_length(p, value);
    if (strcasecmp(p->line, "Transfer-Encoding") == 0)
        return set_encoding(p, value);
    if (strcasecmp(p->line, "Location") == 0 && strlcpy(p->r.location, value, sizeof p->r.location) >= sizeof p->r.location)
        return fail(p, "it leads to an address that is too long");
    return true;
}

static bool headers_end(struct http_parser *p)
{
    if (p->interim) {
        p->state = HTTP_AT_STATUS;
        return true;
    }
    bool empty = p->r.status == 204 || p->r.status == 304;
    p->left = p->r.has_length ? p->r.length : UINT64_MAX;
    p->state = empty ? HTTP_AT_END : p->r.chunked ? HTTP_AT_CHUNK : p->left == 0 ? HTTP_AT_END : HTTP_AT_BODY;
    return true;
}

/* The length of a chunk in hexadecimal; what follows a semicolon does not matter. */
static bool chunk_line(struct http_parser *p)
{
    uint64_t n = 0;
    size_t i = 0;
    for (int digit; (digit = hex_digit(p->line[i])) >= 0; i++) {
        if (i == 15)
            return fail(p, "one of its chunks has no length that could be");
        n = n << 4 | (uint64_t)digit;
    }
    char next = p->line[i];
    if (i == 0 || (next != '\0' && next != ';' && next != ' ' && next != '\t'))
        return fail(p, "one of its chunks has no length that could be");
    p->left = n;
    p->state = n != 0 ? HTTP_IN_CHUNK : HTTP_AT_TRAILER;
    return true;
}

static bool line_done(struct http_parser *p)
{
    bool blank = p->len == 0;
    switch (p->state) {
    case HTTP_AT_STATUS:
        return status_line(p);
    case HTTP_AT_HEADER:
        return blank ? headers_end(p) : header_line(p);
    case HTTP_AT_CHUNK:
        return chunk_line(p);
    case HTTP_AFTER_CHUNK:
        p->state = HTTP_AT_CHUNK;
        return blank || fail(p, "one of its chunks is longer than it says");
    case HTTP_AT_TRAILER:
        p->state = blank ? HTTP_AT_END : HTTP_AT_TRAILER;
        return true;
    case HTTP_AT_BODY:
    case HTTP_IN_CHUNK:
    case HTTP_AT_END:
        break;
    }
    return fail(p, "it makes no sense");
}

/* One byte of a line. */
static bool line_byte(struct http_parser *p, char c)
{
    bool before_body = p->state == HTTP_AT_STATUS || p->state == HTTP_AT_HEADER || p->state == HTTP_AT_TRAILER;
    if (before_body && ++p->seen > HTTP_HEADERS_MAX)
        return fail(p, "its headers do not end");
    if (c == '\0')
        return fail(p, "its headers hold a zero byte");
    if (c != '\n') {
        if (p->len + 1 >= sizeof p->line)
            return fail(p, "one of its headers is longer than 2047 bytes");
        p->line[p->len++] = c;
        return true;
    }
    if (p->len > 0 && p->line[p->len - 1] == '\r')
        p->len--;
    p->line[p->len] = '\0';
    bool ok = line_done(p);
    p->len = 0;
    return ok;
}

static enum http_step take_body(struct http_parser *p, const uint8_t *data, size_t len, size_t *used, const uint8_t **body, size_t *body_len)
{
    *body = data;
    *body_len = len < p->left ? len : (size_t)p->left;
    *used += *body_len;
    if (p->left != UINT64_MAX)
        p->left -= *body_len;
    if (p->left == 0)
        p->state = p->state == HTTP_IN_CHUNK ? HTTP_AFTER_CHUNK : HTTP_AT_END;
    return HTTP_BODY;
}

enum http_step http_take(struct http_parser *p, const uint8_t *data, size_t len, size_t *used, const uint8_t **body, size_t *body_len)
{
    *used = 0;
    for (;;) {
        if (p->why != NULL)
            return HTTP_BROKEN;
        if (p->state == HTTP_AT_END)
            return HTTP_DONE;
        if (*used == len)
            return HTTP_MORE;
        if (p->state == HTTP_AT_BODY || p->state == HTTP_IN_CHUNK)
            return take_body(p, data + *used, len - *used, used, body, body_len);
        bool in_headers = p->state == HTTP_AT_HEADER;
        if (!line_byte(p, (char)data[(*used)++]))
            return HTTP_BROKEN;
        if (in_headers && p->state != HTTP_AT_HEADER && !p->interim)
            return HTTP_HEADERS;
    }
}

bool http_end(const struct http_parser *p)
{
    return p->why == NULL && (p->state == HTTP_AT_END || (p->state == HTTP_AT_BODY && !p->r.has_length));
}

const char *http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } texts[] = {{400, "Bad Request"},       {401, "Unauthorized"},        {403, "Forbidden"},           {404, "Not Found"},
                 {410, "Gone"},              {429, "Too Many Requests"},   {500, "Internal Server Error"}, {502, "Bad Gateway"},
                 {503, "Service Unavailable"}, {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "";
}
