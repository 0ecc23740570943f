/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] badblk: connects its disk as a driver does, then says or asks what no driver may; again and again.
 * Why: the back end in Dom0 reads what guests write. Expected: each case ends as its row says, by an answer or with the disk dropped in one line
 * of Dom0's (which the test on the host looks for, by the words that are printed here); the disk can be had anew and works after each; its twin,
 * which is read-only, does not notice. vCPU 1 changes requests while they are served. */
#include "tests/guest/badblk/badblk.h"

#define BETWEEN_NS 50000000UL /* the hypervisor takes 16 lines in a second */
#define LIMIT_NS 10100000000UL /* after so long Dom0 prints a line about disks, and how many it did not print */

enum { FINE = 0, ERROR = -1, UNKNOWN = -2, DROPPED = -100, SERVED = -101 };
static const char segments[] = "none or too many segments", beyond[] = "beyond the disk's end", within[] = "not within a page", grant[] = "did not grant",
    indices[] = "impossible indices", ring[] = "no page it granted", channel[] = "event channel that cannot be bound", nothing[] = "named no ring", inner[] = "neither a read nor a write",
    tables[] = "table of segments", machine[] = "another kind of machine", size[] = "size that was not offered";
static unsigned cases;

static void begin_case(const char *name, const char *words)
{
    pv_poll(0, BETWEEN_NS);
    cases++;
    say("badblk case %u %s -> %s", cases, name, words);
}

/* The disk was dropped, or not; either way it can be had. */
static void end_case(const char *name, bool dropped)
{
    check(!dropped || pv_wait_state(&rw.dev, '5'), "%s: not dropped: state %d", name, pv_back_state(&rw.dev));
    check(dropped || pv_back_state(&rw.dev) != '5', "%s: dropped", name);
    disk_connect(&rw, cases % 3);
    disk_works(&rw, name);
    if (cases % 8 == 0)
        disk_works(&ro, name);
}

/* ---- one request ---- */

static const struct {
    const char *name;
    uint8_t op, segments;
    uint64_t sector;
    uint32_t ref;
    uint8_t first, last;
    int want; /* an answer's status or DROPPED */
    const char *words;
} requests[] = {
    {"12 segments", BLKIF_OP_READ, 12, 0, REF_DATA, 0, 7, DROPPED, segments},
    {"255 segments", BLKIF_OP_WRITE, 255, 0, REF_DATA, 0, 7, DROPPED, segments},
    {"a read of nothing", BLKIF_OP_READ, 0, 0, REF_DATA, 0, 7, DROPPED, segments},
    {"a write of nothing", BLKIF_OP_WRITE, 0, 0, REF_DATA, 0, 7, DROPPED, segments},
    {"first behind last", BLKIF_OP_READ, 1, 0, REF_DATA, 5, 4, DROPPED, within},
    {"sector 8 of a page", BLKIF_OP_READ, 1, 0, REF_DATA, 0, 8, DROPPED, within},
    {"sectors 200 to 255 of a page", BLKIF_OP_WRITE, 1, 0, REF_DATA, 200, 255, DROPPED, within},
    {"a whole segment behind the end", BLKIF_OP_READ, 1, DISK_SECTORS, REF_DATA, 0, 7, DROPPED, beyond},
    {"across the end", BLKIF_OP_WRITE, 1, DISK_SECTORS - 7, REF_DATA, 0, 7, DROPPED, beyond},
    {"a sector number that wraps", BLKIF_OP_READ, 1, ~0UL - 3, REF_DATA, 0, 7, DROPPED, beyond},
    {"a byte number that wraps", BLKIF_OP_WRITE, 1, 1UL << 55, REF_DATA, 0, 7, DROPPED, beyond},
    {"a page not granted, read", BLKIF_OP_READ, 1, 0, REF_NONE, 0, 7, DROPPED, grant},
    {"a page not granted, write", BLKIF_OP_WRITE, 1, 0, REF_NONE, 0, 7, DROPPED, grant},
    {"grant 4294967295", BLKIF_OP_READ, 1, 0, 0xffffffff, 0, 7, DROPPED, grant},
    {"a grant behind the table", BLKIF_OP_WRITE, 1, 0, GRANT_REFS, 0, 7, DROPPED, grant},
    {"into a page granted read-only", BLKIF_OP_READ, 1, 0, REF_RO, 0, 7, DROPPED, grant},
    {"out of a page granted read-only", BLKIF_OP_WRITE, 1, 0, REF_RO, 0, 7, FINE, ""},
    {"a page granted to somebody else", BLKIF_OP_READ, 1, 0, REF_FOREIGN, 0, 7, DROPPED, grant},
    {"a page that is no memory", BLKIF_OP_READ, 1, 0, REF_NO_RAM, 0, 7, DROPPED, grant},
    {"the guest's shared_info", BLKIF_OP_READ, 1, 0, REF_SHARED, 0, 7, DROPPED, grant},
    {"a flush with a bad page", BLKIF_OP_FLUSH_DISKCACHE, 1, 0, REF_NONE, 0, 7, DROPPED, grant},
    {"a flush with 200 segments", BLKIF_OP_FLUSH_DISKCACHE, 200, 0, REF_DATA, 0, 7, DROPPED, segments},
    {"a barrier behind the end", BLKIF_OP_WRITE_BARRIER, 1, DISK_SECTORS, REF_DATA, 0, 7, DROPPED, beyond},
    {"operation 4", 4, 255, ~0UL, REF_NONE, 9, 9, UNKNOWN, ""},
    {"operation 7", 7, 1, 0, REF_NONE, 0, 7, UNKNOWN, ""},
    {"operation 255", 255, 1, 0, REF_NONE, 0, 7, UNKNOWN, ""},
    {"one sector in the middle", BLKIF_OP_READ, 1, DISK_SECTORS - 1, REF_DATA, 3, 3, FINE, ""},
};

