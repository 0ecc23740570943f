/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] http:// addresses. What comes out holds no blanks, controls or other bytes that could be read as more than a path or a name. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_MAX  1024U /* all of it, with the terminating NUL */
#define HOST_MAX 254U  /* RFC 1035, with the terminating NUL */

struct url {
    char host[HOST_MAX]; /* a name or an IPv4 address */
    uint16_t port;
    char path[URL_MAX];  /* begins with '/'; with the query, without the fragment */
};

/* Is NAME fit for the DNS: letters, digits, - and _ in parts of 1 to 63, separated by dots? (So are IPv4 addresses.) */
bool host_name_ok(const char *name);
/* false: *WHY says why not, and what to write. */
bool url_parse(const char *text, struct url *out, const char **why);
/* Where a redirect to LOCATION leads from BASE: a whole address, or a path. Of "." and ".." the server makes what it likes. */
bool url_follow(const struct url *base, const char *location, struct url *out, const char **why);
/* The last part of the path, for a file's name; "" if there is none. OUT: SIZE bytes. */
void url_file_name(const struct url *u, char *out, size_t size);
