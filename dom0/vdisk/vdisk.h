/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What a guest's virtual disk is made of: a raw image file, VMware's .vmdk with its extents, a disk of the host
 * or a partition of one. Sectors have 512 bytes, whatever lies below.
 * What one guest may write to nobody else has: two files are compared by where they are, not by their names, two pieces
 * of the host's disks by whether they overlap.
 * Opening and closing is done by one at a time (the manager's lock); one that is open may be used by several threads.
 * Writes are on the medium after vdisk_flush, and not before. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/fs/volume.h"
#include "dom0/lib/error.h"

#define VDISK_SECTOR_BYTES 512U
#define VDISK_SECTORS_MAX  (1UL << 44) /* 8 PiB: sums of sectors and bytes stay far from 64 bits */

struct vdisk;

enum vdisk_access {
    VDISK_LOOK,  /* who uses it does not matter, and nothing but its size is to be believed: for vdisk_about */
    VDISK_READ,
    VDISK_WRITE
};

/* Who uses it, for the messages to others. */
struct vdisk_user {
    uint16_t domid;
    char disk[8]; /* "xvda" */
};

struct vdisk_about {
    const char *format; /* "raw", "vmdk, sparse", … */
    uint64_t bytes;     /* as the guest sees it */
    uint64_t used;      /* what it takes on its volume */
    uint32_t files;     /* 0: no file of a volume */
    uint32_t sector_bytes; /* that the medium likes best, 512 or 4096 */
    uint32_t depth;     /* transfers of several threads that are at work at once; 1: one after the other */
    bool discards;      /* vdisk_discard gives room back */
    bool unclean;       /* was being written to when the power went, or is being written to now */
};

/* SPEC as a path (path_resolve), "memory:MIB", or "disk:NAME" for a disk of the host, which Xen's "phy:NAME" and "phy:/dev/NAME" are,
 * too. OUT has PATH_MAX_LEN bytes. */
bool vdisk_resolve(const char *spec, char *out, struct error *e);
/* Could it be opened so? Nothing is changed. EXIT_WRONG_STATE: another one's use of it is in the way. */
bool vdisk_check(const char *spec, enum vdisk_access access, const struct vdisk_user *user, struct error *e);
bool vdisk_open(const char *spec, enum vdisk_access access, const struct vdisk_user *user, struct vdisk **out,
                struct error *e);
uint64_t vdisk_sectors(const struct vdisk *d);
void vdisk_about(struct vdisk *d, struct vdisk_about *out);
/* The sectors themselves, where they lie in memory one behind the other. NULL: they do not; read or write them. */
void *vdisk_memory(struct vdisk *d, uint64_t sector, uint32_t count, bool write);
/* COUNT sectors from SECTOR on, which are within the disk. */
bool vdisk_read(struct vdisk *d, uint64_t sector, uint32_t count, void *buf, struct error *e);
/* EXIT_NO_RESOURCE: no room on the volume; nothing but this write is lost, and it works again when there is room. */
bool vdisk_write(struct vdisk *d, uint64_t sector, uint32_t count, const void *buf, struct error *e);
/* Zeros, by giving room back where that can be done. */
bool vdisk_zero(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e);
/* What is there does not matter any more: zeros, or what was there. */
bool vdisk_discard(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e);
/* What was written is on the medium. Nothing to do for what is only read. */
bool vdisk_flush(struct vdisk *d, struct error *e);
/* Flushes as well as it can. NULL is fine. */
void vdisk_close(struct vdisk *d);
