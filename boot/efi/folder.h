/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] What of the guests' folder is taken along: names, limits, and what is said about that which is left out.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"

#define FOLDER_NAME_MAX sizeof(((struct boot_module *)0)->name)
#define FOLDER_IMAGE_MAX (16U << 20)
#define FOLDER_MAX      32U /* folders, the guests' folder itself included */

enum folder_cause {
    FOLDER_TOO_MANY_FILES,
    FOLDER_TOO_MANY_FOLDERS,
    FOLDER_PATH_TOO_LONG,
    FOLDER_NAME_UNFIT, /* control characters and what separates parts of a path */
    FOLDER_NO_MEMORY,
    FOLDER_UNREADABLE,
    FOLDER_DISK_IMAGE,
    FOLDER_CAUSES
};

/* What is left out: how many for each cause, and the first one's name. */
struct folder_left_out {
    uint32_t count[FOLDER_CAUSES];
    char first[FOLDER_CAUSES][FOLDER_NAME_MAX];
};

enum folder_join { FOLDER_JOINED, FOLDER_JOIN_TOO_LONG, FOLDER_JOIN_UNFIT };

/* Joins folder and a UCS-2 name as UTF-8 with '/'; the rest of `to` is zeroed. Unless FOLDER_JOINED, `to` holds the
 * part that could be joined. */
enum folder_join folder_join(char to[FOLDER_NAME_MAX], const char *folder, const uint16_t *name);

/* A path as the firmware wants it: UCS-2 with '\\'. False: it has more than cap - 1 characters, or is not what
 * folder_join makes. */
bool folder_widen(uint16_t *to, size_t cap, const char *path);

/* Is it a guest's disk (.img, .raw, .vmdk, .iso) of more than FOLDER_IMAGE_MAX bytes? Memory is no place for it: what the guest writes must stay,
 * and Dom0 reads it from the disk. */
bool folder_disk_image(const char *name, uint64_t bytes);

/* Notes that `name` is left out. */
void folder_leave_out(struct folder_left_out *left, enum folder_cause cause, const char *name);

/* The warning about `cause` into text: "<base>: <why>: <what to do>". False: nothing was left out for it. */
bool folder_warning(const struct folder_left_out *left, enum folder_cause cause, const char *base, char *text,
                    size_t len);
