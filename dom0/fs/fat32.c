/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: mounting, the table, files. */
#include "dom0/fs/fat32.h"

#include "dom0/fs/bytes.h"
#include "dom0/fs/cache.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define BOOT_SECTOR_BYTES 512U
#define FSINFO_BYTES      512U
#define FAT_ENTRY_MASK    0x0fffffffU
#define FAT_ENTRY_BAD     0x0ffffff7U
#define FAT_ENTRY_END     0x0ffffff8U
#define FAT_YIELD_STEPS   4096U
#define FAT_SPARE_MAX     65536U /* clusters behind the end of a file */
#define FAT_UNKNOWN       0xffffffffU

struct fat32_run {
    uint32_t index; /* of its first cluster within the file */
    uint32_t cluster;
    uint32_t count;
};

struct fat32_file {
    const struct fat32 *fs;
    uint32_t size;
    uint32_t count, capacity;
    struct fat32_run *runs;
};

/* ---- mounting ---- */

/* The numbers of the boot sector, FAT overview section 3.1 "BPB". */
struct bpb {
    uint32_t sector_bytes, cluster_sectors, reserved, fats, root_entries, total, fat16_sectors, fat_sectors;
    uint32_t flags, version, root, info;
};

static bool power_of_two(uint32_t v) { return v != 0 && (v & (v - 1U)) == 0; }

static void bpb_decode(const uint8_t *s, struct bpb *b)
{
    uint32_t total16 = bytes_le16(s + 19);

    b->sector_bytes = bytes_le16(s + 11);
    b->cluster_sectors = s[13];
    b->reserved = bytes_le16(s + 14);
    b->fats = s[16];
    b->root_entries = bytes_le16(s + 17);
    b->total = total16 != 0 ? total16 : bytes_le32(s + 32);
    b->fat16_sectors = bytes_le16(s + 22);
    b->fat_sectors = bytes_le32(s + 36);
    b->flags = bytes_le16(s + 40);
    b->version = bytes_le16(s + 42);
    b->root = bytes_le32(s + 44);
    b->info = bytes_le16(s + 48);
}

static bool bpb_is_fat(const uint8_t *s, const struct bpb *b)
{
    return s[510] == 0x55 && s[511] == 0xaa && (s[0] == 0xeb || s[0] == 0xe9) && power_of_two(b->sector_bytes) &&
           b->sector_bytes >= 512 && b->sector_bytes <= 4096 && power_of_two(b->cluster_sectors) && b->reserved != 0 &&
           b->fats != 0 && b->fats <= 4;
}

/* Everything that later code relies on follows from these checks. */
static bool bpb_check(const struct fat32 *fs, const struct bpb *b, uint64_t bytes, struct error *e)
{
    uint64_t data = b->reserved + (uint64_t)b->fats * b->fat_sectors;

    if (b->fat_sectors == 0 || b->version != 0)
        return fat32_damaged(fs, "an unknown version", e);
    if ((uint64_t)b->total * b->sector_bytes > bytes)
        return fat32_damaged(fs, "it is larger than its partition", e);
    if (data >= b->total)
        return fat32_damaged(fs, "no room for data", e);
    uint64_t clusters = (b->total - data) / b->cluster_sectors;
    if (clusters == 0 || clusters + 2 > FAT_ENTRY_BAD)
        return fat32_damaged(fs, "a number of clusters that cannot be", e);
    if ((clusters + 2) * 4 > (uint64_t)b->fat_sectors * b->sector_bytes)
        return fat32_damaged(fs, "its table is shorter than its data", e);
    if ((b->flags & 0x80U) != 0 && (b->flags & 0xfU) >= b->fats)
        return fat32_damaged(fs, "it names a table that is not there", e);
    return true;
}

/* Free clusters and label are for display: what does not look right is unknown. */
static void fat32_read_info(struct fat32 *fs, const struct bpb *b, uint64_t base)
{
    uint8_t s[FSINFO_BYTES];
    struct error ignored;

    fs->free_clusters = FAT_UNKNOWN;
    if (b->info == 0 || b->info >= b->reserved ||
        !fat32_fetch(fs, base + (uint64_t)b->info * b->sector_bytes, s, sizeof(s), &ignored))
        return;
    if (bytes_le32(s) != 0x41615252U || bytes_le32(s + 484) != 0x61417272U || bytes_le32(s + 508) != 0xaa550000U)
        return;
    uint32_t hint = bytes_le32(s + 488);
    if (hint <= fs->clusters)
        fs->free_clusters = hint;
}

