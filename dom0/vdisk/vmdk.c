/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A virtual disk that is a .vmdk: a descriptor, as a file of its own or within the one sparse extent, and the
 * extents that it names, one behind the other. */
#include "dom0/fs/bytes.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk_priv.h"
#include "dom0/vdisk/vmdk_sparse.h"
#include "dom0/vdisk/vmdk_text.h"

#define ZEROS_BYTES 16384U

struct extent {
    struct file *f;
    uint64_t start, sectors;     /* of the guest's */
    uint64_t offset;             /* flat: sectors of F before its first one */
    struct vmdk_sparse *sparse;  /* or NULL */
};

struct vmdk {
    bool sparse, single;
    struct file *descriptor;
    uint64_t cid_at; /* byte of DESCRIPTOR; 0: none */
    bool renewed;    /* the CID, since it was opened */
    struct vmdk_scratch scratch;
    uint32_t count;
    struct extent extent[];
};

/* ---- using it ---- */

/* The extent that SECTOR lies in; *COUNT is cut to what it has. */
static struct extent *find(struct vmdk *v, uint64_t sector, uint64_t *count)
{
    uint32_t low = 0, high = v->count - 1;
    while (low < high) {
        uint32_t mid = low + (high - low + 1) / 2;
        if (v->extent[mid].start <= sector)
            low = mid;
        else
            high = mid - 1;
    }
    struct extent *x = &v->extent[low];
    uint64_t left = x->start + x->sectors - sector;
    *count = *count < left ? *count : left;
    return x;
}

/* Whoever has a snapshot on top of this image finds out by the content id that it changed. */
static bool renew_cid(struct vmdk *v, struct error *e)
{
    char old[VMDK_CID_DIGITS], text[VMDK_CID_DIGITS + 1];
    uint32_t cid = 0;
    if (v->renewed || v->cid_at == 0)
        return true;
    if (!vdisk_file_read(v->descriptor, v->cid_at, old, sizeof old, e))
        return false;
    for (size_t i = 0; i < sizeof old; i++)
        cid = cid * 16 + ((uint32_t)hex_digit(old[i]) & 15U);
    cid = (cid * 2654435761U ^ (uint32_t)time_wallclock_s()) & 0x7fffffffU; /* ffffffff means none */
    snprintf(text, sizeof text, "%08x", cid);
    if (!file_write(v->descriptor, v->cid_at, text, VMDK_CID_DIGITS, e))
        return false;
    v->renewed = true;
    return true;
}

static bool read_part(struct vmdk *v, uint64_t sector, uint32_t *part, uint8_t *buf, struct error *e)
{
    uint64_t count = *part;
    struct extent *x = find(v, sector, &count);
    *part = (uint32_t)count;
    if (x->sparse != NULL)
        return vmdk_sparse_read(x->sparse, sector - x->start, *part, buf, e);
    return vdisk_file_read(x->f, (x->offset + sector - x->start) * VDISK_SECTOR_BYTES, buf, count * VDISK_SECTOR_BYTES, e);
}

/* Sparse extents belong to one at a time, as their tables do. Flat ones have none: several threads read and write them. */
static void parts_lock(struct vdisk *d)
{
    const struct vmdk *v = d->own;
    if (v->sparse)
        mutex_lock(&d->lock);
}

static void parts_unlock(struct vdisk *d)
{
    const struct vmdk *v = d->own;
    if (v->sparse)
        mutex_unlock(&d->lock);
}

static bool vmdk_read(struct vdisk *d, uint64_t sector, uint32_t count, void *buf, struct error *e)
{
    bool ok = true;
    parts_lock(d);
    for (uint8_t *out = buf; ok && count != 0;) {
        uint32_t part = count;
        ok = read_part(d->own, sector, &part, out, e);
        out += (size_t)part * VDISK_SECTOR_BYTES;
        sector += part;
        count -= part;
    }
    parts_unlock(d);
    return ok;
}

static bool write_part(struct vmdk *v, uint64_t sector, uint32_t *part, const uint8_t *buf, struct error *e)
{
    uint64_t count = *part;
    struct extent *x = find(v, sector, &count);
    *part = (uint32_t)count;
    if (x->sparse != NULL)
        return vmdk_sparse_write(x->sparse, sector - x->start, *part, buf, e);
    return file_write(x->f, (x->offset + sector - x->start) * VDISK_SECTOR_BYTES, buf, count * VDISK_SECTOR_BYTES, e);
}

