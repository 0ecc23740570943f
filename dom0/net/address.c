/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] IPv4 addresses as text. Pure. */
#include "dom0/net/address.h"

#include <stddef.h>

#include "dom0/lib/string.h"

/* A decimal number of at most MAX and at most three digits, none of them a leading zero. Returns what follows, or NULL. */
static const char *number(const char *text, uint32_t max, uint32_t *out)
{
    uint32_t n = 0, digits = 0;
    for (; *text >= '0' && *text <= '9' && digits < 3; text++, digits++)
        n = n * 10 + (uint32_t)(*text - '0');
    bool padded = digits > 1 && text[-(int)digits] == '0'; /* some take it for octal */
    *out = n;
    return digits == 0 || n > max || padded ? NULL : text;
}

static const char *parse(const char *text, uint32_t *out)
{
    uint32_t part = 0;
    *out = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0 && *text++ != '.')
            return NULL;
        text = number(text, 255, &part);
        if (text == NULL)
            return NULL;
        *out = *out << 8 | part;
    }
    return text;
}

bool ipv4_parse(const char *text, uint32_t *out)
{
    const char *end = parse(text, out);
    return end != NULL && *end == '\0';
}

bool ipv4_parse_prefix(const char *text, uint32_t *out, uint8_t *prefix)
{
    uint32_t n = 0;
    const char *end = parse(text, out);
    if (end == NULL || *end != '/')
        return false;
    end = number(end + 1, 32, &n);
    *prefix = (uint8_t)n;
    return end != NULL && *end == '\0' && n > 0;
}

void ipv4_format(char out[IPV4_TEXT], uint32_t a)
{
    snprintf(out, IPV4_TEXT, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

uint32_t ipv4_mask(uint8_t prefix) { return ~0U << (32U - prefix); }

uint8_t ipv4_prefix(uint32_t mask) { return mask == ~0U ? 32 : (uint8_t)__builtin_clz(~mask); }

bool ipv4_usable(uint32_t a, uint8_t prefix, const char **why)
{
    uint32_t host = prefix < 32 ? a & ~ipv4_mask(prefix) : 1;
    bool ends = prefix < 31 && (host == 0 || host == ~ipv4_mask(prefix));
    *why = a >> 24 == 0 || a >> 24 == 127 ? "no host on a network has an address that begins with 0 or 127"
           : a >> 28 == 14                ? "this is a group's address"
           : a >> 28 == 15                ? "this address is reserved"
           : ends                         ? "this is the network's own or its broadcast address"
                                          : NULL;
    return *why == NULL;
}
