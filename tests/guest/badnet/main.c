/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] badnet: connects its network card as a driver does, then puts something into rings or nodes that cannot be true; again and again.
 * Why: the back end in Dom0 reads what guests write. Expected: each lie costs this guest its card (the back end's state becomes Closed) and nothing
 * else; grants that are taken back are answered with an error; after each the card can be had anew; frames that are right pass to the end.
 * Its second card, on the same bridge, receives what the first one sends. vCPU 1 changes requests while they are served. */
#include "tests/guest/lib/pv.h"

#include <xen/io/netif.h>

#define NOISE_ROUNDS 60U
#define TRIES 3000U
#define LOOK_NS 20000UL
#define GRANT_ENTRIES 512U

enum { REF_TX = 8, REF_RX, REF_DATA, REF_TX2, REF_RX2, REF_BUFFER, REF_LAST, REF_NONE = 57, REF_RO, REF_FOREIGN, REF_NO_RAM };
enum { ANSWERED_OK = 0, ANSWERED_ERROR = -1, DROPPED = -100 };

struct card {
    struct pv_device dev;
    uint32_t tx_ref, rx_ref;
};

static struct card one = {.tx_ref = REF_TX, .rx_ref = REF_RX}, two = {.tx_ref = REF_TX2, .rx_ref = REF_RX2};
static uint8_t pages[REF_LAST][4096] __attribute__((aligned(4096)));
static unsigned cases;

#define TX_RING(c) ((struct netif_tx_sring *)(void *)pages[(c)->tx_ref])
#define RX_RING(c) ((struct netif_rx_sring *)(void *)pages[(c)->rx_ref])
static struct netif_tx_sring *const tx = (void *)pages[REF_TX];
#define TX(n) (((volatile union netif_tx_sring_entry *)(pages[REF_TX] + 64))[(n) % 256])
#define RX2(n) (((volatile union netif_rx_sring_entry *)(pages[REF_RX2] + 64))[(n) % 256])

/* ---- a card ---- */

static void begin(struct card *c)
{
    static const char *const keys[] = {"tx-ring-ref", "rx-ring-ref", "event-channel", "request-rx-copy", "feature-sg"};
    for (unsigned i = 0; i < COUNT(keys); i++)
        pv_remove(&c->dev, keys[i]);
    pv_key(&c->dev, "state", "1");
    check(pv_wait_state(&c->dev, '2'), "the back end does not begin anew: %d", pv_back_state(&c->dev));
    memset(pages[c->tx_ref], 0, 4096);
    memset(pages[c->rx_ref], 0, 4096);
    TX_RING(c)->req_event = TX_RING(c)->rsp_event = RX_RING(c)->req_event = RX_RING(c)->rsp_event = 1;
    for (unsigned ref = REF_TX; ref < REF_LAST; ref++)
        pv_grant_page(ref, pages[ref]);
    pv_revoke(REF_NONE);
    pv_grant(REF_RO, (uint64_t)pages[REF_DATA] >> 12, 0, GRANT_READONLY);
    pv_grant(REF_FOREIGN, (uint64_t)pages[REF_DATA] >> 12, 77, 0);
    pv_grant(REF_NO_RAM, 0xfffff, 0, 0);
    pv_number(&c->dev, "tx-ring-ref", c->tx_ref);
    pv_number(&c->dev, "rx-ring-ref", c->rx_ref);
    pv_number(&c->dev, "event-channel", c->dev.port);
    pv_key(&c->dev, "request-rx-copy", "1");
}

static void connect_card(struct card *c)
{
    begin(c);
    pv_key(&c->dev, "state", "4");
    check(pv_wait_state(&c->dev, '4'), "the back end does not connect: %d", pv_back_state(&c->dev));
}

static void connect(void) { connect_card(&one); }

static void lost(const char *name)
{
    cases++;
    check(pv_wait_state(&one.dev, '6'), "%s is not noticed: state %d", name, pv_back_state(&one.dev));
}

static void request_of(uint32_t n, uint32_t ref, uint16_t size, uint16_t offset, uint16_t flags)
{
    TX(n).req.gref = ref;
    TX(n).req.size = size;
    TX(n).req.offset = offset;
    TX(n).req.flags = flags;
    TX(n).req.id = (uint16_t)n;
}

static void request(uint32_t n, uint16_t size, uint16_t offset, uint16_t flags) { request_of(n, REF_DATA, size, offset, flags); }

static void publish(uint32_t n)
{
    __atomic_store_n(&tx->req_prod, n, __ATOMIC_RELEASE);
    pv_send(one.dev.port);
}

/* N frames are answered. */
static bool answered(uint32_t n)
{
    for (unsigned i = 0; i < TRIES && __atomic_load_n(&tx->rsp_prod, __ATOMIC_ACQUIRE) != n; i++)
        pv_poll(0, LOOK_NS);
    return tx->rsp_prod == n;
}

static void good_frames(uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at < to; at++)
        request(at, 60, 0, 0);
    publish(to);
    check(answered(to), "%u frames were not answered", to);
    for (uint32_t at = from; at < to; at++)
        check(TX(at).rsp.status == NETIF_RSP_OKAY && TX(at).rsp.id == (uint16_t)at, "a frame that is right: %d", TX(at).rsp.status);
}

