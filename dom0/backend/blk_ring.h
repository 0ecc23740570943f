/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Xen's block ring (public/io/blkif.h) as its back end reads it: pages that the guest changes at will. A
 * request is copied out once and then judged; nothing of it is looked at in the ring again. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

#define BLK_SECTOR_BYTES    512U
#define BLK_PAGE_SECTORS    8U
#define BLK_RING_ENTRIES    32U /* of one page */
#define BLK_RING_ORDER_MAX  4U  /* of its number of pages */
#define BLK_INDIRECT_MAX    32U /* segments of one request, as the back end offers it */
#define BLK_REQUEST_SECTORS (BLK_INDIRECT_MAX * BLK_PAGE_SECTORS)

struct blk_ring {
    blkif_sring_t *shared;
    uint32_t entries;  /* a power of two */
    uint32_t taken;    /* requests: the next one's index */
    uint32_t answered; /* responses: the next one's index */
};

enum blk_verdict {
    BLK_FINE,
    BLK_UNKNOWN, /* an operation, or a kind of one, that was not offered: answered with BLKIF_RSP_EOPNOTSUPP */
    BLK_DENIED,  /* writing to what is read-only: answered with BLKIF_RSP_ERROR */
    BLK_HOSTILE, /* no front end that works sends it: the device is dropped */
};

struct blk_disk {
    uint64_t sectors;
    bool read_only;
    bool discards; /* offered */
};

struct blk_request {
    uint64_t id;
    uint64_t sector; /* of the disk, in 512 bytes */
    uint32_t count;  /* sectors that the segments cover */
    uint64_t span;   /* sectors that a discard covers */
    uint8_t op;      /* BLKIF_OP_*; of an indirect request the inner one; what the response says, too */
    bool indirect;   /* the segments are still in the page of TABLE: blk_segments takes them */
    grant_ref_t table;
    uint32_t segments;
    struct blkif_request_segment segment[BLK_INDIRECT_MAX];
};

/* Requests of one kind whose sectors follow one another, as one; of one alone WHOLE is the request itself. */
struct blk_run {
    struct blk_request whole;
    uint32_t n; /* requests; 0: empty */
    struct blk_part { uint64_t id; uint32_t count, segments; } part[BLK_INDIRECT_MAX];
};

/* Takes over a ring of 2^ORDER pages whose responses so far stand in it (0 on a fresh one). false: impossible indices. */
bool blk_ring_attach(struct blk_ring *r, void *pages, uint32_t order);
enum blk_take { BLK_NONE, BLK_TAKEN, BLK_BROKEN };
/* Copies the next request out. BLK_BROKEN: more requests than the ring has entries. */
enum blk_take blk_ring_take(struct blk_ring *r, union blkif_sring_entry *raw);
/* To be called when there was none: asks for an event for the next one. true: one came meanwhile. */
bool blk_ring_rest(struct blk_ring *r);
/* true: the guest wants an event now. */
bool blk_ring_answer(struct blk_ring *r, const struct blk_request *q, int16_t status);

/* Judges RAW, a private copy; ID and OP are set in every case. WHY: for BLK_HOSTILE, what is wrong. */
enum blk_verdict blk_request_read(struct blk_request *q, const union blkif_sring_entry *raw,
                                  const struct blk_disk *disk, const char **why);
/* The segments of a request, from a private copy of its table (SEGMENT holds Q->segments). Sets COUNT. */
enum blk_verdict blk_segments(struct blk_request *q, const struct blkif_request_segment *segment,
                              const struct blk_disk *disk, const char **why);

/* Adds Q, a fine read or write. false: it does not go with those that are there, or there is no room. */
bool blk_run_add(struct blk_run *run, const struct blk_request *q);
/* The request that was added I-th, as it was. */
void blk_run_part(const struct blk_run *run, uint32_t i, struct blk_request *out);