static void outcome(const char *name, int want)
{
    bool dropped = want == DROPPED, answered = disk_wait(&rw);
    check(answered == !dropped, "%s: %s", name, answered ? "answered" : "no answer");
    if (answered) {
        int status = disk_answer(&rw, 0x1d00000000000000UL + rw.prod - 1);
        check(status == want, "%s: answered with %d", name, status);
    }
    end_case(name, dropped);
}

static void bad_requests(void)
{
    for (unsigned i = 0; i < COUNT(requests); i++) {
        begin_case(requests[i].name, requests[i].words);
        blkif_request_t *q = disk_next(&rw, requests[i].op, requests[i].sector, requests[i].segments);
        q->seg[0] = (struct blkif_request_segment){requests[i].ref, requests[i].first, requests[i].last};
        disk_push(&rw);
        outcome(requests[i].name, requests[i].want);
    }
}

/* ---- indirect ---- */

static const struct {
    const char *name;
    uint8_t op;
    uint16_t segments;
    uint64_t sector;
    uint32_t table_ref, ref;
    uint8_t first, last;
    int want;
    const char *words;
} indirects[] = {
    {"indirect: 32 pages", BLKIF_OP_READ, 32, 256, REF_TABLE, REF_DATA, 0, 7, FINE, ""},
    {"indirect: none", BLKIF_OP_READ, 0, 0, REF_TABLE, REF_DATA, 0, 7, DROPPED, segments},
    {"indirect: 33", BLKIF_OP_READ, 33, 0, REF_TABLE, REF_DATA, 0, 7, DROPPED, segments},
    {"indirect: 65535", BLKIF_OP_WRITE, 65535, 0, REF_TABLE, REF_DATA, 0, 7, DROPPED, segments},
    {"indirect: a flush", BLKIF_OP_FLUSH_DISKCACHE, 1, 0, REF_TABLE, REF_DATA, 0, 7, DROPPED, inner},
    {"indirect: indirect", BLKIF_OP_INDIRECT, 1, 0, REF_TABLE, REF_DATA, 0, 7, DROPPED, inner},
    {"indirect: a table not granted", BLKIF_OP_WRITE, 1, 0, REF_NONE, REF_DATA, 0, 7, DROPPED, tables},
    {"indirect: another's table", BLKIF_OP_READ, 1, 0, REF_FOREIGN, REF_DATA, 0, 7, DROPPED, tables},
    {"indirect: a page not granted", BLKIF_OP_WRITE, 8, 0, REF_TABLE, REF_NONE, 0, 7, DROPPED, grant},
    {"indirect: not within a page", BLKIF_OP_READ, 2, 0, REF_TABLE, REF_DATA, 6, 9, DROPPED, within},
    {"indirect: behind the end", BLKIF_OP_READ, 32, DISK_SECTORS - 255, REF_TABLE, REF_DATA, 0, 7, DROPPED, beyond},
};