/* ---- what it sends ---- */

static void lies(void)
{
    static const struct { const char *name; uint16_t size, offset, flags, parts; uint32_t jump; } lie[] = {
        {"a frame that crosses its page", 60, 4090, 0, 1, 0},
        {"an offset beyond the page", 60, 65535, 0, 1, 0},
        {"5000 bytes of a page", 5000, 0, 0, 1, 0},
        {"65535 bytes at 65535", 65535, 65535, 0, 1, 0},
        {"more to come, and nothing comes", 60, 0, NETTXF_more_data, 1, 0},
        {"three parts without an end", 60, 0, NETTXF_more_data, 3, 0},
        {"40 parts", 60, 0, NETTXF_more_data, 40, 0},
        {"19 parts", 60, 0, NETTXF_more_data, 19, 0},
        {"parts longer than their frame", 0, 0, NETTXF_more_data, 2, 0},
        {"an extension", 60, 0, NETTXF_extra_info, 1, 0},
        {"an extension and more", 60, 0, NETTXF_extra_info | NETTXF_more_data, 2, 0},
        {"300 frames", 60, 0, 0, 1, 300},
        {"257 frames", 60, 0, 0, 1, 256},
        {"2^31 frames", 60, 0, 0, 1, 0x80000000U},
        {"frames taken back", 60, 0, 0, 1, 0xfffffff0U},
    };
    for (unsigned i = 0; i < COUNT(lie); i++) {
        connect();
        good_frames(0, 3);
        for (unsigned k = 0; k < lie[i].parts; k++)
            request(3 + k, lie[i].size, lie[i].offset, lie[i].flags);
        if (lie[i].size == 0)
            request(4, 1, 0, 0);
        publish(3 + lie[i].parts + lie[i].jump);
        lost(lie[i].name);
    }
}

/* Answered with an error; the card stays. */
static void wrong_frames(void)
{
    static const struct { const char *name; uint32_t ref; uint16_t size, flags; int16_t want; } frame[] = {
        {"a page not granted", REF_NONE, 60, 0, ANSWERED_ERROR},
        {"grant 4294967295", 0xffffffff, 60, 0, ANSWERED_ERROR},
        {"a grant behind the table", GRANT_ENTRIES, 60, 0, ANSWERED_ERROR},
        {"a page granted to somebody else", REF_FOREIGN, 60, 0, ANSWERED_ERROR},
        {"a page that is no memory", REF_NO_RAM, 60, 0, ANSWERED_ERROR},
        {"a page granted read-only", REF_RO, 60, 0, ANSWERED_OK},
        {"13 bytes", REF_DATA, 13, 0, ANSWERED_ERROR},
        {"no bytes", REF_DATA, 0, 0, ANSWERED_ERROR},
        {"a checksum to be filled in, nobody knows where", REF_DATA, 60, NETTXF_csum_blank, ANSWERED_ERROR},
    };
    connect();
    for (uint32_t i = 0; i < COUNT(frame); i++, cases++) {
        request_of(2 * i, frame[i].ref, frame[i].size, 0, frame[i].flags);
        publish(2 * i + 1);
        check(answered(2 * i + 1) && TX(2 * i).rsp.status == frame[i].want, "%s: %d", frame[i].name, TX(2 * i).rsp.status);
        good_frames(2 * i + 1, 2 * i + 2);
    }
}

