/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] flusher: writes numbers to its disk, flushes, and says the number; on and on, from the last number that is there.
 * Why: the power fails meanwhile. Expected: each number that it said is on the disk afterwards. Sector 0 has the last one, sector 1 + N % 1000 has N. */
#include "tests/guest/lib/pv.h"

#include <xen/io/blkif.h>

#define NUMBERS 1000U
#define REF_RING 8U
#define REF_DATA 9U
#define WAIT_NS 5000000000UL
#define BETWEEN_NS 65000000UL /* the hypervisor takes 16 lines in a second */

static struct pv_device disk;
static uint8_t ring_page[4096] __attribute__((aligned(4096)));
static uint64_t data[512] __attribute__((aligned(4096)));
static blkif_sring_t *const ring = (void *)ring_page;
static uint32_t prod;

static void add(uint8_t op, uint64_t sector, uint32_t part)
{
    blkif_request_t *q = &((union blkif_sring_entry *)(void *)(ring_page + 64))[prod++ % 32].req;
    *q = (blkif_request_t){.operation = op, .nr_segments = op != BLKIF_OP_FLUSH_DISKCACHE, .id = prod, .sector_number = sector};
    q->seg[0] = (struct blkif_request_segment){REF_DATA, (uint8_t)part, (uint8_t)part};
}

/* All that was added; false: one failed. */
static bool done(void)
{
    uint32_t from = ring->rsp_prod;
    bool ok = true;
    ring->rsp_event = prod;
    __atomic_store_n(&ring->req_prod, prod, __ATOMIC_SEQ_CST);
    pv_send(disk.port);
    while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_SEQ_CST) != prod)
        pv_poll(disk.port, WAIT_NS);
    pv_clear(disk.port);
    for (; from != prod; from++)
        ok = ok && ((union blkif_sring_entry *)(void *)(ring_page + 64))[from % 32].rsp.status == 0;
    return ok;
}

static bool connect(void)
{
    if (!pv_open(&disk, "vbd", 51712))
        return false;
    ring->req_event = ring->rsp_event = 1;
    pv_grant_page(REF_RING, ring_page);
    pv_grant_page(REF_DATA, data);
    return pv_connect_disk(&disk, REF_RING);
}

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    pv_init();
    check(connect(), "no disk");
    add(BLKIF_OP_READ, 0, 0);
    check(done(), "cannot read");
    say("flusher: found %lu", data[0]);
    for (uint64_t n = data[0] + 1;; n++) {
        for (unsigned i = 0; i < 64; i++)
            data[i] = data[64 + i] = n;
        add(BLKIF_OP_WRITE, 1 + n % NUMBERS, 1);
        add(BLKIF_OP_FLUSH_DISKCACHE, 0, 0); /* asked before the write is answered: it need not cover it, and the next one does */
        add(BLKIF_OP_WRITE, 0, 0);
        check(done(), "cannot write");
        add(BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
        if (!done())
            say("flusher: cannot flush");
        else
            say("flusher: wrote %lu", n);
        pv_poll(0, BETWEEN_NS);
    }
}