static void bad_indirects(void)
{
    for (unsigned i = 0; i < COUNT(indirects); i++) {
        begin_case(indirects[i].name, indirects[i].words);
        struct blkif_request_indirect *q = disk_indirect(&rw, indirects[i].op, indirects[i].sector, indirects[i].segments);
        q->indirect_grefs[0] = indirects[i].table_ref;
        ((struct blkif_request_segment *)(void *)table)[0] = (struct blkif_request_segment){indirects[i].ref, indirects[i].first, indirects[i].last};
        disk_push(&rw);
        outcome(indirects[i].name, indirects[i].want);
    }
}

/* ---- what a front end says about itself ---- */

static const struct { const char *name, *key, *value; const char *words; } keys[] = {
    {"no ring", "ring-ref", NULL, nothing},
    {"a ring in letters", "ring-ref", "banana", nothing},
    {"ring -1", "ring-ref", "-1", nothing},
    {"ring 2^32", "ring-ref", "4294967296", nothing},
    {"a ring's number of 60 digits", "ring-ref", "111111111111111111111111111111111111111111111111111111111111", nothing},
    {"a ring not granted", "ring-ref", "57", ring},
    {"a ring behind the table", "ring-ref", "100000", ring},
    {"a ring granted read-only", "ring-ref", "58", ring},
    {"somebody else's ring", "ring-ref", "59", ring},
    {"a ring that is no memory", "ring-ref", "60", ring},
    {"a ring that is shared_info", "ring-ref", "61", ring},
    {"no channel", "event-channel", NULL, nothing},
    {"channel 0", "event-channel", "0", channel},
    {"a channel not there", "event-channel", "4000", channel},
    {"a channel beyond all", "event-channel", "4294967295", channel},
    {"xenstore's channel", "event-channel", "1", channel},
    {"32-bit protocol", "protocol", "x86_32-abi", machine},
    {"ring order 5", "ring-page-order", "5", size},
    {"ring order 4294967295", "ring-page-order", "4294967295", size},
    {"ring order in letters", "ring-page-order", "x", size},
};
_Static_assert(REF_NONE == 57 && REF_RO == 58 && REF_FOREIGN == 59 && REF_NO_RAM == 60 && REF_SHARED == 61, "keys");

static void bad_keys(void)
{
    for (unsigned i = 0; i < COUNT(keys); i++) {
        begin_case(keys[i].name, keys[i].words);
        disk_begin(&rw);
        disk_keys(&rw, 0);
        if (keys[i].value != NULL)
            pv_key(&rw.dev, keys[i].key, keys[i].value);
        else
            pv_remove(&rw.dev, keys[i].key);
        pv_key(&rw.dev, "state", "3");
        end_case(keys[i].name, true);
    }
}

