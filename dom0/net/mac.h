/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Ethernet addresses: reading, printing, and the rules by which a guest's card gets one. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_LEN  6U
#define MAC_TEXT 18U /* with the terminating NUL */

enum mac_family {
    MAC_VMWARE, /* 00:0c:29: cards of .vmx files */
    MAC_XEN,    /* 00:16:3e: cards that were attached by hand */
};

/* Six pairs of hex digits with : or - between. false: malformed. */
bool mac_parse(const char *text, uint8_t mac[MAC_LEN]);
void mac_format(char out[MAC_TEXT], const uint8_t mac[MAC_LEN]);
bool mac_equal(const uint8_t a[MAC_LEN], const uint8_t b[MAC_LEN]);
bool mac_is_group(const uint8_t mac[MAC_LEN]); /* multicast and broadcast */
/* Can a card have it? *WHY: why not, and what to do. CHECK: also that no maker of real cards owns it: it must be one of VMware's or Xen's, or
 * locally administered. */
bool mac_usable(const uint8_t mac[MAC_LEN], bool check, const char **why);
/* The address of card DEV of a guest, always the same: from the last bytes of its UUID (16 bytes; NULL: it has none), else from its NAME; VMware's
 * distance of 10 between cards. TRY counts up when the one before is taken. */
void mac_generate(uint8_t out[MAC_LEN], enum mac_family family, const uint8_t *uuid, const char *name, uint32_t dev, uint32_t try);