static bool vmdk_write(struct vdisk *d, uint64_t sector, uint32_t count, const void *buf, struct error *e)
{
    mutex_lock(&d->lock);
    bool ok = renew_cid(d->own, e);
    mutex_unlock(&d->lock);
    parts_lock(d);
    for (const uint8_t *in = buf; ok && count != 0;) {
        uint32_t part = count;
        ok = write_part(d->own, sector, &part, in, e);
        in += (size_t)part * VDISK_SECTOR_BYTES;
        sector += part;
        count -= part;
    }
    parts_unlock(d);
    return ok;
}

static bool flat_zero(struct extent *x, uint64_t sector, uint64_t count, struct error *e)
{
    static const uint8_t zeros[ZEROS_BYTES];
    uint64_t at = (x->offset + sector - x->start) * VDISK_SECTOR_BYTES, left = count * VDISK_SECTOR_BYTES;
    while (left != 0) {
        size_t part = left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES;
        if (!file_write(x->f, at, zeros, part, e))
            return false;
        at += part;
        left -= part;
    }
    return true;
}

static bool clear(struct vdisk *d, uint64_t sector, uint64_t count, bool zero, struct error *e)
{
    struct vmdk *v = d->own;
    mutex_lock(&d->lock);
    bool ok = renew_cid(v, e);
    while (ok && count != 0) {
        uint64_t part = count;
        struct extent *x = find(v, sector, &part);
        if (x->sparse != NULL)
            ok = vmdk_sparse_clear(x->sparse, sector - x->start, part, zero, e);
        else if (zero)
            ok = flat_zero(x, sector, part, e);
        sector += part;
        count -= part;
    }
    mutex_unlock(&d->lock);
    return ok;
}

static bool vmdk_discard(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    return clear(d, sector, count, false, e);
}

static bool vmdk_zero(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    return clear(d, sector, count, true, e);
}

static bool vmdk_flush(struct vdisk *d, struct error *e)
{
    struct vmdk *v = d->own;
    mutex_lock(&d->lock);
    bool ok = v->sparse || file_sync(v->descriptor, e);
    for (uint32_t i = 0; i < v->count && ok; i++)
        ok = v->sparse ? vmdk_sparse_flush(v->extent[i].sparse, e) : file_sync(v->extent[i].f, e);
    mutex_unlock(&d->lock);
    return ok;
}

static void vmdk_about(struct vdisk *d, struct vdisk_about *out)
{
    const struct vmdk *v = d->own;
    out->format = v->sparse ? (v->single ? "vmdk, monolithicSparse" : "vmdk, twoGbMaxExtentSparse")
                            : (v->single ? "vmdk, monolithicFlat" : "vmdk, twoGbMaxExtentFlat");
    out->depth = v->sparse ? 1 : file_depth(v->extent[0].f);
    for (uint32_t i = 0; i < d->file_count; i++)
        out->used += file_size(d->files[i]);
    for (uint32_t i = 0; i < v->count && v->sparse; i++)
        out->unclean = out->unclean || vmdk_sparse_unclean(v->extent[i].sparse);
}

static void vmdk_close(struct vdisk *d)
{
    struct vmdk *v = d->own;
    for (uint32_t i = 0; i < v->count; i++)
        vmdk_sparse_close(v->extent[i].sparse);
    heap_free(v->scratch.grain);
    heap_free(v);
}

static const struct vdisk_ops flat_ops = {.read = vmdk_read, .write = vmdk_write, .zero = vmdk_zero, .flush = vmdk_flush,
                                          .about = vmdk_about, .close = vmdk_close};
static const struct vdisk_ops sparse_ops = {.read = vmdk_read, .write = vmdk_write, .discard = vmdk_discard,
                                            .zero = vmdk_zero, .flush = vmdk_flush, .about = vmdk_about,
                                            .close = vmdk_close};

/* ---- opening it ---- */

struct opening {
    struct vdisk *d;
    struct file *f;      /* the file that was named */
    uint64_t at, bytes;  /* of the descriptor in it */
    bool embedded;
    char *text;
    struct vmdk_text *parsed;
};

/* Where the descriptor is. */
static bool locate(struct opening *o, struct error *e)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    struct vmdk_header h;
    size_t got = 0;
    if (!file_read(o->f, 0, raw, sizeof raw, &got, e))
        return false;
    o->bytes = file_size(o->f);
    if (got < sizeof raw || (bytes_le32(raw) != VMDK_MAGIC && bytes_le32(raw) != VMDK_COWD))
        return true;
    if (bytes_le32(raw) == VMDK_COWD)
        return error_set(e, EXIT_INCOMPATIBLE, "%.100s: ESX's own sparse format (vmfsSparse) is not read: convert it with "
                         "qemu-img convert -O vmdk", o->d->spec);
    if (!vmdk_header_read(&h, o->d->spec, raw, o->bytes, e))
        return false;
    if (h.descriptor == 0 || h.descriptor_sectors == 0)
        return error_set(e, EXIT_FAILED, "%.100s: one extent of an image: name the .vmdk file that lists all of them", o->d->spec);
    o->embedded = true;
    o->at = h.descriptor * VDISK_SECTOR_BYTES;
    o->bytes = h.descriptor_sectors * VDISK_SECTOR_BYTES;
    return true;
}