/* Rings of several pages. */
static void bad_ring_pages(void)
{
    static const struct { const char *name, *key, *value, *words; } pages[] = {
        {"a ring without its third page", "ring-ref2", NULL, nothing},
        {"a ring whose last page is not granted", "ring-ref3", "57", ring},
        {"a ring whose first page is another's", "ring-ref0", "59", ring},
    };
    for (unsigned i = 0; i < COUNT(pages); i++) {
        begin_case(pages[i].name, pages[i].words);
        disk_begin(&rw);
        disk_keys(&rw, 2);
        if (pages[i].value != NULL)
            pv_key(&rw.dev, pages[i].key, pages[i].value);
        else
            pv_remove(&rw.dev, pages[i].key);
        pv_key(&rw.dev, "state", "3");
        end_case(pages[i].name, true);
    }
    begin_case("the largest ring", "");
    disk_connect(&rw, 4);
    for (unsigned i = 0; i < 512; i++)
        disk_next(&rw, BLKIF_OP_READ, i, 1);
    disk_push(&rw);
    for (unsigned i = 0; i < 512; i++)
        check(disk_wait(&rw) && disk_answer(&rw, 0x1d00000000000000UL + i) == 0, "request %u of 512", i);
    end_case("the largest ring", false);
}

/* ---- indices ---- */

static const struct { const char *name; uint32_t jump; } jumps[] = {
    {"one request more than there are entries", 33}, {"a million requests", 1000000}, {"2^31 requests", 0x80000000U}, {"a request taken back", 0xffffffffU}, {"16 taken back", 0xfffffff0U},
};

static void bad_indices(void)
{
    for (unsigned i = 0; i < COUNT(jumps); i++) {
        begin_case(jumps[i].name, indices);
        disk_connect(&rw, 0);
        disk_works(&rw, "connecting");
        rw.prod += jumps[i].jump;
        disk_push(&rw);
        end_case(jumps[i].name, true);
    }
    begin_case("a ring that begins beyond itself", indices);
    disk_begin(&rw);
    disk_keys(&rw, 0);
    rw.ring->req_prod = 1000;
    pv_key(&rw.dev, "state", "3");
    end_case("a ring that begins beyond itself", true);
    begin_case("the guest writes rsp_prod and req_event", "");
    disk_next(&rw, BLKIF_OP_READ, 0, 1);
    rw.ring->rsp_prod += 7;
    rw.ring->req_event = 0x7fffffff;
    disk_push(&rw);
    pv_poll(0, 1000000);
    check(rw.ring->rsp_prod == rw.prod, "the back end believes rsp_prod: %u", rw.ring->rsp_prod);
    end_case("the guest writes rsp_prod and req_event", false);
}

/* ---- states ---- */

static const struct { const char *name, *state; char want; } states[] = {
    {"state 0", "0", '6'}, {"state 99", "99", '6'}, {"state -4", "-4", '6'}, {"a state in letters", "closing, please", '6'},
    {"state 2, a back end's", "2", '4'}, {"state 7", "7", '4'}, {"state 1 while connected", "1", '2'}, {"state 5", "5", '5'},
};

static void bad_states(void)
{
    for (unsigned i = 0; i < COUNT(states); i++) {
        begin_case(states[i].name, "");
        disk_connect(&rw, 0);
        pv_key(&rw.dev, "state", states[i].state);
        pv_poll(0, 1000000);
        check(pv_wait_state(&rw.dev, states[i].want), "%s: the back end's: %d", states[i].name, pv_back_state(&rw.dev));
        pv_key(&rw.dev, "state", "6");
        check(pv_wait_state(&rw.dev, '6'), "%s: then closed: %d", states[i].name, pv_back_state(&rw.dev));
        end_case(states[i].name, false);
    }
    begin_case("no state", "");
    pv_remove(&rw.dev, "state");
    check(pv_wait_state(&rw.dev, '6'), "without a state: %d", pv_back_state(&rw.dev));
    end_case("no state", false);
    begin_case("connected without a word", nothing);
    disk_begin(&rw);
    pv_key(&rw.dev, "state", "4");
    end_case("connected without a word", true);
    begin_case("the back end's nodes", "");
    check(!xs_write("/local/domain/0/backend/vbd", "x"), "a guest writes to Dom0's folder");
    char path[128];
    pv_copy(path, rw.dev.back, pv_length(rw.dev.back));
    pv_copy(path + pv_length(rw.dev.back), "/params", 8);
    check(!xs_write(path, "hd0p1:/disks/other.img") && !xs_remove(rw.dev.back), "a guest changes the back end's nodes");
    pv_key(&rw.dev, "backend", "/local/domain/0"); /* nobody believes it */
    pv_key(&rw.dev, "backend-id", "0");
    pv_key(&rw.dev, "virtual-device", "51728");
    end_case("the back end's nodes", false);
}

