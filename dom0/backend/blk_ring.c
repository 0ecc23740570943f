/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The block ring. Pure. */
#include "dom0/backend/blk_ring.h"

#include "dom0/lib/string.h"

_Static_assert(sizeof(union blkif_sring_entry) == 112 && offsetof(blkif_sring_t, ring) == 64, "Xen's block ring");
_Static_assert(sizeof(struct blkif_request) == 112 && sizeof(struct blkif_request_indirect) <= 112 &&
                   sizeof(struct blkif_request_segment) == 8 && sizeof(struct blkif_response) == 16,
               "Xen's block ring");
#define FITS(order) (64 + (BLK_RING_ENTRIES << (order)) * 112 <= (4096U << (order)) && \
                     64 + (2 * BLK_RING_ENTRIES << (order)) * 112 > (4096U << (order)))
_Static_assert(FITS(0) && FITS(1) && FITS(2) && FITS(3) && FITS(BLK_RING_ORDER_MAX), "the largest power of two");

bool blk_ring_attach(struct blk_ring *r, void *pages, uint32_t order)
{
    r->shared = pages;
    r->entries = BLK_RING_ENTRIES << order;
    r->answered = r->taken = __atomic_load_n(&r->shared->rsp_prod, __ATOMIC_RELAXED);
    return __atomic_load_n(&r->shared->req_prod, __ATOMIC_RELAXED) - r->taken <= r->entries;
}