static void fat32_read_label(struct fat32 *fs, const uint8_t *boot)
{
    size_t len = 0;

    for (size_t i = 0; i < 11; i++) {
        char c = (char)boot[71 + i];
        fs->label[i] = c >= 0x20 && c < 0x7f ? c : '_';
        if (fs->label[i] != ' ')
            len = i + 1;
    }
    fs->label[len] = '\0';
}

bool fat32_mount(struct fat32 *fs, const char *name, struct block_device *dev, uint64_t first, uint64_t sectors,
                 struct error *e)
{
    uint8_t s[BOOT_SECTOR_BYTES];
    struct bpb b;
    uint64_t base = first * dev->sector_size;

    *fs = (struct fat32){.dev = dev};
    (void)strlcpy(fs->name, name, sizeof(fs->name));
    if (!fat32_fetch(fs, base, s, sizeof(s), e))
        return false;
    bpb_decode(s, &b);
    if (!bpb_is_fat(s, &b))
        return error_set(e, EXIT_FAILED, "%s: no file system that Corbel reads: format it as FAT32", name);
    if (b.root_entries != 0 || b.fat16_sectors != 0)
        return error_set(e, EXIT_FAILED, "%s: FAT12 or FAT16: format it as FAT32 (mkfs.vfat -F 32)", name);
    if (!bpb_check(fs, &b, sectors * dev->sector_size, e))
        return false;
    uint32_t active = (b.flags & 0x80U) != 0 ? b.flags & 0xfU : 0;
    fs->fat = base + (b.reserved + (uint64_t)active * b.fat_sectors) * b.sector_bytes;
    fs->data = base + (b.reserved + (uint64_t)b.fats * b.fat_sectors) * b.sector_bytes;
    fs->cluster_bytes = b.cluster_sectors * b.sector_bytes;
    fs->clusters = (uint32_t)((b.total - b.reserved - (uint64_t)b.fats * b.fat_sectors) / b.cluster_sectors);
    fs->root = b.root & FAT_ENTRY_MASK;
    if (!fat32_cluster_valid(fs, fs->root))
        return fat32_damaged(fs, "its root folder is outside", e);
    fat32_read_label(fs, s);
    fat32_read_info(fs, &b, base);
    return true;
}

/* ---- the table ---- */

bool fat32_cluster_valid(const struct fat32 *fs, uint32_t cluster)
{
    return cluster >= 2 && cluster - 2U < fs->clusters;
}

uint64_t fat32_cluster_offset(const struct fat32 *fs, uint32_t cluster)
{
    return fs->data + (uint64_t)(cluster - 2U) * fs->cluster_bytes;
}

bool fat32_fetch(const struct fat32 *fs, uint64_t off, void *buf, size_t len, struct error *e)
{
    enum block_status s = cache_read(fs->dev, off, buf, len);

    if (s == BLOCK_OK)
        return true;
    return error_set(e, EXIT_FAILED, "%s: reading fails at byte %lu: %s: check the disk and its cable", fs->name, off,
                     block_status_text(s));
}

bool fat32_damaged(const struct fat32 *fs, const char *why, struct error *e)
{
    return error_set(e, EXIT_FAILED, "%s: the file system is damaged (%s): repair it with fsck.vfat on another system",
                     fs->name, why);
}

bool fat32_chain_start(struct fat32_chain *chain, const struct fat32 *fs, uint32_t cluster, struct error *e)
{
    chain->fs = fs;
    chain->cluster = cluster;
    chain->window = UINT64_MAX;
    return fat32_cluster_valid(fs, cluster) || fat32_damaged(fs, "a file begins outside", e);
}

bool fat32_chain_next(struct fat32_chain *chain, bool *end, struct error *e)
{
    const struct fat32 *fs = chain->fs;
    uint64_t at = (uint64_t)chain->cluster * 4U;
    uint64_t window = at & ~(uint64_t)(FAT32_WINDOW_BYTES - 1U);

    if (window != chain->window) {
        chain->window = UINT64_MAX;
        if (!fat32_fetch(fs, fs->fat + window, chain->bytes, sizeof(chain->bytes), e))
            return false;
        chain->window = window;
    }
    uint32_t next = bytes_le32(chain->bytes + (at - window)) & FAT_ENTRY_MASK;
    *end = next >= FAT_ENTRY_END;
    if (*end)
        return true;
    if (!fat32_cluster_valid(fs, next))
        return fat32_damaged(fs, next == FAT_ENTRY_BAD ? "a chain enters a bad cluster" : "a chain leads outside", e);
    chain->cluster = next;
    return true;
}