/* ---- at the same time ---- */

/* Takes what is answered or sees the drop; both are right. */
static bool drain(uint32_t n)
{
    while (n != 0 && disk_wait(&rw)) {
        rw.cons++;
        n--;
    }
    return n != 0;
}

static void fill_ring(uint8_t op)
{
    for (unsigned i = 0; i < 32; i++)
        disk_next(&rw, op, 11 * i, 11);
}

/* WORDS: of the line that follows if the disk is dropped, which the host allows and does not demand. */
static void meanwhile(const char *name, uint8_t op, void (*what)(void), const char *words)
{
    begin_case(name, words);
    disk_connect(&rw, 0);
    fill_ring(op);
    disk_push(&rw);
    pv_yield();
    what();
    bool dropped = drain(32);
    check(!dropped || pv_back_state(&rw.dev) != '4', "%s: neither answered nor dropped", name);
    end_case(name, dropped && pv_back_state(&rw.dev) == '5');
}

static void revoke_data(void)
{
    for (uint32_t i = 0; i < DATA_PAGES; i++)
        pv_revoke(REF_DATA + i);
}
static void revoke_ring(void) { pv_revoke(REF_RING); }
static void close_front(void) { pv_key(&rw.dev, "state", "6"); }
static void close_channel(void) { pv_close_port(rw.dev.port); }
static void storm(void)
{
    for (unsigned i = 0; i < 20000; i++)
        pv_send(rw.dev.port);
}
static void scribble(void)
{
    for (unsigned i = 64; i < 4096; i += 8) {
        uint64_t v = random_next();
        pv_copy(ring_pages[0] + i, &v, 8);
    }
}

static volatile unsigned flips;
static volatile bool flipping;

/* vCPU 1: a right request becomes a wrong one and right again, all the time. */
static void flip(unsigned cpu)
{
    (void)cpu;
    for (;;) {
        for (unsigned i = 0; flipping && i < 32; i++) {
            blkif_request_t *q = &((union blkif_sring_entry *)(void *)(ring_pages[0] + 64))[i].req;
            __atomic_store_n(&q->seg[0].last_sect, 255, __ATOMIC_RELAXED);
            __atomic_store_n(&q->nr_segments, 200, __ATOMIC_RELAXED);
            __atomic_store_n(&q->sector_number, ~0UL, __ATOMIC_RELAXED);
            __asm__ volatile("jmp 1f\n1:"); /* Bochs interrupts where it jumps, and nowhere else */
            __atomic_store_n(&q->sector_number, 8 * i, __ATOMIC_RELAXED);
            __atomic_store_n(&q->nr_segments, 11, __ATOMIC_RELAXED);
            __atomic_store_n(&q->seg[0].last_sect, 7, __ATOMIC_RELAXED);
            flips++;
        }
        if (!flipping)
            pv_yield();
    }
}

static void double_fetch(void)
{
    unsigned dropped = 0;
    begin_case("requests that change all the time", "?");
    start_cpu(1, flip);
    for (unsigned round = 0; round < 12; round++) {
        disk_connect(&rw, 0);
        fill_ring(round % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE);
        unsigned before = flips;
        flipping = true;
        while (flips - before < 20)
            pv_yield();
        disk_push(&rw);
        dropped += drain(32);
        flipping = false;
        pv_yield();
        pv_poll(0, 100000);
    }
    say("badblk: %u flips, dropped %u times of 12", flips, dropped);
    end_case("requests that change all the time", pv_back_state(&rw.dev) == '5');
}

/* ---- what looks wrong and is right ---- */

