/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] netbench: what frames cost from one guest to another through Dom0's bridge. Two domains run it: one (corbel.cmdline "answer") does what the
 * frames say and never ends; the other sends them, measures, prints lines BENCH as the benchmark guest does, and powers off.
 * Why: `make bench`. Expected: no frame is lost. Frames are raw Ethernet: there is no TCP here. */
#include "tests/guest/lib/bench.h"
#include "tests/guest/lib/pv.h"

#include <xen/io/netif.h>
#include <xen/grant_table.h>

#define SAMPLES 100U
#define WARMUP 10U
#define SLOTS 256U
#define BURST 64U
#define WINDOW_BURSTS 3U /* sent and not yet answered, at most: less than the receiver's buffers */
#define LASTS 4U         /* so many frames with something of their own can be on their way */
#define STREAMS 20U
#define STREAM_BURSTS 16U
#define COPIES 16U
#define SHORT 64U
#define LONG 1500U
#define WAIT_NS 10000000UL

enum { REF_TX = 8, REF_RX, REF_DATA, REF_LAST, REF_BUFFERS = REF_LAST + LASTS };
enum { ANSWER = 1, TELL = 2 }; /* TELL: let the hypervisor write the running time from now on */

struct message { /* all numbers in ticks of the time stamp counter, the same on both sides, but for those called _ns */
    uint8_t to[6], from[6];
    uint16_t type;
    uint16_t want;     /* with ANSWER: how long the answer is to be */
    uint32_t flags;
    uint32_t number;   /* the answer has the same */
    uint32_t received; /* frames, in the answer: so far */
    uint64_t seen;     /* in the answer: when the frame was found in the ring */
    uint64_t run_ns;   /* in the answer: the sender's running time */
};

static struct pv_device card;
static uint8_t tx_page[4096] __attribute__((aligned(4096))), rx_page[4096] __attribute__((aligned(4096)));
static uint8_t data[1 + LASTS][4096] __attribute__((aligned(4096))); /* what all frames of a burst but the last send, and what the last ones send */
static uint8_t buffers[SLOTS][4096] __attribute__((aligned(4096)));
static struct netif_tx_sring *const tx = (void *)tx_page;
static struct netif_rx_sring *const rx = (void *)rx_page;
static uint32_t tx_prod, rx_cons, received, number;
static uint8_t own = 2, other = 1; /* the last bytes of the addresses */

#define TX(n) ((union netif_tx_sring_entry *)(void *)(tx_page + 64))[(n) % SLOTS]
#define RX(n) ((union netif_rx_sring_entry *)(void *)(rx_page + 64))[(n) % SLOTS]

/* ---- the card ---- */

static bool connect(void)
{
    while (!pv_open(&card, "vif", 0))
        pv_poll(0, WAIT_NS);
    tx->req_event = rx->req_event = rx->rsp_event = 1;
    pv_grant_page(REF_TX, tx_page);
    pv_grant_page(REF_RX, rx_page);
    pv_grant_page(REF_DATA, data[0]);
    for (uint32_t i = 0; i < LASTS; i++)
        pv_grant_page(REF_LAST + i, data[1 + i]);
    for (uint32_t i = 0; i < SLOTS; i++) {
        pv_grant_page(REF_BUFFERS + i, buffers[i]);
        RX(i).req = (struct netif_rx_request){.id = (uint16_t)i, .gref = REF_BUFFERS + i};
    }
    rx->req_prod = SLOTS;
    pv_number(&card, "tx-ring-ref", REF_TX);
    pv_number(&card, "rx-ring-ref", REF_RX);
    pv_number(&card, "event-channel", card.port);
    pv_key(&card, "request-rx-copy", "1");
    pv_key(&card, "state", "4");
    return pv_wait_state(&card, '4');
}

static struct message *message_in(uint8_t *page, uint32_t flags, uint32_t want)
{
    struct message *m = (void *)page;
    *m = (struct message){.to = {0, 0x50, 0x56, 0, 0, other}, .from = {0, 0x50, 0x56, 0, 0, own}, .type = 0xb588, .want = (uint16_t)want, .flags = flags, .number = number};
    return m;
}

static void queue(uint32_t ref, uint32_t len)
{
    TX(tx_prod).req = (struct netif_tx_request){.gref = ref, .id = (uint16_t)(tx_prod % SLOTS), .size = (uint16_t)len};
    tx_prod++;
}

