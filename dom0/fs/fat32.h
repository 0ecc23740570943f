/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32, reading (Microsoft "FAT: General Overview of On-Disk Format", version 1.03; ECMA-107). A mounted
 * file system is constant: any number of threads may read it. Nothing on the disk is believed: every number is
 * checked before it is used, every chain of clusters is bounded by the size of the file system. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/fs/volume.h"
#include "dom0/lib/error.h"
#include "drivers/block.h"

struct fat32 {
    struct block_device *dev;
    char name[16];          /* for messages: "hd0p1" */
    char label[12];
    uint64_t fat;           /* byte on the device where the active table begins */
    uint64_t data;          /* … where cluster 2 begins */
    uint32_t cluster_bytes;
    uint32_t clusters;      /* numbers 2 .. clusters + 1 are valid */
    uint32_t root;
    uint32_t free_clusters; /* as the file system's own hint says; ~0: unknown */
};

/* An entry of a folder together with where it is. */
struct fat32_entry {
    struct dir_entry view;
    uint32_t cluster; /* 0: an empty file */
};

/* A file open for reading: its clusters as runs. */
struct fat32_file;

/* Mounts what begins at sector FIRST of DEV and may take SECTORS. NAME is for messages. */
bool fat32_mount(struct fat32 *fs, const char *name, struct block_device *dev, uint64_t first, uint64_t sectors,
                 struct error *e);
/* PATH is absolute and normalized: "/", "/a/b". */
bool fat32_lookup(const struct fat32 *fs, const char *path, struct fat32_entry *out, struct error *e);
/* Calls FN for each entry of the folder DIR until it returns false. */
bool fat32_list(const struct fat32 *fs, const struct fat32_entry *dir,
                bool (*fn)(const struct fat32_entry *d, void *ctx), void *ctx, struct error *e);
bool fat32_open(const struct fat32 *fs, const struct fat32_entry *entry, struct fat32_file **out, struct error *e);
uint64_t fat32_size(const struct fat32_file *f);
/* LEN bytes at OFF, fewer only at the end: *GOT. */
bool fat32_read(const struct fat32_file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e);
void fat32_close(struct fat32_file *f);
