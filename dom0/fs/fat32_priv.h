/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Between the files of FAT32: walking the table. */
#pragma once

#include "dom0/fs/fat32.h"

#define FAT32_WINDOW_BYTES 512U

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
