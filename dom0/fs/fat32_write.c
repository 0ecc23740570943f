/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: what changes a file system as a whole step: new files, folders, removing, renaming. Each begins with
 * fat32_begin and ends with fat32_sync. The order of writes is in fat32.h. */
#include "dom0/fs/bytes.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"

#define NEW_PIECE 65536U /* written between two looks at the other threads */

struct fat32_new {
    struct fat32 *fs;
    uint32_t first, last; /* of its chain; 0: none yet */
    uint64_t room;        /* bytes that the chain holds */
    uint32_t run;         /* the cluster that the next byte goes to, if there is room */
    uint64_t size;
    bool failed;
};

static bool no_memory(const struct fat32 *fs, struct error *e)
{
    return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to write: end something first", fs->name);
}

/* After a step: synced where it went well; where it did not, what reached the disk is consistent, and the marks are
 * put right as far as that is still possible. */
static bool step_end(struct fat32 *fs, bool ok, struct error *e)
{
    struct error ignored;

    if (!ok)
        (void)fat32_sync(fs, &ignored);
    else
        ok = fat32_sync(fs, e);
    fat32_unlock(fs);
    return ok;
}

/* ---- new files ---- */

bool fat32_new_begin(struct fat32 *fs, uint64_t expect, struct fat32_new **out, struct error *e)
{
    uint64_t clusters = expect / fs->cluster_bytes + (expect % fs->cluster_bytes != 0);

    if (expect > UINT32_MAX)
        return error_set(e, EXIT_NO_RESOURCE, "%s: FAT32 files have less than 4 GiB: write less", fs->name);
    struct fat32_new *n = heap_alloc(sizeof(*n));
    if (n == NULL)
        return no_memory(fs, e);
    n->fs = fs;
    fat32_lock(fs);
    bool ok = fat32_begin(fs, e) && fat32_room(fs, clusters, e);
    if (ok)
        fs->writers++;
    (void)step_end(fs, true, e);
    if (!ok) {
        heap_free(n);
        return false;
    }
    *out = n;
    return true;
}

/* More clusters: side by side, for LEN bytes or fewer. */
static bool new_grow(struct fat32_new *n, size_t len, struct error *e)
{
    size_t bytes = len < NEW_PIECE ? len : NEW_PIECE;
    uint32_t want = (uint32_t)((bytes + n->fs->cluster_bytes - 1U) / n->fs->cluster_bytes), first = 0, count = 0;

    if (!fat32_take(n->fs, want, n->last, &first, &count, e))
        return false;
    n->first = n->first != 0 ? n->first : first;
    n->last = first + count - 1U;
    n->run = first;
    n->room += (uint64_t)count * n->fs->cluster_bytes;
    return true;
}

/* At most what the clusters at hand hold. */
static bool new_put(struct fat32_new *n, const uint8_t *buf, size_t len, size_t *put, struct error *e)
{
    struct fat32 *fs = n->fs;

    if (n->size == n->room && !new_grow(n, len, e))
        return false;
    uint32_t inside = (uint32_t)(n->size % fs->cluster_bytes);
    uint64_t left = n->room - n->size;
    *put = len < left ? len : (size_t)left;
    *put = *put < NEW_PIECE ? *put : NEW_PIECE;
    if (!fat32_store(fs, fat32_cluster_offset(fs, n->run) + inside, buf, *put, e))
        return false;
    n->size += *put;
    n->run += (uint32_t)((inside + *put) / fs->cluster_bytes);
    return true;
}

bool fat32_new_append(struct fat32_new *n, const void *buf, size_t len, struct error *e)
{
    const uint8_t *in = buf;

    if (n->failed || n->size + len > UINT32_MAX) {
        n->failed = true;
        return error_set(e, EXIT_NO_RESOURCE, "%s: no more of this file can be written (FAT32 files have less than 4 "
                         "GiB): begin again", n->fs->name);
    }
    for (size_t put = 0; len != 0; in += put, len -= put) {
        fat32_lock(n->fs);
        n->failed = !new_put(n, in, len, &put, e);
        fat32_unlock(n->fs);
        if (n->failed)
            return false;
        thread_yield();
    }
    return true;
}