/* ---- what it says about itself ---- */

static void bad_keys(void)
{
    static const struct { const char *key, *value; } bad[] = {
        {"tx-ring-ref", NULL}, {"tx-ring-ref", "banana"}, {"tx-ring-ref", "4294967296"}, {"tx-ring-ref", "57"}, {"tx-ring-ref", "58"}, {"tx-ring-ref", "59"}, {"tx-ring-ref", "60"},
        {"tx-ring-ref", "100000"}, {"rx-ring-ref", NULL}, {"rx-ring-ref", "-1"}, {"rx-ring-ref", "57"}, {"rx-ring-ref", "58"}, {"event-channel", NULL}, {"event-channel", "0"},
        {"event-channel", "4000"}, {"event-channel", "1"}, {"request-rx-copy", NULL}, {"request-rx-copy", "0"},
    };
    _Static_assert(REF_NONE == 57 && REF_RO == 58 && REF_FOREIGN == 59 && REF_NO_RAM == 60, "keys");
    for (unsigned i = 0; i < COUNT(bad); i++) {
        begin(&one);
        if (bad[i].value != NULL)
            pv_key(&one.dev, bad[i].key, bad[i].value);
        else
            pv_remove(&one.dev, bad[i].key);
        pv_key(&one.dev, "state", "4");
        lost(bad[i].key);
    }
    static const char *const states[] = {"0", "99", "-4", "on", "5", "6"};
    for (unsigned i = 0; i < COUNT(states); i++, cases++) {
        connect();
        pv_key(&one.dev, "state", states[i]);
        check(pv_wait_state(&one.dev, states[i][0] == '5' ? '5' : '6'), "state %s: %d", states[i], pv_back_state(&one.dev));
    }
    connect();
    pv_remove(&one.dev, "state");
    lost("no state");
}

/* ---- what it receives ---- */

/* Waits for at least N of its frames, 60 bytes each; neighbours on the bridge may say something too. */
static bool received(unsigned n)
{
    for (unsigned i = 0; i < TRIES; i++) {
        unsigned got = 0;
        for (uint32_t k = 0; k < __atomic_load_n(&RX_RING(&two)->rsp_prod, __ATOMIC_ACQUIRE) && k < 8; k++)
            got += RX2(k).rsp.status == 60;
        if (got >= n)
            return true;
        pv_poll(0, LOOK_NS);
    }
    return false;
}

/* The second card's buffers; the first one sends. */
static void bad_buffers(void)
{
    static const struct { const char *name; uint32_t ref, jump; } bad[] = {
        {"a buffer not granted", REF_NONE, 0}, {"a buffer granted read-only", REF_RO, 0}, {"somebody else's buffer", REF_FOREIGN, 0}, {"a buffer that is no memory", REF_NO_RAM, 0},
        {"300 buffers", REF_BUFFER, 300}, {"2^31 buffers", REF_BUFFER, 0x80000000U}, {"buffers taken back", REF_BUFFER, 0xffffff00U},
    };
    for (unsigned i = 0; i < COUNT(bad); i++, cases++) {
        connect_card(&two);
        connect();
        for (uint32_t k = 0; k < 8; k++) {
            RX2(k).req.id = (uint16_t)k;
            RX2(k).req.gref = k == 0 ? bad[i].ref : REF_BUFFER;
        }
        __atomic_store_n(&RX_RING(&two)->req_prod, 8 + bad[i].jump, __ATOMIC_RELEASE);
        good_frames(0, 3); /* to everybody; what becomes of them at the other end does not matter to the sender */
        if (bad[i].jump != 0) {
            check(pv_wait_state(&two.dev, '6'), "%s: not noticed: %d", bad[i].name, pv_back_state(&two.dev));
        } else {
            check(received(2) && RX2(0).rsp.status == NETIF_RSP_ERROR, "%s: %d, then %d", bad[i].name, RX2(0).rsp.status, RX2(1).rsp.status);
            check(pv_back_state(&two.dev) == '4', "%s: dropped", bad[i].name);
        }
        pv_key(&two.dev, "state", "6");
        check(pv_wait_state(&two.dev, '6'), "%s: not closed", bad[i].name);
    }
}

/* ---- at the same time ---- */