enum blk_take blk_ring_take(struct blk_ring *r, union blkif_sring_entry *raw)
{
    uint32_t prod = __atomic_load_n(&r->shared->req_prod,
                                    __ATOMIC_ACQUIRE); /* pairs with the guest's barrier between request and req_prod */
    if (prod == r->taken)
        return BLK_NONE;
    if (prod - r->answered > r->entries)
        return BLK_BROKEN;
    const volatile uint64_t *from =
        (const volatile uint64_t *)(const void *)&r->shared->ring[r->taken % r->entries];
    uint64_t words[sizeof *raw / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        words[i] = from[i]; /* each word once */
    memcpy(raw, words, sizeof *raw);
    r->taken++;
    return BLK_TAKEN;
}

bool blk_ring_rest(struct blk_ring *r)
{
    __atomic_store_n(&r->shared->req_event, r->taken + 1, __ATOMIC_SEQ_CST); /* before the look: the guest does both the
                                                                                other way round */
    return __atomic_load_n(&r->shared->req_prod, __ATOMIC_SEQ_CST) != r->taken;
}

bool blk_ring_answer(struct blk_ring *r, const struct blk_request *q, int16_t status)
{
    struct blkif_response rsp = {.id = q->id, .operation = q->op, .status = status};
    memcpy(&r->shared->ring[r->answered % r->entries].rsp, &rsp, sizeof rsp);
    r->answered++;
    __atomic_store_n(&r->shared->rsp_prod, r->answered, __ATOMIC_SEQ_CST); /* after the response, before the look */
    return __atomic_load_n(&r->shared->rsp_event, __ATOMIC_SEQ_CST) == r->answered;
}

static enum blk_verdict hostile(const char **why, const char *what)
{
    *why = what;
    return BLK_HOSTILE;
}

static bool writes(uint8_t op) { return op == BLKIF_OP_WRITE || op == BLKIF_OP_WRITE_BARRIER; }

static bool carries_data(uint8_t op) { return op == BLKIF_OP_READ || op == BLKIF_OP_WRITE; }

static bool offered(uint8_t op)
{
    return op == BLKIF_OP_READ || writes(op) || op == BLKIF_OP_FLUSH_DISKCACHE;
}

static bool within(const struct blk_disk *disk, uint64_t sector, uint64_t count)
{
    return sector < disk->sectors && count <= disk->sectors - sector;
}

enum blk_verdict blk_segments(struct blk_request *q, const struct blkif_request_segment *segment,
                              const struct blk_disk *disk, const char **why)
{
    q->count = 0;
    for (uint32_t i = 0; i < q->segments; i++) {
        struct blkif_request_segment s = segment[i];
        if (s.first_sect > s.last_sect || s.last_sect >= BLK_PAGE_SECTORS)
            return hostile(why, "the guest sent a segment that is not within a page");
        q->count += (uint32_t)(s.last_sect - s.first_sect) + 1U;
        q->segment[i] = s;
    }
    if (q->count != 0 && !within(disk, q->sector, q->count))
        return hostile(why, "the guest sent a request for sectors beyond the disk's end");
    return BLK_FINE;
}

static enum blk_verdict read_indirect(struct blk_request *q, const union blkif_sring_entry *raw, const char **why)
{
    struct blkif_request_indirect in;
    memcpy(&in, raw, sizeof in);
    q->op = in.indirect_op;
    q->id = in.id;
    q->sector = in.sector_number;
    q->indirect = true;
    q->table = in.indirect_grefs[0];
    q->segments = in.nr_segments;
    if (in.indirect_op != BLKIF_OP_READ && in.indirect_op != BLKIF_OP_WRITE)
        return hostile(why, "the guest sent an indirect request that is neither a read nor a write");
    if (q->segments == 0 || q->segments > BLK_INDIRECT_MAX)
        return hostile(why, "the guest sent an indirect request with none or too many segments");
    return BLK_FINE;
}

static enum blk_verdict read_direct(struct blk_request *q, const union blkif_sring_entry *raw,
                                    const struct blk_disk *disk, const char **why)
{
    struct blkif_request in;
    memcpy(&in, raw, sizeof in);
    q->op = in.operation;
    q->id = in.id;
    q->sector = in.sector_number;
    if (!offered(q->op))
        return BLK_UNKNOWN;
    q->segments = in.nr_segments;
    if (q->segments > BLKIF_MAX_SEGMENTS_PER_REQUEST || (q->segments == 0 && q->op == BLKIF_OP_READ) ||
        (q->segments == 0 && q->op == BLKIF_OP_WRITE))
        return hostile(why, "the guest sent a request with none or too many segments");
    return blk_segments(q, in.seg, disk, why);
}

/* Secure discards are not offered. One of no sectors is no discard. */
static enum blk_verdict read_discard(struct blk_request *q, const union blkif_sring_entry *raw,
                                     const struct blk_disk *disk, const char **why)
{
    struct blkif_request_discard in;
    memcpy(&in, raw, sizeof in);
    q->op = in.operation;
    q->id = in.id;
    q->sector = in.sector_number;
    q->span = in.nr_sectors;
    if (!disk->discards || in.flag != 0)
        return BLK_UNKNOWN;
    if (q->span == 0 || !within(disk, q->sector, q->span))
        return hostile(why, "the guest sent a request for sectors beyond the disk's end, or for none");
    return BLK_FINE;
}

static enum blk_verdict read_any(struct blk_request *q, const union blkif_sring_entry *raw, const struct blk_disk *disk,
                                 const char **why)
{
    switch (raw->req.operation) {
    case BLKIF_OP_INDIRECT:
        return read_indirect(q, raw, why);
    case BLKIF_OP_DISCARD:
        return read_discard(q, raw, disk, why);
    default:
        return read_direct(q, raw, disk, why);
    }
}

enum blk_verdict blk_request_read(struct blk_request *q, const union blkif_sring_entry *raw,
                                  const struct blk_disk *disk, const char **why)
{
    memset(q, 0, sizeof *q);
    enum blk_verdict v = read_any(q, raw, disk, why);
    if (v == BLK_FINE && disk->read_only && (writes(q->op) || (q->op == BLKIF_OP_FLUSH_DISKCACHE && q->segments != 0)))
        return BLK_DENIED;
    return v;
}

bool blk_run_add(struct blk_run *run, const struct blk_request *q)
{
    struct blk_request *w = &run->whole;
    if (run->n == 0)
        *w = (struct blk_request){.op = q->op, .sector = q->sector, .id = q->id};
    if (!carries_data(q->op) || q->op != w->op || q->sector != w->sector + w->count || run->n == BLK_INDIRECT_MAX ||
        w->segments + q->segments > BLK_INDIRECT_MAX)
        return false;
    memcpy(&w->segment[w->segments], q->segment, q->segments * sizeof q->segment[0]);
    w->segments += q->segments;
    w->count += q->count;
    run->part[run->n++] = (struct blk_part){q->id, q->count, q->segments};
    return true;
}

void blk_run_part(const struct blk_run *run, uint32_t i, struct blk_request *out)
{
    uint32_t segment = 0;
    *out = (struct blk_request){.op = run->whole.op, .sector = run->whole.sector, .id = run->part[i].id,
                                .count = run->part[i].count, .segments = run->part[i].segments};
    for (uint32_t k = 0; k < i; k++) {
        out->sector += run->part[k].count;
        segment += run->part[k].segments;
    }
    memcpy(out->segment, &run->whole.segment[segment], out->segments * sizeof out->segment[0]);
}
