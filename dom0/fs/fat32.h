/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32 (Microsoft "FAT: General Overview of On-Disk Format", version 1.03; ECMA-107). Nothing on the disk is
 * believed: every number is checked before it is used, every chain of clusters is bounded by the size of the file
 * system. Any number of threads may use a mounted file system; its lock guards all but the data of open files.
 *
 * Writing. Before the first change the whole file system is checked (fat32_check.c); what is damaged is not written
 * to, reading goes on. The order of writes, so that a power cut between any two of them, in any order that the disk
 * chooses between two flushes, costs lost clusters at most:
 *   1. FAT[1] says "in use" and is flushed before anything else changes.
 *   2. What nobody refers to yet is written first: data into free clusters and their chain in the table. Flush.
 *   3. Then one sector makes it seen: the one with the entry of a folder (short name, long name, first cluster and
 *      size in one piece), or for a folder that grows the one with the link to its new cluster, which holds zeros.
 *      Replacing a file is this same step: its entry changes from the old chain to the new one. Flush.
 *   4. What nobody refers to any more is given back to the table last, after that flush.
 *   5. The information sector and the second table may lag behind; at the end they are written and flushed, then
 *      FAT[1] says "clean" again, and that is flushed, too.
 * Two entries never refer to one chain and no moment leaves a file without an entry; so a file gets another name
 * only where both entries lie in one sector, else its contents are copied. Exceptions: resizing a file in place
 * passes through a moment in which its chain is longer than its size needs (which all systems read rightly), and
 * removing a name whose pieces lie in two sectors (none that Corbel wrote, unless it has over 195 characters) may
 * leave pieces of a long name without a file, which all systems pass over.
 * After a write that failed nothing is written any more until the next mount. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/fs/volume.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/error.h"
#include "drivers/block.h"

enum fat32_state {
    FAT32_UNCHECKED, /* not written to yet */
    FAT32_WRITABLE,
    FAT32_REFUSED    /* `refused` says why */
};

struct fat32 {
    struct block_device *dev;
    char name[16];          /* for messages: "hd0p1" */
    char label[12];
    uint64_t fat;           /* byte on the device where the active table begins */
    uint64_t data;          /* … where cluster 2 begins */
    uint32_t cluster_bytes;
    uint32_t clusters;      /* numbers 2 .. clusters + 1 are valid */
    uint32_t root;
    uint32_t free_clusters; /* as the file system's own hint says, exact once checked; ~0: unknown */
    /* for writing */
    uint64_t begin, end;    /* bytes of the device that belong to it */
    uint64_t tables;        /* where the first table begins */
    uint64_t table_bytes;
    uint32_t copies;        /* tables that are kept alike; 1: only the active one */
    uint64_t info;          /* byte of the information sector; 0: none */
    uint32_t next_free;     /* where to look first */
    enum fat32_state state;
    bool dirty;             /* FAT[1] says "in use" by our doing */
    uint32_t writers;       /* files that are being written and chains that wait for their last reader */
    char refused[96];
    struct fat32_file *open;
    struct mutex lock;
    const struct thread *holder; /* who holds it, so that the functions that fat32_list calls may use it again */
    uint32_t depth;
};

/* An entry of a folder together with where it is. */
struct fat32_entry {
    struct dir_entry view;
    uint32_t cluster; /* 0: an empty file */
    uint32_t dir;     /* first cluster of its folder; 0: this is the root */
    uint32_t index;   /* of its first 32 bytes in there … */
    uint32_t pieces;  /* … and how many times 32 bytes it takes */
};

/* An open file: its clusters as runs. */
struct fat32_file;
/* A file that is being written and has no name yet. */
struct fat32_new;

/* Mounts what begins at sector FIRST of DEV and may take SECTORS. NAME is for messages. */
bool fat32_mount(struct fat32 *fs, const char *name, struct block_device *dev, uint64_t first, uint64_t sectors,
                 struct error *e);
/* PATH is absolute and normalized: "/", "/a/b". */
bool fat32_lookup(struct fat32 *fs, const char *path, struct fat32_entry *out, struct error *e);
/* Calls FN for each entry of the folder DIR until it returns false. FN may read the file system, not change it. */
bool fat32_list(struct fat32 *fs, const struct fat32_entry *dir,
                bool (*fn)(const struct fat32_entry *d, void *ctx), void *ctx, struct error *e);
bool fat32_open(struct fat32 *fs, const struct fat32_entry *entry, struct fat32_file **out, struct error *e);
/* The file at PATH. WRITE: to be changed in place, by one at a time. */
bool fat32_open_path(struct fat32 *fs, const char *path, bool write, struct fat32_file **out, struct error *e);
uint64_t fat32_size(const struct fat32_file *f);
uint32_t fat32_depth(const struct fat32_file *f); /* file_depth */
/* Do both have the same clusters? (Empty files: the same entry.) */
bool fat32_same(const struct fat32_file *a, const struct fat32_file *b);
/* LEN bytes at OFF, fewer only at the end: *GOT. */
bool fat32_read(const struct fat32_file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e);
/* Also the end of what was removed or replaced while it was open: its clusters are free from now on. */
void fat32_close(struct fat32_file *f);

/* ---- writing; EXIT_NO_RESOURCE: full, or not to be written to ---- */

/* A new file with room for EXPECT bytes at least. */
bool fat32_new_begin(struct fat32 *fs, uint64_t expect, struct fat32_new **out, struct error *e);
bool fat32_new_append(struct fat32_new *n, const void *buf, size_t len, struct error *e);
/* Names it PATH; a file of that name is replaced, a folder is an error. On the medium when this returns. N is gone
 * in every case. */
bool fat32_new_commit(struct fat32_new *n, const char *path, struct error *e);
void fat32_new_abandon(struct fat32_new *n);
/* In place, F opened for writing. OFF is at most the size; beyond it the file grows. Several threads may write within the
 * file at once; who changes its size is alone. */
bool fat32_write(struct fat32_file *f, uint64_t off, const void *buf, size_t len, struct error *e);
/* Shorter, or longer by zeros. Refused while others read it and it becomes shorter. */
bool fat32_resize(struct fat32_file *f, uint64_t size, struct error *e);
/* What was written to F is on the medium. */
bool fat32_file_sync(struct fat32_file *f, struct error *e);
bool fat32_make_dir(struct fat32 *fs, const char *path, struct error *e);
/* A file, or a folder with nothing in it. */
bool fat32_remove(struct fat32 *fs, const char *path, struct error *e);
/* Gives FROM the name TO, which nothing has. *DONE false without an error: not possible in one sector, nothing
 * changed; the caller copies. */
bool fat32_rename(struct fat32 *fs, const char *from, const char *to, bool *done, struct error *e);
/* Free clusters, counted where nothing is known for sure. */
bool fat32_count_free(struct fat32 *fs, uint32_t *out, struct error *e);