/* Makes seen what was queued since the index FROM; an event only if Dom0 waits for one. Nobody wants to hear that frames were sent: an answer to the last says so. */
static void push(uint32_t from)
{
    tx->rsp_event = tx_prod + SLOTS;
    __atomic_store_n(&tx->req_prod, tx_prod, __ATOMIC_SEQ_CST);
    if (tx_prod - __atomic_load_n(&tx->req_event, __ATOMIC_SEQ_CST) < tx_prod - from)
        pv_send(card.port);
}

/* The next frame, whose buffer goes back to the ring; NULL: none came. It stays as it is until SLOTS others came. */
static const struct message *next(uint32_t *len)
{
    if (__atomic_load_n(&rx->rsp_prod, __ATOMIC_ACQUIRE) == rx_cons)
        return NULL;
    struct netif_rx_response r = RX(rx_cons).rsp;
    *len = r.status > 0 ? (uint32_t)r.status : 0;
    RX(rx_cons).req = (struct netif_rx_request){.id = r.id, .gref = REF_BUFFERS + r.id % SLOTS};
    rx_cons++;
    __atomic_store_n(&rx->req_prod, rx_cons + SLOTS, __ATOMIC_RELEASE);
    received++;
    return (const struct message *)(const void *)buffers[r.id % SLOTS];
}

/* Asleep until it is there. */
static const struct message *wait_next(uint32_t *len)
{
    for (const struct message *m;;) {
        if ((m = next(len)) != NULL)
            return m;
        __atomic_store_n(&rx->rsp_event, rx_cons + 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&rx->rsp_prod, __ATOMIC_SEQ_CST) == rx_cons)
            pv_block(card.port);
    }
}

/* ---- the one that answers ---- */

static void answer(const struct message *m, uint64_t seen)
{
    uint32_t from = tx_prod, page = from % LASTS;
    if ((m->flags & TELL) != 0)
        bench_tell_running();
    number = m->number;
    struct message *a = message_in(data[1 + page], 0, 0);
    a->received = received;
    a->seen = seen;
    a->run_ns = bench_run_ns();
    queue(REF_LAST + page, m->want);
    push(from);
}

static void answer_for_ever(void)
{
    for (uint32_t len;;) {
        const struct message *m = wait_next(&len);
        uint64_t seen = stamp();
        if ((m->flags & ANSWER) != 0)
            answer(m, seen);
    }
}

/* ---- the one that asks ---- */

/* N frames of LEN bytes; the last wants an answer of WANT bytes. */
static void send_burst(uint32_t n, uint32_t len, uint32_t flags, uint32_t want)
{
    uint32_t from = tx_prod;
    number++;
    (void)message_in(data[0], 0, 0);
    (void)message_in(data[1 + number % LASTS], ANSWER | flags, want);
    for (uint32_t i = 1; i < n; i++)
        queue(REF_DATA, len);
    queue(REF_LAST + number % LASTS, len);
    push(from);
}

/* The other side may not be there yet: what is sent to it is lost then. */
static void find_other(void)
{
    uint32_t len;
    const struct message *m = NULL;
    while (m == NULL) {
        send_burst(1, SHORT, 0, SHORT);
        pv_poll(card.port, WAIT_NS);
        pv_clear(card.port);
        m = next(&len);
    }
    check(m->number == number, "it answers frame %u, not %u", m->number, number);
}

static struct message answer_to(uint32_t want)
{
    uint32_t len;
    const struct message *m = wait_next(&len);
    check(len == want, "an answer of %u bytes, not %u", len, want);
    return *m;
}

static uint64_t there_and_back(uint32_t len)
{
    uint64_t from = stamp();
    send_burst(1, len, 0, len);
    struct message m = answer_to(len);
    uint64_t took = stamp() - from;
    check(m.number == number, "it answers frame %u, not %u", m.number, number);
    return took;
}

/* Until the last one is found in the receiver's ring, for each of them. */
static uint64_t burst(uint32_t len)
{
    static uint32_t before;
    uint64_t from = stamp();
    send_burst(BURST, len, 0, SHORT);
    struct message m = answer_to(SHORT);
    check(before == 0 || m.received - before == BURST, "%u frames of %u arrived", m.received - before, BURST);
    before = m.received;
    return (m.seen - from) / BURST;
}

struct share { uint64_t ticks, ns, own_ns, other_ns; };

