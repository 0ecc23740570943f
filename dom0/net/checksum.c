/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Internet checksums (RFC 1071) over the pseudo header and the payload. What the headers claim is checked against the frame's length. Pure. */
#include "dom0/net/checksum.h"

#define ETHER_HEADER   14U
#define TYPE_IPV4      0x0800U
#define TYPE_IPV6      0x86ddU
#define TYPE_VLAN      0x8100U
#define PROTOCOL_TCP   6U
#define PROTOCOL_UDP   17U
#define IPV6_HEADER    40U
#define IPV6_OPTIONS_MAX 8U

struct found {
    enum checksum_kind kind;
    uint32_t source;   /* offset of both addresses */
    uint32_t payload;  /* offset and length of TCP or UDP */
    uint32_t length;
    uint32_t field;    /* offset of the checksum */
    uint8_t protocol;
};

static uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static struct found transport(struct found f, uint8_t protocol, uint32_t at, uint32_t end)
{
    struct found none = {.kind = CHECKSUM_NONE};
    uint32_t header = protocol == PROTOCOL_TCP ? 20U : 8U;
    if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) || at > end || end - at < header)
        return none;
    f.protocol = protocol;
    f.payload = at;
    f.length = end - at;
    f.field = at + (protocol == PROTOCOL_TCP ? 16U : 6U);
    return f;
}

static struct found ipv4(const uint8_t *frame, uint32_t len, uint32_t at)
{
    struct found f = {.kind = CHECKSUM_NONE};
    if (len < at || len - at < 20 || frame[at] >> 4 != 4)
        return f;
    uint32_t header = (frame[at] & 15U) * 4U, total = be16(frame + at + 2);
    bool fragment = (be16(frame + at + 6) & 0x3fffU) != 0; /* more fragments, or an offset */
    if (header < 20 || total < header || total > len - at || fragment)
        return f;
    f.kind = CHECKSUM_IPV4;
    f.source = at + 12;
    return transport(f, frame[at + 9], at + header, at + total);
}

/* Hop-by-hop, routing and destination options stand before TCP and UDP; a fragment's header ends the search. */
static struct found ipv6(const uint8_t *frame, uint32_t len, uint32_t at)
{
    struct found none = {.kind = CHECKSUM_NONE}, f = {.kind = CHECKSUM_IPV6, .source = at + 8};
    if (len < at || len - at < IPV6_HEADER || frame[at] >> 4 != 6)
        return none;
    uint32_t payload = be16(frame + at + 4), next = at + IPV6_HEADER;
    if (payload > len - next)
        return none;
    uint32_t end = next + payload;
    uint8_t protocol = frame[at + 6];
    for (unsigned i = 0; i < IPV6_OPTIONS_MAX && (protocol == 0 || protocol == 43 || protocol == 60); i++) {
        if (next > end || end - next < 8)
            return none;
        protocol = frame[next];
        next += (frame[next + 1] + 1U) * 8U;
    }
    return transport(f, protocol, next, end);
}

static struct found find(const uint8_t *frame, uint32_t len)
{
    struct found none = {.kind = CHECKSUM_NONE};
    uint32_t at = ETHER_HEADER;
    if (len < ETHER_HEADER)
        return none;
    uint32_t type = be16(frame + 12);
    if (type == TYPE_VLAN && len >= ETHER_HEADER + 4) {
        type = be16(frame + 16);
        at += 4;
    }
    return type == TYPE_IPV4 ? ipv4(frame, len, at) : type == TYPE_IPV6 ? ipv6(frame, len, at) : none;
}

/* To 16 bits: a number plus itself with its halves exchanged has, in its upper half, the halves' sum with the carry brought round. No step depends on the value:
 * a frame costs the same whatever is in it, also where ports and sequence numbers are random. */
static uint16_t fold(uint64_t s)
{
    s += s << 32 | s >> 32;
    uint32_t half = (uint32_t)(s >> 32);
    half += half << 16 | half >> 16;
    return (uint16_t)(half >> 16);
}

/* One's complement sums do not mind the order of bytes, nor which of them go together: eight at a time, in the machine's order. */
uint16_t checksum_sum(const void *data, int len)
{
    const uint8_t *p = data;
    uint64_t s = 0, word = 0;
    for (; len >= 8; p += 8, len -= 8) {
        __builtin_memcpy(&word, p, 8);
        s += (word & 0xffffffffU) + (word >> 32);
    }
    for (int i = 0; i < len; i++)
        s += (uint64_t)p[i] << (i % 2 != 0 ? 8 : 0);
    return fold(s);
}

enum checksum_kind checksum_find(const uint8_t *frame, uint32_t len) { return find(frame, len).kind; }

bool checksum_complete(uint8_t *frame, uint32_t len)
{
    struct found f = find(frame, len);
    if (f.kind == CHECKSUM_NONE)
        return false;
    frame[f.field] = frame[f.field + 1] = 0;
    const uint8_t rest[] = {0, f.protocol, (uint8_t)(f.length >> 8), (uint8_t)f.length}; /* of the pseudo header */
    uint32_t s = checksum_sum(rest, sizeof rest);
    s += checksum_sum(frame + f.source, f.kind == CHECKSUM_IPV4 ? 8 : 32);
    s += checksum_sum(frame + f.payload, (int)f.length);
    uint32_t value = ~(uint32_t)fold(s);
    value -= ((uint16_t)value == 0) & (f.protocol == PROTOCOL_UDP); /* zero means "none" there: 0xffff is the same number */
    frame[f.field] = (uint8_t)value;
    frame[f.field + 1] = (uint8_t)(value >> 8);
    return true;
}
