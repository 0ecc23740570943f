/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] An HTTP/1.1 response, read as it arrives: status, the few headers that matter, and the body with or without chunks (RFC 9112). Whatever a
 * server sends, nothing is read past what was given and nothing kept past a fixed size. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/net/url.h"

#define HTTP_LINE_MAX    2048U  /* of a line that is looked at; longer ones are errors */
#define HTTP_HEADERS_MAX 65536U /* of everything before the body */

enum http_step {
    HTTP_MORE,    /* all that was given is used up: give more */
    HTTP_HEADERS, /* the headers are complete: look at the response */
    HTTP_BODY,    /* a piece of the body */
    HTTP_DONE,
    HTTP_BROKEN,  /* p->why says what is wrong */
};

struct http_response {
    unsigned status;         /* 200 to 999 */
    bool has_length, chunked;
    uint64_t length;
    char location[URL_MAX];  /* "": none */
};

enum http_state { HTTP_AT_STATUS, HTTP_AT_HEADER, HTTP_AT_BODY, HTTP_AT_CHUNK, HTTP_IN_CHUNK, HTTP_AFTER_CHUNK, HTTP_AT_TRAILER, HTTP_AT_END };

struct http_parser {
    enum http_state state;
    struct http_response r;
    const char *why;
    uint64_t left;    /* of the body or the chunk */
    size_t seen;      /* header bytes */
    size_t len;       /* of the line so far */
    bool interim;     /* 1xx: another response follows */
    char line[HTTP_LINE_MAX];
};

void http_begin(struct http_parser *p);
/* Reads on in LEN bytes at DATA; *USED of them are done. HTTP_BODY: *BODY and *BODY_LEN name a piece of DATA. */
enum http_step http_take(struct http_parser *p, const uint8_t *data, size_t len, size_t *used, const uint8_t **body, size_t *body_len);
/* The connection ended. Is the response whole? */
bool http_end(const struct http_parser *p);
/* "Not Found" and so on, for the usual ones; "" else. */
const char *http_status_text(unsigned status);
