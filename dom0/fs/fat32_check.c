/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: is a file system sound enough to be written to? Walks all folders and all chains once, with one bit
 * per cluster: a cluster that is met twice is cross-linked or closes a loop, so the walk ends in any case. It keeps
 * its own stack of folders, at most CHECK_DEPTH deep. Then it reads the table: counts what is free, compares the
 * copies. After an unclean end (a power cut) clusters may be lost and copies may differ; that is all that our order
 * of writes can leave, and it is put right here. Without an unclean end it is damage. */
#include "dom0/fs/bytes.h"
#include "dom0/fs/cache.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"

#define CHECK_DEPTH     128U
#define CHECK_CHUNK     16384U
#define CHECK_HEAP_MAX  65536U /* more bits than this come from outside Dom0's own memory */
#define CHECK_YIELD     128U
#define CHECK_VALUES    1024U

struct check {
    struct fat32 *fs;
    uint8_t *bits;
    size_t bits_bytes;
    bool borrowed;
    bool unclean;     /* the last one who wrote was interrupted */
    uint32_t free, lost, steps;
    bool differ;
    uint32_t depth;
    struct { uint32_t cluster, offset, seen; } stack[CHECK_DEPTH]; /* where to go on in the folders above */
    struct fat32_chain folder; /* the innermost one */
    uint32_t offset, seen;
    uint8_t chunk[FAT32_CHUNK_BYTES];
    struct fat32_table table;
    uint8_t a[CHECK_CHUNK], b[CHECK_CHUNK];
};

static void check_breathe(struct check *c)
{
    if (++c->steps % CHECK_YIELD == 0)
        thread_yield();
}

/* Damage shuts writing out for good; a disk that cannot be read does so for this time. */
static bool check_damage(struct check *c, const char *why, struct error *e) { return fat32_refuse(c->fs, why, e); }

static bool check_marked(const struct check *c, uint32_t cluster)
{
    return (c->bits[cluster / 8U] >> cluster % 8U & 1U) != 0;
}

/* Follows the chain at CLUSTER to its end. */
static bool check_chain(struct check *c, uint32_t cluster, uint64_t *length, struct error *e)
{
    struct fat32_chain chain;
    bool end = false;

    *length = 0;
    if (!fat32_cluster_valid(c->fs, cluster))
        return check_damage(c, "a chain begins outside", e);
    if (!fat32_chain_start(&chain, c->fs, cluster, e))
        return false;
    while (!end) {
        if (check_marked(c, chain.cluster))
            return check_damage(c, "chains are cross-linked or a loop", e);
        c->bits[chain.cluster / 8U] |= (uint8_t)(1U << chain.cluster % 8U);
        ++*length;
        if (!fat32_chain_next(&chain, &end, e))
            return chain.window == UINT64_MAX ? false : check_damage(c, "a chain leads outside", e);
        check_breathe(c);
    }
    return true;
}

static bool check_enter(struct check *c, uint32_t cluster, struct error *e)
{
    uint64_t length;

    if (!check_chain(c, cluster, &length, e))
        return false;
    c->offset = 0;
    c->seen = 0;
    return fat32_chain_start(&c->folder, c->fs, cluster, e);
}

static bool check_descend(struct check *c, uint32_t cluster, struct error *e)
{
    if (c->depth == CHECK_DEPTH)
        return check_damage(c, "folders lie too deep in each other", e);
    c->stack[c->depth].cluster = c->folder.cluster;
    c->stack[c->depth].offset = c->offset;
    c->stack[c->depth].seen = c->seen;
    c->depth++;
    return check_enter(c, cluster, e);
}

static bool check_entry(struct check *c, const uint8_t *raw, struct error *e)
{
    uint32_t cluster = (uint32_t)bytes_le16(raw + 20) << 16 | bytes_le16(raw + 26), size = bytes_le32(raw + 28);
    uint64_t length = 0;

    if (raw[0] == FAT32_DELETED || fat32_is_dot(raw) || (raw[FAT32_ATTR] & FAT32_LONG_MASK) == FAT32_LONG ||
        (raw[FAT32_ATTR] & FAT32_VOLUME_ID) != 0)
        return true;
    if ((raw[FAT32_ATTR] & FAT32_DIRECTORY) != 0)
        return check_descend(c, cluster, e);
    if (cluster == 0)
        return size == 0 || check_damage(c, "a file has a size and no clusters", e);
    if (!check_chain(c, cluster, &length, e))
        return false;
    return size <= length * c->fs->cluster_bytes || check_damage(c, "a file's chain is shorter than the file", e);
}

/* The next entry of the innermost folder; *END: there is none. */
static bool check_step(struct check *c, bool *end, struct error *e)
{
    struct fat32 *fs = c->fs;

    *end = false;
    if (c->offset == fs->cluster_bytes) {
        if (!fat32_chain_next(&c->folder, end, e) || *end)
            return *end;
        c->offset = 0;
    }
    if (c->seen++ == FAT32_DIR_MAX)
        return check_damage(c, "a folder has too many entries", e);
    uint64_t at = fat32_cluster_offset(fs, c->folder.cluster) + c->offset;
    uint8_t raw[FAT32_PIECE_BYTES];
    if (!fat32_fetch(fs, at, raw, sizeof(raw), e))
        return false;
    c->offset += FAT32_PIECE_BYTES;
    check_breathe(c);
    *end = raw[0] == FAT32_DIR_END;
    return *end || check_entry(c, raw, e);
}

