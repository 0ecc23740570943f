/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] http:// addresses. Pure. */
#include "dom0/net/url.h"

#include "dom0/lib/string.h"

#define HTTP_PORT 80U
#define LABEL_MAX 63U

static bool fail(const char **why, const char *text)
{
    *why = text;
    return false;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool host_name_ok(const char *name)
{
    size_t label = 0, len = 0;
    for (; name[len] != '\0'; len++) {
        if (name[len] == '.' ? label == 0 : !name_char(name[len]))
            return false;
        label = name[len] == '.' ? 0 : label + 1;
        if (label > LABEL_MAX || len + 1 >= HOST_MAX)
            return false;
    }
    return len > 0 && !(len == 1 && name[0] == '.');
}

/* What a request line or a file name can hold. */
static bool path_ok(const char *path)
{
    for (; *path != '\0'; path++)
        if (*path <= ' ' || *path > '~')
            return false;
    return true;
}

static bool scheme_of(const char *text, size_t *len)
{
    size_t n = 0;
    while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z') || (n > 0 && (name_char(text[n]) || text[n] == '+' || text[n] == '.')))
        n++;
    *len = n;
    return n > 0 && text[n] == ':' && text[n + 1] == '/' && text[n + 2] == '/';
}

static bool parse_port(const char *text, size_t len, uint16_t *port)
{
    uint32_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || n > 65535)
            return false;
        n = n * 10 + (uint32_t)(text[i] - '0');
    }
    *port = (uint16_t)n;
    return n > 0 && n <= 65535;
}

/* HOST[:PORT], LEN bytes at TEXT. */
static bool parse_authority(const char *text, size_t len, struct url *out, const char **why)
{
    size_t host = 0;
    if (memchr(text, '@', len) != NULL)
        return fail(why, "names and passwords in an address are not supported: leave them out");
    if (len > 0 && text[0] == '[')
        return fail(why, "IPv6 addresses are not supported: write an IPv4 address or a name");
    while (host < len && text[host] != ':')
        host++;
    out->port = HTTP_PORT;
    if (host + 1 < len && !parse_port(text + host + 1, len - host - 1, &out->port))
        return fail(why, "the port is no number from 1 to 65535: write http://HOST:PORT/PATH");
    if (host >= HOST_MAX)
        return fail(why, "the host's name is too long: write http://HOST/PATH");
    memcpy(out->host, text, host);
    out->host[host] = '\0';
    return host_name_ok(out->host) || fail(why, "this is no host's name: write http://HOST/PATH");
}

static bool set_path(struct url *out, const char *path, const char **why)
{
    size_t len = 0;
    while (path[len] != '\0' && path[len] != '#')
        len++;
    bool slash = len == 0 || path[0] != '/';
    if (len + slash >= URL_MAX)
        return fail(why, "longer than 1023 bytes: use a shorter address");
    out->path[0] = '/';
    memcpy(out->path + slash, path, len);
    out->path[len + slash] = '\0';
    return path_ok(out->path) || fail(why, "blanks and special characters: write them as % and two hex digits");
}

bool url_parse(const char *text, struct url *out, const char **why)
{
    size_t scheme = 0;
    if (!scheme_of(text, &scheme))
        return fail(why, "not an address: write http://HOST/PATH");
    if (scheme == 5 && strncasecmp(text, "https", scheme) == 0)
        return fail(why, "https is not supported in this version: use a server that speaks http");
    if (scheme != 4 || strncasecmp(text, "http", scheme) != 0)
        return fail(why, "only http is supported: write http://HOST/PATH");
    text += scheme + 3;
    size_t len = 0;
    while (text[len] != '\0' && strchr("/?#", text[len]) == NULL)
        len++;
    return parse_authority(text, len, out, why) && set_path(out, text + len, why);
}

/* The base's folder with LOCATION behind it; "?query" stays at the base's own path. */
static bool relative(const struct url *base, const char *location, struct url *out, const char **why)
{
    char path[URL_MAX];
    size_t len = 0, keep = 0;
    for (; base->path[len] != '\0' && base->path[len] != '?'; len++)
        if (base->path[len] == '/')
            keep = len + 1;
    if (location[0] == '?')
        keep = len;
    memcpy(path, base->path, keep);
    path[keep] = '\0';
    if (strlcat(path, location, sizeof path) >= sizeof path)
        return fail(why, "longer than 1023 bytes: use a shorter address");
    return set_path(out, path, why);
}

bool url_follow(const struct url *base, const char *location, struct url *out, const char **why)
{
    size_t scheme = 0;
    char whole[URL_MAX + 8];
    if (scheme_of(location, &scheme))
        return url_parse(location, out, why);
    if (location[0] == '/' && location[1] == '/') {
        if (snprintf(whole, sizeof whole, "http:%s", location) >= (int)sizeof whole)
            return fail(why, "longer than 1023 bytes: use a shorter address");
        return url_parse(whole, out, why);
    }
    strlcpy(out->host, base->host, sizeof out->host);
    out->port = base->port;
    return location[0] == '/' ? set_path(out, location, why) : relative(base, location, out, why);
}

void url_file_name(const struct url *u, char *out, size_t size)
{
    size_t start = 0, end = 0;
    for (; u->path[end] != '\0' && u->path[end] != '?'; end++)
        if (u->path[end] == '/')
            start = end + 1;
    size_t len = end - start < size ? end - start : size - 1;
    memcpy(out, u->path + start, len);
    out[len] = '\0';
}
