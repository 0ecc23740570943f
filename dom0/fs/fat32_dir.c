/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: folders and paths. A folder has at most 65,536 entries (FAT overview, chapter "FAT Directory
 * Structure"): that bounds the walk even where its chain is a loop. A path is walked downwards once, so folders that
 * contain each other do no harm. */
#include "dom0/fs/bytes.h"
#include "dom0/fs/fat32_name.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define DIR_ENTRIES_MAX  65536U
#define DIR_BUFFER_BYTES 512U
#define DIR_YIELD        1024U

#define ENTRY_ATTR       11U
#define ATTR_VOLUME      0x08U
#define ATTR_DIRECTORY   0x10U
#define ATTR_LONG        0x0fU
#define ATTR_LONG_MASK   0x3fU
#define ENTRY_END        0x00U
#define ENTRY_DELETED    0xe5U

/* Large for a thread's stack: lives on the heap. */
struct fat32_walk {
    struct fat32_chain chain;
    uint32_t offset; /* in the cluster, of the next entry */
    uint32_t seen;
    bool ended;
    uint8_t buffer[DIR_BUFFER_BYTES];
    struct fat32_long_name name;
    char short_name[16]; /* of the entry in `entry` */
    struct fat32_entry entry;
};

static bool walk_start(struct fat32_walk *w, const struct fat32 *fs, uint32_t cluster, struct error *e)
{
    w->offset = 0;
    w->seen = 0;
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
    if (w->seen++ == DIR_ENTRIES_MAX) {
        (void)fat32_damaged(fs, "a folder has too many entries or is a loop", e);
        return NULL;
    }
    if (w->offset % DIR_BUFFER_BYTES == 0 &&
        !fat32_fetch(fs, fat32_cluster_offset(fs, w->chain.cluster) + w->offset, w->buffer, DIR_BUFFER_BYTES, e))
        return NULL;
    if (w->seen % DIR_YIELD == 0)
        thread_yield();
    const uint8_t *raw = w->buffer + w->offset % DIR_BUFFER_BYTES;
    w->offset += FAT32_ENTRY_BYTES;
    return raw;
}

/* RAW as an entry; false: one that is not shown. */
static bool walk_decode(struct fat32_walk *w, const uint8_t *raw)
{
    struct dir_entry *view = &w->entry.view;

    if (!fat32_short_name(raw, w->short_name, sizeof(w->short_name)) || raw[0] == '.')
        return false;
    if (!fat32_long_take(&w->name, raw, view->name, sizeof(view->name)))
        (void)strlcpy(view->name, w->short_name, sizeof(view->name));
    view->is_dir = (raw[ENTRY_ATTR] & ATTR_DIRECTORY) != 0;
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
        *end = w->ended || (raw != NULL && raw[0] == ENTRY_END);
        if (*end || raw == NULL)
            return *end;
        if (raw[0] == ENTRY_DELETED) {
            fat32_long_reset(&w->name);
            continue;
        }
        if ((raw[ENTRY_ATTR] & ATTR_LONG_MASK) == ATTR_LONG) {
            fat32_long_add(&w->name, raw);
            continue;
        }
        bool shown = (raw[ENTRY_ATTR] & ATTR_VOLUME) == 0 && walk_decode(w, raw);
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

bool fat32_list(const struct fat32 *fs, const struct fat32_entry *dir,
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
        return error_set(e, EXIT_FAILED, "%s:%s: a part of it is a file, not a folder: check it with `ls`", fs->name,
                         path);
    if (!walk_find(w, fs, at->cluster, part, len, &found, e))
        return false;
    if (!found)
        return error_set(e, EXIT_FAILED, "%s:%s: no such file or folder: see what is there with `ls`", fs->name, path);
    *at = w->entry;
    return true;
}

bool fat32_lookup(const struct fat32 *fs, const char *path, struct fat32_entry *out, struct error *e)
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
