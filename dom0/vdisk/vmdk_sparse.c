/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Sparse extents: reading, writing, giving back. The order of writes is in vmdk_sparse.h. */
#include "dom0/vdisk/vmdk_sparse.h"

#include "dom0/fs/bytes.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk_priv.h"
#include "dom0/vdisk/vmdk_priv.h"

#define UNCLEAN_BYTE  72U
#define ENTRY_ZEROED  1U
#define TABLE_PARTS   (VMDK_TABLE_BYTES / VDISK_SECTOR_BYTES)

bool vmdk_entry_empty(const struct vmdk_sparse *s, uint32_t entry)
{
    return entry == 0 || (entry == ENTRY_ZEROED && (s->h.flags & VMDK_FLAG_ZEROED) != 0);
}

bool vmdk_map_get(const struct vmdk_sparse *s, uint64_t place) { return (s->map[place / 8] >> place % 8 & 1U) != 0; }

void vmdk_map_set(struct vmdk_sparse *s, uint64_t place, bool taken)
{
    uint8_t bit = (uint8_t)(1U << place % 8);
    s->map[place / 8] = (uint8_t)(taken ? s->map[place / 8] | bit : s->map[place / 8] & ~bit);
}

static uint64_t grain_bytes(const struct vmdk_sparse *s) { return s->h.grain * VDISK_SECTOR_BYTES; }

/* ---- tables ---- */

static bool write_table(struct vmdk_sparse *s, struct vmdk_table *t, const uint32_t *directory, struct error *e)
{
    uint64_t at = directory[t->index] * (uint64_t)VDISK_SECTOR_BYTES;
    for (uint32_t i = 0; i < TABLE_PARTS; i++) {
        uint32_t off = i * VDISK_SECTOR_BYTES;
        if ((t->dirty >> i & 1U) != 0 && !file_write(s->f, at + off, t->bytes + off, VDISK_SECTOR_BYTES, e))
            return false;
    }
    return true;
}

static bool any_dirty(const struct vmdk_sparse *s)
{
    for (uint32_t i = 0; i < s->scratch->kept; i++)
        if (s->table[i].dirty != 0)
            return true;
    return false;
}

bool vmdk_sparse_flush(struct vmdk_sparse *s, struct error *e)
{
    if (!file_sync(s->f, e))
        return false;
    if (!any_dirty(s))
        return true;
    for (uint32_t i = 0; i < s->scratch->kept; i++) {
        struct vmdk_table *t = &s->table[i];
        if (t->dirty != 0 &&
            (!write_table(s, t, s->directory, e) || (s->redundant != NULL && !write_table(s, t, s->redundant, e))))
            return false;
    }
    if (!file_sync(s->f, e))
        return false;
    for (uint32_t i = 0; i < s->scratch->kept; i++)
        s->table[i].dirty = 0;
    return true;
}

/* The kept table INDEX, read if need be. NULL: E says why. */
static struct vmdk_table *table_get(struct vmdk_sparse *s, uint32_t index, struct error *e)
{
    struct vmdk_table *t = &s->table[index % s->scratch->kept];
    if (t->index == index)
        return t;
    if (t->dirty != 0 && !vmdk_sparse_flush(s, e))
        return NULL;
    t->index = VMDK_NO_TABLE;
    if (t->bytes == NULL && (t->bytes = heap_alloc(VMDK_TABLE_BYTES)) == NULL) {
        vdisk_no_memory(s->name, e);
        return NULL;
    }
    if (!vdisk_file_read(s->f, s->directory[index] * (uint64_t)VDISK_SECTOR_BYTES, t->bytes, VMDK_TABLE_BYTES, e))
        return NULL;
    t->index = index;
    return t;
}

