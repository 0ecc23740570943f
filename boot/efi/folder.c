/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] What of the guests' folder is taken along. Pure. */
#include "boot/efi/folder.h"

#include "boot/efi/fmt.h"
#include "boot/efi/lib.h"

/* As Dom0's own FAT32 driver sees it: control characters could harm the operator's terminal, and half a surrogate pair
 * is no character (a whole one would need four bytes; such names are rare enough to be left to the disk's driver). */
static bool fit(unsigned c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0xd800 && c < 0xe000) && c != '/' && c != '\\' && c != ':';
}

static size_t put(char *to, unsigned c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3f));
    to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

enum folder_join folder_join(char to[FOLDER_NAME_MAX], const char *folder, const uint16_t *name)
{
    size_t n = strlen(folder);

    memset(to, 0, FOLDER_NAME_MAX);
    memcpy(to, folder, n);
    if (n > 0 && n + 1 < FOLDER_NAME_MAX) {
        to[n++] = '/';
    }
    for (; *name != 0; name++) {
        if (n + 4 > FOLDER_NAME_MAX) {
            return FOLDER_JOIN_TOO_LONG;
        }
        if (!fit(*name)) {
            return FOLDER_JOIN_UNFIT;
        }
        n += put(to + n, *name);
    }
    return FOLDER_JOINED;
}

/* One character of 1 to 3 bytes; 0: none. */
static size_t take(const char *from, unsigned *c)
{
    const uint8_t *s = (const uint8_t *)from;
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : 0;

    *c = n == 1 ? s[0] : n == 2 ? s[0] & 0x1fU : s[0] & 0xfU;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        *c = *c << 6 | (s[i] & 0x3fU);
    }
    return n;
}

bool folder_widen(uint16_t *to, size_t cap, const char *path)
{
    size_t at = 0;

    while (*path != '\0') {
        unsigned c;
        size_t n = take(path, &c);
        if (n == 0 || at + 1 >= cap) {
            return false;
        }
        to[at++] = (uint16_t)(c == '/' ? '\\' : c);
        path += n;
    }
    to[at] = 0;
    return true;
}

bool folder_disk_image(const char *name, uint64_t bytes)
{
    static const char *const ends[] = {".img", ".raw", ".vmdk", ".iso"};
    size_t n = strlen(name);

    for (size_t i = 0; bytes > FOLDER_IMAGE_MAX && i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t len = strlen(ends[i]), at = 0;
        while (n > len && at < len && (name[n - len + at] == ends[i][at] || (name[n - len + at] | 0x20) == ends[i][at])) {
            at++;
        }
        if (at == len) {
            return true;
        }
    }
    return false;
}

void folder_leave_out(struct folder_left_out *left, enum folder_cause cause, const char *name)
{
    if (left->count[cause]++ != 0) {
        return;
    }
    size_t n = strlen(name);
    n = n < FOLDER_NAME_MAX ? n : FOLDER_NAME_MAX - 1;
    memcpy(left->first[cause], name, n);
    left->first[cause][n] = '\0';
}

static const struct {
    const char *what, *why, *fix;
} words[FOLDER_CAUSES] = {
    [FOLDER_TOO_MANY_FILES] = {"file", "beyond the 64 that fit", "remove some"},
    [FOLDER_TOO_MANY_FOLDERS] = {"folder", "beyond the 31 that fit", "remove some"},
    [FOLDER_PATH_TOO_LONG] = {"path", "longer than 111 bytes", "use shorter names"},
    [FOLDER_NAME_UNFIT] = {"name", "with characters that no name may have", "rename"},
    [FOLDER_NO_MEMORY] = {"file", "too large for the free memory", "remove some, or add memory"},
    [FOLDER_UNREADABLE] = {"entry", "that the firmware cannot read", "copy to the boot volume again"},
    [FOLDER_DISK_IMAGE] = {"disk image", "that is not read into memory", "Dom0 uses it where it drives the boot disk"},
};

bool folder_warning(const struct folder_left_out *left, enum folder_cause cause, const char *base, char *text,
                    size_t len)
{
    if (left->count[cause] == 0) {
        return false;
    }
    fmt_print(text, len, "%s: left out: %u x %s %s, first %s: %s", base, left->count[cause], words[cause].what,
              words[cause].why, left->first[cause], words[cause].fix);
    return true;
}