/* The entry comes into being, or changes from the old chain to the new one; then the old one is given back. */
static bool new_name(struct fat32_new *n, const char *path, struct error *e)
{
    struct fat32 *fs = n->fs;
    struct fat32_entry dir, old;
    const char *name;
    bool found = false;

    if (!fat32_parent(fs, path, &dir, &name, e) || !fat32_name_valid(name, e) ||
        !fat32_find(fs, dir.cluster, name, &old, &found, e))
        return false;
    if (found && old.view.is_dir)
        return error_set(e, EXIT_FAILED, "%s:%.100s: a folder has this name: choose another one", fs->name, path);
    if (found && fat32_being_written(fs, &old))
        return error_set(e, EXIT_WRONG_STATE, "%s:%.100s: it is being written by somebody else: wait for the end of that",
                         fs->name, path);
    if (!fat32_begin(fs, e) || !fat32_barrier(fs, e))
        return false;
    if (!found)
        return fat32_add_entry(fs, dir.cluster, name, FAT32_ARCHIVE, n->first, (uint32_t)n->size, e);
    return fat32_point_entry(fs, &old, n->first, (uint32_t)n->size, e) && fat32_barrier(fs, e) &&
           fat32_drop_chain(fs, old.cluster, e);
}

bool fat32_new_commit(struct fat32_new *n, const char *path, struct error *e)
{
    struct fat32 *fs = n->fs;

    if (n->failed) {
        fat32_new_abandon(n);
        return error_set(e, EXIT_FAILED, "%s: an earlier write failed: nothing is left of it", path);
    }
    fat32_lock(fs);
    if (!new_name(n, path, e)) {
        fat32_unlock(fs);
        fat32_new_abandon(n);
        return false;
    }
    fs->writers--;
    heap_free(n);
    return step_end(fs, true, e);
}

void fat32_new_abandon(struct fat32_new *n)
{
    struct error ignored;

    if (n == NULL)
        return;
    struct fat32 *fs = n->fs;
    fat32_lock(fs);
    fs->writers--;
    bool ok = n->first == 0 || fat32_give_back(fs, n->first, &ignored);
    (void)step_end(fs, ok, &ignored);
    heap_free(n);
}

/* ---- folders ---- */

static void dot_entry(uint8_t *p, const char *name, uint32_t cluster)
{
    struct fat32_times now = fat32_now();

    memset(p, ' ', 11);
    memcpy(p, name, strlen(name));
    p[FAT32_ATTR] = FAT32_DIRECTORY;
    p[13] = now.tenths;
    bytes_put16(p + 14, now.time);
    bytes_put16(p + 16, now.date);
    bytes_put16(p + 18, now.date);
    bytes_put16(p + 20, cluster >> 16);
    bytes_put16(p + 22, now.time);
    bytes_put16(p + 24, now.date);
    bytes_put16(p + 26, cluster);
}

/* A cluster with "." and "..", the latter 0 for the root (FAT overview, chapter "FAT Directory Structure"). */
static bool dir_fill(struct fat32 *fs, uint32_t cluster, uint32_t parent, struct error *e)
{
    uint8_t chunk[FAT32_CHUNK_BYTES];

    memset(chunk, 0, sizeof(chunk));
    for (uint32_t off = FAT32_CHUNK_BYTES; off < fs->cluster_bytes; off += FAT32_CHUNK_BYTES) {
        if (!fat32_store(fs, fat32_cluster_offset(fs, cluster) + off, chunk, sizeof(chunk), e))
            return false;
    }
    dot_entry(chunk, ".", cluster);
    dot_entry(chunk + FAT32_PIECE_BYTES, "..", parent == fs->root ? 0 : parent);
    return fat32_store(fs, fat32_cluster_offset(fs, cluster), chunk, sizeof(chunk), e);
}

static bool dir_make(struct fat32 *fs, const char *path, struct error *e)
{
    uint32_t cluster = 0, count = 0;
    struct fat32_entry dir, old;
    struct error ignored;
    const char *name;
    bool found = false;

    if (!fat32_parent(fs, path, &dir, &name, e) || !fat32_name_valid(name, e) ||
        !fat32_find(fs, dir.cluster, name, &old, &found, e))
        return false;
    if (found)
        return error_set(e, EXIT_FAILED, "%s:%.100s: a %s of this name is there: choose another one", fs->name, path,
                         old.view.is_dir ? "folder" : "file");
    if (!fat32_begin(fs, e) || !fat32_room(fs, 1, e) || !fat32_take(fs, 1, 0, &cluster, &count, e))
        return false;
    if (dir_fill(fs, cluster, dir.cluster, e) && fat32_barrier(fs, e) &&
        fat32_add_entry(fs, dir.cluster, name, FAT32_DIRECTORY, cluster, 0, e))
        return true;
    (void)fat32_give_back(fs, cluster, &ignored);
    return false;
}