/* The entry of grain NUMBER, 0 for all that reads as zeros. */
static bool entry_get(struct vmdk_sparse *s, uint64_t number, uint32_t *out, struct error *e)
{
    uint32_t index = (uint32_t)(number / VMDK_TABLE_GRAINS);
    const struct vmdk_table *t = s->used[index] != 0 ? table_get(s, index, e) : NULL;
    *out = 0;
    if (t == NULL)
        return s->used[index] == 0;
    *out = bytes_le32(t->bytes + number % VMDK_TABLE_GRAINS * 4);
    if (vmdk_entry_empty(s, *out))
        *out = 0;
    /* Nobody else changes the tables; it costs nothing to be sure. */
    if (*out != 0 && (*out < s->h.overhead || *out % s->h.grain != 0 || *out / s->h.grain >= s->places))
        return vmdk_damaged(s->name, "a grain table changed", e);
    return true;
}

static bool entry_set(struct vmdk_sparse *s, uint64_t number, uint32_t entry, struct error *e)
{
    struct vmdk_table *t = table_get(s, (uint32_t)(number / VMDK_TABLE_GRAINS), e);
    if (t == NULL)
        return false;
    uint32_t at = (uint32_t)(number % VMDK_TABLE_GRAINS) * 4;
    bytes_put32(t->bytes + at, entry);
    t->dirty |= 1U << at / VDISK_SECTOR_BYTES;
    return true;
}

/* ---- the mark ---- */

static bool mark(struct vmdk_sparse *s, bool unclean, struct error *e)
{
    uint8_t byte = unclean;
    if (s->marked == unclean)
        return true;
    if (!file_write(s->f, UNCLEAN_BYTE, &byte, 1, e) || !file_sync(s->f, e))
        return false;
    s->marked = unclean;
    return true;
}

/* ---- grains ---- */

static bool no_place(const struct vmdk_sparse *s, struct error *e)
{
    return error_set(e, EXIT_NO_RESOURCE, "%.100s: with one more part it would have 4 GiB, more than FAT32 files have: move it to "
                     "an image of several extents (disk-create, qemu-img convert)", s->name);
}

static bool find_place(struct vmdk_sparse *s, uint64_t *out, struct error *e)
{
    while (s->next < s->places && vmdk_map_get(s, s->next))
        s->next++;
    *out = s->next;
    return s->next < s->places || no_place(s, e);
}

/* The whole grain DATA to PLACE, where nobody looks yet. The file may end before it. */
static bool fill_place(struct vmdk_sparse *s, uint64_t place, const uint8_t *data, struct error *e)
{
    struct error why;
    uint64_t at = place * grain_bytes(s);
    if ((file_size(s->f) >= at || file_resize(s->f, at, &why)) && file_write(s->f, at, data, grain_bytes(s), &why))
        return true;
    if (why.code != EXIT_NO_RESOURCE)
        return error_set(e, why.code, "%s", why.text);
    return error_set(e, EXIT_NO_RESOURCE, "%.90s cannot grow: %.140s", s->name, why.text);
}

/* Grain NUMBER, which has no place, gets one with BUF at SECTOR of it and zeros around. */
static bool add_grain(struct vmdk_sparse *s, uint64_t number, uint64_t sector, uint64_t count, const uint8_t *buf,
                      struct error *e)
{
    uint64_t place = 0;
    const uint8_t *data = buf;
    if (table_get(s, (uint32_t)(number / VMDK_TABLE_GRAINS), e) == NULL || !find_place(s, &place, e))
        return false;
    if (count != s->h.grain) {
        memset(s->scratch->grain, 0, grain_bytes(s));
        memcpy(s->scratch->grain + sector * VDISK_SECTOR_BYTES, buf, count * VDISK_SECTOR_BYTES);
        data = s->scratch->grain;
    }
    if (!fill_place(s, place, data, e) || !entry_set(s, number, (uint32_t)(place * s->h.grain), e))
        return false;
    vmdk_map_set(s, place, true);
    s->used[number / VMDK_TABLE_GRAINS]++;
    s->taken++;
    return true;
}

/* ---- reading and writing ---- */

/* Of COUNT sectors from SECTOR on those that lie in its grain. */
static uint32_t in_grain(const struct vmdk_sparse *s, uint64_t sector, uint64_t count)
{
    uint64_t left = s->h.grain - sector % s->h.grain;
    return (uint32_t)(count < left ? count : left);
}

static uint64_t byte_at(const struct vmdk_sparse *s, uint32_t entry, uint64_t sector)
{
    return (entry + sector % s->h.grain) * VDISK_SECTOR_BYTES;
}

