/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Volumes and files by path. `boot:` is the read-only folder of guests that the loader read into memory;
 * `hd0p1:` is the first partition of the first disk (FAT32). A path is VOLUME:/DIR/FILE; without a volume it is
 * relative to the guest folder: `boot:/` or `hd0p1:/corbel/vm` of the default volume. Names compare
 * case-insensitively on FAT32. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"

#define PATH_MAX_LEN 256U

struct file;

struct dir_entry { char name[256]; uint64_t size; bool is_dir; uint16_t date, time; /* FAT */ };

struct volume_info {
    char name[16];
    char fs[8];
    char what[64];
    bool read_only;
    bool is_default;
    uint64_t total_bytes, free_bytes; /* free 0: none or unknown */
};

/* Mounts what can be mounted; chooses the default: the first disk volume with /corbel/vm, else boot:. Logs one line
 * each. */
void volume_init(void);
size_t volume_count(void);
bool volume_get(size_t i, struct volume_info *out);
bool file_open(const char *path, struct file **out, struct error *e);
uint64_t file_size(const struct file *f);
/* Exactly LEN bytes at OFF (short only at the end: *GOT). Yields while the disk works. */
bool file_read(struct file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e);
/* The whole file in memory when it is there already (boot:), else NULL. */
const void *file_memory(const struct file *f);
void file_close(struct file *f);
/* Calls FN for each entry of a folder, "." and ".." left out. */
bool dir_list(const char *path, bool (*fn)(const struct dir_entry *d, void *ctx), void *ctx, struct error *e);
bool path_stat(const char *path, struct dir_entry *out, struct error *e);
/* PATH with its volume and folder made explicit. */
bool path_resolve(const char *path, char *out, size_t len, struct error *e);
