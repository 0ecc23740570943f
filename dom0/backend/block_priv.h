/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Between the files of the block back end. */
#pragma once

#include "dom0/backend/blk_ring.h"
#include "dom0/backend/block_backend.h"
#include "dom0/kernel/thread.h"
#include "dom0/vdisk/vdisk.h"

#define BLOCK_BUFFER_PAGES (BLK_REQUEST_SECTORS / BLK_PAGE_SECTORS + 1U) /* and one for block_io.c */
#define BLOCK_STACK_BYTES  32768U /* of a thread that carries requests out */

/* ---- block_nodes.c: both sides' xenstore nodes ---- */

struct block_keys { /* what a front end published */
    uint32_t order; /* of the number of pages of its ring */
    uint32_t ring_ref[1U << BLK_RING_ORDER_MAX];
    uint32_t port;
};

uint32_t block_number(uint16_t index);
/* The back end's nodes and the front end's; the guest sees the disk once these are there. 0 or a positive errno. */
int block_nodes_create(const struct block_config *c);
void block_nodes_remove(const struct block_config *c);
/* Writes what the front end reads when the back end is connected. 0 or a positive errno. */
int block_nodes_publish(const struct block_config *c, const struct blk_disk *disk);
/* The back end's state, enum xenbus_state. */
void block_nodes_state(const struct block_config *c, unsigned state);
void block_nodes_offline(const struct block_config *c);
/* The front end's state; 0: none that is one. */
unsigned block_front_state(const struct block_config *c);
/* false: *WHY, in words. */
bool block_front_keys(const struct block_config *c, struct block_keys *out, const char **why);
/* FN is called in the store's thread when the front end's state may have changed. Negative errno or an id. */
int block_front_watch(const struct block_config *c, void (*fn)(const char *path, void *ctx), void *ctx);

/* ---- block_io.c: one request ---- */

struct block_io {
    uint16_t domid;
    struct vdisk *image;
    uint8_t *buffer; /* BLK_REQUEST_SECTORS, and a page */
};

/* Carries Q out (its segments are read and checked). *STATUS: BLKIF_RSP_*. false: the guest's grants are not what it
 * said. A failing disk is an answer, and E says why; E->text is empty otherwise. */
bool block_io_run(const struct block_io *io, const struct blk_request *q, int16_t *status, struct error *e);
/* The table of segments of an indirect request, copied out. false: no such grant. */
bool block_io_table(const struct block_io *io, const struct blk_request *q, struct blkif_request_segment *out);

/* ---- block_crew.c: threads that carry requests out beside a disk's own ---- */

#define BLOCK_CREW 8U

struct block_work { /* what the crew does for one disk */
    void (*carry_out)(void *disk, const struct blk_run *run, uint8_t *buffer); /* BUFFER: of BLOCK_BUFFER_PAGES */
    void *disk;
    struct waitq *wait; /* is woken at the end of each run */
    uint32_t running;
};

/* Somebody carries RUN out, which is copied. false: nobody is at rest, or there is no memory for one more. W stays where
 * it is while W->running is not 0. */
bool block_crew_give(struct block_work *w, const struct blk_run *run);
/* Does the crew work at something that Q must not overtake: the same sectors, and one of both writes? */
bool block_crew_overlaps(const struct block_work *w, const struct blk_request *q);
