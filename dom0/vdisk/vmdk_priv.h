/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Between the files of a sparse extent. */
#pragma once

#include "dom0/vdisk/vmdk_sparse.h"

#define VMDK_NO_TABLE UINT32_MAX

struct vmdk_table {
    uint32_t index;  /* which; VMDK_NO_TABLE: none */
    uint32_t dirty;  /* bit per sector of 512 bytes that the medium does not have */
    uint8_t *bytes;  /* VMDK_TABLE_BYTES; NULL until it is used */
};

struct vmdk_sparse {
    struct file *f;
    char name[PATH_MAX_LEN];
    struct vmdk_header h;
    uint32_t *directory, *redundant; /* sectors of the tables; REDUNDANT may be NULL */
    uint16_t *used;          /* per table: grains that have a place */
    uint8_t *map;            /* bit per place of a grain: taken */
    uint64_t places, next;   /* places in MAP; where to look for a free one */
    uint64_t taken;
    bool writable, marked;
    struct vmdk_scratch *scratch;
    struct vmdk_table table[VMDK_TABLES_KEPT];
};

static inline uint64_t vmdk_first_place(const struct vmdk_sparse *s) { return s->h.overhead / s->h.grain; }
bool vmdk_map_get(const struct vmdk_sparse *s, uint64_t place);
void vmdk_map_set(struct vmdk_sparse *s, uint64_t place, bool taken);
bool vmdk_damaged(const char *name, const char *why, struct error *e);
/* Is ENTRY of a table nothing (zeros)? */
bool vmdk_entry_empty(const struct vmdk_sparse *s, uint32_t entry);

/* ---- vmdk_check.c ---- */

/* Reads directory and tables, looks at every entry, fills MAP. REPAIR: the second tables are made like the first. */
bool vmdk_check(struct vmdk_sparse *s, bool repair, struct error *e);
