/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] New virtual disks: the extents first, the descriptor that names them last. */
#include "dom0/vdisk/vdisk_make.h"

#include "dom0/fs/bytes.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk_name.h"
#include "dom0/vdisk/vmdk_sparse.h"
#include "dom0/vdisk/vmdk_text.h"

#define USUAL_GRAIN        128U
#define USUAL_EXTENT       4192256U /* 2047 MiB, as VMware's products split */
#define FAT_SECTORS        8388607U /* of the longest file */
#define SPARSE_ALONE       8192000U /* 4000 MiB: with all of its tables the file stays below 4 GiB */
#define DESCRIPTOR_SECTORS 20U
#define PIECE_BYTES        65536U
#define LINE_MAX           320U /* one extent's, with a name of 255 bytes */
#define HEAD_MAX           1024U

struct making {
    const struct vdisk_plan *p;
    const char *path;
    tree_progress fn;
    void *ctx;
    uint64_t done, total;
    uint32_t count;    /* extents */
    uint32_t made;     /* of them */
    uint8_t *piece;    /* zeros, but while a table is put together */
};

/* ---- plans ---- */

static bool name_fits(const char *path, enum vdisk_format format, struct error *e)
{
    const char *why = "";
    enum vdisk_kind kind = vdisk_kind_of(path, &why);
    if (kind == VDISK_HOST)
        return error_set(e, EXIT_USAGE, "%.100s: a disk of the host is not made: name a file", path);
    if (format == VDISK_MAKE_RAW && kind != VDISK_RAW)
        return error_set(e, EXIT_USAGE, "%.100s: a raw image does not have this end of its name: call it .img", path);
    return format == VDISK_MAKE_RAW || kind == VDISK_VMDK ||
           error_set(e, EXIT_USAGE, "%.100s: the name of a .vmdk ends in .vmdk, not in that of an extent: choose another one", path);
}

bool vdisk_plan(struct vdisk_plan *p, const char *path, enum vdisk_format format, uint64_t bytes, struct error *e)
{
    *p = (struct vdisk_plan){.format = format, .sectors = bytes / VDISK_SECTOR_BYTES, .grain = USUAL_GRAIN};
    if (bytes == 0 || bytes % VDISK_SECTOR_BYTES != 0)
        return error_set(e, EXIT_USAGE, "%.100s: a disk has whole sectors of 512 bytes: choose another size", path);
    if (format == VDISK_MAKE_RAW && p->sectors > FAT_SECTORS)
        return error_set(e, EXIT_NO_RESOURCE, "%.100s: FAT32 files have less than 4 GiB: make a .vmdk, which may have several "
                         "files", path);
    uint64_t alone = format == VDISK_MAKE_SPARSE ? SPARSE_ALONE : FAT_SECTORS;
    p->extent = p->sectors <= alone ? p->sectors : USUAL_EXTENT;
    if ((p->sectors + p->extent - 1) / p->extent > VMDK_EXTENTS_MAX)
        return error_set(e, EXIT_NO_RESOURCE, "%.100s: larger than 512 files of 2047 MiB: choose a smaller size", path);
    return name_fits(path, format, e);
}

static uint64_t extent_sectors(const struct making *m, uint32_t i)
{
    uint64_t left = m->p->sectors - i * m->p->extent;
    return left < m->p->extent ? left : m->p->extent;
}

/* "disk-flat.vmdk", "disk-s001.vmdk", "disk-f001.vmdk" for "disk.vmdk"; raw and monolithic sparse: the path itself. */
static bool extent_path(const struct making *m, uint32_t i, char out[PATH_MAX_LEN], struct error *e)
{
    int base = (int)strlen(m->path) - 5, len;
    bool sparse = m->p->format == VDISK_MAKE_SPARSE;
    if (m->p->format == VDISK_MAKE_RAW || (sparse && m->count == 1))
        len = snprintf(out, PATH_MAX_LEN, "%s", m->path);
    else if (m->count == 1)
        len = snprintf(out, PATH_MAX_LEN, "%.*s-flat.vmdk", base, m->path);
    else
        len = snprintf(out, PATH_MAX_LEN, "%.*s-%c%03u.vmdk", base, m->path, sparse ? 's' : 'f', i + 1);
    return (len > 0 && (size_t)len < PATH_MAX_LEN) ||
           error_set(e, EXIT_USAGE, "%.100s: the names of its extents would be too long: choose a shorter one", m->path);
}

/* ---- writing ---- */

static bool step(struct making *m, uint64_t bytes, struct error *e)
{
    bool go_on = m->fn == NULL || m->fn(m->ctx, m->path, m->done, m->total);
    m->done += bytes;
    return go_on || error_set(e, EXIT_FAILED, "%.120s: interrupted: nothing is left of it", m->path);
}

static bool put(struct making *m, struct file *f, const void *data, size_t len, struct error *e)
{
    return step(m, len, e) && file_append(f, data, len, e);
}

