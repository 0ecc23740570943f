/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A virtual disk that is one file: sector after sector, nothing else. */
#include "dom0/vdisk/vdisk_priv.h"

static bool raw_read(struct vdisk *d, uint64_t sector, uint32_t count, void *buf, struct error *e)
{
    return vdisk_file_read(d->files[0], sector * VDISK_SECTOR_BYTES, buf, (size_t)count * VDISK_SECTOR_BYTES, e);
}

static bool raw_write(struct vdisk *d, uint64_t sector, uint32_t count, const void *buf, struct error *e)
{
    return file_write(d->files[0], sector * VDISK_SECTOR_BYTES, buf, (size_t)count * VDISK_SECTOR_BYTES, e);
}

static bool raw_flush(struct vdisk *d, struct error *e) { return file_sync(d->files[0], e); }

/* A file of `boot:`, which the loader read. It is open for reading only. */
static void *raw_memory(struct vdisk *d, uint64_t sector)
{
    const uint8_t *memory = file_memory(d->files[0]);
    return memory != NULL ? (void *)(memory + sector * VDISK_SECTOR_BYTES) : NULL;
}

static void raw_about(struct vdisk *d, struct vdisk_about *out)
{
    out->format = "raw";
    out->used = file_size(d->files[0]);
    out->depth = file_depth(d->files[0]);
}

static const struct vdisk_ops raw_ops = {.read = raw_read, .write = raw_write, .flush = raw_flush, .memory = raw_memory, .about = raw_about};

bool vdisk_raw_open(struct vdisk *d, struct error *e)
{
    struct file *f = NULL;
    if (!vdisk_file(d, d->spec, &f, e))
        return false;
    uint64_t bytes = file_size(f);
    if (bytes == 0 || bytes % VDISK_SECTOR_BYTES != 0)
        return error_set(e, EXIT_FAILED, "%.120s: %lu bytes, which is no whole number of sectors of 512 bytes: a raw image "
                         "is a copy of a disk: was it cut off, or is it another kind of file?", d->spec, bytes);
    d->ops = &raw_ops;
    d->sectors = bytes / VDISK_SECTOR_BYTES;
    return true;
}