/* Bursts behind each other, WINDOW_BURSTS on their way at a time, until the last one's answer. */
static struct share stream(uint32_t bursts, uint32_t len, uint64_t *other_ran)
{
    static uint32_t before;
    struct message m = {0};
    struct share s = {.ns = pv_now_ns(), .own_ns = bench_run_ns(), .ticks = stamp()};
    for (uint32_t sent = 0, answered = 0; answered < bursts;) {
        if (sent < bursts && sent - answered < WINDOW_BURSTS) {
            send_burst(BURST, len, 0, SHORT);
            sent++;
        } else {
            m = answer_to(SHORT);
            answered++;
        }
    }
    s = (struct share){.ticks = stamp() - s.ticks, .ns = pv_now_ns() - s.ns, .own_ns = bench_run_ns() - s.own_ns, .other_ns = m.run_ns - *other_ran};
    check(before == 0 || m.received - before == bursts * BURST, "%u frames of %u arrived", m.received - before, bursts * BURST);
    before = m.received;
    *other_ran = m.run_ns;
    return s;
}

/* ---- rows ---- */

static void measure(const char *name, uint64_t (*once)(uint32_t len), uint32_t len)
{
    bool marked = once != burst; /* a burst is too long to be looked at */
    if (marked)
        bench_row(name);
    for (unsigned i = 0; i < WARMUP; i++)
        once(len);
    for (unsigned i = 0; i < SAMPLES; i++) {
        if (marked)
            bench_mark(i, SAMPLES);
        bench_samples[i] = once(len);
        if (marked)
            bench_mark(i, SAMPLES);
    }
    bench_report(name, SAMPLES);
}

/* What Dom0 asks the hypervisor for twice with each frame; the guest does it to itself, without grants. For each of N copies in one call. */
static uint64_t copies(uint32_t n, uint32_t len)
{
    static struct gnttab_copy ops[COPIES] __attribute__((aligned(1024)));
    for (uint32_t i = 0; i < n; i++) {
        ops[i] = (struct gnttab_copy){.len = (uint16_t)len};
        ops[i].source.domid = ops[i].dest.domid = DOMID_SELF;
        ops[i].source.u.gmfn = (uint64_t)buffers[i] >> 12;
        ops[i].dest.u.gmfn = (uint64_t)buffers[COPIES + i] >> 12;
    }
    uint64_t from = stamp();
    hypercall(HC_GRANT, GNTTABOP_copy, (uint64_t)ops, n);
    from = stamp() - from;
    for (uint32_t i = 0; i < n; i++)
        check(ops[i].status == GNTST_okay, "a copy of its own: %d", ops[i].status);
    return from / n;
}

static uint64_t copy_one(uint32_t len) { return copies(1, len); }
static uint64_t copy_of_many(uint32_t len) { return copies(COPIES, len); }

static void measure_stream(void)
{
    static struct share runs[STREAMS];
    uint64_t other_ran = 0;
    bench_tell_running();
    send_burst(1, SHORT, TELL, SHORT);
    (void)answer_to(SHORT);
    (void)stream(2, LONG, &other_ran);
    for (unsigned i = 0; i < STREAMS; i++)
        bench_samples[i] = (runs[i] = stream(STREAM_BURSTS, LONG, &other_ran)).ticks * 1024 / (STREAM_BURSTS * BURST * LONG);
    bench_report("net_stream_kib", STREAMS);
    static const char *const names[] = {"net_stream_dom0", "net_stream_sender", "net_stream_receiver"};
    for (unsigned who = 0; who < COUNT(names); who++) {
        for (unsigned i = 0; i < STREAMS; i++) {
            uint64_t ran = who == 1 ? runs[i].own_ns : who == 2 ? runs[i].other_ns : runs[i].ns - runs[i].own_ns - runs[i].other_ns;
            bench_samples[i] = ran * runs[i].ticks / runs[i].ns / (STREAM_BURSTS * BURST);
        }
        bench_report(names[who], STREAMS);
    }
}

void guest_main(const void *start_info)
{
    bool answers = text_equal(guest_cmdline(start_info), "answer");
    traps_on();
    bench_init(start_info);
    pv_init();
    if (answers) {
        own = 1;
        other = 2;
    }
    check(connect(), "no card: state %d", pv_back_state(&card));
    if (answers)
        answer_for_ever();
    find_other();
    measure("net_64_round", there_and_back, SHORT);
    measure("net_1500_round", there_and_back, LONG);
    measure("net_64_burst", burst, SHORT);
    measure("net_1500_burst", burst, LONG);
    measure("copy_1500_alone", copy_one, LONG);
    measure("copy_1500_of_16", copy_of_many, LONG);
    measure_stream();
    summary("netbench");
}
