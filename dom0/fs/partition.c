/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Partition tables. Everything read is untrusted: each entry is checked against the device's size, chains are
 * bounded. */
#include "dom0/fs/partition.h"

#include "dom0/fs/bytes.h"
#include "dom0/fs/cache.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"

#define MBR_BYTES      512U
#define MBR_TABLE      446U
#define MBR_ENTRY      16U
#define MBR_ENTRIES    4U
#define MBR_TYPE_GPT   0xeeU
#define MBR_LOGICAL_1  5U /* the number of the first logical partition */

#define GPT_HEADER_BYTES 92U
#define GPT_REVISION_MAJOR 1U
#define GPT_ENTRY_BYTES  128U
#define GPT_TABLE_MAX    65536U /* the usual one has 16 KiB */

struct scan {
    struct block_device *dev;
    struct partition *out;
    size_t max, count;
    uint32_t left_out;
};

uint32_t partition_crc32(const void *data, size_t len)
{
    static uint32_t table[256];
    const uint8_t *p = data;
    uint32_t crc = 0xffffffffU;

    if (table[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t v = i;
            for (int bit = 0; bit < 8; bit++)
                v = (v >> 1) ^ ((v & 1U) != 0 ? 0xedb88320U : 0U);
            table[i] = v;
        }
    }
    for (size_t i = 0; i < len; i++)
        crc = table[(crc ^ p[i]) & 0xffU] ^ (crc >> 8);
    return ~crc;
}

static bool scan_read(struct scan *s, uint64_t off, void *buf, size_t len, struct error *e)
{
    enum block_status status = cache_read(s->dev, off, buf, len);

    if (status == BLOCK_OK)
        return true;
    return error_set(e, EXIT_FAILED, "%s: the partition table cannot be read: %s: check the disk and its cable",
                     s->dev->name, block_status_text(status));
}

static void scan_add(struct scan *s, uint32_t number, uint64_t first, uint64_t sectors)
{
    bool inside = sectors != 0 && first != 0 && first < s->dev->sectors && sectors <= s->dev->sectors - first;

    if (!inside || s->count == s->max) {
        s->left_out++;
        return;
    }
    s->out[s->count++] = (struct partition){.number = number, .first = first, .sectors = sectors};
}

/* ---- GPT ---- */

/* The header at LBA is whole and says so itself. */
static bool gpt_header_ok(uint8_t *h, uint64_t lba)
{
    uint32_t size = bytes_le32(h + 12);
    uint32_t crc = bytes_le32(h + 16);

    if (memcmp(h, "EFI PART", 8) != 0 || bytes_le16(h + 10) != GPT_REVISION_MAJOR || size < GPT_HEADER_BYTES ||
        size > MBR_BYTES || bytes_le64(h + 24) != lba)
        return false;
    memset(h + 16, 0, 4); /* the sum is made with its own field zero */
    return partition_crc32(h, size) == crc;
}

static uint8_t *gpt_entries(struct scan *s, const uint8_t *h, uint32_t count, uint32_t size)
{
    uint64_t first = bytes_le64(h + 72);
    struct error ignored;

    if (size < GPT_ENTRY_BYTES || size > 4096 || (size & (size - 1U)) != 0 || count == 0 ||
        count > GPT_TABLE_MAX / size || first == 0 || first >= s->dev->sectors)
        return NULL;
    uint8_t *table = heap_alloc((size_t)count * size);
    if (table == NULL)
        return NULL;
    if (scan_read(s, first * s->dev->sector_size, table, (size_t)count * size, &ignored) &&
        partition_crc32(table, (size_t)count * size) == bytes_le32(h + 88))
        return table;
    heap_free(table);
    return NULL;
}

static bool gpt_try(struct scan *s, uint64_t lba)
{
    static const uint8_t unused[16];
    uint8_t h[MBR_BYTES];
    struct error ignored;

    if (!scan_read(s, lba * s->dev->sector_size, h, sizeof(h), &ignored) || !gpt_header_ok(h, lba))
        return false;
    uint32_t count = bytes_le32(h + 80), size = bytes_le32(h + 84);
    uint8_t *table = gpt_entries(s, h, count, size);
    if (table == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = table + (size_t)i * size;
        uint64_t first = bytes_le64(entry + 32), last = bytes_le64(entry + 40);
        if (memcmp(entry, unused, sizeof(unused)) == 0)
            continue;
        scan_add(s, i + 1U, first, last >= first && last < UINT64_MAX ? last - first + 1U : 0);
    }
    heap_free(table);
    return true;
}

