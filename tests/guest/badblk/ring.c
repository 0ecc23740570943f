/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] badblk's disks: the way a driver would do it. */
#include "tests/guest/badblk/badblk.h"

#define ID(n) (0x1d00000000000000UL + (n))
#define TRIES 3000U

uint8_t ring_pages[RING_PAGES][4096] __attribute__((aligned(4096)));
static uint8_t ro_ring[4096] __attribute__((aligned(4096)));
unsigned drops;
struct disk rw = {.ref = REF_RING, .ring = (void *)ring_pages}, ro = {.ref = REF_RO_RING, .ring = (void *)ro_ring};
uint8_t data[DATA_PAGES][4096] __attribute__((aligned(4096)));
uint8_t table[4096] __attribute__((aligned(4096)));

#define SLOT(d, n) (&((volatile union blkif_sring_entry *)(void *)((uint8_t *)(d)->ring + 64))[(n) % (d)->entries])

static void grants_right(void)
{
    for (uint32_t i = 0; i < RING_PAGES; i++)
        pv_grant_page(REF_RING + i, ring_pages[i]);
    for (uint32_t i = 0; i < DATA_PAGES; i++)
        pv_grant_page(REF_DATA + i, data[i]);
    pv_grant_page(REF_TABLE, table);
    pv_grant_page(REF_RO_RING, ro_ring);
    pv_revoke(REF_NONE);
    pv_grant(REF_RO, (uint64_t)data[0] >> 12, 0, GRANT_READONLY);
    pv_grant(REF_FOREIGN, (uint64_t)data[0] >> 12, 77, 0);
    pv_grant(REF_NO_RAM, 0xfffff, 0, 0);
    pv_grant(REF_SHARED, 0x1f01, 0, 0); /* shared_info */
}

void disk_begin(struct disk *d)
{
    static const char *const keys[] = {"ring-ref", "ring-page-order", "event-channel", "protocol"};
    char state = pv_back_state(&d->dev);
    drops += state == '5';
    if (state != '2') {
        pv_key(&d->dev, "state", "6");
        check(pv_wait_state(&d->dev, '6'), "%s is not closed: %d", d->dev.front, pv_back_state(&d->dev));
        pv_close_port(d->dev.port);
        d->dev.port = pv_port();
    }
    for (unsigned i = 0; i < COUNT(keys); i++)
        pv_remove(&d->dev, keys[i]);
    for (unsigned i = 0; i < RING_PAGES; i++) {
        char name[40] = "ring-ref";
        pv_format(name + 8, i);
        pv_remove(&d->dev, name);
    }
    grants_right();
    memset(d->ring, 0, d == &rw ? sizeof(ring_pages) : sizeof(ro_ring));
    d->ring->req_event = d->ring->rsp_event = 1;
    d->prod = d->cons = 0;
    d->entries = 32;
    pv_key(&d->dev, "state", "1");
    check(pv_wait_state(&d->dev, '2'), "%s does not begin anew: %d", d->dev.front, pv_back_state(&d->dev));
}

void disk_keys(struct disk *d, unsigned order)
{
    if (order == 0)
        pv_number(&d->dev, "ring-ref", d->ref);
    else
        pv_number(&d->dev, "ring-page-order", order);
    for (unsigned i = 0; order != 0 && i < 1U << order; i++) {
        char name[40] = "ring-ref";
        pv_format(name + 8, i);
        pv_number(&d->dev, name, d->ref + i);
    }
    d->entries = 32U << order;
    pv_number(&d->dev, "event-channel", d->dev.port);
    pv_key(&d->dev, "protocol", "x86_64-abi");
}

void disk_connect(struct disk *d, unsigned order)
{
    disk_begin(d);
    disk_keys(d, order);
    pv_key(&d->dev, "state", "3");
    check(pv_wait_state(&d->dev, '4'), "%s is not connected: %d", d->dev.front, pv_back_state(&d->dev));
    pv_key(&d->dev, "state", "4");
}

blkif_request_t *disk_next(struct disk *d, uint8_t op, uint64_t sector, uint8_t segments)
{
    blkif_request_t *q = (blkif_request_t *)(uint64_t)&SLOT(d, d->prod)->req;
    memset(q, 0, sizeof(union blkif_sring_entry));
    q->operation = op;
    q->nr_segments = segments;
    q->id = ID(d->prod++);
    q->sector_number = sector;
    for (unsigned i = 0; i < segments && i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
        q->seg[i] = (struct blkif_request_segment){REF_DATA + i, 0, 7};
    return q;
}

struct blkif_request_indirect *disk_indirect(struct disk *d, uint8_t op, uint64_t sector, uint16_t segments)
{
    struct blkif_request_indirect *q = (void *)disk_next(d, BLKIF_OP_INDIRECT, 0, 0);
    q->indirect_op = op;
    q->nr_segments = segments;
    q->id = ID(d->prod - 1);
    q->sector_number = sector;
    q->indirect_grefs[0] = REF_TABLE;
    struct blkif_request_segment *t = (void *)table;
    for (unsigned i = 0; i < DATA_PAGES; i++)
        t[i] = (struct blkif_request_segment){REF_DATA + i, 0, 7};
    return q;
}

void disk_push(struct disk *d)
{
    __atomic_store_n(&d->ring->req_prod, d->prod, __ATOMIC_SEQ_CST);
    pv_send(d->dev.port);
}

bool disk_wait(struct disk *d)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (__atomic_load_n(&d->ring->rsp_prod, __ATOMIC_ACQUIRE) != d->cons)
            return true;
        if (i % 64 == 63 && pv_back_state(&d->dev) != '4')
            return __atomic_load_n(&d->ring->rsp_prod, __ATOMIC_ACQUIRE) != d->cons;
        pv_poll(0, 20000);
    }
    return false;
}

int disk_answer(struct disk *d, uint64_t id)
{
    volatile blkif_response_t *r = &SLOT(d, d->cons)->rsp;
    check(r->id == id, "an answer's id: %lx instead of %lx", (unsigned long)r->id, (unsigned long)id);
    d->cons++;
    d->ring->rsp_event = d->cons + 1;
    return r->status;
}

static int ask(struct disk *d, uint8_t op, uint64_t sector, uint8_t segments)
{
    disk_next(d, op, sector, segments);
    disk_push(d);
    return disk_wait(d) ? disk_answer(d, ID(d->prod - 1)) : -100;
}

void disk_works(struct disk *d, const char *after)
{
    bool writes = d == &rw;
    for (unsigned i = 0; i < 512; i++)
        ((uint64_t *)data[0])[i] = random_next();
    pv_copy(data[3], data[0], 4096);
    check(!writes || ask(d, BLKIF_OP_WRITE, 800, 1) == 0, "after %s: does not write", after);
    check(ask(d, BLKIF_OP_FLUSH_DISKCACHE, 0, 0) == 0, "after %s: does not flush", after);
    check(ask(d, BLKIF_OP_READ, writes ? 800 : 24, 2) == 0, "after %s: does not read", after);
    bool same = true;
    for (unsigned i = 0; writes && i < 512; i++)
        same = same && ((uint64_t *)data[0])[i] == ((uint64_t *)data[3])[i];
    uint64_t sector = ((uint64_t *)data[1])[0]; /* the host numbered them */
    check(same && sector == (writes ? 808 : 32), "after %s: reads something else: %lu", after, sector);
}
