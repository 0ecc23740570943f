/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] badblk: a disk without a driver. */
#pragma once

#include "tests/guest/lib/pv.h"

#include <xen/io/blkif.h>

#define DISK_SECTORS 2048U
#define RING_PAGES 16U
#define DATA_PAGES 32U
enum { REF_RING = 8, REF_DATA = REF_RING + RING_PAGES, REF_TABLE = REF_DATA + DATA_PAGES, REF_NONE, REF_RO, REF_FOREIGN, REF_NO_RAM, REF_SHARED, REF_RO_RING, REF_LAST };

struct disk {
    struct pv_device dev;
    uint32_t ref; /* of the ring's first page */
    blkif_sring_t *ring;
    uint32_t entries, prod, cons;
};

extern struct disk rw, ro;
extern unsigned drops; /* found so far, by disk_begin */
extern uint8_t ring_pages[RING_PAGES][4096], data[DATA_PAGES][4096], table[4096]; /* the ring pages are RW's */

/* Lets go, if need be, and waits until the back end begins anew; all grants are as they should be. */
void disk_begin(struct disk *d);
/* Writes the keys of a front end; ORDER: of its ring's pages. */
void disk_keys(struct disk *d, unsigned order);
/* The back end must follow. */
void disk_connect(struct disk *d, unsigned order);
/* The next slot of the ring, empty but for its id and operation. */
blkif_request_t *disk_next(struct disk *d, uint8_t op, uint64_t sector, uint8_t segments);
struct blkif_request_indirect *disk_indirect(struct disk *d, uint8_t op, uint64_t sector, uint16_t segments);
/* Publishes what disk_next made and sends an event. */
void disk_push(struct disk *d);
/* The next answer, which is there: its id must be ID. */
int disk_answer(struct disk *d, uint64_t id);
/* false: none came, the disk was dropped. */
bool disk_wait(struct disk *d);
/* Reads, writes, flushes and compares. */
void disk_works(struct disk *d, const char *after);
