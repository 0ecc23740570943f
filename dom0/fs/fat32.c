/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: mounting, walking along the table, the lock. */
#include "dom0/fs/fat32.h"

#include "dom0/fs/bytes.h"
#include "dom0/fs/cache.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/lib/string.h"

#define BOOT_SECTOR_BYTES 512U
#define FSINFO_BYTES      512U

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
    if (clusters == 0 || clusters + 2 > FAT32_BAD)
        return fat32_damaged(fs, "a number of clusters that cannot be", e);
    if ((clusters + 2) * 4 > (uint64_t)b->fat_sectors * b->sector_bytes)
        return fat32_damaged(fs, "its table is shorter than its data", e);
    if ((b->flags & 0x80U) != 0 && (b->flags & 0xfU) >= b->fats)
        return fat32_damaged(fs, "it names a table that is not there", e);
    return true;
}

/* The numbers are hints; a sector that is not what it must be is damage, which only writing minds. */
static void fat32_read_info(struct fat32 *fs, const struct bpb *b)
{
    uint8_t s[FSINFO_BYTES];
    struct error e;

    fs->free_clusters = FAT32_UNKNOWN;
    fs->next_free = 2;
    if (b->info == 0 || b->info == 0xffffU)
        return;
    fs->info = fs->begin + (uint64_t)b->info * b->sector_bytes;
    if (b->info >= b->reserved) {
        (void)fat32_refuse(fs, "its information sector is outside", &e);
    } else if (!fat32_fetch(fs, fs->info, s, sizeof(s), &e)) {
        (void)fat32_refuse(fs, "its information sector cannot be read", &e);
    } else if (bytes_le32(s) != 0x41615252U || bytes_le32(s + 484) != 0x61417272U ||
               bytes_le32(s + 508) != 0xaa550000U) {
        (void)fat32_refuse(fs, "its information sector is none", &e);
    } else if (bytes_le32(s + 488) != FAT32_UNKNOWN && bytes_le32(s + 488) > fs->clusters) {
        (void)fat32_refuse(fs, "it says that more is free than there is", &e);
    } else {
        fs->free_clusters = bytes_le32(s + 488);
        if (fat32_cluster_valid(fs, bytes_le32(s + 492)))
            fs->next_free = bytes_le32(s + 492);
    }
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
    fs->begin = base;
    fs->end = base + (uint64_t)b.total * b.sector_bytes;
    fs->table_bytes = (uint64_t)b.fat_sectors * b.sector_bytes;
    fs->tables = base + (uint64_t)b.reserved * b.sector_bytes;
    fs->copies = (b.flags & 0x80U) != 0 ? 1 : b.fats;
    fs->fat = fs->tables + active * fs->table_bytes;
    fs->data = base + (b.reserved + (uint64_t)b.fats * b.fat_sectors) * b.sector_bytes;
    fs->cluster_bytes = b.cluster_sectors * b.sector_bytes;
    fs->clusters = (uint32_t)((b.total - b.reserved - (uint64_t)b.fats * b.fat_sectors) / b.cluster_sectors);
    fs->root = b.root & FAT32_ENTRY_MASK;
    if (!fat32_cluster_valid(fs, fs->root))
        return fat32_damaged(fs, "its root folder is outside", e);
    fat32_read_label(fs, s);
    fat32_read_info(fs, &b);
    if (dev->read_only)
        (void)fat32_refuse(fs, "the device is write-protected", e);
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
    uint32_t next = bytes_le32(chain->bytes + (at - window)) & FAT32_ENTRY_MASK;
    *end = next >= FAT32_END;
    if (*end)
        return true;
    if (!fat32_cluster_valid(fs, next))
        return fat32_damaged(fs, next == FAT32_BAD ? "a chain enters a bad cluster" : "a chain leads outside", e);
    chain->cluster = next;
    return true;
}

/* ---- the lock ---- */

void fat32_lock(struct fat32 *fs)
{
    if (fs->holder != thread_self()) {
        mutex_lock(&fs->lock);
        fs->holder = thread_self();
    }
    fs->depth++;
}

void fat32_unlock(struct fat32 *fs)
{
    if (--fs->depth != 0)
        return;
    fs->holder = NULL;
    mutex_unlock(&fs->lock);
}
