/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] regress-0011: keeps its disk's ring full of reads that do not go together: it takes each answer at once and asks anew, and asks xenstore meanwhile, for ever.
 * Why: the disk's thread in Dom0 let others run only when it found the ring empty, or nothing gathered: neither the prompt, nor xenstore, nor any other disk had its turn.
 * Expected: every read is right, and xenstore answers within TURN of them (else it lets go of Dom0); when its disk is taken away "regress-0011: N passed, 0 failed". It needs
 * a CPU that is not Dom0's. */
#include "tests/guest/lib/pv.h"

#include <xen/io/blkif.h>

#define SLOTS 32U
#define NUMBERS 61U /* sectors that are used, every other one */
#define TURN 10U
#define LOOKS 1000U /* for an answer, before xenstore is asked once more */
#define REF_RING 8U
#define REF_DATA 9U
#define SLOT(n) (&((volatile union blkif_sring_entry *)(void *)(ring_page + 64))[(n) % SLOTS])

static struct pv_device disk;
static uint8_t ring_page[4096] __attribute__((aligned(4096)));
static volatile uint64_t data[SLOTS][64] __attribute__((aligned(4096))); /* a sector for each request, by its id */
static blkif_sring_t *const ring = (void *)ring_page;
static uint64_t sector[SLOTS];
static uint32_t prod, cons, since; /* SINCE: CONS when xenstore was asked */
static bool held;

static bool connect(void)
{
    if (!pv_open(&disk, "vbd", 51712))
        return false;
    ring->req_event = ring->rsp_event = 1;
    pv_grant_page(REF_RING, ring_page);
    for (uint32_t i = 0; i < sizeof(data) / 4096; i++)
        pv_grant_page(REF_DATA + i, (const uint8_t *)(uint64_t)data + 4096 * i);
    return pv_connect_disk(&disk, REF_RING);
}

/* The first ones write each sector's number. */
static void ask(uint64_t id)
{
    bool write = prod < NUMBERS;
    sector[id] = 2 * (prod % NUMBERS);
    data[id][0] = data[id][63] = write ? sector[id] : ~0UL;
    blkif_request_t q = {.operation = write ? BLKIF_OP_WRITE : BLKIF_OP_READ, .nr_segments = 1, .id = id, .sector_number = sector[id]};
    q.seg[0] = (struct blkif_request_segment){REF_DATA + (uint32_t)id / 8, (uint8_t)(id % 8), (uint8_t)(id % 8)};
    SLOT(prod)->req = q;
    __atomic_store_n(&ring->req_prod, ++prod, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ring->req_event, __ATOMIC_SEQ_CST) == prod)
        pv_send(disk.port);
}

static void take_answer(void)
{
    blkif_response_t a = SLOT(cons++)->rsp;
    uint64_t id = a.id % SLOTS;
    check(a.status == 0 && a.id == id && data[id][0] == sector[id] && data[id][63] == sector[id], "sector %lu: %d, %lu %lu", sector[id], a.status, data[id][0], data[id][63]);
    held = held || cons - since > TURN;
    if (!held)
        ask(id);
}

static void keep_full(void)
{
    for (unsigned i = 0; i < LOOKS; i++)
        if (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) != cons) {
            take_answer();
            return;
        }
}

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    pv_init();
    check(connect(), "no disk: state %d", pv_back_state(&disk));
    say("regress-0011: going");
    for (uint64_t id = 0; id < SLOTS; id++)
        ask(id);
    uint32_t longest = 0;
    char state = '4';
    for (pv_meanwhile = keep_full; state == '4' && !held;) {
        since = cons;
        state = pv_back_state(&disk);
        longest = cons - since > longest ? cons - since : longest;
    }
    pv_meanwhile = pv_yield;
    check(!held, "nobody else had a turn during %u reads", longest);
    say("regress-0011: xenstore answered within %u reads", longest);
    pv_key(&disk, "state", "6");
    check(held || pv_wait_state(&disk, '?'), "the disk stays: state %d", pv_back_state(&disk));
    summary("regress-0011");
    shut_down(0);
}