static bool gpt_scan(struct scan *s, struct error *e)
{
    if (s->dev->sectors < 3)
        return error_set(e, EXIT_FAILED, "%s: the disk is too small for its GPT: write a new partition table",
                         s->dev->name);
    if (gpt_try(s, 1) || gpt_try(s, s->dev->sectors - 1U)) /* the second copy is in the last sector */
        return true;
    return error_set(e, EXIT_FAILED, "%s: both copies of the GPT are damaged: repair it with gdisk on another system",
                     s->dev->name);
}

/* ---- MBR ---- */

static bool mbr_signed(const uint8_t *sector) { return sector[510] == 0x55 && sector[511] == 0xaa; }

static bool mbr_extended(uint8_t type) { return type == 0x05 || type == 0x0f || type == 0x85; }

/* Logical partitions: each link holds one and points to the next, relative to the extended partition. The chain must go
 * forward, which also ends every loop. */
static bool mbr_logical(struct scan *s, uint64_t base, uint64_t length, struct error *e)
{
    uint8_t sector[MBR_BYTES];
    uint64_t at = 0;

    for (uint32_t i = 0; i < PARTITIONS_MAX; i++) {
        if (!scan_read(s, (base + at) * s->dev->sector_size, sector, sizeof(sector), e))
            return false;
        if (!mbr_signed(sector)) {
            s->left_out++;
            return true;
        }
        const uint8_t *entry = sector + MBR_TABLE, *link = entry + MBR_ENTRY;
        if (entry[4] != 0)
            scan_add(s, MBR_LOGICAL_1 + i, base + at + bytes_le32(entry + 8), bytes_le32(entry + 12));
        uint64_t next = bytes_le32(link + 8);
        if (!mbr_extended(link[4]))
            return true;
        if (next <= at || next >= length) {
            s->left_out++;
            return true;
        }
        at = next;
    }
    s->left_out++;
    return true;
}

static bool mbr_scan(struct scan *s, const uint8_t *sector, struct error *e)
{
    for (uint32_t i = 0; i < MBR_ENTRIES; i++) {
        const uint8_t *entry = sector + MBR_TABLE + MBR_ENTRY * i;
        uint64_t first = bytes_le32(entry + 8), sectors = bytes_le32(entry + 12);
        if (entry[4] == 0)
            continue;
        if (!mbr_extended(entry[4])) {
            scan_add(s, i + 1U, first, sectors);
        } else if (first == 0 || first >= s->dev->sectors || sectors > s->dev->sectors - first) {
            s->left_out++;
        } else if (!mbr_logical(s, first, sectors, e)) {
            return false;
        }
    }
    return true;
}

/* Without partitions the first sector may itself begin a FAT file system: a jump, then sane numbers where the table
 * has none. */
static bool mbr_is_boot_sector(const uint8_t *sector)
{
    uint16_t bytes = bytes_le16(sector + 11);

    return (sector[0] == 0xeb || sector[0] == 0xe9) && bytes >= 512 && bytes <= 4096 && (bytes & (bytes - 1)) == 0 &&
           sector[13] != 0 && (sector[13] & (sector[13] - 1)) == 0 && bytes_le16(sector + 14) != 0 && sector[16] != 0 &&
           sector[21] >= 0xf0;
}

static bool mbr_entries_plausible(const uint8_t *sector)
{
    for (uint32_t i = 0; i < MBR_ENTRIES; i++) {
        uint8_t active = sector[MBR_TABLE + MBR_ENTRY * i];
        if (active != 0 && active != 0x80)
            return false;
    }
    return true;
}

static bool mbr_empty(const uint8_t *sector)
{
    for (uint32_t i = 0; i < MBR_ENTRIES; i++) {
        if (sector[MBR_TABLE + MBR_ENTRY * i + 4U] != 0)
            return false;
    }
    return true;
}

static bool mbr_has_gpt(const uint8_t *sector)
{
    for (uint32_t i = 0; i < MBR_ENTRIES; i++) {
        if (sector[MBR_TABLE + MBR_ENTRY * i + 4U] == MBR_TYPE_GPT)
            return true;
    }
    return false;
}

bool partition_scan(struct block_device *dev, struct partition *out, size_t max, size_t *count, uint32_t *left_out,
                    struct error *e)
{
    struct scan s = {.dev = dev, .out = out, .max = max};
    uint8_t sector[MBR_BYTES];
    bool ok = true;

    *count = 0;
    *left_out = 0;
    if (!scan_read(&s, 0, sector, sizeof(sector), e))
        return false;
    if (!mbr_signed(sector))
        return true;
    bool whole = mbr_is_boot_sector(sector) && (mbr_empty(sector) || !mbr_entries_plausible(sector));
    if (whole && max != 0)
        s.out[s.count++] = (struct partition){.number = 0, .first = 0, .sectors = dev->sectors};
    else
        ok = mbr_has_gpt(sector) ? gpt_scan(&s, e) : mbr_scan(&s, sector, e);
    *count = ok ? s.count : 0;
    *left_out = s.left_out;
    return ok;
}
