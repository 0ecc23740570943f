/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A sparse extent is looked through before it is used: no two of its pieces may lie on each other, or a guest's
 * write to a grain would change a table or the descriptor, and with it which files it has. */
#include "dom0/fs/bytes.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk_priv.h"
#include "dom0/vdisk/vmdk_priv.h"

#define TABLE_SECTORS (VMDK_TABLE_BYTES / VDISK_SECTOR_BYTES)

bool vmdk_damaged(const char *name, const char *why, struct error *e)
{
    return error_set(e, EXIT_FAILED, "%.120s: damaged: %s: copy it again, or convert it with qemu-img convert -O vmdk", name, why);
}

/* ---- the header ---- */

static bool refused(const char *name, const char *why, struct error *e)
{
    return error_set(e, EXIT_INCOMPATIBLE, "%.100s: %s: convert it with qemu-img convert -O vmdk", name, why);
}

static bool power_of_two(uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

static bool kind_known(const struct vmdk_header *h, const char *name, const uint8_t *raw, struct error *e)
{
    if (h->version < 1 || h->version > 3)
        return refused(name, "a version of sparse extents that is not known", e);
    if ((h->flags & (VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS)) != 0 || bytes_le16(raw + 77) != 0 || h->directory == VMDK_AT_END)
        return refused(name, "it is compressed (streamOptimized)", e);
    if ((h->flags & VMDK_FLAG_NEWLINE) != 0 && memcmp(raw + 73, "\n \r\n", 4) != 0)
        return vmdk_damaged(name, "it was copied as text, which changed its line ends", e);
    return true;
}

/* Does a piece of SECTORS at START lie behind the header and before the first grain? */
static bool in_overhead(const struct vmdk_header *h, uint64_t start, uint64_t sectors)
{
    return start >= 1 && start < h->overhead && sectors <= h->overhead - start;
}

static uint64_t directory_sectors(const struct vmdk_header *h)
{
    return (h->tables * 4UL + VDISK_SECTOR_BYTES - 1) / VDISK_SECTOR_BYTES;
}

static bool sizes_sane(struct vmdk_header *h, const char *name, const uint8_t *raw, uint64_t file_bytes, struct error *e)
{
    if (bytes_le32(raw + 44) != VMDK_TABLE_GRAINS)
        return refused(name, "its grain tables do not have 512 entries", e);
    if (!power_of_two(h->grain) || h->grain < VMDK_GRAIN_MIN || h->grain > VMDK_GRAIN_MAX)
        return refused(name, "its grains are smaller than 4 KiB, larger than 1 MiB, or no power of two", e);
    if (h->capacity == 0 || h->capacity > VMDK_TABLES_MAX * VMDK_TABLE_GRAINS * h->grain)
        return refused(name, "it is empty, or has more than 65536 grain tables (2 TiB with usual grains)", e);
    h->tables = (uint32_t)((h->capacity + h->grain * VMDK_TABLE_GRAINS - 1) / (h->grain * VMDK_TABLE_GRAINS));
    if (h->overhead % h->grain != 0 || h->overhead == 0 || h->overhead > file_bytes / VDISK_SECTOR_BYTES)
        return vmdk_damaged(name, "its grains do not begin on a multiple of their size within the file", e);
    return true;
}

bool vmdk_header_read(struct vmdk_header *h, const char *name, const uint8_t *raw, uint64_t file_bytes, struct error *e)
{
    *h = (struct vmdk_header){.version = bytes_le32(raw + 4), .flags = bytes_le32(raw + 8),
                              .capacity = bytes_le64(raw + 12), .grain = bytes_le64(raw + 20),
                              .descriptor = bytes_le64(raw + 28), .descriptor_sectors = bytes_le64(raw + 36),
                              .redundant = bytes_le64(raw + 48), .directory = bytes_le64(raw + 56),
                              .overhead = bytes_le64(raw + 64), .unclean = raw[72] != 0};
    if (bytes_le32(raw) != VMDK_MAGIC)
        return vmdk_damaged(name, "a sparse extent does not begin so", e);
    if (!kind_known(h, name, raw, e) || !sizes_sane(h, name, raw, file_bytes, e))
        return false;
    bool twice = (h->flags & VMDK_FLAG_REDUNDANT) != 0;
    h->redundant = twice ? h->redundant : 0;
    if (!in_overhead(h, h->directory, directory_sectors(h)) ||
        (twice && !in_overhead(h, h->redundant, directory_sectors(h))))
        return vmdk_damaged(name, "its directory does not lie before its grains", e);
    if (h->descriptor != 0 && !in_overhead(h, h->descriptor, h->descriptor_sectors))
        return vmdk_damaged(name, "its descriptor does not lie before its grains", e);
    return true;
}

/* ---- what lies before the grains ---- */

struct check {
    struct vmdk_sparse *s;
    uint8_t *used; /* bit per sector of the overhead */
    bool repair;
};

/* START .. START + SECTORS belongs to one piece and to no other. */
static bool claim(struct check *c, uint64_t start, uint64_t sectors, struct error *e)
{
    if (!in_overhead(&c->s->h, start, sectors))
        return vmdk_damaged(c->s->name, "a grain table does not lie before the grains", e);
    for (uint64_t i = start; i < start + sectors; i++) {
        uint8_t bit = (uint8_t)(1U << i % 8);
        if ((c->used[i / 8] & bit) != 0)
            return vmdk_damaged(c->s->name, "two of its tables lie on each other", e);
        c->used[i / 8] |= bit;
    }
    return true;
}

static bool read_directory(struct check *c, uint64_t start, uint32_t **out, struct error *e)
{
    struct vmdk_sparse *s = c->s;
    uint64_t sectors = directory_sectors(&s->h);
    if (!claim(c, start, sectors, e))
        return false;
    *out = heap_alloc(sectors * VDISK_SECTOR_BYTES);
    if (*out == NULL)
        return vdisk_no_memory(s->name, e);
    if (!vdisk_file_read(s->f, start * VDISK_SECTOR_BYTES, *out, sectors * VDISK_SECTOR_BYTES, e))
        return false;
    for (uint32_t i = 0; i < s->h.tables; i++)
        if (!claim(c, (*out)[i], TABLE_SECTORS, e))
            return false;
    return true;
}

/* ---- tables and grains ---- */

/* The guest's sectors of grain NUMBER, fewer in the last one. */
static uint64_t grain_sectors(const struct vmdk_sparse *s, uint64_t number)
{
    uint64_t left = s->h.capacity - number * s->h.grain;
    return left < s->h.grain ? left : s->h.grain;
}

static bool check_entry(struct vmdk_sparse *s, uint64_t number, uint32_t entry, struct error *e)
{
    if (vmdk_entry_empty(s, entry))
        return true;
    if (number * s->h.grain >= s->h.capacity)
        return vmdk_damaged(s->name, "a grain behind its end", e);
    uint64_t end = file_size(s->f) / VDISK_SECTOR_BYTES;
    if (entry < s->h.overhead || entry % s->h.grain != 0 || entry >= end || entry / s->h.grain >= s->places ||
        grain_sectors(s, number) > end - entry)
        return vmdk_damaged(s->name, "a grain does not lie where grains are: the file is cut off, or no .vmdk any more", e);
    uint64_t place = entry / s->h.grain;
    if (vmdk_map_get(s, place))
        return vmdk_damaged(s->name, "two grains lie on each other", e);
    vmdk_map_set(s, place, true);
    s->used[number / VMDK_TABLE_GRAINS]++;
    s->taken++;
    return true;
}

/* The second table as the first one. After a power cut it may be older. */
static bool repair_table(struct vmdk_sparse *s, uint32_t i, const uint8_t *table, struct error *e)
{
    uint8_t second[VMDK_TABLE_BYTES];
    uint64_t at = s->redundant[i] * (uint64_t)VDISK_SECTOR_BYTES;
    if (!vdisk_file_read(s->f, at, second, sizeof second, e))
        return false;
    return memcmp(second, table, sizeof second) == 0 || file_write(s->f, at, table, sizeof second, e);
}

static bool check_table(struct check *c, uint32_t i, struct error *e)
{
    struct vmdk_sparse *s = c->s;
    uint8_t table[VMDK_TABLE_BYTES];
    if (!vdisk_file_read(s->f, s->directory[i] * (uint64_t)VDISK_SECTOR_BYTES, table, sizeof table, e))
        return false;
    for (uint32_t k = 0; k < VMDK_TABLE_GRAINS; k++)
        if (!check_entry(s, i * (uint64_t)VMDK_TABLE_GRAINS + k, bytes_le32(table + 4UL * k), e))
            return false;
    return !c->repair || s->redundant == NULL || repair_table(s, i, table, e);
}

static bool check_all(struct check *c, struct error *e)
{
    struct vmdk_sparse *s = c->s;
    if (s->h.descriptor != 0 && !claim(c, s->h.descriptor, s->h.descriptor_sectors, e))
        return false;
    if (!read_directory(c, s->h.directory, &s->directory, e) ||
        (s->h.redundant != 0 && !read_directory(c, s->h.redundant, &s->redundant, e)))
        return false;
    for (uint32_t i = 0; i < s->h.tables; i++) {
        if (!check_table(c, i, e))
            return false;
        thread_yield();
    }
    return true;
}

bool vmdk_check(struct vmdk_sparse *s, bool repair, struct error *e)
{
    struct check c = {.s = s, .used = heap_alloc(s->h.overhead / 8 + 1), .repair = repair};
    if (c.used == NULL)
        return vdisk_no_memory(s->name, e);
    bool ok = check_all(&c, e);
    heap_free(c.used);
    return ok;
}
