/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A virtual disk in memory, "memory:MIB": zeros when it is attached, gone when it is detached. For what a guest
 * does not want to keep, and for measuring the way to a disk without one. */
#include "dom0/vdisk/vdisk_name.h"
#include "dom0/vdisk/vdisk_priv.h"

#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"

#define MIB_MAX  4096U
#define AT_ONCE  (64UL << 10) /* bytes between two looks at the other threads */

static void *at(struct vdisk *d, uint64_t sector) { return (uint8_t *)d->own + sector * VDISK_SECTOR_BYTES; }

static bool memory_read(struct vdisk *d, uint64_t sector, uint32_t count, void *buf, struct error *e)
{
    (void)e;
    memcpy(buf, at(d, sector), (size_t)count * VDISK_SECTOR_BYTES);
    return true;
}

static bool memory_write(struct vdisk *d, uint64_t sector, uint32_t count, const void *buf, struct error *e)
{
    (void)e;
    memcpy(at(d, sector), buf, (size_t)count * VDISK_SECTOR_BYTES);
    return true;
}

static bool memory_zero(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    (void)e;
    for (uint64_t done = 0, bytes = count * VDISK_SECTOR_BYTES; done < bytes; done += AT_ONCE) {
        memset((uint8_t *)at(d, sector) + done, 0, bytes - done < AT_ONCE ? bytes - done : AT_ONCE);
        thread_yield();
    }
    return true;
}

static bool memory_flush(struct vdisk *d, struct error *e)
{
    (void)d;
    (void)e;
    return true;
}

static void memory_about(struct vdisk *d, struct vdisk_about *out)
{
    out->format = "memory";
    out->used = d->sectors * VDISK_SECTOR_BYTES;
}

static void memory_close(struct vdisk *d) { memory_return(d->own, d->sectors * VDISK_SECTOR_BYTES); }

static const struct vdisk_ops memory_ops = {.read = memory_read,
                                            .write = memory_write,
                                            .discard = memory_zero,
                                            .zero = memory_zero,
                                            .flush = memory_flush,
                                            .memory = at,
                                            .about = memory_about,
                                            .close = memory_close};

bool vdisk_memory_open(struct vdisk *d, struct error *e)
{
    uint64_t mib = 0;
    if (!parse_u64(vdisk_memory_name(d->spec), &mib) || mib == 0 || mib > MIB_MAX)
        return error_set(e, EXIT_FAILED, "%.60s: no size of a disk in memory: memory:N with N from 1 to %u MiB", d->spec,
                         MIB_MAX);
    d->sectors = (mib << 20) / VDISK_SECTOR_BYTES;
    d->ops = &memory_ops;
    if (d->trial || d->access == VDISK_LOOK)
        return true;
    d->own = memory_borrow(mib << 20);
    return d->own != NULL || error_set(e, EXIT_NO_RESOURCE, "%.60s: there is not so much free memory: take less, or end a "
                                       "domain", d->spec);
}
