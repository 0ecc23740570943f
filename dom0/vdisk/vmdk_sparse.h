/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One hosted sparse extent of a .vmdk ("Virtual Disk Format 5.0", VMware): a header, a directory of grain tables,
 * the tables twice, then grains (64 KiB, usually) in the order in which they were first written to.
 *
 * Power cuts. A new grain's data is written at once, to where no table points; the table's entry stays in memory until
 * the next flush: data on the medium, then the entry, then the flush is answered. So a table on the medium never points
 * to what is not there, and a grain that nobody flushed is not there at all. A grain that is given back (discard) leaves
 * the tables on the medium before its place is used again. The first write marks the extent as unclean in its header,
 * closing takes the mark away; an unclean one is sound, its second tables may lag behind, and opening it for writing
 * makes them alike.
 *
 * Contents are hostile: at opening each table and each grain is seen to lie in the file, on nothing else, and once. */
#pragma once

#include "dom0/vdisk/vdisk.h"

#define VMDK_MAGIC        0x564d444bU /* "KDMV" */
#define VMDK_COWD         0x44574f43U /* "COWD": ESX's own */
#define VMDK_HEADER_BYTES 512U
#define VMDK_TABLE_GRAINS 512U /* entries of a grain table */
#define VMDK_TABLE_BYTES  (VMDK_TABLE_GRAINS * 4U)
#define VMDK_TABLES_MAX   65536U /* 2 TiB with grains of 64 KiB */
#define VMDK_GRAIN_MIN    8U     /* sectors */
#define VMDK_GRAIN_MAX    2048U
#define VMDK_AT_END       (~0UL) /* gdOffset of a stream */

#define VMDK_FLAG_NEWLINE    0x1U
#define VMDK_FLAG_REDUNDANT  0x2U
#define VMDK_FLAG_ZEROED     0x4U
#define VMDK_FLAG_COMPRESSED 0x10000U
#define VMDK_FLAG_MARKERS    0x20000U

struct vmdk_header {
    uint32_t version, flags;
    uint64_t capacity, grain;         /* sectors */
    uint64_t descriptor, descriptor_sectors;
    uint64_t redundant, directory;    /* sectors where they begin; REDUNDANT 0: none */
    uint64_t overhead;                /* sectors before the first grain */
    uint32_t tables;                  /* that CAPACITY takes */
    bool unclean;
};

#define VMDK_TABLES_KEPT 16U /* in memory, of one extent */

struct vmdk_sparse;

/* What the extents of an image have in common: one of them works at a time. Zeroed at first. */
struct vmdk_scratch {
    uint8_t *grain;       /* one, to put together */
    uint64_t grain_bytes;
    uint32_t kept;        /* tables that each extent keeps, 1 to VMDK_TABLES_KEPT */
};

/* RAW has VMDK_HEADER_BYTES and begins with VMDK_MAGIC. FILE_BYTES: how long its file is. Pure. */
bool vmdk_header_read(struct vmdk_header *h, const char *name, const uint8_t *raw, uint64_t file_bytes, struct error *e);
/* The extent in F, of which SECTORS are used. F stays the caller's, and NAME is copied. VDISK_LOOK: the header alone. */
bool vmdk_sparse_open(const char *name, struct file *f, uint64_t sectors, enum vdisk_access access,
                      struct vmdk_scratch *scratch, struct vmdk_sparse **out, struct error *e);
bool vmdk_sparse_read(struct vmdk_sparse *s, uint64_t sector, uint32_t count, uint8_t *buf, struct error *e);
bool vmdk_sparse_write(struct vmdk_sparse *s, uint64_t sector, uint32_t count, const uint8_t *buf, struct error *e);
/* Whole grains are given back; ZERO: the rest is written, too. */
bool vmdk_sparse_clear(struct vmdk_sparse *s, uint64_t sector, uint64_t count, bool zero, struct error *e);
bool vmdk_sparse_flush(struct vmdk_sparse *s, struct error *e);
/* Bytes of grains. */
uint64_t vmdk_sparse_used(const struct vmdk_sparse *s);
bool vmdk_sparse_unclean(const struct vmdk_sparse *s);
/* Flushes, and takes the mark away when all went well. NULL is fine. */
void vmdk_sparse_close(struct vmdk_sparse *s);
