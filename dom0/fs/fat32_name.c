/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Names in FAT folders (FAT overview, chapter "Long Directory Entries"). A long name that is not sound is
 * left out and the short one shown, as every other system does. */
#include "dom0/fs/fat32_name.h"

#include "dom0/fs/bytes.h"
#include "dom0/lib/string.h"

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

bool fat32_long_begins(const uint8_t *entry) { return (entry[0] & LONG_LAST) != 0; }

bool fat32_long_belongs(const struct fat32_long_name *l, const uint8_t *entry)
{
    return l->expect == 0 && l->sum == short_sum(entry);
}

bool fat32_long_take(const struct fat32_long_name *l, const uint8_t *entry, char *out, size_t size)
{
    size_t len = 0;

    if (!fat32_long_belongs(l, entry))
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

/* ---- making names ---- */

/* One character of UTF-8 at *P, which moves on. ~0: not UTF-8 (also what is longer than it needs to be, and halves of
 * pairs). */
static uint32_t utf8_get(const char **p)
{
    const uint8_t *s = (const uint8_t *)*p;
    uint32_t c = s[0], more = c < 0x80 ? 0 : c < 0xc2 ? 9 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 9;
    static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};

    if (more == 9)
        return LONG_NONE;
    c = more == 0 ? c : c & (0x3fU >> more);
    for (uint32_t i = 1; i <= more; i++) {
        if ((s[i] & 0xc0U) != 0x80)
            return LONG_NONE;
        c = c << 6 | (s[i] & 0x3fU);
    }
    *p += more + 1U;
    return c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? LONG_NONE : c;
}

static bool code_point_allowed(uint32_t c)
{
    static const char no[] = "\"*<>?|";

    return code_point_fit(c) && (c >= 0x80 || memchr(no, (int)c, sizeof(no) - 1) == NULL);
}

static const char *name_units(const char *name, struct fat32_made_name *out)
{
    for (const char *p = name; *p != '\0';) {
        uint32_t c = utf8_get(&p), need = c >= 0x10000 ? 2 : 1;
        if (c == LONG_NONE)
            return "it is not UTF-8";
        if (!code_point_allowed(c))
            return "FAT32 has no names with \" * < > ? | \\ : or control characters";
        if (out->count + need > FAT32_NAME_UNITS)
            return "it is longer than 255 characters";
        if (need == 2) {
            out->units[out->count++] = (uint16_t)(0xd800U + ((c - 0x10000U) >> 10));
            c = 0xdc00U + (c & 0x3ffU);
        }
        out->units[out->count++] = (uint16_t)c;
    }
    if (out->count == 0)
        return "it is empty";
    if (out->units[out->count - 1U] == '.' || out->units[out->count - 1U] == ' ')
        return "FAT32 has no names that end in a dot or a space";
    return out->units[0] == ' ' ? "it begins with a space" : NULL;
}

static bool short_char(uint32_t c)
{
    static const char extra[] = "!#$%&'()-@^_`{}~";

    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c < 0x80 && memchr(extra, (int)c, sizeof(extra) - 1) != NULL);
}

/* The characters of units FROM .. TO into at most ROOM bytes. */
static void short_fill(struct fat32_made_name *n, uint32_t from, uint32_t to, uint8_t *out, uint32_t room)
{
    uint32_t at = 0;

    for (uint32_t i = from; i < to; i++) {
        uint32_t c = n->units[i];
        if (c == ' ' || c == '.') {
            n->fits = false;
            n->lossy = true;
            continue;
        }
        if (c >= 0xdc00 && c < 0xe000)
            continue; /* the second half of a pair: the first one stands for both */
        if (c >= 'a' && c <= 'z') {
            c -= 'a' - 'A';
            n->fits = false;
        } else if (!short_char(c)) {
            c = '_';
            n->fits = false;
            n->lossy = true;
        }
        if (at == room) {
            n->fits = false;
            n->lossy = true;
            return;
        }
        out[at++] = (uint8_t)c;
    }
}

/* FAT overview, chapter "The Basis-Name Generation Algorithm". */
static void short_basis(struct fat32_made_name *n)
{
    uint32_t dot = n->count;

    for (uint32_t i = n->count; i > 1 && dot == n->count; i--) {
        if (n->units[i - 1U] == '.')
            dot = i - 1U;
    }
    memset(n->basis, ' ', sizeof(n->basis));
    n->fits = true;
    n->lossy = false;
    short_fill(n, 0, dot, n->basis, 8);
    if (dot < n->count)
        short_fill(n, dot + 1U, n->count, n->basis + 8, 3);
    if (n->basis[0] == ' ') { /* nothing but dots and spaces before the last one */
        n->basis[0] = '_';
        n->fits = false;
        n->lossy = true;
    }
}

const char *fat32_name_make(const char *name, struct fat32_made_name *out)
{
    out->count = 0;
    const char *wrong = name_units(name, out);
    if (wrong == NULL)
        short_basis(out);
    return wrong;
}

static uint32_t tail_digits(uint32_t tail, uint8_t *out)
{
    uint32_t digits = 0;

    for (uint32_t v = tail; v != 0; v /= 10U)
        digits++;
    for (uint32_t i = digits; i > 0; i--, tail /= 10U)
        out[i - 1U] = (uint8_t)('0' + tail % 10U);
    return digits;
}

void fat32_name_alias(const uint8_t basis[11], uint32_t tail, uint8_t out[11])
{
    uint8_t digits[10];
    uint32_t len = 0;

    memcpy(out, basis, 11);
    if (tail == 0)
        return;
    uint32_t count = tail_digits(tail, digits);
    while (len < 8 && basis[len] != ' ')
        len++;
    if (len > 7U - count)
        len = 7U - count;
    out[len] = '~';
    memcpy(out + len + 1U, digits, count);
}

uint32_t fat32_name_tail(const uint8_t basis[11], const uint8_t short_name[11])
{
    uint8_t again[11];
    uint32_t tail = 0, at = 8;

    if (memcmp(basis, short_name, 11) == 0)
        return 0;
    while (at > 0 && short_name[at - 1U] == ' ')
        at--;
    for (uint32_t scale = 1; at > 0 && short_name[at - 1U] >= '0' && short_name[at - 1U] <= '9' && scale <= 100000;
         at--, scale *= 10U)
        tail += scale * (uint32_t)(short_name[at - 1U] - '0');
    if (at == 0 || short_name[at - 1U] != '~' || tail == 0)
        return LONG_NONE;
    fat32_name_alias(basis, tail, again);
    return memcmp(again, short_name, 11) == 0 ? tail : LONG_NONE;
}

uint32_t fat32_name_pieces(const struct fat32_made_name *n)
{
    return n->fits ? 1 : 1 + (n->count + LONG_UNITS - 1U) / LONG_UNITS;
}

void fat32_name_write(const struct fat32_made_name *n, const uint8_t *entry, uint8_t *out)
{
    uint32_t pieces = fat32_name_pieces(n) - 1U;

    for (uint32_t piece = pieces; piece > 0; piece--, out += 32) {
        memset(out, 0, 32);
        out[0] = (uint8_t)(piece | (piece == pieces ? LONG_LAST : 0U));
        out[11] = 0x0f;
        out[13] = short_sum(entry);
        for (uint32_t i = 0; i < LONG_UNITS; i++) {
            uint32_t at = (piece - 1U) * LONG_UNITS + i;
            bytes_put16(out + unit_at[i], at < n->count ? n->units[at] : at == n->count ? 0U : 0xffffU);
        }
    }
}
