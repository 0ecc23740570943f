/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One request of a virtual disk: between the guest's pages and a buffer by grant copies, between the buffer and
 * the image by the layer of images (dom0/vdisk). The guest's pages are never mapped here, and what it changes while the disk works does
 * not matter. */
#include "dom0/backend/block_priv.h"

#include <xen/grant_table.h>

#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/page.h"
#include "dom0/lib/string.h"

#define PAGE_OF(p)     ((uint64_t)(p) % PAGE_SIZE)
#define COPIES_AT_ONCE 16U

/* The copies of one request: a segment takes two where it crosses a page of the buffer. */
static struct copies { /* not on a thread's stack; no other thread runs between its first use and its last */
    uint32_t count;
    struct gnttab_copy op[2 * BLK_INDIRECT_MAX];
} copies;

/* A few pages with each hypercall: the hypervisor does it in one go. */
static bool copies_run(void)
{
    long err = 0;
    for (uint32_t at = 0; at < copies.count && err == 0; at += COPIES_AT_ONCE) {
        uint32_t n = copies.count - at < COPIES_AT_ONCE ? copies.count - at : COPIES_AT_ONCE;
        err = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, (uint64_t)&copies.op[at], n);
    }
    for (uint32_t i = 0; i < copies.count && err == 0; i++)
        err = copies.op[i].status;
    return err == 0;
}

/* BYTES at byte OFFSET of the page REF of DOMID, to or from OWN, which may cross one page boundary. */
static void copies_add(uint16_t domid, grant_ref_t ref, uint32_t offset, uint8_t *own, uint32_t bytes, bool to_guest)
{
    while (bytes != 0) {
        uint32_t left = (uint32_t)(PAGE_SIZE - PAGE_OF(own)), part = bytes < left ? bytes : left;
        struct gnttab_copy *op = &copies.op[copies.count++];
        *op = (struct gnttab_copy){.len = (uint16_t)part, .flags = to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref};
        struct gnttab_copy_ptr *mine = to_guest ? &op->source : &op->dest;
        struct gnttab_copy_ptr *theirs = to_guest ? &op->dest : &op->source;
        mine->domid = DOMID_SELF;
        mine->u.gmfn = page_phys(own) / PAGE_SIZE;
        mine->offset = (uint16_t)PAGE_OF(own);
        theirs->domid = domid;
        theirs->u.ref = ref;
        theirs->offset = (uint16_t)offset;
        own += part;
        offset += part;
        bytes -= part;
    }
}

static bool transfer(const struct block_io *io, const struct blk_request *q, bool to_guest)
{
    uint8_t *own = io->buffer;
    copies.count = 0;
    for (uint32_t i = 0; i < q->segments; i++) {
        const struct blkif_request_segment *s = &q->segment[i];
        uint32_t bytes = ((uint32_t)(s->last_sect - s->first_sect) + 1U) * BLK_SECTOR_BYTES;
        copies_add(io->domid, s->gref, s->first_sect * BLK_SECTOR_BYTES, own, bytes, to_guest);
        own += bytes;
    }
    return copies_run();
}

bool block_io_table(const struct block_io *io, const struct blk_request *q, struct blkif_request_segment *out)
{
    size_t bytes = q->segments * sizeof *out;
    copies.count = 0;
    copies_add(io->domid, q->table, 0, io->buffer, (uint32_t)bytes, false);
    if (!copies_run())
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

bool block_io_run(const struct block_io *io, const struct blk_request *q, int16_t *status, struct error *e)
{
    e->text[0] = '\0';
    if (q->op == BLKIF_OP_READ) {
        *status = status_of(read_in(io, q, e));
        return *status != BLKIF_RSP_OKAY || transfer(io, q, true);
    }
    if (!transfer(io, q, false))
        return false;
    *status = status_of(write_out(io, q, e));
    return true;
}
