/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Between the kinds of virtual disks and what they have in common (vdisk.c). */
#pragma once

#include "dom0/kernel/thread.h"
#include "dom0/vdisk/vdisk.h"
#include "drivers/block.h"

/* The caller has checked ranges and access. NULL: see vdisk.c. */
struct vdisk_ops {
    bool (*read)(struct vdisk *d, uint64_t sector, uint32_t count, void *buf, struct error *e);
    bool (*write)(struct vdisk *d, uint64_t sector, uint32_t count, const void *buf, struct error *e);
    bool (*discard)(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e); /* NULL: a hint not taken */
    bool (*zero)(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e);    /* NULL: zeros are written */
    bool (*flush)(struct vdisk *d, struct error *e);
    void *(*memory)(struct vdisk *d, uint64_t sector); /* of that sector and all that follow; NULL: it is none */
    void (*about)(struct vdisk *d, struct vdisk_about *out);
    void (*close)(struct vdisk *d); /* also of one that was opened half; NULL: nothing to do */
};

struct vdisk {
    const struct vdisk_ops *ops;
    uint64_t sectors;
    enum vdisk_access access;
    bool trial; /* vdisk_check: files are opened for reading whatever ACCESS is */
    struct vdisk_user user;
    char spec[PATH_MAX_LEN];
    /* What it has: files, or a piece of a disk of the host. */
    struct file **files;
    uint32_t file_count;
    struct block_device *dev;
    uint64_t first, end; /* sectors of DEV */
    void *own;           /* the kind's */
    struct mutex lock;   /* likewise */
    struct vdisk *next;
};

/* Opens one more file of D as D's access tells. EXIT_WRONG_STATE: somebody else's. */
bool vdisk_file(struct vdisk *d, const char *path, struct file **out, struct error *e);
/* Is the piece of a host's disk that D names free for it? */
bool vdisk_piece_free(const struct vdisk *d, struct error *e);
bool vdisk_no_memory(const char *what, struct error *e);
/* LEN bytes at OFF, all of them. */
bool vdisk_file_read(struct file *f, uint64_t off, void *buf, size_t len, struct error *e);

/* The kinds: D->spec is resolved; on failure vdisk.c cleans up by vdisk_close. */
bool vdisk_raw_open(struct vdisk *d, struct error *e);
bool vdisk_memory_open(struct vdisk *d, struct error *e);
bool vdisk_host_open(struct vdisk *d, struct error *e);
bool vdisk_vmdk_open(struct vdisk *d, struct error *e);
/* "disk:sd0p2" for whatever SPEC calls it. OUT has PATH_MAX_LEN bytes. */
bool vdisk_host_resolve(const char *spec, char *out, struct error *e);