static bool check_tree(struct check *c, struct error *e)
{
    bool end = false;

    if (!check_enter(c, c->fs->root, e))
        return false;
    for (;;) {
        if (!check_step(c, &end, e))
            return false;
        if (!end)
            continue;
        if (c->depth == 0)
            return true;
        c->depth--;
        c->offset = c->stack[c->depth].offset;
        c->seen = c->stack[c->depth].seen;
        if (!fat32_chain_start(&c->folder, c->fs, c->stack[c->depth].cluster, e))
            return false;
    }
}

/* ---- the table ---- */

static bool check_value(struct check *c, uint32_t cluster, uint32_t value, struct error *e)
{
    bool used = value != 0 && value != FAT32_BAD;

    c->free += value == 0;
    if (!used || check_marked(c, cluster))
        return true;
    c->lost++;
    if (!c->unclean)
        return true; /* somebody else's, for fsck */
    c->free++;
    return fat32_table_set(&c->table, cluster, 0, e);
}

/* The second table and those behind it, for the bytes that c->a holds. */
static bool check_copies(struct check *c, uint64_t off, size_t len, struct error *e)
{
    struct fat32 *fs = c->fs;
    size_t skip = off == 0 ? 8 : 0; /* the first two entries are marks, and some systems keep them in one table only */

    for (uint32_t i = 1; i < fs->copies; i++) {
        if (!fat32_fetch(fs, fs->fat + i * fs->table_bytes + off, c->b, len, e))
            return false;
        if (memcmp(c->a + skip, c->b + skip, len - skip) == 0)
            continue;
        if (!c->unclean)
            return check_damage(c, "the copies of its table differ", e);
        c->differ = true;
        if (!fat32_store(fs, fs->fat + i * fs->table_bytes + off, c->a, len, e))
            return false;
    }
    return true;
}

static bool check_table(struct check *c, struct error *e)
{
    struct fat32 *fs = c->fs;
    uint64_t all = ((uint64_t)fs->clusters + 2U) * 4U;

    fat32_table_open(&c->table, fs);
    for (uint64_t off = 0; off < all; off += CHECK_CHUNK) {
        /* Whole sectors: the table has them, and only so does the cache stay out of the way. */
        uint64_t left = fs->table_bytes - off;
        size_t len = left < CHECK_CHUNK ? (size_t)left : CHECK_CHUNK;
        if (!fat32_fetch(fs, fs->fat + off, c->a, len, e) || !check_copies(c, off, len, e))
            return false;
        for (size_t i = 0; i < len && off + i < all; i += 4) {
            uint32_t cluster = (uint32_t)((off + i) / 4U);
            if (cluster >= 2 && !check_value(c, cluster, bytes_le32(c->a + i) & FAT32_ENTRY_MASK, e))
                return false;
            if (cluster % CHECK_VALUES == 0)
                thread_yield();
        }
        if (!fat32_table_put(&c->table, e))
            return false;
        c->table.window = UINT64_MAX;
    }
    return true;
}

static bool check_marks(struct check *c, struct error *e)
{
    struct fat32_table t;
    uint32_t value = 0;

    fat32_table_open(&t, c->fs);
    if (!fat32_table_get(&t, 1, &value, e))
        return false;
    if ((value & FAT32_NO_ERRORS) == 0)
        return check_damage(c, "a system that used it met errors of the disk", e);
    c->unclean = (value & FAT32_CLEAN) == 0;
    return true;
}

static void check_result(const struct check *c)
{
    struct fat32 *fs = c->fs;

    fs->free_clusters = c->free;
    fs->state = FAT32_WRITABLE;
    if (c->unclean)
        console_notice("%s: the last write to it was interrupted: %u clusters that nothing refers to are free again%s",
                       fs->name, c->lost, c->differ ? ", the copies of the table are alike again" : "");
}

static struct check *check_new(struct fat32 *fs)
{
    struct check *c = heap_alloc(sizeof(*c));

    if (c == NULL)
        return NULL;
    c->fs = fs;
    c->bits_bytes = ((size_t)fs->clusters + 2U + 7U) / 8U;
    c->borrowed = c->bits_bytes > CHECK_HEAP_MAX;
    c->bits = c->borrowed ? memory_borrow(c->bits_bytes) : heap_alloc(c->bits_bytes);
    if (c->bits != NULL) {
        memset(c->bits, 0, c->bits_bytes);
        return c;
    }
    heap_free(c);
    return NULL;
}

bool fat32_check(struct fat32 *fs, struct error *e)
{
    struct check *c = check_new(fs);

    if (c == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to check it before writing: end a domain first", fs->name);
    bool ok = check_marks(c, e) && check_tree(c, e) && check_table(c, e);
    if (ok)
        check_result(c);
    if (c->borrowed)
        memory_return(c->bits, c->bits_bytes);
    else
        heap_free(c->bits);
    heap_free(c);
    return ok;
}