static void odd(void)
{
    begin_case("one page twice in a request, one id twice", "");
    for (unsigned i = 0; i < 2; i++) {
        blkif_request_t *q = disk_next(&rw, BLKIF_OP_READ, 1200, 2);
        q->seg[1].gref = REF_DATA;
        q->id = 7;
    }
    disk_push(&rw);
    for (unsigned i = 0; i < 2; i++)
        check(disk_wait(&rw) && disk_answer(&rw, 7) == 0, "answer %u", i);
    check(((uint64_t *)data[0])[0] == 1208, "the second segment is not the last: %lu", ((uint64_t *)data[0])[0]);
    end_case("one page twice in a request, one id twice", false);
    begin_case("the ring as the page to read into", "?impossible indices"); /* if the back end looks before we are back */
    disk_connect(&rw, 0);
    disk_next(&rw, BLKIF_OP_READ, 0, 1)->seg[0] = (struct blkif_request_segment){REF_RING, 0, 7};
    disk_push(&rw);
    pv_poll(0, 5000000); /* now sector 0 is where the indices were */
    disk_connect(&rw, 0);
    end_case("the ring as the page to read into", false);
}

static void read_only(void)
{
    static const struct { uint8_t op, segments; } bad[] = {{BLKIF_OP_WRITE, 1}, {BLKIF_OP_WRITE_BARRIER, 1}, {BLKIF_OP_FLUSH_DISKCACHE, 1}, {BLKIF_OP_INDIRECT, 1}};
    begin_case("writing to a read-only disk, four ways", "");
    for (unsigned i = 0; i < COUNT(bad); i++) {
        uint64_t id = 0x1d00000000000000UL + ro.prod;
        if (bad[i].op == BLKIF_OP_INDIRECT)
            disk_indirect(&ro, BLKIF_OP_WRITE, 0, 1);
        else
            disk_next(&ro, bad[i].op, 0, bad[i].segments);
        disk_push(&ro);
        check(disk_wait(&ro) && disk_answer(&ro, id) == ERROR, "a read-only disk takes a write: %u", i);
    }
    disk_works(&ro, "writes");
}

static void noise(void)
{
    begin_case("rings of noise", "?");
    for (unsigned round = 0; round < 40; round++) {
        disk_connect(&rw, round % 3);
        scribble();
        rw.prod = (uint32_t)(random_next() % 40);
        disk_push(&rw);
        for (unsigned i = 0; i < 50 && rw.ring->rsp_prod != rw.prod && pv_back_state(&rw.dev) == '4'; i++)
            pv_poll(0, 20000);
    }
    disk_connect(&rw, 0);
    disk_works(&rw, "noise");
}

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    pv_init();
    check(pv_open(&rw.dev, "vbd", 51712) && pv_open(&ro.dev, "vbd", 51728), "there are no two disks");
    disk_connect(&ro, 0);
    disk_connect(&rw, 0);
    disk_works(&rw, "nothing");
    bad_requests();
    bad_indirects();
    bad_keys();
    bad_ring_pages();
    bad_indices();
    bad_states();
    meanwhile("pages taken back while they are read into", BLKIF_OP_READ, revoke_data, "?did not grant");
    meanwhile("pages taken back while they are written out", BLKIF_OP_WRITE, revoke_data, "?did not grant");
    meanwhile("the ring's grant taken back", BLKIF_OP_READ, revoke_ring, "");
    meanwhile("closed in the middle", BLKIF_OP_WRITE, close_front, "");
    meanwhile("the channel closed in the middle", BLKIF_OP_READ, close_channel, "");
    meanwhile("20,000 notifications", BLKIF_OP_WRITE, storm, "");
    meanwhile("requests overwritten while others are served", BLKIF_OP_READ, scribble, "?");
    double_fetch();
    odd();
    read_only();
    noise();
    pv_poll(0, LIMIT_NS);
    begin_case("the last", indices);
    rw.prod += 33;
    disk_push(&rw);
    end_case("the last", true);
    say("badblk drops: %u", drops);
    say("badblk cases: %u", cases);
    summary("badblk");
    shut_down(0); /* vCPU 1 does not end by itself */
}
