/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Permissions of a xenstore node: the first entry names the owner (who may do everything) and what everybody
 * else may do; further entries name one domain each. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_PERMS_MAX    5U
#define STORE_ACCESS_NONE  0U
#define STORE_ACCESS_READ  1U
#define STORE_ACCESS_WRITE 2U

struct store_perm {
    uint16_t domid;
    uint8_t access;
    uint8_t pad;
};
struct store_perms {
    uint8_t count;
    uint8_t pad[3];
    struct store_perm entry[STORE_PERMS_MAX];
};

/* The STORE_ACCESS_ bits that DOMID has; domain 0 and the owner have both. */
uint8_t store_perms_access(const struct store_perms *p, uint16_t domid);
static inline uint16_t store_perms_owner(const struct store_perms *p) { return p->entry[0].domid; }
/* One entry such as "r5" or "n0", LEN characters. */
bool store_perm_parse(const char *text, size_t len, struct store_perm *out);
/* Entries that end with SEPARATOR or the text's end ('\0' on the wire, ',' in Dom0). 0, XEN_EINVAL, or XEN_ENOSPC for
 * too many. */
int store_perms_parse(const char *text, size_t len, char separator, struct store_perms *out);
/* The wire format, each entry terminated by NUL; returns the length. BUF has at least STORE_PERMS_MAX * 8 bytes. */
size_t store_perms_format(const struct store_perms *p, char *buf);
/* Removes every mention of DOMID, whose number may be given to another domain; what it owned becomes domain 0's. true:
 * changed. */
bool store_perms_forget(struct store_perms *p, uint16_t domid);
