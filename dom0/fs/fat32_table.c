/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: changing the table, the marks of a clean end, the count of free clusters. The order of writes is in
 * fat32.h. */
#include "dom0/fs/bytes.h"
#include "dom0/fs/cache.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/lib/string.h"

#define TABLE_YIELD 1024U

/* ---- the device ---- */

bool fat32_refuse(struct fat32 *fs, const char *why, struct error *e)
{
    if (fs->state != FAT32_REFUSED)
        (void)strlcpy(fs->refused, why, sizeof(fs->refused));
    fs->state = FAT32_REFUSED;
    return error_set(e, EXIT_NO_RESOURCE, "%s: not written to: %s: %s", fs->name, fs->refused,
                     fs->dev->read_only ? "use another volume"
                                        : "repair it with fsck.vfat on another system, or use another volume");
}

static bool store_failed(struct fat32 *fs, enum block_status s, struct error *e)
{
    struct error ignored;

    (void)fat32_refuse(fs, s == BLOCK_READ_ONLY ? "the device is write-protected" : "an earlier write failed",
                       &ignored);
    return error_set(e, EXIT_NO_RESOURCE,
                     "%s: writing fails: %s: check the disk and its cable; nothing more is written to it until the "
                     "next boot", fs->name, block_status_text(s));
}

bool fat32_store(struct fat32 *fs, uint64_t off, const void *buf, size_t len, struct error *e)
{
    if (fs->state == FAT32_REFUSED)
        return fat32_refuse(fs, fs->refused, e);
    if (off < fs->begin || off > fs->end || len > fs->end - off)
        return fat32_refuse(fs, "a write would leave the file system", e);
    enum block_status s = cache_write(fs->dev, off, buf, len);
    return s == BLOCK_OK || store_failed(fs, s, e);
}

bool fat32_barrier(struct fat32 *fs, struct error *e)
{
    if (fs->state == FAT32_REFUSED)
        return fat32_refuse(fs, fs->refused, e);
    enum block_status s = cache_flush(fs->dev);
    return s == BLOCK_OK || store_failed(fs, s, e);
}

/* ---- one entry of the table ---- */

void fat32_table_open(struct fat32_table *t, struct fat32 *fs)
{
    t->fs = fs;
    t->window = UINT64_MAX;
    t->changed = false;
}

/* The active copy first: it is the one that everybody reads. */
bool fat32_table_put(struct fat32_table *t, struct error *e)
{
    struct fat32 *fs = t->fs;

    if (!t->changed)
        return true;
    t->changed = false;
    if (!fat32_store(fs, fs->fat + t->window, t->bytes, sizeof(t->bytes), e))
        return false;
    for (uint32_t i = 1; i < fs->copies; i++) {
        if (!fat32_store(fs, fs->fat + i * fs->table_bytes + t->window, t->bytes, sizeof(t->bytes), e))
            return false;
    }
    return true;
}

/* Any number below clusters + 2, so that FAT[1] can be changed, too. */
static bool table_load(struct fat32_table *t, uint32_t cluster, struct error *e)
{
    uint64_t window = (uint64_t)cluster * 4U & ~(uint64_t)(FAT32_WINDOW_BYTES - 1U);

    if (window == t->window)
        return true;
    if (!fat32_table_put(t, e))
        return false;
    t->window = UINT64_MAX;
    if (!fat32_fetch(t->fs, t->fs->fat + window, t->bytes, sizeof(t->bytes), e))
        return false;
    t->window = window;
    return true;
}

bool fat32_table_get(struct fat32_table *t, uint32_t cluster, uint32_t *value, struct error *e)
{
    if (!table_load(t, cluster, e))
        return false;
    *value = bytes_le32(t->bytes + ((uint64_t)cluster * 4U - t->window)) & FAT32_ENTRY_MASK;
    return true;
}

/* The upper four bits are nobody's and stay. */
bool fat32_table_set(struct fat32_table *t, uint32_t cluster, uint32_t value, struct error *e)
{
    if (!table_load(t, cluster, e))
        return false;
    uint8_t *p = t->bytes + ((uint64_t)cluster * 4U - t->window);
    bytes_put32(p, (bytes_le32(p) & ~FAT32_ENTRY_MASK) | (value & FAT32_ENTRY_MASK));
    t->changed = true;
    return true;
}

/* ---- clean and in use ---- */

static bool table_mark(struct fat32 *fs, bool clean, struct error *e)
{
    struct fat32_table t;
    uint32_t value = 0;

    fat32_table_open(&t, fs);
    return fat32_table_get(&t, 1, &value, e) &&
           fat32_table_set(&t, 1, clean ? value | FAT32_CLEAN : value & ~FAT32_CLEAN, e) && fat32_table_put(&t, e) &&
           fat32_barrier(fs, e);
}