bool vmdk_sparse_read(struct vmdk_sparse *s, uint64_t sector, uint32_t count, uint8_t *buf, struct error *e)
{
    while (count != 0) {
        uint32_t entry = 0, part = in_grain(s, sector, count);
        if (!entry_get(s, sector / s->h.grain, &entry, e))
            return false;
        if (entry == 0)
            memset(buf, 0, (size_t)part * VDISK_SECTOR_BYTES);
        else if (!vdisk_file_read(s->f, byte_at(s, entry, sector), buf, (size_t)part * VDISK_SECTOR_BYTES, e))
            return false;
        buf += (size_t)part * VDISK_SECTOR_BYTES;
        sector += part;
        count -= part;
    }
    return true;
}

bool vmdk_sparse_write(struct vmdk_sparse *s, uint64_t sector, uint32_t count, const uint8_t *buf, struct error *e)
{
    if (!mark(s, true, e))
        return false;
    while (count != 0) {
        uint32_t entry = 0, part = in_grain(s, sector, count);
        uint64_t number = sector / s->h.grain;
        if (!entry_get(s, number, &entry, e))
            return false;
        bool ok = entry != 0 ? file_write(s->f, byte_at(s, entry, sector), buf, (size_t)part * VDISK_SECTOR_BYTES, e)
                             : add_grain(s, number, sector % s->h.grain, part, buf, e);
        if (!ok)
            return false;
        buf += (size_t)part * VDISK_SECTOR_BYTES;
        sector += part;
        count -= part;
    }
    return true;
}

/* ---- giving back ---- */

struct leaving { /* places that no table may refer to on the medium before they are used again */
    uint32_t count;
    uint32_t place[VMDK_TABLE_GRAINS];
};

static bool let_go(struct vmdk_sparse *s, struct leaving *l, struct error *e)
{
    if (l->count != 0 && !vmdk_sparse_flush(s, e))
        return false; /* their places stay taken until the image is opened again */
    for (uint32_t i = 0; i < l->count; i++) {
        vmdk_map_set(s, l->place[i], false);
        s->next = l->place[i] < s->next ? l->place[i] : s->next;
    }
    s->taken -= l->count;
    l->count = 0;
    return true;
}

/* A grain that has a place, or a part of one. */
static bool clear_part(struct vmdk_sparse *s, struct leaving *l, uint64_t sector, uint32_t part, uint32_t entry, bool zero,
                       struct error *e)
{
    uint64_t number = sector / s->h.grain;
    bool whole = part == s->h.grain || (sector % s->h.grain == 0 && sector + part == s->h.capacity);
    if (whole) {
        if (!entry_set(s, number, 0, e))
            return false;
        l->place[l->count++] = (uint32_t)(entry / s->h.grain);
        s->used[number / VMDK_TABLE_GRAINS]--;
        return l->count < VMDK_TABLE_GRAINS || let_go(s, l, e);
    }
    if (!zero)
        return true;
    memset(s->scratch->grain, 0, (size_t)part * VDISK_SECTOR_BYTES);
    return file_write(s->f, byte_at(s, entry, sector), s->scratch->grain, (size_t)part * VDISK_SECTOR_BYTES, e);
}

/* Of COUNT sectors from SECTOR on those that lie in one grain, or in one table without any: a guest may discard a whole
 * large disk, and only what has a place may take time. */
static uint64_t part_to_clear(const struct vmdk_sparse *s, uint64_t sector, uint64_t count)
{
    uint64_t table = s->h.grain * VMDK_TABLE_GRAINS, left = table - sector % table;
    if (s->used[sector / table] != 0)
        return in_grain(s, sector, count);
    return count < left ? count : left;
}