static bool put_zeros(struct making *m, struct file *f, uint64_t bytes, struct error *e)
{
    while (bytes != 0) {
        size_t part = bytes < PIECE_BYTES ? (size_t)bytes : PIECE_BYTES;
        if (!put(m, f, m->piece, part, e))
            return false;
        bytes -= part;
    }
    return true;
}

/* ---- descriptors ---- */

static uint32_t content_id(const struct making *m)
{
    uint32_t id = (uint32_t)time_wallclock_s();
    for (const char *p = m->path; *p != '\0'; p++)
        id = (id ^ (uint8_t)*p) * 16777619U;
    return id & 0x7fffffffU;
}

static const char *type_of(const struct making *m)
{
    if (m->p->format == VDISK_MAKE_SPARSE)
        return m->count == 1 ? "monolithicSparse" : "twoGbMaxExtentSparse";
    return m->count == 1 ? "monolithicFlat" : "twoGbMaxExtentFlat";
}

static bool extent_lines(const struct making *m, char *text, size_t size, struct error *e)
{
    bool flat = m->p->format == VDISK_MAKE_FLAT;
    char path[PATH_MAX_LEN];
    for (uint32_t i = 0; i < m->count; i++) {
        size_t at = strlen(text);
        if (!extent_path(m, i, path, e))
            return false;
        snprintf(text + at, size - at, "RW %lu %s \"%s\"%s\n", extent_sectors(m, i), flat ? "FLAT" : "SPARSE",
                 strrchr(path, '/') + 1, flat ? " 0" : "");
    }
    return true;
}

/* TEXT is long enough: HEAD_MAX, and LINE_MAX for each extent. */
static bool descriptor(const struct making *m, char *text, size_t size, struct error *e)
{
    uint64_t cylinders = m->p->sectors / (255UL * 63UL);
    snprintf(text, size, "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=ffffffff\ncreateType=\"%s\"\n\n"
             "# Extent description\n", content_id(m), type_of(m));
    if (!extent_lines(m, text, size, e))
        return false;
    size_t at = strlen(text);
    snprintf(text + at, size - at, "\n# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"8\"\n"
             "ddb.geometry.cylinders = \"%lu\"\nddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\n"
             "ddb.adapterType = \"lsilogic\"\n", cylinders != 0 ? cylinders : 1);
    return true;
}

/* ---- sparse extents ---- */

struct layout { /* in sectors */
    uint64_t tables, directory, descriptor, redundant, first, overhead;
};

static struct layout lay_out(const struct making *m, uint64_t sectors)
{
    struct layout l = {.tables = (sectors + m->p->grain * VMDK_TABLE_GRAINS - 1) / (m->p->grain * VMDK_TABLE_GRAINS)};
    uint64_t table = VMDK_TABLE_BYTES / VDISK_SECTOR_BYTES;
    l.directory = (l.tables * 4 + VDISK_SECTOR_BYTES - 1) / VDISK_SECTOR_BYTES;
    l.descriptor = m->count == 1 ? 1 : 0;
    l.redundant = 1 + (m->count == 1 ? DESCRIPTOR_SECTORS : 0);
    l.first = l.redundant + l.directory + l.tables * table;
    l.overhead = l.first + l.directory + l.tables * table;
    l.overhead = (l.overhead + m->p->grain - 1) / m->p->grain * m->p->grain;
    return l;
}

static void put64(uint8_t *p, uint64_t v)
{
    bytes_put32(p, (uint32_t)v);
    bytes_put32(p + 4, (uint32_t)(v >> 32));
}

static void fill_header(const struct making *m, const struct layout *l, uint64_t sectors, uint8_t *h)
{
    bytes_put32(h, VMDK_MAGIC);
    bytes_put32(h + 4, 1);
    bytes_put32(h + 8, VMDK_FLAG_NEWLINE | VMDK_FLAG_REDUNDANT);
    put64(h + 12, sectors);
    put64(h + 20, m->p->grain);
    put64(h + 28, l->descriptor);
    put64(h + 36, l->descriptor != 0 ? DESCRIPTOR_SECTORS : 0);
    bytes_put32(h + 44, VMDK_TABLE_GRAINS);
    put64(h + 48, l->redundant);
    put64(h + 56, l->first);
    put64(h + 64, l->overhead);
    memcpy(h + 73, "\n \r\n", 4);
}

/* A directory at sector AT, whose tables follow it, and those tables, empty. */
static bool put_directory(struct making *m, struct file *f, const struct layout *l, uint64_t at, struct error *e)
{
    uint32_t table = VMDK_TABLE_BYTES / VDISK_SECTOR_BYTES, entries = VDISK_SECTOR_BYTES / 4;
    uint8_t sector[VDISK_SECTOR_BYTES];
    for (uint64_t i = 0; i < l->directory; i++) {
        memset(sector, 0, sizeof sector);
        for (uint64_t k = 0; k < entries && i * entries + k < l->tables; k++)
            bytes_put32(sector + 4 * k, (uint32_t)(at + l->directory + (i * entries + k) * table));
        if (!put(m, f, sector, sizeof sector, e))
            return false;
    }
    return put_zeros(m, f, l->tables * VMDK_TABLE_BYTES, e);
}