static bool read_text(struct opening *o, struct error *e)
{
    const char *spec = o->d->spec;
    if (o->bytes == 0 || o->bytes > VMDK_TEXT_MAX)
        return error_set(e, EXIT_FAILED, "%.100s: no .vmdk: a descriptor is a text of at most 64 KiB: a raw image needs "
                         "another name", spec);
    o->text = heap_alloc(o->bytes);
    o->parsed = heap_alloc(sizeof *o->parsed);
    if (o->text == NULL || o->parsed == NULL)
        return vdisk_no_memory(spec, e);
    if (!vdisk_file_read(o->f, o->at, o->text, o->bytes, e) || !vmdk_text_read(o->parsed, spec, o->text, o->bytes, e))
        return false;
    return !o->embedded || (o->parsed->sparse && o->parsed->single) ||
           error_set(e, EXIT_FAILED, "%.100s: damaged: it is sparse, but its descriptor says otherwise: copy it again", spec);
}

/* The path of the file that line L names, beside the descriptor. */
static bool extent_path(const struct opening *o, const struct vmdk_line *l, char path[PATH_MAX_LEN], struct error *e)
{
    const char *slash = strrchr(o->d->spec, '/');
    int len = snprintf(path, PATH_MAX_LEN, "%.*s/%.*s", slash != NULL ? (int)(slash - o->d->spec) : 0, o->d->spec,
                       (int)l->name_len, o->text + l->name);
    return (len > 0 && (size_t)len < PATH_MAX_LEN) ||
           error_set(e, EXIT_FAILED, "%.100s: an extent's path is too long: at most 255 bytes", o->d->spec);
}

static bool flat_fits(const struct extent *x, const char *path, struct error *e)
{
    return x->offset + x->sectors <= file_size(x->f) / VDISK_SECTOR_BYTES ||
           error_set(e, EXIT_FAILED, "%.120s: shorter than its descriptor says: it is cut off: copy it again", path);
}

static bool open_extent(struct opening *o, const struct vmdk_line *l, struct extent *x, struct vmdk_scratch *scratch,
                        struct error *e)
{
    struct vdisk *d = o->d;
    char path[PATH_MAX_LEN];
    if (l->read_only && d->access == VDISK_WRITE)
        return error_set(e, EXIT_REFUSED, "%.100s: its descriptor has an extent that is RDONLY: give it away read-only", d->spec);
    if (!extent_path(o, l, path, e))
        return false;
    x->f = o->f;
    if (!o->embedded && !vdisk_file(d, path, &x->f, e))
        return false;
    if (!o->parsed->sparse)
        return flat_fits(x, path, e);
    return vmdk_sparse_open(o->embedded ? d->spec : path, x->f, x->sectors,
                            d->access == VDISK_WRITE && d->trial ? VDISK_READ : d->access, scratch, &x->sparse, e);
}

static bool open_extents(struct opening *o, struct error *e)
{
    const struct vmdk_text *t = o->parsed;
    struct vmdk *v = heap_alloc(sizeof *v + t->count * sizeof v->extent[0]);
    if (v == NULL)
        return vdisk_no_memory(o->d->spec, e);
    v->sparse = t->sparse;
    v->single = t->single;
    v->scratch.kept = t->count == 1 ? VMDK_TABLES_KEPT : t->count <= 8 ? VMDK_TABLES_KEPT / 2 : 2;
    v->descriptor = o->f;
    v->cid_at = t->cid != 0 ? o->at + t->cid : 0;
    o->d->own = v;
    o->d->ops = v->sparse ? &sparse_ops : &flat_ops;
    for (uint32_t i = 0; i < t->count; i++) {
        struct extent *x = &v->extent[v->count++];
        *x = (struct extent){.start = o->d->sectors, .sectors = t->line[i].sectors, .offset = t->line[i].offset};
        if (!open_extent(o, &t->line[i], x, &v->scratch, e))
            return false;
        o->d->sectors += x->sectors;
    }
    return true;
}

bool vdisk_vmdk_open(struct vdisk *d, struct error *e)
{
    struct opening o = {.d = d};
    bool ok = vdisk_file(d, d->spec, &o.f, e) && locate(&o, e) && read_text(&o, e) && open_extents(&o, e);
    heap_free(o.text);
    heap_free(o.parsed);
    return ok;
}