/* ---- files ---- */

static bool fat32_add_run(struct fat32_file *f, uint32_t index, uint32_t cluster, struct error *e)
{
    struct fat32_run *last = f->count != 0 ? &f->runs[f->count - 1U] : NULL;

    if (last != NULL && cluster == last->cluster + last->count) {
        last->count++;
        return true;
    }
    if (f->count == f->capacity) {
        uint32_t capacity = f->capacity != 0 ? f->capacity * 2U : 4U;
        struct fat32_run *runs = heap_realloc(f->runs, capacity * sizeof(*runs));
        if (runs == NULL)
            return error_set(e, EXIT_NO_RESOURCE,
                             "%s: too little memory for a file in %u pieces: defragment the volume", f->fs->name, f->count);
        f->runs = runs;
        f->capacity = capacity;
    }
    f->runs[f->count++] = (struct fat32_run){.index = index, .cluster = cluster, .count = 1};
    return true;
}

/* Walks the chain also behind the file's end: only so does a loop show, as a chain that is longer than the file system
 * has clusters, or than the file by more than anybody sets aside for it (without this limit a small file on a large
 * damaged disk could keep the reader busy for hours). */
static bool fat32_map(struct fat32_file *f, uint32_t cluster, struct error *e)
{
    const struct fat32 *fs = f->fs;
    uint32_t need = (uint32_t)(((uint64_t)f->size + fs->cluster_bytes - 1U) / fs->cluster_bytes);
    struct fat32_chain chain;
    bool end = false;

    if (!fat32_chain_start(&chain, fs, cluster, e))
        return false;
    for (uint32_t i = 0; !end; i++) {
        if (i == fs->clusters || i == need + FAT_SPARE_MAX)
            return fat32_damaged(fs, "a file's chain is a loop or far too long", e);
        if (i < need && !fat32_add_run(f, i, chain.cluster, e))
            return false;
        if (!fat32_chain_next(&chain, &end, e))
            return false;
        if (end && i + 1U < need)
            return fat32_damaged(fs, "a file's chain is shorter than the file", e);
        if (i % FAT_YIELD_STEPS == FAT_YIELD_STEPS - 1U)
            thread_yield();
    }
    return true;
}

bool fat32_open(const struct fat32 *fs, const struct fat32_entry *entry, struct fat32_file **out, struct error *e)
{
    if (entry->view.is_dir)
        return error_set(e, EXIT_FAILED, "%s: a folder, not a file: name a file in it", entry->view.name);
    struct fat32_file *f = heap_alloc(sizeof(*f));
    if (f == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to open it: end something first", entry->view.name);
    f->fs = fs;
    f->size = (uint32_t)entry->view.size;
    if (f->size != 0 && !fat32_map(f, entry->cluster, e)) {
        fat32_close(f);
        return false;
    }
    *out = f;
    return true;
}

uint64_t fat32_size(const struct fat32_file *f) { return f->size; }

/* The run that holds the file's cluster INDEX, which exists. */
static const struct fat32_run *fat32_find_run(const struct fat32_file *f, uint32_t index)
{
    uint32_t low = 0, high = f->count - 1U;

    while (low < high) {
        uint32_t mid = low + (high - low + 1U) / 2U;
        if (f->runs[mid].index <= index)
            low = mid;
        else
            high = mid - 1U;
    }
    return &f->runs[low];
}

bool fat32_read(const struct fat32_file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e)
{
    uint8_t *out = buf;

    *got = 0;
    if (off >= f->size)
        return true;
    if (len > f->size - off)
        len = (size_t)(f->size - off);
    while (*got < len) {
        const struct fat32_run *run = fat32_find_run(f, (uint32_t)(off / f->fs->cluster_bytes));
        uint64_t start = (uint64_t)run->index * f->fs->cluster_bytes;
        uint64_t left = (uint64_t)run->count * f->fs->cluster_bytes - (off - start);
        size_t part = len - *got < left ? len - *got : (size_t)left;
        if (!fat32_fetch(f->fs, fat32_cluster_offset(f->fs, run->cluster) + (off - start), out + *got, part, e))
            return false;
        *got += part;
        off += part;
    }
    return true;
}

void fat32_close(struct fat32_file *f)
{
    if (f == NULL)
        return;
    heap_free(f->runs);
    heap_free(f);
}
