/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Bytes per second: a bucket of credit that a frame may overdraw once. Pure. */
#include "dom0/net/rate.h"

#define SECOND_NS  1000000000UL
#define IDLE_NS    (50 * SECOND_NS / 1000) /* what an idle sender saves up at most */
#define RATE_LIMIT (1UL << 40)             /* above it there is none: products below stay small */

void net_rate_set(struct net_rate *r, uint64_t bytes_per_s, uint64_t now_ns)
{
    *r = (struct net_rate){.bytes_per_s = bytes_per_s < RATE_LIMIT ? bytes_per_s : 0, .since_ns = now_ns};
}

uint64_t net_rate_wait_ns(struct net_rate *r, uint64_t now_ns)
{
    if (r->bytes_per_s == 0)
        return 0;
    uint64_t passed = now_ns > r->since_ns ? now_ns - r->since_ns : 0;
    int64_t most = (int64_t)(r->bytes_per_s / (SECOND_NS / IDLE_NS));
    /* In parts, so that nothing overflows; the rest of a byte stays in since_ns. */
    uint64_t whole = passed / SECOND_NS, part = passed % SECOND_NS;
    uint64_t part_bytes = (part >> 10) * r->bytes_per_s / (SECOND_NS >> 10);
    if (whole > 0 || part_bytes > 0) {
        uint64_t gained = whole > SECOND_NS ? UINT64_MAX : whole * r->bytes_per_s + part_bytes;
        r->credit = gained > (uint64_t)(most - r->credit) ? most : r->credit + (int64_t)gained;
        r->since_ns = now_ns;
    }
    if (r->credit >= 0)
        return 0;
    return ((uint64_t)-r->credit * 1000000UL / r->bytes_per_s + 1) * 1000UL;
}

void net_rate_charge(struct net_rate *r, uint32_t bytes)
{
    if (r->bytes_per_s != 0)
        r->credit -= (int64_t)bytes;
}
