/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Names in FAT folders: long names collected piece by piece, short names made readable. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAT32_ENTRY_BYTES 32U
#define FAT32_LONG_UNITS  260U /* 20 entries of 13 */

/* A long name under way: its last piece comes first. */
struct fat32_long_name {
    uint16_t units[FAT32_LONG_UNITS];
    uint32_t expect; /* the piece that must come next; 0: complete; ~0: none under way */
    uint32_t pieces;
    uint8_t sum;     /* of the short name that it belongs to */
};

void fat32_long_reset(struct fat32_long_name *l);
/* ENTRY has the attribute of a long name. */
void fat32_long_add(struct fat32_long_name *l, const uint8_t *entry);
/* The collected name in UTF-8, when it is complete, belongs to the short name of ENTRY and is fit to be shown. */
bool fat32_long_take(const struct fat32_long_name *l, const uint8_t *entry, char *out, size_t size);
/* The short name as "name.ext". false: it holds bytes that no name may hold. */
bool fat32_short_name(const uint8_t *entry, char *out, size_t size);
