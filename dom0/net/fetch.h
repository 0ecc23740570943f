/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One file from a web server: HTTP/1.1 without TLS, redirects followed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"
#include "dom0/net/url.h"

#define FETCH_REDIRECTS 5U
#define FETCH_UNKNOWN   UINT64_MAX

/* Where the file goes. Each may wait; false with E set ends it. */
struct fetch_sink {
    void *ctx;
    bool (*begin)(void *ctx, uint64_t length, struct error *e); /* once, before the first piece; FETCH_UNKNOWN: the server did not tell */
    bool (*data)(void *ctx, const void *data, size_t len, struct error *e);
    bool (*interrupted)(void);
};

/* true: the file came, whole. For the prompt's thread alone (client.h). WHO begins the error's text. */
bool net_fetch(const char *who, const struct url *url, const struct fetch_sink *sink, struct error *e);