bool vmdk_sparse_clear(struct vmdk_sparse *s, uint64_t sector, uint64_t count, bool zero, struct error *e)
{
    struct leaving *l = heap_alloc(sizeof *l);
    bool ok = l != NULL ? mark(s, true, e) : vdisk_no_memory(s->name, e);
    while (ok && count != 0) {
        uint64_t part = part_to_clear(s, sector, count);
        uint32_t entry = 0;
        ok = entry_get(s, sector / s->h.grain, &entry, e) &&
             (entry == 0 || clear_part(s, l, sector, (uint32_t)part, entry, zero, e));
        if (sector % (s->h.grain * VMDK_TABLE_GRAINS) == 0)
            thread_yield();
        sector += part;
        count -= part;
    }
    ok = ok && let_go(s, l, e);
    heap_free(l);
    return ok;
}

/* ---- the whole ---- */

uint64_t vmdk_sparse_used(const struct vmdk_sparse *s) { return s->taken * grain_bytes(s); }

bool vmdk_sparse_unclean(const struct vmdk_sparse *s) { return s->h.unclean || s->marked; }

/* As many places as the guest's grains need, or the file has, of those in a file of less than 4 GiB. */
static uint64_t places(const struct vmdk_sparse *s)
{
    uint64_t need = vmdk_first_place(s) + (s->h.capacity + s->h.grain - 1) / s->h.grain;
    uint64_t there = (file_size(s->f) + grain_bytes(s) - 1) / grain_bytes(s), most = UINT32_MAX / grain_bytes(s);
    need = need > there ? need : there;
    return need < most ? need : most;
}

static bool scratch_for(struct vmdk_scratch *scratch, uint64_t bytes)
{
    if (scratch->grain_bytes >= bytes)
        return true;
    heap_free(scratch->grain);
    scratch->grain = heap_alloc(bytes);
    scratch->grain_bytes = scratch->grain != NULL ? bytes : 0;
    return scratch->grain != NULL;
}

static bool prepare(struct vmdk_sparse *s, struct error *e)
{
    s->places = places(s);
    s->next = vmdk_first_place(s);
    s->map = heap_alloc(s->places / 8 + 1);
    s->used = heap_alloc(s->h.tables * sizeof *s->used);
    for (uint32_t i = 0; i < s->scratch->kept; i++)
        s->table[i].index = VMDK_NO_TABLE;
    return (s->map != NULL && s->used != NULL && scratch_for(s->scratch, grain_bytes(s))) || vdisk_no_memory(s->name, e);
}

static bool open_as(struct vmdk_sparse *s, enum vdisk_access access, uint64_t sectors, struct error *e)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    if (!vdisk_file_read(s->f, 0, raw, sizeof raw, e) || !vmdk_header_read(&s->h, s->name, raw, file_size(s->f), e))
        return false;
    if (sectors > s->h.capacity)
        return vmdk_damaged(s->name, "the extent is smaller than the descriptor says", e);
    if (access == VDISK_LOOK)
        return true;
    bool repair = s->writable && s->h.unclean;
    s->marked = repair; /* until it is closed well */
    return prepare(s, e) && vmdk_check(s, repair, e) && (!repair || file_sync(s->f, e));
}

bool vmdk_sparse_open(const char *name, struct file *f, uint64_t sectors, enum vdisk_access access,
                      struct vmdk_scratch *scratch, struct vmdk_sparse **out, struct error *e)
{
    struct vmdk_sparse *s = heap_alloc(sizeof *s);
    if (s == NULL)
        return vdisk_no_memory(name, e);
    s->f = f;
    s->scratch = scratch;
    strlcpy(s->name, name, sizeof s->name);
    s->writable = access == VDISK_WRITE;
    if (open_as(s, access, sectors, e)) {
        *out = s;
        return true;
    }
    s->writable = false; /* nothing to flush */
    vmdk_sparse_close(s);
    return false;
}

void vmdk_sparse_close(struct vmdk_sparse *s)
{
    struct error ignored; /* the mark stays, and the image is sound */
    if (s == NULL)
        return;
    if (s->writable && s->marked && vmdk_sparse_flush(s, &ignored))
        (void)mark(s, false, &ignored);
    heap_free(s->directory);
    heap_free(s->redundant);
    heap_free(s->map);
    heap_free(s->used);
    for (uint32_t i = 0; i < VMDK_TABLES_KEPT; i++)
        heap_free(s->table[i].bytes);
    heap_free(s);
}
