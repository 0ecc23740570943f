/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Text forms of what verbs print. Pure. */
#include "dom0/cli/output.h"
#include "dom0/lib/string.h"

size_t format_list_row(char *out, size_t len, const struct vm_view *v)
{
    uint64_t tenths = v->info.cpu_ns / 100000000UL;
    int n = snprintf(out, len, "%-40s %5u %5u %5u     %s  %6lu.%lu", v->name, (unsigned)v->domid, v->mem_mib, v->vcpus,
                     v->state, tenths / 10, tenths % 10);
    return n < 0 ? 0 : (size_t)n;
}

size_t format_uptime(char *out, size_t len, uint64_t seconds)
{
    uint64_t days = seconds / 86400;
    unsigned hours = (unsigned)(seconds / 3600 % 24), minutes = (unsigned)(seconds / 60 % 60),
             rest = (unsigned)(seconds % 60);
    int n = days == 0 ? snprintf(out, len, "%u:%02u:%02u", hours, minutes, rest)
                      : snprintf(out, len, "%lu day%s, %u:%02u:%02u", days, days == 1 ? "" : "s", hours, minutes, rest);
    return n < 0 ? 0 : (size_t)n;
}

size_t format_json_string(char *out, size_t len, const char *text)
{
    size_t n = 0;
    if (len < 3)
        return 0;
    out[n++] = '"';
    for (const char *c = text; *c != '\0' && n + 8 < len; c++) {
        if (*c == '"' || *c == '\\') {
            out[n++] = '\\';
            out[n++] = *c;
        } else if ((unsigned char)*c < 0x20) {
            n += (size_t)snprintf(out + n, len - n, "\\u%04x", (unsigned)(unsigned char)*c);
        } else {
            out[n++] = *c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return n;
}
