/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] New virtual disks. All of a disk's bytes are zeros: what the volume held there before is nobody's to read. */
#pragma once

#include "dom0/fs/tree.h"
#include "dom0/vdisk/vdisk.h"

enum vdisk_format { VDISK_MAKE_RAW, VDISK_MAKE_SPARSE, VDISK_MAKE_FLAT };

struct vdisk_plan {
    enum vdisk_format format;
    uint64_t sectors;
    uint64_t extent; /* sectors of an extent at most; fewer than SECTORS: several */
    uint32_t grain;  /* sectors */
};

/* The usual sizes: grains of 64 KiB, one extent where FAT32 has room for it, else extents of 2047 MiB. BYTES is a
 * multiple of 512. */
bool vdisk_plan(struct vdisk_plan *p, const char *path, enum vdisk_format format, uint64_t bytes, struct error *e);
/* Makes it at PATH, which nothing has. Its name appears when it is complete; a failure or FN leaves nothing behind. */
bool vdisk_make(const struct vdisk_plan *p, const char *path, tree_progress fn, void *ctx, struct error *e);
