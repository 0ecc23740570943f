/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Names in FAT folders (FAT overview, chapter "Long Directory Entries"). A long name that is not sound is
 * left out and the short one shown, as every other system does. */
#include "dom0/fs/fat32_name.h"

#include "dom0/fs/bytes.h"

#define LONG_LAST   0x40U
#define LONG_PIECES 20U
#define LONG_UNITS  13U
#define LONG_NONE   0xffffffffU

static const uint8_t unit_at[LONG_UNITS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};

void fat32_long_reset(struct fat32_long_name *l) { l->expect = LONG_NONE; }

void fat32_long_add(struct fat32_long_name *l, const uint8_t *entry)
{
    uint32_t piece = entry[0] & 0x3fU;

    if ((entry[0] & LONG_LAST) != 0) {
        l->pieces = piece;
        l->expect = piece;
        l->sum = entry[13];
    }
    if (piece == 0 || piece > LONG_PIECES || piece != l->expect || entry[13] != l->sum || entry[12] != 0) {
        l->expect = LONG_NONE;
        return;
    }
    for (uint32_t i = 0; i < LONG_UNITS; i++)
        l->units[(piece - 1U) * LONG_UNITS + i] = bytes_le16(entry + unit_at[i]);
    l->expect = piece - 1U;
}

static uint8_t short_sum(const uint8_t *entry)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < 11; i++)
        sum = (((sum & 1U) << 7) + (sum >> 1) + entry[i]) & 0xffU;
    return (uint8_t)sum;
}

/* Control characters and what separates the parts of a path cannot be names. */
static bool code_point_fit(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != '/' && c != '\\' && c != ':';
}

static size_t utf8_put(char *out, size_t room, uint32_t c)
{
    static const struct { uint32_t end; uint8_t lead; } forms[4] = {
        {0x80, 0}, {0x800, 0xc0}, {0x10000, 0xe0}, {0x110000, 0xf0}};
    size_t n = 0;

    while (c >= forms[n].end)
        n++;
    if (n + 1 > room)
        return 0;
    for (size_t i = n; i > 0; i--) {
        out[i] = (char)(uint8_t)(0x80U | (c & 0x3fU));
        c >>= 6;
    }
    out[0] = (char)(uint8_t)(forms[n].lead | c);
    return n + 1;
}

bool fat32_long_take(const struct fat32_long_name *l, const uint8_t *entry, char *out, size_t size)
{
    size_t len = 0;

    if (l->expect != 0 || l->sum != short_sum(entry))
        return false;
    uint32_t count = l->pieces * LONG_UNITS;
    for (uint32_t i = 0; i < count && l->units[i] != 0; i++) {
        uint32_t c = l->units[i];
        if (c >= 0xd800 && c < 0xdc00 && i + 1U < count && l->units[i + 1U] >= 0xdc00 && l->units[i + 1U] < 0xe000)
            c = 0x10000U + ((c - 0xd800U) << 10) + (l->units[++i] - 0xdc00U);
        else if (c >= 0xd800 && c < 0xe000)
            return false;
        size_t n = code_point_fit(c) ? utf8_put(out + len, size - 1 - len, c) : 0;
        if (n == 0)
            return false;
        len += n;
    }
    out[len] = '\0';
    return len != 0;
}

/* LEN bytes padded with spaces. Bytes beyond ASCII belong to a code page that nobody wrote down: they are shown as
 * '_'. */
static bool short_part(const uint8_t *p, uint32_t len, bool lower, char *out, size_t *at)
{
    while (len != 0 && p[len - 1] == ' ')
        len--;
    for (uint32_t i = 0; i < len; i++) {
        char c = (char)p[i];
        if (p[i] >= 0x7f)
            c = '_';
        else if (!code_point_fit(p[i]))
            return false;
        else if (lower && c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        out[(*at)++] = c;
    }
    return true;
}

bool fat32_short_name(const uint8_t *entry, char *out, size_t size)
{
    uint8_t name[8];
    size_t at = 0, dot;

    if (size < 13 || entry[0] == ' ')
        return false;
    for (uint32_t i = 0; i < 8; i++)
        name[i] = entry[i];
    if (name[0] == 0x05) /* stands for 0xe5, which would mean "deleted" */
        name[0] = 0xe5;
    if (!short_part(name, 8, (entry[12] & 0x08U) != 0, out, &at))
        return false;
    dot = at;
    out[at++] = '.';
    if (!short_part(entry + 8, 3, (entry[12] & 0x10U) != 0, out, &at))
        return false;
    if (at == dot + 1)
        at = dot;
    out[at] = '\0';
    return true;
}
