/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Names in FAT folders: long names collected piece by piece and cut into pieces, short names made readable and
 * made up. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
/* Is ENTRY the first piece of one? */
bool fat32_long_begins(const uint8_t *entry);
/* Is the collected name complete and the one of the short name in ENTRY? */
bool fat32_long_belongs(const struct fat32_long_name *l, const uint8_t *entry);
/* The collected name in UTF-8, when it is complete, belongs to the short name of ENTRY and is fit to be shown. */
bool fat32_long_take(const struct fat32_long_name *l, const uint8_t *entry, char *out, size_t size);
/* The short name as "name.ext". false: it holds bytes that no name may hold. */
bool fat32_short_name(const uint8_t *entry, char *out, size_t size);

/* ---- making names ---- */

#define FAT32_NAME_UNITS 255U

/* A name as folders hold it. */
struct fat32_made_name {
    uint16_t units[FAT32_NAME_UNITS];
    uint32_t count;
    uint8_t basis[11]; /* the short name, or what its alias begins with */
    bool fits;         /* the short name says it all: no long name is needed */
    bool lossy;        /* the short name must end in ~N */
};

/* NULL: fine; else why NAME (UTF-8) cannot be a name. */
const char *fat32_name_make(const char *name, struct fat32_made_name *out);
/* BASIS with ~TAIL at the end of its first part; 0: BASIS itself. */
void fat32_name_alias(const uint8_t basis[11], uint32_t tail, uint8_t out[11]);
/* The number N when SHORT_NAME is BASIS's alias ~N; 0: it is BASIS itself; ~0: neither. */
uint32_t fat32_name_tail(const uint8_t basis[11], const uint8_t short_name[11]);
/* How many times 32 bytes the entry takes, the short name included. */
uint32_t fat32_name_pieces(const struct fat32_made_name *n);
/* The pieces of the long name, as they lie before ENTRY, which has the short name in its first 11 bytes. */
void fat32_name_write(const struct fat32_made_name *n, const uint8_t *entry, uint8_t *out);
