/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Questions to a name server and answers. The records of the answer are not compared with the name: the server has followed the aliases, and
 * whoever could forge a record could forge its name as well. Pure. */
#include "dom0/net/dns_message.h"

#include "dom0/lib/string.h"
#include "dom0/net/url.h"

#define HEADER     12U
#define TYPE_A     1U
#define CLASS_IN   1U
#define FLAG_QR    0x8000U
#define FLAG_RD    0x0100U
#define NAME_PARTS 128U

static uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static size_t put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return 2;
}

/* The name in its parts, each behind its length. */
static size_t put_name(uint8_t *out, const char *name)
{
    size_t n = 0;
    while (*name != '\0') {
        size_t len = 0;
        while (name[len] != '\0' && name[len] != '.')
            len++;
        out[n++] = (uint8_t)len;
        memcpy(out + n, name, len);
        n += len;
        name += len + (name[len] == '.');
    }
    out[n++] = 0;
    return n;
}

size_t dns_message_query(uint8_t *out, uint16_t id, const char *name)
{
    if (!host_name_ok(name))
        return 0;
    memset(out, 0, HEADER);
    put16(out, id);
    put16(out + 2, FLAG_RD);
    put16(out + 4, 1);
    size_t n = HEADER + put_name(out + HEADER, name);
    n += put16(out + n, TYPE_A);
    return n + put16(out + n, CLASS_IN);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

/* Our identifier, an answer, and our question word for word (but for upper and lower case). */
static bool ours(const uint8_t *data, size_t len, const uint8_t *query, size_t query_len)
{
    if (len < query_len || be16(data) != be16(query) || (be16(data + 2) & FLAG_QR) == 0 || be16(data + 4) != 1)
        return false;
    for (size_t i = HEADER; i < query_len; i++)
        if (lower(data[i]) != lower(query[i]))
            return false;
    return true;
}

/* Where a name ends; 0: past the end. It is skipped, not followed. */
static size_t skip_name(const uint8_t *data, size_t len, size_t at)
{
    for (unsigned i = 0; i < NAME_PARTS && at < len; i++) {
        if (data[at] >= 0xc0)
            return at + 2;
        if (data[at] == 0)
            return at + 1;
        at += data[at] + 1U;
    }
    return 0;
}

enum dns_result dns_message_answer(const uint8_t *data, size_t len, const uint8_t *query, size_t query_len, uint32_t *addresses, unsigned max, unsigned *count)
{
    *count = 0;
    if (!ours(data, len, query, query_len))
        return DNS_NOT_MINE;
    uint32_t code = be16(data + 2) & 15;
    if (code != 0)
        return code == 3 ? DNS_NO_NAME : DNS_FAILED;
    size_t at = query_len;
    for (uint32_t left = be16(data + 6); left > 0 && *count < max; left--) {
        at = skip_name(data, len, at);
        if (at == 0 || at > len || len - at < 10)
            break;
        uint32_t type = be16(data + at), class = be16(data + at + 2), size = be16(data + at + 8);
        at += 10;
        if (size > len - at)
            break;
        if (type == TYPE_A && class == CLASS_IN && size == 4)
            addresses[(*count)++] = be16(data + at) << 16 | be16(data + at + 2);
        at += size;
    }
    return *count != 0 ? DNS_FOUND : DNS_NO_ADDRESS;
}
