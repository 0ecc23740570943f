/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: reading folders and paths. A folder has at most 65,536 entries (FAT overview, chapter "FAT Directory
 * Structure"): that bounds the walk even where its chain is a loop. A path is walked downwards once, so folders that
 * contain each other do no harm. */
#include "dom0/fs/bytes.h"
#include "dom0/fs/fat32_name.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define DIR_YIELD 1024U

/* Large for a thread's stack: lives on the heap. */
struct fat32_walk {
    struct fat32_chain chain;
    uint32_t offset; /* in the cluster, of the next entry */
    uint32_t seen;
    uint32_t dir;      /* the folder's first cluster */
    uint32_t name_at;  /* index of the first piece of the long name that is under way */
    bool ended;
    uint8_t buffer[FAT32_CHUNK_BYTES];
    struct fat32_long_name name;
    char short_name[16]; /* of the entry in `entry` */
    struct fat32_entry entry;
};

static bool walk_start(struct fat32_walk *w, const struct fat32 *fs, uint32_t cluster, struct error *e)
{
    w->offset = 0;
    w->seen = 0;
    w->dir = cluster;
    w->ended = false;
    fat32_long_reset(&w->name);
    return fat32_chain_start(&w->chain, fs, cluster, e);
}

/* The next 32 bytes of the folder; NULL with w->ended: there are no more. */
static const uint8_t *walk_raw(struct fat32_walk *w, struct error *e)
{
    const struct fat32 *fs = w->chain.fs;

    if (w->offset == fs->cluster_bytes) {
        if (!fat32_chain_next(&w->chain, &w->ended, e) || w->ended)
            return NULL;
        w->offset = 0;
    }
    if (w->seen++ == FAT32_DIR_MAX) {
        (void)fat32_damaged(fs, "a folder has too many entries or is a loop", e);
        return NULL;
    }
    if (w->offset % FAT32_CHUNK_BYTES == 0 &&
        !fat32_fetch(fs, fat32_cluster_offset(fs, w->chain.cluster) + w->offset, w->buffer, FAT32_CHUNK_BYTES, e))
        return NULL;
    if (w->seen % DIR_YIELD == 0)
        thread_yield();
    const uint8_t *raw = w->buffer + w->offset % FAT32_CHUNK_BYTES;
    w->offset += FAT32_PIECE_BYTES;
    return raw;
}

/* RAW as an entry; false: one that is not shown. */
static bool walk_decode(struct fat32_walk *w, const uint8_t *raw)
{
    struct dir_entry *view = &w->entry.view;

    if (!fat32_short_name(raw, w->short_name, sizeof(w->short_name)) || raw[0] == '.')
        return false;
    w->entry.dir = w->dir;
    w->entry.index = w->name_at;
    if (!fat32_long_take(&w->name, raw, view->name, sizeof(view->name))) {
        (void)strlcpy(view->name, w->short_name, sizeof(view->name));
        /* A long name that belongs to it and cannot be shown goes with it all the same. */
        if (!fat32_long_belongs(&w->name, raw))
            w->entry.index = w->seen - 1U;
    }
    w->entry.pieces = w->seen - w->entry.index;
    view->is_dir = (raw[FAT32_ATTR] & FAT32_DIRECTORY) != 0;
    view->size = view->is_dir ? 0 : bytes_le32(raw + 28);
    view->time = bytes_le16(raw + 22);
    view->date = bytes_le16(raw + 24);
    w->entry.cluster = (uint32_t)bytes_le16(raw + 20) << 16 | bytes_le16(raw + 26);
    return true;
}

/* The next entry into w->entry; *END: there is none. */
static bool walk_next(struct fat32_walk *w, bool *end, struct error *e)
{
    *end = false;
    for (;;) {
        const uint8_t *raw = walk_raw(w, e);
        *end = w->ended || (raw != NULL && raw[0] == FAT32_DIR_END);
        if (*end || raw == NULL)
            return *end;
        if (raw[0] == FAT32_DELETED) {
            fat32_long_reset(&w->name);
            continue;
        }
        if ((raw[FAT32_ATTR] & FAT32_LONG_MASK) == FAT32_LONG) {
            if (fat32_long_begins(raw))
                w->name_at = w->seen - 1U;
            fat32_long_add(&w->name, raw);
            continue;
        }
        bool shown = (raw[FAT32_ATTR] & FAT32_VOLUME_ID) == 0 && walk_decode(w, raw);
        fat32_long_reset(&w->name);
        if (shown)
            return true;
    }
}

static struct fat32_walk *walk_new(const struct fat32 *fs, struct error *e)
{
    struct fat32_walk *w = heap_alloc(sizeof(*w));

    if (w == NULL)
        (void)error_set(e, EXIT_NO_RESOURCE, "%s: no memory to read a folder: end something first", fs->name);
    return w;
}

static bool list_locked(struct fat32 *fs, const struct fat32_entry *dir,
                        bool (*fn)(const struct fat32_entry *d, void *ctx), void *ctx, struct error *e)
{
    struct fat32_walk *w = walk_new(fs, e);
    bool end = false;

    if (w == NULL)
        return false;
    bool ok = walk_start(w, fs, dir->cluster, e);
    while (ok && !end) {
        ok = walk_next(w, &end, e);
        if (ok && !end && !fn(&w->entry, ctx))
            break;
    }
    heap_free(w);
    return ok;
}

bool fat32_list(struct fat32 *fs, const struct fat32_entry *dir,
                bool (*fn)(const struct fat32_entry *d, void *ctx), void *ctx, struct error *e)
{
    fat32_lock(fs);
    bool ok = list_locked(fs, dir, fn, ctx, e);
    fat32_unlock(fs);
    return ok;
}

/* The entry NAME (LEN bytes) of the folder at CLUSTER into w->entry. */
static bool walk_find(struct fat32_walk *w, const struct fat32 *fs, uint32_t cluster, const char *name, size_t len,
                      bool *found, struct error *e)
{
    bool end = false;

    *found = false;
    if (!walk_start(w, fs, cluster, e))
        return false;
    while (!*found) {
        if (!walk_next(w, &end, e))
            return false;
        if (end)
            return true;
        const char *view = w->entry.view.name;
        *found = (strlen(view) == len && strncasecmp(view, name, len) == 0) ||
                 (strlen(w->short_name) == len && strncasecmp(w->short_name, name, len) == 0);
    }
    return true;
}

static void fat32_root_entry(const struct fat32 *fs, struct fat32_entry *out)
{
    *out = (struct fat32_entry){.cluster = fs->root};
    out->view.name[0] = '/';
    out->view.is_dir = true;
}

static bool lookup_step(struct fat32_walk *w, const struct fat32 *fs, const char *path, const char *part, size_t len,
                        struct fat32_entry *at, struct error *e)
{
    bool found = false;

    if (!at->view.is_dir)
        return error_set(e, EXIT_FAILED, "%s:%.100s: a part of it is a file, not a folder: check it with `ls`", fs->name,
                         path);
    if (!walk_find(w, fs, at->cluster, part, len, &found, e))
        return false;
    if (!found)
        return error_set(e, EXIT_FAILED, "%s:%.100s: no such file or folder: see what is there with `ls`", fs->name, path);
    *at = w->entry;
    return true;
}

static bool lookup_locked(struct fat32 *fs, const char *path, struct fat32_entry *out, struct error *e)
{
    const char *part = path;
    bool ok = true;

    fat32_root_entry(fs, out);
    struct fat32_walk *w = walk_new(fs, e);
    if (w == NULL)
        return false;
    while (ok) {
        while (*part == '/')
            part++;
        const char *slash = strchr(part, '/');
        size_t len = slash != NULL ? (size_t)(slash - part) : strlen(part);
        if (len == 0)
            break;
        ok = lookup_step(w, fs, path, part, len, out, e);
        part += len;
    }
    heap_free(w);
    return ok;
}

bool fat32_lookup(struct fat32 *fs, const char *path, struct fat32_entry *out, struct error *e)
{
    fat32_lock(fs);
    bool ok = lookup_locked(fs, path, out, e);
    fat32_unlock(fs);
    return ok;
}

bool fat32_find(struct fat32 *fs, uint32_t dir, const char *name, struct fat32_entry *out, bool *found,
                struct error *e)
{
    struct fat32_walk *w = walk_new(fs, e);

    if (w == NULL)
        return false;
    bool ok = walk_find(w, fs, dir, name, strlen(name), found, e);
    if (ok && *found)
        *out = w->entry;
    heap_free(w);
    return ok;
}

bool fat32_parent(struct fat32 *fs, const char *path, struct fat32_entry *dir, const char **name, struct error *e)
{
    char folder[PATH_MAX_LEN];
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash[1] == '\0' || (size_t)(slash - path) >= sizeof(folder))
        return error_set(e, EXIT_FAILED, "%s:%.100s: the root folder itself cannot be changed: name something in it",
                         fs->name, path);
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    *name = slash + 1;
    if (!fat32_lookup(fs, folder, dir, e))
        return false;
    return dir->view.is_dir || error_set(e, EXIT_FAILED, "%s:%.100s: a file, not a folder: nothing can be put into it",
                                         fs->name, folder);
}
