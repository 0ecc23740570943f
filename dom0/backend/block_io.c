/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One request of a virtual disk: between the guest's pages and a buffer by grant copies, between the buffer and
 * the image by the layer of images (dom0/vdisk). The guest's pages are never mapped here, and what it changes while the disk works does
 * not matter. */
#include "dom0/backend/block_priv.h"

#include <xen/grant_table.h>

#include "dom0/kernel/fatal.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/page.h"
#include "dom0/kernel/paging.h"
#include "dom0/lib/string.h"

#define PAGE_OF(p)     ((uint64_t)(p) % PAGE_SIZE)
#define COPIES_AT_ONCE 16U

/* The copies of one request: a segment takes two where it crosses a page of the buffer. They have the page behind the
 * buffer, which is mapped as part of a large one: the hypervisor's way to them is shorter than to a stack. */
struct copies {
    uint32_t count;
    struct gnttab_copy op[2 * BLK_INDIRECT_MAX];
};
_Static_assert(sizeof(struct copies) <= PAGE_SIZE, "a page");

static struct copies *copies_begin(const struct block_io *io)
{
    struct copies *c = (struct copies *)(void *)(io->buffer + BLK_REQUEST_SECTORS * BLK_SECTOR_BYTES);
    c->count = 0;
    return c;
}

/* A few pages with each hypercall: the hypervisor does it in one go. */
static bool copies_run(struct copies *c)
{
    long err = 0;
    for (uint32_t at = 0; at < c->count && err == 0; at += COPIES_AT_ONCE) {
        uint32_t n = c->count - at < COPIES_AT_ONCE ? c->count - at : COPIES_AT_ONCE;
        err = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, (uint64_t)&c->op[at], n);
    }
    for (uint32_t i = 0; i < c->count && err == 0; i++)
        err = c->op[i].status;
    return err == 0;
}

/* Of a buffer, or of a disk that is memory. */
static uint64_t phys_of(const void *own)
{
    uint64_t phys = 0;
    if (!paging_lookup(own, &phys))
        fatal("block: %p is not mapped", own);
    return phys;
}

/* BYTES at byte OFFSET of the page REF of DOMID, to or from OWN, which may cross one page boundary. */
static void copies_add(struct copies *c, uint16_t domid, grant_ref_t ref, uint32_t offset, uint8_t *own, uint32_t bytes, bool to_guest)
{
    while (bytes != 0) {
        uint32_t left = (uint32_t)(PAGE_SIZE - PAGE_OF(own)), part = bytes < left ? bytes : left;
        struct gnttab_copy *op = &c->op[c->count++];
        *op = (struct gnttab_copy){.len = (uint16_t)part, .flags = to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref};
        struct gnttab_copy_ptr *mine = to_guest ? &op->source : &op->dest;
        struct gnttab_copy_ptr *theirs = to_guest ? &op->dest : &op->source;
        mine->domid = DOMID_SELF;
        mine->u.gmfn = phys_of(own) / PAGE_SIZE;
        mine->offset = (uint16_t)PAGE_OF(own);
        theirs->domid = domid;
        theirs->u.ref = ref;
        theirs->offset = (uint16_t)offset;
        own += part;
        offset += part;
        bytes -= part;
    }
}

static bool transfer(const struct block_io *io, const struct blk_request *q, uint8_t *own, bool to_guest)
{
    struct copies *c = copies_begin(io);
    for (uint32_t i = 0; i < q->segments; i++) {
        const struct blkif_request_segment *s = &q->segment[i];
        uint32_t bytes = ((uint32_t)(s->last_sect - s->first_sect) + 1U) * BLK_SECTOR_BYTES;
        copies_add(c, io->domid, s->gref, s->first_sect * BLK_SECTOR_BYTES, own, bytes, to_guest);
        own += bytes;
    }
    return copies_run(c);
}

bool block_io_table(const struct block_io *io, const struct blk_request *q, struct blkif_request_segment *out)
{
    size_t bytes = q->segments * sizeof *out;
    struct copies *c = copies_begin(io);
    copies_add(c, io->domid, q->table, 0, io->buffer, (uint32_t)bytes, false);
    if (!copies_run(c))
        return false;
    memcpy(out, io->buffer, bytes);
    return true;
}

static int16_t status_of(bool ok) { return ok ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR; }

static bool read_in(const struct block_io *io, const struct blk_request *q, struct error *e)
{
    return vdisk_read(io->image, q->sector, q->count, io->buffer, e);
}

static bool flush(const struct block_io *io, struct error *e) { return vdisk_flush(io->image, e); }

/* What was written before is on the medium before this, and with a barrier this before what follows. */
static bool write_out(const struct block_io *io, const struct blk_request *q, struct error *e)
{
    if (q->op != BLKIF_OP_WRITE && !flush(io, e))
        return false;
    if (q->count != 0 && !vdisk_write(io->image, q->sector, q->count, io->buffer, e))
        return false;
    return q->op != BLKIF_OP_WRITE_BARRIER || flush(io, e);
}

/* A disk that is memory needs no buffer: one copy less. A guest that changes its page meanwhile writes what it likes, and
 * a request with a page that was not granted may be done in part. */
static bool run_in_memory(const struct block_io *io, const struct blk_request *q, uint8_t *memory, int16_t *status)
{
    *status = BLKIF_RSP_OKAY;
    return transfer(io, q, memory, q->op == BLKIF_OP_READ);
}

bool block_io_run(const struct block_io *io, const struct blk_request *q, int16_t *status, struct error *e)
{
    e->text[0] = '\0';
    if (q->op == BLKIF_OP_DISCARD) {
        *status = status_of(vdisk_discard(io->image, q->sector, q->span, e));
        return true;
    }
    uint8_t *memory = q->op == BLKIF_OP_READ || q->op == BLKIF_OP_WRITE
                          ? vdisk_memory(io->image, q->sector, q->count, q->op == BLKIF_OP_WRITE)
                          : NULL;
    if (memory != NULL)
        return run_in_memory(io, q, memory, status);
    if (q->op == BLKIF_OP_READ) {
        *status = status_of(read_in(io, q, e));
        return *status != BLKIF_RSP_OKAY || transfer(io, q, io->buffer, true);
    }
    if (!transfer(io, q, io->buffer, false))
        return false;
    *status = status_of(write_out(io, q, e));
    return true;
}