static void grants_taken_back(void)
{
    connect();
    pv_revoke(REF_DATA);
    request(0, 60, 0, 0);
    publish(1);
    check(answered(1) && TX(0).rsp.status == NETIF_RSP_ERROR, "a page that was taken back: %d", TX(0).rsp.status);
    pv_grant_page(REF_DATA, pages[REF_DATA]);
    good_frames(1, 200); /* and nothing else happened */
    pv_revoke(REF_TX);   /* in use: what the entry says does not matter any more */
    good_frames(200, 256);
    for (unsigned i = 0; i < 20000; i++)
        pv_send(one.dev.port);
    good_frames(256, 300);
    pv_key(&one.dev, "state", "5");
    check(pv_wait_state(&one.dev, '5'), "closing: %d", pv_back_state(&one.dev));
    pv_key(&one.dev, "state", "6");
    check(pv_wait_state(&one.dev, '6'), "closed: %d", pv_back_state(&one.dev));
    cases += 3;
}

static volatile bool flipping;
static volatile unsigned flips;

static void flip(unsigned cpu)
{
    (void)cpu;
    for (;;) {
        for (unsigned i = 0; flipping && i < 256; i++, flips++) {
            TX(i).req.size = 65535;
            TX(i).req.offset = 4095;
            TX(i).req.flags = NETTXF_extra_info;
            __asm__ volatile("jmp 1f\n1:"); /* Bochs interrupts where it jumps, and nowhere else */
            TX(i).req.flags = 0;
            TX(i).req.offset = 0;
            TX(i).req.size = 60;
        }
        if (!flipping)
            pv_yield();
    }
}

static void double_fetch(void)
{
    start_cpu(1, flip);
    for (unsigned round = 0; round < 12; round++, cases++) {
        connect();
        for (uint32_t i = 0; i < 256; i++)
            request(i, 60, 0, 0);
        unsigned before = flips;
        flipping = true;
        while (flips - before < 20)
            pv_yield();
        publish(256);
        for (unsigned i = 0; i < TRIES && tx->rsp_prod != 256 && pv_back_state(&one.dev) == '4'; i++)
            pv_poll(0, LOOK_NS);
        flipping = false;
        pv_poll(0, LOOK_NS);
        check(tx->rsp_prod == 256 || pv_wait_state(&one.dev, '6'), "neither answered nor dropped: %u, state %d", tx->rsp_prod, pv_back_state(&one.dev));
    }
}

static void noise(void)
{
    for (unsigned round = 0; round < NOISE_ROUNDS; round++) {
        connect();
        for (unsigned i = 0; i < 4096; i += 8) {
            uint64_t a = random_next() & random_next(), b = random_next();
            pv_copy(pages[REF_TX] + i, &a, 8);
            pv_copy(pages[REF_RX] + i, &b, 8);
        }
        publish((uint32_t)random_next() % 300);
        for (unsigned i = 0; i < 20; i++)
            pv_yield();
        pv_key(&one.dev, "state", "6");
        check(pv_wait_state(&one.dev, '6'), "round %u: state %d", round, pv_back_state(&one.dev));
    }
    connect();
    good_frames(0, 100);
}

void guest_main(const void *start_info)
{
    char mac[20], path[64];
    (void)start_info;
    traps_on();
    pv_init();
    check(pv_open(&one.dev, "vif", 0) && pv_open(&two.dev, "vif", 1), "there are no two network cards");
    pv_copy(path, one.dev.front, pv_length(one.dev.front));
    pv_copy(path + pv_length(one.dev.front), "/mac", 5);
    check(xs_read(path, mac, sizeof(mac)), "the card has no address");
    for (unsigned i = 0; i < 6; i++) {
        unsigned high = (unsigned char)mac[3 * i], low = (unsigned char)mac[3 * i + 1];
        pages[REF_DATA][i] = 0xff; /* to everybody */
        pages[REF_DATA][6 + i] = (uint8_t)((high > '9' ? high - 'a' + 10 : high - '0') << 4 | (low > '9' ? low - 'a' + 10 : low - '0'));
    }
    lies();
    wrong_frames();
    bad_keys();
    bad_buffers();
    grants_taken_back();
    double_fetch();
    noise();
    say("badnet cases: %u", cases);
    summary("badnet");
    shut_down(0); /* vCPU 1 does not end by itself */
}
