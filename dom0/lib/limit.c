/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] How often something may be said. Pure. */
#include "dom0/lib/limit.h"

bool limit_pass(struct limit *l, uint64_t now_ns, uint32_t burst, uint64_t every_ns, uint32_t *dropped)
{
    uint64_t refills = (now_ns - l->since_ns) / every_ns;
    if (refills >= l->spent) {
        l->spent = 0;
        l->since_ns = now_ns;
    } else {
        l->spent -= (uint32_t)refills;
        l->since_ns += refills * every_ns;
    }
    if (l->spent >= burst) {
        l->dropped += l->dropped != UINT32_MAX;
        return false;
    }
    l->spent++;
    *dropped = l->dropped;
    l->dropped = 0;
    return true;
}
