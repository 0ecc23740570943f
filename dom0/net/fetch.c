/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One file from a web server. */
#include "dom0/net/fetch.h"

#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "dom0/net/client.h"
#include "dom0/net/http.h"

#define BUFFER 16384U

struct fetch {
    const char *who;
    const struct fetch_sink *sink;
    struct net_stream *stream;
    struct url url, next;
    struct http_parser http;
    bool redirected; /* next is where to */
    char request[URL_MAX + HOST_MAX + 128];
    uint8_t buffer[BUFFER];
};

static bool ask(struct fetch *f, struct error *e)
{
    uint32_t address = 0;
    unsigned count = 0;
    char port[8] = "";
    if (!net_resolve(f->who, f->url.host, &address, 1, &count, f->sink->interrupted, e))
        return false;
    if (f->url.port != 80)
        snprintf(port, sizeof port, ":%u", f->url.port);
    int len = snprintf(f->request, sizeof f->request,
                       "GET %s HTTP/1.1\r\nHost: %s%s\r\nUser-Agent: Corbel\r\nAccept: */*\r\nConnection: close\r\n\r\n", f->url.path, f->url.host, port);
    f->stream = stream_open(f->who, address, f->url.port, f->sink->interrupted, e);
    return f->stream != NULL && stream_send(f->stream, f->who, f->request, (size_t)len, e);
}

static bool redirect(struct fetch *f, struct error *e)
{
    const char *why = NULL;
    if (!url_follow(&f->url, f->http.r.location, &f->next, &why))
        return error_set(e, EXIT_FAILED, "%.60s: the server sends us on to %.60s: %s", f->who, f->http.r.location, why);
    f->redirected = true;
    return true;
}

/* The headers are there. */
static bool look(struct fetch *f, struct error *e)
{
    const struct http_response *r = &f->http.r;
    bool moved = r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 || r->status == 308;
    if (moved && r->location[0] != '\0')
        return redirect(f, e);
    if (r->status == 200)
        return f->sink->begin(f->sink->ctx, r->has_length && !r->chunked ? r->length : FETCH_UNKNOWN, e);
    const char *text = http_status_text(r->status);
    return error_set(e, EXIT_FAILED, "%.100s: the server answers %u%s%s: check the address", f->who, r->status, text[0] != '\0' ? " " : "", text);
}

/* LEN bytes that came. *OVER: there is nothing more to come. */
static bool digest(struct fetch *f, size_t len, bool *over, struct error *e)
{
    const uint8_t *body = NULL;
    size_t body_len = 0, used = 0;
    for (size_t at = 0;; at += used) {
        switch (http_take(&f->http, f->buffer + at, len - at, &used, &body, &body_len)) {
        case HTTP_MORE:
            return true;
        case HTTP_HEADERS:
            if (!look(f, e))
                return false;
            *over = f->redirected;
            break;
        case HTTP_BODY:
            if (!f->sink->data(f->sink->ctx, body, body_len, e))
                return false;
            break;
        case HTTP_DONE:
            *over = true;
            break;
        case HTTP_BROKEN:
            return error_set(e, EXIT_FAILED, "%.100s: the server's answer cannot be used: %s: try another server", f->who, f->http.why);
        }
        if (*over)
            return true;
    }
}

static bool read_answer(struct fetch *f, struct error *e)
{
    size_t got = 0;
    http_begin(&f->http);
    for (bool over = false; !over;) {
        if (!stream_receive(f->stream, f->who, f->buffer, BUFFER, &got, f->sink->interrupted, e))
            return false;
        if (got == 0)
            return http_end(&f->http) ||
                   error_set(e, EXIT_FAILED, "%.100s: the server ended the connection before the file was complete: try again", f->who);
        if (!digest(f, got, &over, e))
            return false;
    }
    return true;
}

static bool one(struct fetch *f, struct error *e)
{
    f->redirected = false;
    bool ok = ask(f, e) && read_answer(f, e);
    stream_close(f->stream);
    f->stream = NULL;
    return ok;
}

bool net_fetch(const char *who, const struct url *url, const struct fetch_sink *sink, struct error *e)
{
    struct fetch *f = heap_alloc(sizeof *f);
    if (f == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%.100s: no memory for it: destroy a domain that is not needed", who);
    f->who = who;
    f->sink = sink;
    f->url = *url;
    bool ok = one(f, e);
    for (unsigned i = 0; ok && f->redirected; i++, ok = ok && one(f, e)) {
        f->url = f->next;
        if (i == FETCH_REDIRECTS)
            ok = error_set(e, EXIT_FAILED, "%.100s: the server sends us on more than %u times: give the last address", who, FETCH_REDIRECTS);
    }
    heap_free(f);
    return ok;
}
