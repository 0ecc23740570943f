/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Permissions of a xenstore node. */
#include "dom0/store/perms.h"

#include <xen/errno.h>

#include "dom0/lib/string.h"

static const char LETTERS[] = "nrwb"; /* index: the STORE_ACCESS_ bits */

uint8_t store_perms_access(const struct store_perms *p, uint16_t domid)
{
    if (domid == 0 || p->entry[0].domid == domid) {
        return STORE_ACCESS_READ | STORE_ACCESS_WRITE;
    }
    for (unsigned i = 1; i < p->count; i++) {
        if (p->entry[i].domid == domid) {
            return p->entry[i].access;
        }
    }
    return p->entry[0].access;
}

bool store_perm_parse(const char *text, size_t len, struct store_perm *out)
{
    if (len < 2 || len > 6) {
        return false;
    }
    const char *letter = memchr(LETTERS, text[0], sizeof(LETTERS) - 1);
    uint32_t domid = 0;
    for (size_t i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        domid = domid * 10U + (uint32_t)(text[i] - '0');
    }
    if (letter == NULL || domid >= 0x7ff0U) { /* DOMID_FIRST_RESERVED */
        return false;
    }
    *out = (struct store_perm){.domid = (uint16_t)domid, .access = (uint8_t)(letter - LETTERS)};
    return true;
}

int store_perms_parse(const char *text, size_t len, char separator, struct store_perms *out)
{
    *out = (struct store_perms){0};
    while (len > 0) {
        const char *end = memchr(text, separator, len);
        size_t part = end == NULL ? len : (size_t)(end - text);
        if (separator == '\0' && end == NULL) {
            return XEN_EINVAL;
        }
        if (out->count == STORE_PERMS_MAX) {
            return XEN_ENOSPC;
        }
        if (!store_perm_parse(text, part, &out->entry[out->count])) {
            return XEN_EINVAL;
        }
        out->count++;
        size_t step = part + (end != NULL);
        text += step;
        len -= step;
    }
    return out->count == 0 ? XEN_EINVAL : 0;
}

size_t store_perms_format(const struct store_perms *p, char *buf)
{
    size_t n = 0;
    for (unsigned i = 0; i < p->count; i++) {
        n += (size_t)snprintf(buf + n, 8, "%c%u", LETTERS[p->entry[i].access & 3U], (unsigned)p->entry[i].domid) + 1U;
    }
    return n;
}

bool store_perms_forget(struct store_perms *p, uint16_t domid)
{
    bool changed = false;
    if (p->entry[0].domid == domid) {
        p->entry[0].domid = 0;
        changed = true;
    }
    uint8_t keep = 1;
    for (unsigned i = 1; i < p->count; i++) {
        if (p->entry[i].domid == domid) {
            changed = true;
        } else {
            p->entry[keep++] = p->entry[i];
        }
    }
    p->count = keep;
    return changed;
}