bool fat32_make_dir(struct fat32 *fs, const char *path, struct error *e)
{
    fat32_lock(fs);
    return step_end(fs, dir_make(fs, path, e), e);
}

/* ---- removing, renaming ---- */

static bool entry_remove(struct fat32 *fs, const char *path, struct error *e)
{
    struct fat32_entry dir, entry;
    const char *name;
    bool found = false, empty = true;

    if (!fat32_parent(fs, path, &dir, &name, e) || !fat32_find(fs, dir.cluster, name, &entry, &found, e))
        return false;
    if (!found)
        return error_set(e, EXIT_FAILED, "%s:%.100s: no such file or folder: see what is there with `ls`", fs->name, path);
    if (entry.view.is_dir && !fat32_dir_empty(fs, entry.cluster, &empty, e))
        return false;
    if (!empty)
        return error_set(e, EXIT_WRONG_STATE, "%s:%.100s: the folder is not empty: `rm -r` removes it with all in it",
                         fs->name, path);
    if (fat32_being_written(fs, &entry))
        return error_set(e, EXIT_WRONG_STATE, "%s:%.100s: it is being written by somebody else: wait for the end of that",
                         fs->name, path);
    return fat32_begin(fs, e) && fat32_drop_entry(fs, &entry, e) && fat32_barrier(fs, e) &&
           fat32_drop_chain(fs, entry.cluster, e);
}

bool fat32_remove(struct fat32 *fs, const char *path, struct error *e)
{
    fat32_lock(fs);
    return step_end(fs, entry_remove(fs, path, e), e);
}

static bool entry_rename(struct fat32 *fs, const char *from, const char *to, bool *done, struct error *e)
{
    struct fat32_entry dir, to_dir, entry, other;
    const char *name, *to_name;
    bool found = false, taken = false;

    if (!fat32_parent(fs, from, &dir, &name, e) || !fat32_find(fs, dir.cluster, name, &entry, &found, e))
        return false;
    if (!found)
        return error_set(e, EXIT_FAILED, "%s:%.100s: no such file or folder: see what is there with `ls`", fs->name, from);
    if (!fat32_parent(fs, to, &to_dir, &to_name, e) || !fat32_name_valid(to_name, e) ||
        !fat32_find(fs, to_dir.cluster, to_name, &other, &taken, e))
        return false;
    bool same = taken && other.dir == entry.dir && other.index == entry.index; /* only the case changes */
    if (taken && !same)
        return error_set(e, EXIT_WRONG_STATE, "%s:%.100s: this name is taken: remove it first", fs->name, to);
    if (fat32_being_written(fs, &entry))
        return error_set(e, EXIT_WRONG_STATE, "%s:%.100s: it is being written by somebody else: wait for the end of that",
                         fs->name, from);
    if (dir.cluster != to_dir.cluster)
        return true;
    return fat32_begin(fs, e) && fat32_rename_entry(fs, &entry, to_name, done, e);
}

bool fat32_rename(struct fat32 *fs, const char *from, const char *to, bool *done, struct error *e)
{
    *done = false;
    fat32_lock(fs);
    return step_end(fs, entry_rename(fs, from, to, done, e), e);
}

/* ---- counting ---- */

bool fat32_count_free(struct fat32 *fs, uint32_t *out, struct error *e)
{
    struct fat32_table t;
    uint32_t value = 0;
    bool ok = true;

    *out = 0;
    fat32_lock(fs);
    if (fs->state == FAT32_WRITABLE) {
        *out = fs->free_clusters;
    } else {
        fat32_table_open(&t, fs);
        for (uint32_t c = 2; ok && c - 2U < fs->clusters; c++) {
            ok = fat32_table_get(&t, c, &value, e);
            *out += ok && value == 0;
            if (c % 1024U == 0)
                thread_yield();
        }
    }
    fat32_unlock(fs);
    return ok;
}