bool fat32_begin(struct fat32 *fs, struct error *e)
{
    if (fs->state == FAT32_UNCHECKED && !fat32_check(fs, e))
        return false;
    if (fs->state == FAT32_REFUSED)
        return fat32_refuse(fs, fs->refused, e);
    if (!fs->dirty && !table_mark(fs, false, e))
        return false;
    fs->dirty = true;
    return true;
}

static bool info_put(struct fat32 *fs, struct error *e)
{
    uint8_t s[FAT32_CHUNK_BYTES];

    if (fs->info == 0)
        return true;
    if (!fat32_fetch(fs, fs->info, s, sizeof(s), e))
        return false;
    bytes_put32(s + 488, fs->free_clusters);
    bytes_put32(s + 492, fs->next_free);
    return fat32_store(fs, fs->info, s, sizeof(s), e);
}

bool fat32_sync(struct fat32 *fs, struct error *e)
{
    if (!fs->dirty)
        return true;
    if (!info_put(fs, e) || !fat32_barrier(fs, e))
        return false;
    if (fs->writers != 0)
        return true;
    if (!table_mark(fs, true, e))
        return false;
    fs->dirty = false;
    return true;
}

/* ---- free clusters ---- */

static bool table_full(struct fat32 *fs, uint64_t missing, struct error *e)
{
    return error_set(e, EXIT_NO_RESOURCE, "%s: the volume is full: %lu KiB are missing: remove something with `rm`",
                     fs->name, (missing * fs->cluster_bytes + 1023U) / 1024U);
}

bool fat32_room(struct fat32 *fs, uint64_t count, struct error *e)
{
    return count <= fs->free_clusters || table_full(fs, count - fs->free_clusters, e);
}

/* The first free cluster from next_free on, around the end. */
static bool table_find_free(struct fat32_table *t, uint32_t *out, struct error *e)
{
    struct fat32 *fs = t->fs;
    uint32_t at = fat32_cluster_valid(fs, fs->next_free) ? fs->next_free : 2, value = 0;

    for (uint32_t i = 0; i < fs->clusters; i++) {
        if (!fat32_table_get(t, at, &value, e))
            return false;
        if (value == 0) {
            *out = at;
            return true;
        }
        at = at == fs->clusters + 1U ? 2 : at + 1U;
        if (i % TABLE_YIELD == TABLE_YIELD - 1U)
            thread_yield();
    }
    return fat32_refuse(fs, "its count of free clusters is wrong", e);
}

/* Links cluster after cluster while the next one is free, too. */
static bool table_take_run(struct fat32_table *t, uint32_t first, uint32_t want, uint32_t *count, struct error *e)
{
    uint32_t at = first, value = 0;

    for (*count = 1; *count < want; ++*count, at++) {
        if (!fat32_cluster_valid(t->fs, at + 1U))
            break;
        if (!fat32_table_get(t, at + 1U, &value, e))
            return false;
        if (value != 0)
            break;
        if (!fat32_table_set(t, at, at + 1U, e))
            return false;
    }
    return fat32_table_set(t, at, FAT32_LAST, e);
}

bool fat32_take(struct fat32 *fs, uint32_t want, uint32_t link, uint32_t *first, uint32_t *count, struct error *e)
{
    struct fat32_table t;

    if (fs->free_clusters == 0)
        return table_full(fs, want, e);
    fat32_table_open(&t, fs);
    if (!table_find_free(&t, first, e) || !table_take_run(&t, *first, want, count, e) ||
        (link != 0 && !fat32_table_set(&t, link, *first, e)) || !fat32_table_put(&t, e))
        return false;
    fs->free_clusters -= *count;
    fs->next_free = *first + *count;
    return true;
}

bool fat32_give_back(struct fat32 *fs, uint32_t cluster, struct error *e)
{
    struct fat32_table t;
    uint32_t next = 0;

    fat32_table_open(&t, fs);
    for (uint32_t i = 0; i < fs->clusters; i++) {
        if (!fat32_cluster_valid(fs, cluster))
            return fat32_refuse(fs, "a chain leads outside", e);
        if (!fat32_table_get(&t, cluster, &next, e) || !fat32_table_set(&t, cluster, 0, e))
            return false;
        fs->free_clusters++;
        if (cluster < fs->next_free)
            fs->next_free = cluster;
        if (next >= FAT32_END)
            return fat32_table_put(&t, e);
        cluster = next;
        if (i % TABLE_YIELD == TABLE_YIELD - 1U)
            thread_yield();
    }
    return fat32_refuse(fs, "a chain is a loop", e);
}
