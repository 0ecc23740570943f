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
struct block_device;

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
/* Are they one file, whatever names they were opened by? */
bool file_same(const struct file *a, const struct file *b);
/* Exactly LEN bytes at OFF (short only at the end: *GOT). Yields while the disk works. */
bool file_read(struct file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e);
/* So many reads and writes of F, of several threads, are at work at once; 1: one after the other. */
uint32_t file_depth(const struct file *f);
/* The whole file in memory when it is there already (boot:), else NULL. */
const void *file_memory(const struct file *f);
void file_close(struct file *f);
/* ---- changing files; `boot:`, write-protected and damaged volumes refuse with EXIT_NO_RESOURCE ---- */

/* A file under way: it has no name until file_commit, and file_close without that leaves nothing. EXPECT bytes must
 * have room (0: nobody knows). */
bool file_create(const char *path, uint64_t expect, struct file **out, struct error *e);
bool file_append(struct file *f, const void *buf, size_t len, struct error *e);
/* F gets its name; a file that had it is replaced in one step: after a power cut there is the old one or the new one,
 * whole. On the medium when this returns. F is closed in every case. */
bool file_commit(struct file *f, struct error *e);
/* An existing file, to be changed in place by one at a time. */
bool file_open_write(const char *path, struct file **out, struct error *e);
/* OFF is at most the size; beyond the end the file grows. Several threads may read and write within the file at once; who
 * changes its size is alone. */
bool file_write(struct file *f, uint64_t off, const void *buf, size_t len, struct error *e);
bool file_resize(struct file *f, uint64_t size, struct error *e);
/* What was written is on the medium. */
bool file_sync(struct file *f, struct error *e);
bool path_mkdir(const char *path, struct error *e);
/* A file, or an empty folder. Who has the file open may go on reading it. */
bool path_remove(const char *path, struct error *e);
/* FROM becomes TO, a name that is not taken. *DONE false without an error: this cannot be done in one step here (other
 * volume, other folder, no room in that sector), nothing is changed: copy and remove. */
bool path_rename(const char *from, const char *to, bool *done, struct error *e);
/* Could PATH's volume be written to? Checks it as the first write would. */
bool path_writable(const char *path, struct error *e);
/* As volume_get, with the free bytes counted. */
bool volume_measure(size_t i, struct volume_info *out, struct error *e);
/* Does a volume lie on the sectors FIRST .. END - 1 of DEV, or on some of them? NAME: which, 16 bytes. */
bool volume_on(const struct block_device *dev, uint64_t first, uint64_t end, char *name);
/* The volume that holds the guest folder; false: that is memory. */
bool volume_of_guests(char *name, size_t size);

/* ---- folders and paths ---- */

/* Calls FN for each entry of a folder, "." and ".." left out. FN may read the volume, not change it. */
bool dir_list(const char *path, bool (*fn)(const struct dir_entry *d, void *ctx), void *ctx, struct error *e);
bool path_stat(const char *path, struct dir_entry *out, struct error *e);
/* PATH with its volume and folder made explicit. */
bool path_resolve(const char *path, char *out, size_t len, struct error *e);
