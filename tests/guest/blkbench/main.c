/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] blkbench: what one request to a disk in memory costs, from before the ring is written until the answer is seen, and an event to Dom0 and back.
 * Why: `make bench`. Expected: lines BENCH as the benchmark guest prints them; then it powers off. It waits for its disk. */
#include "tests/guest/lib/bench.h"
#include "tests/guest/lib/pv.h"

#include <xen/io/blkif.h>

#define SAMPLES 200U
#define WARMUP 20U
#define PAGES 32U
#define REF_RING 8U
#define REF_DATA 9U
#define REF_TABLE 60U
#define NOTHING 255U /* an operation that there is not: its answer costs nothing but the way there and back */
#define SECOND_NS 1000000000UL

static struct pv_device disk;
static uint8_t ring_page[4096] __attribute__((aligned(4096)));
static uint8_t data[PAGES][4096] __attribute__((aligned(4096)));
static uint8_t table[4096] __attribute__((aligned(4096)));
static blkif_sring_t *const ring = (void *)ring_page;
static uint32_t prod;

static bool connect(void)
{
    while (!pv_open(&disk, "vbd", 51712))
        pv_poll(0, SECOND_NS / 1000);
    ring->req_event = ring->rsp_event = 1;
    pv_grant_page(REF_RING, ring_page);
    pv_grant_page(REF_TABLE, table);
    for (uint32_t i = 0; i < PAGES; i++) {
        pv_grant_page(REF_DATA + i, data[i]);
        ((struct blkif_request_segment *)(void *)table)[i] = (struct blkif_request_segment){REF_DATA + i, 0, 7};
    }
    return pv_connect_disk(&disk, REF_RING);
}

static void fill(uint8_t op, unsigned pages)
{
    blkif_request_t *q = &((union blkif_sring_entry *)(void *)(ring_page + 64))[prod % 32].req;
    if (pages <= 1) {
        *q = (blkif_request_t){.operation = op, .nr_segments = (uint8_t)pages, .id = prod, .sector_number = 64};
        q->seg[0] = (struct blkif_request_segment){REF_DATA, 0, 7};
        return;
    }
    struct blkif_request_indirect *in = (void *)q;
    *in = (struct blkif_request_indirect){.operation = BLKIF_OP_INDIRECT, .indirect_op = op, .nr_segments = (uint16_t)pages, .id = prod, .sector_number = 64};
    in->indirect_grefs[0] = REF_TABLE;
}

static uint64_t once(uint8_t op, unsigned pages)
{
    uint64_t from = stamp();
    fill(op, pages);
    prod++;
    __atomic_store_n(&ring->req_prod, prod, __ATOMIC_SEQ_CST);
    pv_send(disk.port);
    while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_SEQ_CST) != prod)
        pv_block(disk.port);
    uint64_t took = stamp() - from;
    ring->rsp_event = prod + 1;
    return took;
}

static void measure(const char *name, uint8_t op, unsigned pages)
{
    bench_row(name);
    for (unsigned i = 0; i < WARMUP; i++)
        once(op, pages);
    for (unsigned i = 0; i < SAMPLES; i++) {
        bench_mark(i, SAMPLES);
        bench_samples[i] = once(op, pages);
        bench_mark(i, SAMPLES);
    }
    bench_report(name, SAMPLES);
}

/* What is not the way to Dom0: an event that nobody takes, and a look for somebody else to run. */
static void measure_parts(void)
{
    static const char *const names[] = {"event_to_nobody", "yield_to_nobody"};
    uint32_t port = pv_port();
    for (unsigned part = 0; part < COUNT(names); part++) {
        bench_row(names[part]);
        for (unsigned i = 0; i < SAMPLES; i++) {
            bench_mark(i, SAMPLES);
            uint64_t from = stamp();
            if (part == 0)
                pv_send(port);
            else
                pv_yield();
            bench_samples[i] = stamp() - from;
            bench_mark(i, SAMPLES);
        }
        bench_report(names[part], SAMPLES);
    }
}

void guest_main(const void *start_info)
{
    traps_on();
    bench_init(start_info);
    pv_init();
    check(connect(), "no disk: state %d", pv_back_state(&disk));
    measure_parts();
    measure("dom0_event_and_back", NOTHING, 0);
    measure("disk_read_4k", BLKIF_OP_READ, 1);
    measure("disk_write_4k", BLKIF_OP_WRITE, 1);
    measure("disk_read_128k", BLKIF_OP_READ, PAGES);
    measure("disk_write_128k", BLKIF_OP_WRITE, PAGES);
    measure("disk_flush", BLKIF_OP_FLUSH_DISKCACHE, 0);
    summary("blkbench");
}
