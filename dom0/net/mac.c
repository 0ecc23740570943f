/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Ethernet addresses. Pure. */
#include "dom0/net/mac.h"

#include "dom0/lib/string.h"

#define CARD_DISTANCE 10U /* VMware's generatedAddressOffset */

bool mac_parse(const char *text, uint8_t mac[MAC_LEN])
{
    for (unsigned i = 0; i < MAC_LEN; i++, text += 3) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0)
            return false;
        bool last = i == MAC_LEN - 1;
        if (last ? text[2] != '\0' : text[2] != ':' && text[2] != '-')
            return false;
        mac[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void mac_format(char out[MAC_TEXT], const uint8_t mac[MAC_LEN])
{
    snprintf(out, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* Three times for each frame: without a loop. */
bool mac_equal(const uint8_t a[MAC_LEN], const uint8_t b[MAC_LEN])
{
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) | (a[5] ^ b[5])) == 0;
}

bool mac_is_group(const uint8_t mac[MAC_LEN]) { return (mac[0] & 1) != 0; }

static bool begins(const uint8_t mac[MAC_LEN], uint8_t a, uint8_t b, uint8_t c)
{
    return mac[0] == a && mac[1] == b && mac[2] == c;
}

/* Of VMware's 00:50:56 the upper half from c0 on is for its hosts' own cards. */
static bool for_guests(const uint8_t mac[MAC_LEN])
{
    return (mac[0] & 2) != 0 || begins(mac, 0x00, 0x0c, 0x29) || begins(mac, 0x00, 0x16, 0x3e) ||
           (begins(mac, 0x00, 0x50, 0x56) && mac[3] < 0xc0);
}

bool mac_usable(const uint8_t mac[MAC_LEN], bool check, const char **why)
{
    static const uint8_t zero[MAC_LEN];
    *why = mac_equal(mac, zero) ? "all zero is no card's address: write one such as 00:16:3e:12:34:56"
           : mac_is_group(mac)  ? "this is a group's address (the first byte is odd): write one such as 00:16:3e:12:34:56"
           : check && !for_guests(mac)
               ? "it may belong to a real card: write one that begins with 00:16:3e, 00:0c:29, 00:50:56:00 to 00:50:56:bf, or 02"
               : NULL;
    return *why == NULL;
}

static uint32_t name_hash(const char *name) /* FNV-1a, folded to 24 bits */
{
    uint32_t h = 2166136261U;
    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 16777619U;
    return (h >> 24) ^ (h & 0xffffffU);
}

void mac_generate(uint8_t out[MAC_LEN], enum mac_family family, const uint8_t *uuid, const char *name, uint32_t dev, uint32_t try)
{
    static const uint8_t prefix[][3] = {[MAC_VMWARE] = {0x00, 0x0c, 0x29}, [MAC_XEN] = {0x00, 0x16, 0x3e}};
    uint32_t low = uuid != NULL ? (uint32_t)uuid[13] << 16 | (uint32_t)uuid[14] << 8 | uuid[15] : name_hash(name);
    low += dev * CARD_DISTANCE + try;
    memcpy(out, prefix[family], 3);
    out[3] = (uint8_t)(low >> 16);
    out[4] = (uint8_t)(low >> 8);
    out[5] = (uint8_t)low;
}
