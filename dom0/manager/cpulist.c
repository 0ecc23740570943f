/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Lists of host CPUs. Pure. */
#include "dom0/manager/cpulist.h"

#include "dom0/lib/string.h"

static bool number(const char **at, unsigned *out)
{
    const char *p = *at;
    unsigned v = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (unsigned)(*p - '0');
        if (v >= CPU_LIST_MAX)
            return false;
    }
    bool any = p != *at;
    *at = p;
    *out = v;
    return any;
}

bool cpu_list_parse(const char *text, uint64_t *mask)
{
    uint64_t m = 0;
    if (strcasecmp(text, "all") == 0) {
        *mask = CPU_LIST_ALL;
        return true;
    }
    for (const char *p = text;; p++) {
        unsigned first, last;
        if (!number(&p, &first))
            return false;
        last = first;
        if (*p == '-') {
            p++;
            if (!number(&p, &last) || last < first)
                return false;
        }
        for (unsigned i = first; i <= last; i++)
            m |= 1UL << i;
        if (*p == '\0')
            break;
        if (*p != ',')
            return false;
    }
    *mask = m;
    return true;
}

size_t cpu_list_format(char *out, size_t len, uint64_t mask, uint32_t cpus)
{
    size_t n = 0;
    uint64_t host = cpus >= CPU_LIST_MAX ? CPU_LIST_ALL : (1UL << cpus) - 1;
    if ((mask & host) == host)
        return strlcpy(out, "all", len);
    mask &= host;
    out[0] = '\0';
    for (unsigned i = 0; i < CPU_LIST_MAX; i++) {
        unsigned last = i;
        if ((mask >> i & 1) == 0)
            continue;
        while (last + 1 < CPU_LIST_MAX && (mask >> (last + 1) & 1) != 0)
            last++;
        if (n + 8 > len)
            break;
        n += (size_t)snprintf(out + n, len - n, last == i ? "%s%u" : "%s%u-%u", n > 0 ? "," : "", i, last);
        i = last;
    }
    return n;
}