static bool put_embedded(struct making *m, struct file *f, struct error *e)
{
    char text[DESCRIPTOR_SECTORS * VDISK_SECTOR_BYTES / 4]; /* one extent: much shorter */
    memset(text, 0, sizeof text);
    return descriptor(m, text, sizeof text, e) && put(m, f, text, sizeof text, e) &&
           put_zeros(m, f, DESCRIPTOR_SECTORS * VDISK_SECTOR_BYTES - sizeof text, e);
}

static bool put_sparse(struct making *m, struct file *f, uint64_t sectors, struct error *e)
{
    struct layout l = lay_out(m, sectors);
    uint64_t table = VMDK_TABLE_BYTES / VDISK_SECTOR_BYTES;
    uint8_t header[VMDK_HEADER_BYTES] = {0};
    fill_header(m, &l, sectors, header);
    return put(m, f, header, sizeof header, e) && (l.descriptor == 0 || put_embedded(m, f, e)) &&
           put_directory(m, f, &l, l.redundant, e) && put_directory(m, f, &l, l.first, e) &&
           put_zeros(m, f, (l.overhead - l.first - l.directory - l.tables * table) * VDISK_SECTOR_BYTES, e);
}

/* ---- all of it ---- */

static uint64_t extent_bytes(const struct making *m, uint64_t sectors)
{
    return (m->p->format == VDISK_MAKE_SPARSE ? lay_out(m, sectors).overhead : sectors) * VDISK_SECTOR_BYTES;
}

static bool nothing_there(const char *path, struct error *e)
{
    struct dir_entry entry;
    struct error ignored;
    return !path_stat(path, &entry, &ignored) ||
           error_set(e, EXIT_WRONG_STATE, "%.120s: it is there already: choose another name, or remove it with `rm`", path);
}

static bool make_extent(struct making *m, uint32_t i, struct error *e)
{
    struct file *f = NULL;
    char path[PATH_MAX_LEN];
    uint64_t sectors = extent_sectors(m, i), bytes = extent_bytes(m, sectors);
    if (!extent_path(m, i, path, e) || !nothing_there(path, e) || !file_create(path, bytes, &f, e))
        return false;
    if (!(m->p->format == VDISK_MAKE_SPARSE ? put_sparse(m, f, sectors, e) : put_zeros(m, f, bytes, e))) {
        file_close(f);
        return false;
    }
    if (!file_commit(f, e))
        return false;
    m->made++;
    return true;
}

static bool make_descriptor(struct making *m, struct error *e)
{
    size_t size = HEAD_MAX + (size_t)m->count * LINE_MAX;
    struct file *f = NULL;
    char *text = heap_alloc(size);
    if (text == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%.120s: no memory to make it: destroy a domain that is not needed", m->path);
    bool ok = descriptor(m, text, size, e) && nothing_there(m->path, e) && file_create(m->path, strlen(text), &f, e);
    if (ok && !put(m, f, text, strlen(text), e)) {
        file_close(f);
        ok = false;
    }
    ok = ok && file_commit(f, e);
    heap_free(text);
    return ok;
}

static bool make_all(struct making *m, struct error *e)
{
    for (uint32_t i = 0; i < m->count; i++)
        m->total += extent_bytes(m, extent_sectors(m, i));
    if (!nothing_there(m->path, e))
        return false;
    for (uint32_t i = 0; i < m->count; i++)
        if (!make_extent(m, i, e))
            return false;
    bool own = m->p->format == VDISK_MAKE_FLAT || (m->p->format == VDISK_MAKE_SPARSE && m->count != 1);
    return !own || make_descriptor(m, e);
}

static void unmake(struct making *m)
{
    char path[PATH_MAX_LEN];
    struct error ignored;
    for (uint32_t i = 0; i < m->made; i++)
        if (extent_path(m, i, path, &ignored))
            (void)path_remove(path, &ignored);
}

bool vdisk_make(const struct vdisk_plan *p, const char *path, tree_progress fn, void *ctx, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct making m = {.p = p, .path = full, .fn = fn, .ctx = ctx};
    if (!path_resolve(path, full, sizeof full, e))
        return false;
    m.count = (uint32_t)((p->sectors + p->extent - 1) / p->extent);
    m.piece = heap_alloc(PIECE_BYTES);
    if (m.piece == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%.120s: no memory to make it: destroy a domain that is not needed", full);
    bool ok = make_all(&m, e);
    if (!ok)
        unmake(&m);
    heap_free(m.piece);
    return ok;
}
