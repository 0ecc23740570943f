/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A virtual disk that is a disk of the host or a partition of one. What Dom0 has mounted is never written to by a
 * guest: two who write to one file system destroy it. */
#include "dom0/fs/cache.h"
#include "dom0/fs/partition.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk_name.h"
#include "dom0/vdisk/vdisk_priv.h"

static bool host_failed(const struct vdisk *d, const char *what, enum block_status s, struct error *e)
{
    return s == BLOCK_OK || error_set(e, EXIT_FAILED, "%.60s: %s: %s: check the disk and its cable", d->spec, what,
                                      block_status_text(s));
}

static uint64_t byte_of(const struct vdisk *d, uint64_t sector)
{
    return d->first * d->dev->sector_size + sector * VDISK_SECTOR_BYTES;
}

static bool host_read(struct vdisk *d, uint64_t sector, uint32_t count, void *buf, struct error *e)
{
    return host_failed(d, "cannot be read",
                       cache_read(d->dev, byte_of(d, sector), buf, (size_t)count * VDISK_SECTOR_BYTES), e);
}

static bool host_write(struct vdisk *d, uint64_t sector, uint32_t count, const void *buf, struct error *e)
{
    return host_failed(d, "cannot be written",
                       cache_write(d->dev, byte_of(d, sector), buf, (size_t)count * VDISK_SECTOR_BYTES), e);
}

static bool host_flush(struct vdisk *d, struct error *e)
{
    return host_failed(d, "cannot be flushed", cache_flush(d->dev), e);
}

static void host_about(struct vdisk *d, struct vdisk_about *out)
{
    bool whole = d->first == 0 && d->end == d->dev->sectors;
    out->format = whole ? "a disk of the host" : "a partition of the host";
    out->sector_bytes = d->dev->sector_size;
    out->used = out->bytes;
    out->depth = d->dev->depth > 1 ? d->dev->depth : 1;
}

static const struct vdisk_ops host_ops = {
    .read = host_read, .write = host_write, .flush = host_flush, .about = host_about};

/* ---- which one ---- */

/* The disk that NAME begins with: "sd0p2" is partition 2 of sd0. *NUMBER 0: the whole disk. */
static struct block_device *find_device(const char *name, uint64_t *number)
{
    *number = 0;
    for (struct block_device *dev = block_first(); dev != NULL; dev = dev->next) {
        size_t len = strlen(dev->name);
        if (strncasecmp(dev->name, name, len) != 0)
            continue;
        if (name[len] == '\0')
            return dev;
        if ((name[len] == 'p' || name[len] == 'P') && name[len + 1] >= '1' && name[len + 1] <= '9' &&
            parse_u64(name + len + 1, number) && *number <= UINT32_MAX)
            return dev;
    }
    return NULL;
}

static bool no_disk(const char *spec, struct error *e)
{
    return error_set(e, EXIT_FAILED, "%.60s: the host has no such disk: `disk-info` lists those that it has", spec);
}

bool vdisk_host_resolve(const char *spec, char *out, struct error *e)
{
    uint64_t number = 0;
    const struct block_device *dev = find_device(vdisk_host_name(spec), &number);
    if (dev == NULL)
        return no_disk(spec, e);
    snprintf(out, PATH_MAX_LEN, number != 0 ? "disk:%sp%u" : "disk:%s", dev->name, (unsigned)number);
    return true;
}

static bool find_partition(struct vdisk *d, uint32_t number, struct error *e)
{
    struct partition *p = heap_alloc(PARTITIONS_MAX * sizeof *p);
    size_t count = 0;
    uint32_t left_out = 0;
    bool ok = false;
    if (p == NULL)
        return vdisk_no_memory(d->spec, e);
    if (partition_scan(d->dev, p, PARTITIONS_MAX, &count, &left_out, e)) {
        for (size_t i = 0; i < count && !ok; i++) {
            ok = p[i].number == number;
            d->first = p[i].first;
            d->end = p[i].first + p[i].sectors;
        }
        if (!ok)
            no_disk(d->spec, e);
    }
    heap_free(p);
    return ok;
}

/* ---- may it be had ---- */

static bool not_mounted(const struct vdisk *d, struct error *e)
{
    char volume[16];
    if (d->access != VDISK_WRITE || !volume_on(d->dev, d->first, d->end, volume))
        return true;
    return error_set(e, EXIT_REFUSED, "%.60s: Dom0 has mounted %s, which lies on it: give it away read-only, or another one",
                     d->spec, volume);
}

bool vdisk_host_open(struct vdisk *d, struct error *e)
{
    uint64_t number = 0;
    d->dev = find_device(vdisk_host_name(d->spec), &number);
    if (d->dev == NULL)
        return no_disk(d->spec, e);
    d->end = d->dev->sectors;
    if (number != 0 && !find_partition(d, (uint32_t)number, e))
        return false;
    if (d->end == d->first || d->end > VDISK_SECTORS_MAX / (d->dev->sector_size / VDISK_SECTOR_BYTES))
        return error_set(e, EXIT_FAILED, "%.60s: its size is not believable: look at its partition table", d->spec);
    if (d->access == VDISK_WRITE && d->dev->read_only)
        return error_set(e, EXIT_REFUSED, "%.60s: the device is read-only: give it away read-only", d->spec);
    if (!not_mounted(d, e) || !vdisk_piece_free(d, e))
        return false;
    d->sectors = (d->end - d->first) * (d->dev->sector_size / VDISK_SECTOR_BYTES);
    d->ops = &host_ops;
    return true;
}
