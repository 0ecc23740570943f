/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Between the files of FAT32: walking and changing the table, walking and changing folders. All of it with the
 * file system's lock held, except what opening a fresh mount needs. */
#pragma once

#include "dom0/fs/fat32.h"

#define FAT32_WINDOW_BYTES 512U
#define FAT32_ENTRY_MASK   0x0fffffffU
#define FAT32_BAD          0x0ffffff7U
#define FAT32_END          0x0ffffff8U
#define FAT32_LAST         0x0fffffffU /* how we write the end of a chain */
#define FAT32_UNKNOWN      0xffffffffU
#define FAT32_CLEAN        0x08000000U /* bits of FAT[1], FAT overview, chapter "FAT Data Structure" */
#define FAT32_NO_ERRORS    0x04000000U

/* Entries of folders. */
#define FAT32_PIECE_BYTES 32U
#define FAT32_CHUNK_BYTES 512U /* what a disk writes at once or not at all */
#define FAT32_CHUNK_SLOTS (FAT32_CHUNK_BYTES / FAT32_PIECE_BYTES)
#define FAT32_DIR_MAX     65536U
#define FAT32_ATTR        11U
#define FAT32_VOLUME_ID   0x08U
#define FAT32_DIRECTORY   0x10U
#define FAT32_ARCHIVE     0x20U
#define FAT32_LONG        0x0fU
#define FAT32_LONG_MASK   0x3fU
#define FAT32_DIR_END     0x00U
#define FAT32_DELETED     0xe5U
#define FAT32_PIECES_MAX  21U

void fat32_lock(struct fat32 *fs);
void fat32_unlock(struct fat32 *fs);

/* ---- fat32.c ---- */

/* A walk along a chain. Holds its own piece of the table, so that most steps read nothing. */
struct fat32_chain {
    const struct fat32 *fs;
    uint32_t cluster; /* where it stands */
    uint64_t window;  /* offset in the table; ~0: none yet */
    uint8_t bytes[FAT32_WINDOW_BYTES];
};

bool fat32_cluster_valid(const struct fat32 *fs, uint32_t cluster);
/* Device byte of a valid cluster. */
uint64_t fat32_cluster_offset(const struct fat32 *fs, uint32_t cluster);
bool fat32_fetch(const struct fat32 *fs, uint64_t off, void *buf, size_t len, struct error *e);
/* Always false, like error_set: "NAME: the file system is damaged (WHY): …". */
bool fat32_damaged(const struct fat32 *fs, const char *why, struct error *e);
bool fat32_chain_start(struct fat32_chain *chain, const struct fat32 *fs, uint32_t cluster, struct error *e);
/* One step. *END: the chain ended, and it stands where it stood. */
bool fat32_chain_next(struct fat32_chain *chain, bool *end, struct error *e);

/* ---- fat32_file.c ---- */

/* Nobody refers to the chain at CLUSTER any more: given back now, or when the last who reads it closes it. */
bool fat32_drop_chain(struct fat32 *fs, uint32_t cluster, struct error *e);
/* Somebody changes this entry's file in place. */
bool fat32_being_written(const struct fat32 *fs, const struct fat32_entry *entry);

/* ---- fat32_table.c ---- */

/* Editing the table through one sector of it, which goes to all copies when another one is needed or by
 * fat32_table_put. */
struct fat32_table {
    struct fat32 *fs;
    uint64_t window;
    bool changed;
    uint8_t bytes[FAT32_WINDOW_BYTES];
};

bool fat32_store(struct fat32 *fs, uint64_t off, const void *buf, size_t len, struct error *e);
bool fat32_barrier(struct fat32 *fs, struct error *e);
/* No writing from here on. Always false. */
bool fat32_refuse(struct fat32 *fs, const char *why, struct error *e);
void fat32_table_open(struct fat32_table *t, struct fat32 *fs);
bool fat32_table_get(struct fat32_table *t, uint32_t cluster, uint32_t *value, struct error *e);
bool fat32_table_set(struct fat32_table *t, uint32_t cluster, uint32_t value, struct error *e);
bool fat32_table_put(struct fat32_table *t, struct error *e);
/* Before the first change of an operation: checked, writable, and FAT[1] says so on the medium. */
bool fat32_begin(struct fat32 *fs, struct error *e);
/* After the last one. Clean again unless files are being written. */
bool fat32_sync(struct fat32 *fs, struct error *e);
/* Takes the next free clusters that lie side by side, at most WANT, as a chain of its own (written, not flushed).
 * LINK: the last cluster of a chain that nobody refers to, which goes on there; or 0. */
bool fat32_take(struct fat32 *fs, uint32_t want, uint32_t link, uint32_t *first, uint32_t *count, struct error *e);
bool fat32_give_back(struct fat32 *fs, uint32_t cluster, struct error *e);
/* EXIT_NO_RESOURCE unless COUNT clusters are free. */
bool fat32_room(struct fat32 *fs, uint64_t count, struct error *e);

/* ---- fat32_check.c ---- */

/* Is it sound enough to be written to? Counts free clusters; after an unclean end, gives lost clusters back. */
bool fat32_check(struct fat32 *fs, struct error *e);

/* ---- fat32_dir.c, fat32_slot.c ---- */

struct fat32_times { uint16_t date, time; uint8_t tenths; };

struct fat32_times fat32_now(void);
/* Splits PATH: its folder into *DIR, its last part into *NAME (points into PATH). */
bool fat32_parent(struct fat32 *fs, const char *path, struct fat32_entry *dir, const char **name, struct error *e);
/* The entry NAME of the folder DIR. */
bool fat32_find(struct fat32 *fs, uint32_t dir, const char *name, struct fat32_entry *out, bool *found,
                struct error *e);
/* Adds NAME to the folder DIR, which has no such name. ATTR, CLUSTER, SIZE as in the entry. Not flushed. */
bool fat32_add_entry(struct fat32 *fs, uint32_t dir, const char *name, uint8_t attr, uint32_t cluster, uint32_t size,
                     struct error *e);
/* Takes the entry away. Not flushed. */
bool fat32_drop_entry(struct fat32 *fs, const struct fat32_entry *entry, struct error *e);
/* Points an entry at another chain and size, and dates it. Not flushed. */
bool fat32_point_entry(struct fat32 *fs, const struct fat32_entry *entry, uint32_t cluster, uint32_t size,
                       struct error *e);
/* The entry under another name in the same sector; *DONE false: no room there. Not flushed. */
bool fat32_rename_entry(struct fat32 *fs, const struct fat32_entry *entry, const char *name, bool *done,
                        struct error *e);
/* RAW is the entry "." or "..". */
bool fat32_is_dot(const uint8_t *raw);
/* Nothing is in the folder DIR, not even what cannot be shown. */
bool fat32_dir_empty(struct fat32 *fs, uint32_t dir, bool *empty, struct error *e);
/* Can NAME be the name of an entry? */
bool fat32_name_valid(const char *name, struct error *e);
