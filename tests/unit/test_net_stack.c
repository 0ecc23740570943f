/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Dom0's port with the real lwIP, against a pretended network: it answers for its address, gets one by DHCP, fetches a file over TCP with lost
 * frames, bounds what a flood can take, and sleeps for ever when nothing is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/backend/net_backend.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/fatal.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/net/checksum.h"
#include "dom0/net/client.h"
#include "dom0/net/fetch.h"
#include "dom0/net/stack.h"
#include "drivers/block.h"

#define OWN  0x0a000001U
#define PEER 0x0a000002U
#define SECOND_NS 1000000000UL
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 7};

static uint64_t now = 1000 * SECOND_NS, wait_until;
static void (*server)(void *);
static jmp_buf idle;
static struct net_port *port;
static int heap_blocks;
static unsigned wakes;

/* What Dom0 has sent; the network looks at it when it likes. */
static struct { uint8_t data[1600]; uint32_t len; } sent[64];
static unsigned sent_count;
static void (*on_frame)(const uint8_t *f, uint32_t len); /* else it is kept in SENT */

/* ---- fakes ---- */

uint64_t time_now_ns(void) { return now; }
void *heap_alloc(size_t size) { heap_blocks++; return calloc(1, size); }
void heap_free(void *q) { heap_blocks -= q != NULL; free(q); }
void *page_alloc(size_t pages, uint64_t *phys) { (void)phys; return calloc(pages, 4096); }
struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, size_t stack) { (void)name; (void)arg; (void)stack; server = fn; return (struct thread *)&idle; }
void thread_yield(void) { now += 1000; }
void thread_sleep_ns(uint64_t ns) { now += ns; }
void waitq_wake(struct waitq *q) { (void)q; wakes++; }
bool waitq_wait(struct waitq *q, uint64_t deadline_ns) { (void)q; wait_until = deadline_ns; longjmp(idle, 1); }
void fatal(const char *fmt, ...) { fail_msg("fatal: %s", fmt); abort(); }
struct block_device *block_first(void) { return NULL; }
static struct net_bridge bridge0;
bool net_port_join(const char *bridge, struct net_port *p)
{
    assert_string_equal(bridge, "bridge0");
    port = p;
    p->bridge = &bridge0;
    p->next = bridge0.ports;
    bridge0.ports = p;
    return true;
}
void net_port_frame(struct net_port *from, struct net_frame *f)
{
    assert_ptr_equal(from, port);
    assert_memory_equal(f->data + 6, port->mac, 6);
    if (on_frame != NULL) {
        on_frame(f->data, f->len);
        return;
    }
    memcpy(sent[sent_count % 64].data, f->data, f->len);
    sent[sent_count++ % 64].len = f->len;
}

static void run(void) /* the thread, until it waits */
{
    if (server != NULL && setjmp(idle) == 0)
        server(NULL);
}

/* Time goes on, the thread is woken when it asked for it. Returns how often. */
static unsigned pass(uint64_t ns)
{
    uint64_t end = now + ns;
    unsigned n = 0;
    for (; wait_until <= end; n++) {
        now = wait_until > now ? wait_until : now;
        run();
    }
    now = end;
    return n;
}

static void (*at_wait)(void);
void console_wait(struct waitq *q, uint64_t deadline_ns)
{
    (void)q;
    run();
    if (at_wait != NULL)
        at_wait();
    run();
    uint64_t next = wait_until < deadline_ns ? wait_until : deadline_ns;
    now = next > now ? next : now + 1000;
    run();
}
static bool interrupt;
static bool interrupted(void) { return interrupt; }

/* ---- the pretended network ---- */

static uint32_t be(const uint8_t *q, unsigned n) { uint32_t v = 0; while (n-- > 0) v = v << 8 | *q++; return v; }
static void put(uint8_t *q, uint32_t v, unsigned n) { while (n-- > 0) { q[n] = (uint8_t)v; v >>= 8; } }

static uint16_t sum(const uint8_t *q, size_t len)
{
    uint32_t s = 0;
    for (size_t i = 0; i < len; i++)
        s += i % 2 == 0 ? (uint32_t)q[i] << 8 : q[i];
    while (s >> 16 != 0)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)~s;
}

static bool deliver(uint8_t *f, uint32_t len, enum net_csum csum)
{
    struct net_frame frame = {.data = f, .len = len, .csum = csum};
    return port->up && port->deliver(port, &frame);
}

static void arp(unsigned op, uint32_t from, uint32_t to)
{
    uint8_t f[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    memcpy(f + 6, peer_mac, 6);
    memcpy(f + 12, "\x08\x06\0\1\x08\0\6\4", 8);
    put(f + 20, op, 2);
    memcpy(f + 22, peer_mac, 6);
    put(f + 28, from, 4);
    memcpy(f + 32, port->mac, 6);
    put(f + 38, to, 4);
    deliver(f, sizeof f, NET_CSUM_NONE);
}

/* An IPv4 packet to Dom0, LEN bytes behind its header; TCP and UDP are left blank as a guest does. */
static bool ip(uint8_t protocol, uint32_t from, uint32_t to, const void *payload, size_t len)
{
    static uint8_t f[1514];
    memcpy(f, port->mac, 6);
    memcpy(f + 6, peer_mac, 6);
    put(f + 12, 0x0800, 2);
    memset(f + 14, 0, 20);
    f[14] = 0x45;
    put(f + 16, (uint32_t)(20 + len), 2);
    f[22] = 64;
    f[23] = protocol;
    put(f + 26, from, 4);
    put(f + 30, to, 4);
    put(f + 24, sum(f + 14, 20), 2);
    memcpy(f + 34, payload, len);
    return deliver(f, (uint32_t)(34 + len), protocol == 1 ? NET_CSUM_NONE : NET_CSUM_BLANK);
}

static bool ping_us(uint32_t from, unsigned sequence)
{
    uint8_t echo[64] = {8};
    put(echo + 6, sequence, 2);
    put(echo + 2, sum(echo, sizeof echo), 2);
    return ip(1, from, OWN, echo, sizeof echo);
}

static struct error err;

static void configure(enum net_mode mode)
{
    struct net_config c = {.mode = mode, .address = OWN, .prefix = 24, .dns = mode == NET_STATIC ? PEER : 0};
    assert_true(net_stack_configure(&c, &err));
    run();
}

static int setup(void **state)
{
    (void)state;
    if (port == NULL)
        net_stack_init();
    on_frame = NULL;
    at_wait = NULL;
    interrupt = false;
    sent_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    on_frame = NULL;
    configure(NET_OFF);
    assert_false(port->up);
    assert_int_equal(heap_blocks, 0);
    return 0;
}

/* ---- tests ---- */

static void test_mac(void **state) /* the first two: nothing has begun */
{
    struct net_port card = {.mac = {0x00, 0x1b, 0x21, 1, 2, 3}}, guest = {.mac = {0, 0x16, 0x3e, 4, 5, 6}, .locked = true, .next = &card};
    uint8_t disk[6];
    (void)state;
    memcpy(disk, port->mac, 6);
    assert_int_equal(disk[0], 2);
    bridge0.ports = &guest;
    net_stack_init();
    assert_memory_equal(port->mac, "\x02\x1b\x21\1\2\3", 6);
    card.mac[0] = 0x52;
    bridge0.ports = &guest;
    net_stack_init();
    assert_memory_equal(port->mac, "\x12\x1b\x21\1\2\3", 6);
    bridge0.ports = NULL;
    net_stack_init();
    assert_memory_equal(port->mac, disk, 6);
}

static void test_off(void **state)
{
    struct net_view v;
    struct net_ping p;
    (void)state;
    assert_null(server);
    net_stack_view(&v);
    assert_int_equal(v.mode, NET_OFF);
    assert_true(v.joined && port->locked && !port->up);
    assert_int_equal(v.mac[0] & 3, 2); /* local, not a group */
    assert_false(net_client_ready("ping", &err));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    net_ping(PEER, 1, now + SECOND_NS, interrupted, &p);
    assert_int_equal(p.result, NET_PING_NOT_SENT);
    struct net_config off = {0};
    assert_true(net_stack_configure(&off, &err));
    assert_null(server);
    configure(NET_STATIC);
    configure(NET_OFF);
    assert_int_equal(pass(100000 * SECOND_NS), 0);
    assert_int_equal(wait_until, WAIT_FOREVER);
}

static void test_answers(void **state)
{
    (void)state;
    configure(NET_STATIC);
    assert_int_equal(sent_count, 1); /* tells its address to all */
    assert_int_equal(be(sent[0].data + 12, 2), 0x0806);
    arp(1, PEER, OWN);
    run();
    assert_int_equal(sent_count, 2);
    assert_int_equal(be(sent[1].data + 20, 2), 2);
    assert_memory_equal(sent[1].data + 22, port->mac, 6);
    assert_memory_equal(sent[1].data, peer_mac, 6);
    ping_us(PEER, 77);
    run();
    assert_int_equal(sent_count, 3);
    assert_int_equal(sent[2].data[34], 0);
    assert_int_equal(be(sent[2].data + 40, 2), 77);
    assert_int_equal(sum(sent[2].data + 34, 64), 0);
    arp(1, PEER, OWN + 9); /* not ours */
    run();
    assert_int_equal(sent_count, 3);
}

/* A few seconds after the last frame the thread sleeps for good; what it knew is forgotten in time all the same. */
static void test_nothing_due(void **state)
{
    (void)state;
    configure(NET_STATIC);
    arp(1, PEER, OWN);
    run();
    assert_in_range(pass(60 * SECOND_NS), 4, 8);
    assert_int_equal(wait_until, WAIT_FOREVER);
    assert_int_equal(pass(3600 * SECOND_NS), 0);
    sent_count = 0;
    ping_us(PEER, 1); /* the address is not known any more: it asks first */
    run();
    assert_int_equal(be(sent[0].data + 12, 2), 0x0806);
}

static void test_flood(void **state)
{
    unsigned taken = 0;
    (void)state;
    configure(NET_STATIC);
    arp(1, PEER, OWN);
    run();
    uint64_t drops = port->received.drops;
    for (unsigned i = 0; i < 10000; i++)
        taken += ping_us(PEER, i);
    assert_in_range(taken, 16, 64);
    assert_int_equal(port->received.drops - drops, 10000 - taken);
    sent_count = 0;
    run();
    assert_int_equal(sent_count, taken);
    for (unsigned round = 0; round < 3000; round++) { /* nothing is lost in it */
        for (unsigned i = 0; i < 40; i++)
            (void)ping_us(PEER, i);
        run();
    }
    assert_true(ping_us(PEER, 1));
    uint8_t jumbo[9000] = {0};
    drops = port->received.drops;
    assert_false(deliver(jumbo, sizeof jumbo, NET_CSUM_NONE));
    assert_int_equal(port->received.drops, drops + 1);
}

/* Frames of noise, and good ones with a few bytes of noise. */
static void test_noise(void **state)
{
    uint8_t f[1514];
    (void)state;
    configure(NET_STATIC);
    srand(5);
    arp(1, PEER, OWN);
    for (unsigned i = 0; i < 60000; i++) {
        uint32_t len = 14 + (uint32_t)rand() % 200;
        for (uint32_t k = 0; k < len; k++)
            f[k] = (uint8_t)(rand() % 4 != 0 ? 0 : rand());
        memcpy(f, port->mac, 6);
        memcpy(f + 6, peer_mac, 6);
        put(f + 12, rand() % 4 == 0 ? 0x0806 : 0x0800, 2);
        f[14] = rand() % 8 != 0 ? 0x45 : (uint8_t)rand();
        put(f + 16, rand() % 4 != 0 ? len - 14 : (uint32_t)rand(), 2);
        f[23] = (uint8_t[]){1, 6, 17, 2}[rand() % 4];
        put(f + 30, OWN, 4);
        put(f + 24, 0, 2);
        if (len >= 34)
            put(f + 24, sum(f + 14, 20), 2);
        deliver(f, len, rand() % 2 ? NET_CSUM_NONE : NET_CSUM_BLANK);
        run();
        now += 1000000;
    }
    arp(1, PEER, OWN);
    run();
    sent_count = 0;
    ping_us(PEER, 9);
    run();
    assert_int_equal(sent[0].data[34], 0);
    assert_int_equal(sent_count, 1);
}

/* ---- ping ---- */

static enum { ECHO, SILENT, NOT_THERE, REFUSED } peer_does;

static void peer_answers(const uint8_t *f, uint32_t len)
{
    if (be(f + 12, 2) == 0x0806) {
        if (be(f + 20, 2) == 1 && be(f + 38, 4) == PEER && peer_does != NOT_THERE)
            arp(2, PEER, OWN);
        return;
    }
    uint8_t reply[200] = {0};
    if (be(f + 12, 2) != 0x0800 || f[23] != 1 || f[34] != 8 || peer_does == SILENT)
        return;
    if (peer_does == REFUSED) {
        reply[0] = 3;
        memcpy(reply + 8, f + 14, 28);
        put(reply + 2, sum(reply, 36), 2);
        ip(1, PEER, OWN, reply, 36);
        return;
    }
    memcpy(reply, f + 34, len - 34);
    reply[0] = 0;
    put(reply + 2, 0, 2);
    put(reply + 2, sum(reply, len - 34), 2);
    ip(1, PEER, OWN, reply, len - 34);
}

static void test_ping(void **state)
{
    struct net_ping p;
    (void)state;
    on_frame = peer_answers;
    configure(NET_STATIC);
    peer_does = ECHO;
    net_ping(PEER, 3, now + SECOND_NS, interrupted, &p);
    assert_int_equal(p.result, NET_PING_ANSWER);
    assert_int_equal(p.ttl, 64);
    peer_does = SILENT;
    net_ping(PEER, 4, now + SECOND_NS, interrupted, &p);
    assert_int_equal(p.result, NET_PING_SILENCE);
    peer_does = REFUSED;
    net_ping(PEER, 5, now + SECOND_NS, interrupted, &p);
    assert_int_equal(p.result, NET_PING_UNREACHABLE);
    assert_int_equal(p.from, PEER);
    peer_does = NOT_THERE;
    net_ping(PEER + 1, 6, now + SECOND_NS, interrupted, &p);
    assert_int_equal(p.result, NET_PING_NO_HOST);
    net_ping(0x08080808, 7, now + SECOND_NS, interrupted, &p);
    assert_int_equal(p.result, NET_PING_NOT_SENT);
    assert_non_null(strstr(p.why, "gateway"));
    net_ping(OWN, 8, now + SECOND_NS, interrupted, &p);
    assert_int_equal(p.result, NET_PING_ANSWER);
    (void)pass(60 * SECOND_NS);
    assert_int_equal(wait_until, WAIT_FOREVER); /* nobody is left waiting */
}

/* ---- UDP services: DNS and DHCP ---- */

static void udp(uint32_t from, uint32_t to, unsigned from_port, unsigned to_port, const uint8_t *data, size_t len)
{
    uint8_t d[700] = {0};
    put(d, from_port, 2);
    put(d + 2, to_port, 2);
    put(d + 4, (uint32_t)(8 + len), 2);
    memcpy(d + 8, data, len);
    ip(17, from, to, d, 8 + len);
}

static unsigned dns_asked;

static void name_server(const uint8_t *f, uint32_t len)
{
    if (be(f + 12, 2) == 0x0806 || f[23] != 17) {
        peer_answers(f, len);
        return;
    }
    uint8_t answer[512];
    size_t n = len - 42;
    assert_int_equal(be(f + 36, 2), 53);
    memcpy(answer, f + 42, n);
    answer[2] |= 0x80;
    if (++dns_asked == 1)
        return; /* the first question is lost */
    uint8_t forged[512];
    memcpy(forged, answer, n);
    forged[0] ^= 1; /* somebody who guesses */
    udp(PEER, OWN, 53, be(f + 34, 2), forged, n);
    if (f[55] == 'x') {
        answer[3] = 3;
    } else {
        answer[7] = 1;
        memcpy(answer + n, "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x0a\0\0\x09", 16);
        n += 16;
    }
    udp(PEER, OWN, 53, be(f + 34, 2), answer, n);
}

static void test_names(void **state)
{
    uint32_t a[4] = {0};
    unsigned count = 0;
    (void)state;
    peer_does = ECHO;
    on_frame = name_server;
    configure(NET_STATIC);
    assert_true(net_resolve("nslookup", "1.2.3.4", a, 4, &count, interrupted, &err));
    assert_int_equal(a[0], 0x01020304);
    assert_true(net_resolve("nslookup", "www", a, 4, &count, interrupted, &err));
    assert_int_equal(dns_asked, 2);
    assert_int_equal(count, 1);
    assert_int_equal(a[0], 0x0a000009);
    assert_false(net_resolve("nslookup", "xyz", a, 4, &count, interrupted, &err));
    assert_non_null(strstr(err.text, "knows no xyz"));
    assert_false(net_resolve("nslookup", "a..b", a, 4, &count, interrupted, &err));
    assert_non_null(strstr(err.text, "no host's name"));
    on_frame = peer_answers; /* the server is gone */
    assert_false(net_resolve("nslookup", "www", a, 4, &count, interrupted, &err));
    assert_int_equal(err.code, EXIT_TIMEOUT);
    interrupt = true;
    assert_false(net_resolve("nslookup", "www", a, 4, &count, interrupted, &err));
    assert_non_null(strstr(err.text, "interrupted"));
}

static unsigned dhcp_requests;

static void dhcp_server(const uint8_t *f, uint32_t len)
{
    if (be(f + 12, 2) != 0x0800 || f[23] != 17 || be(f + 36, 2) != 67 || len < 42 + 243)
        return;
    const uint8_t *m = f + 42;
    uint8_t answer[300] = {0};
    assert_memory_equal(m + 236, "\x63\x82\x53\x63\x35\1", 6);
    if (m[242] == 7)
        return; /* a release */
    memcpy(answer, m, 44);
    answer[0] = 2;
    put(answer + 16, OWN + 4, 4);
    memcpy(answer + 236, "\x63\x82\x53\x63\x35\1\2" "\x36\4\x0a\0\0\2" "\1\4\xff\xff\xff\0" "\3\4\x0a\0\0\xfe" "\6\4\x0a\0\0\xfd" "\x33\4\0\0\x02\x58\xff", 38);
    answer[242] = m[242] == 1 ? 2 : 5;
    dhcp_requests += m[242] == 3;
    udp(PEER, OWN + 4, 67, 68, answer, sizeof answer);
}

static void test_dhcp(void **state)
{
    struct net_view v;
    (void)state;
    configure(NET_DHCP); /* nobody answers yet */
    (void)pass(20 * SECOND_NS);
    net_stack_view(&v);
    assert_int_equal(v.address, 0);
    assert_in_range(sent_count, 3, 10);
    on_frame = dhcp_server;
    (void)pass(60 * SECOND_NS);
    net_stack_view(&v);
    assert_int_equal(v.address, OWN + 4);
    assert_int_equal(v.prefix, 24);
    assert_int_equal(v.gateway, 0x0a0000fe);
    assert_int_equal(v.dns, 0x0a0000fd);
    assert_int_equal(dhcp_requests, 1);
    assert_in_range(pass(200 * SECOND_NS), 1, 12); /* a lease of 600 s is looked at once a minute */
    (void)pass(3600 * SECOND_NS);
    net_stack_view(&v);
    assert_int_equal(v.address, OWN + 4);
    assert_in_range(dhcp_requests, 8, 20);
    on_frame = NULL; /* the server is gone: so is the address, in time */
    (void)pass(1300 * SECOND_NS);
    net_stack_view(&v);
    assert_int_equal(v.address, 0);
}

/* ---- TCP: a web server on a line that loses one frame in seven ---- */

static const char *response;
static size_t response_len, acked;
static uint32_t their_next, our_port;
static unsigned requests;
static bool lossy, ends, lies;
static uint32_t window;

static void tcp(unsigned flags, uint32_t sequence, const void *data, size_t len)
{
    uint8_t s[1500] = {0};
    if (lossy && rand() % 7 == 0)
        return;
    put(s, 80, 2);
    put(s + 2, our_port, 2);
    put(s + 4, sequence, 4);
    put(s + 8, their_next, 4);
    s[12] = 5 << 4;
    s[13] = (uint8_t)flags;
    put(s + 14, 8192, 2);
    memcpy(s + 20, data, len);
    if (lies && rand() % 4 == 0) { /* anything but where it goes: numbers, flags, options, urgent data; the checksum is right all the same */
        for (int i = rand() % 4; i >= 0; i--)
            s[4 + rand() % 40] = (uint8_t)rand();
        len = rand() % 4 == 0 ? (size_t)rand() % 1000 : len;
    }
    ip(6, PEER, OWN, s, 20 + len);
}

/* From what is acknowledged on, as much as the window takes. */
static void send_on(void)
{
    size_t at = acked, limit = acked + window;
    for (size_t n; at < response_len && at < limit; at += n) {
        n = response_len - at < 1000 ? response_len - at : 1000;
        n = limit - at < n ? limit - at : n;
        tcp(0x18, 1001 + (uint32_t)at, response + at, n);
    }
    if (at == response_len && ends)
        tcp(0x11, 1001 + (uint32_t)at, "", 0);
}

static bool answering;

static void web_server(const uint8_t *f, uint32_t len)
{
    if (be(f + 12, 2) == 0x0806 || f[23] != 6) {
        peer_answers(f, len);
        return;
    }
    if (lossy && rand() % 7 == 0)
        return;
    const uint8_t *s = f + 34;
    uint32_t data = (uint32_t)be(f + 16, 2) - 20 - (s[12] >> 4) * 4U, sequence = be(s + 4, 4);
    our_port = be(s, 2);
    window = be(s + 14, 2);
    if (s[13] & 4)
        return; /* broken off */
    if (s[13] & 2) {
        their_next = sequence + 1;
        acked = 0;
        answering = false;
        tcp(0x12, 1000, "", 0);
    } else {
        if (data != 0 && sequence == their_next) {
            their_next += data;
            answering = true;
            requests++;
            assert_memory_equal(s + (s[12] >> 4) * 4U, "GET /", 5);
        }
        if (answering && be(s + 8, 4) - 1001 <= response_len)
            acked = be(s + 8, 4) - 1001;
    }
}

static uint8_t fetched[200000];
static size_t fetched_len;
static uint64_t told;
static bool sink_begin(void *ctx, uint64_t length, struct error *e) { (void)ctx; (void)e; told = length; fetched_len = 0; return true; }
static bool sink_data(void *ctx, const void *data, size_t len, struct error *e)
{
    (void)ctx;
    (void)e;
    assert_true(fetched_len + len <= sizeof fetched);
    memcpy(fetched + fetched_len, data, len);
    fetched_len += len;
    return true;
}

static void server_turn(void)
{
    if (answering)
        send_on();
}

static bool get(const char *text, size_t len, bool with_end)
{
    const struct fetch_sink sink = {.begin = sink_begin, .data = sink_data, .interrupted = interrupted};
    struct url u;
    const char *why;
    response = text;
    response_len = len;
    ends = with_end;
    on_frame = web_server;
    at_wait = server_turn;
    peer_does = ECHO;
    assert_true(url_parse("http://10.0.0.2/file", &u, &why));
    return net_fetch("fetch x", &u, &sink, &err);
}

static void test_fetch(void **state)
{
    static char text[150200];
    (void)state;
    size_t head = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: 150000\r\n\r\n");
    for (size_t i = 0; i < 150000; i++)
        text[head + i] = (char)(i * 7 / 3);
    configure(NET_STATIC);
    for (unsigned i = 0; i < 2; i++) {
        lossy = i != 0;
        if (!get(text, head + 150000, true))
            fail_msg("%s (%zu)", err.text, fetched_len);
        assert_int_equal(told, 150000);
        assert_int_equal(fetched_len, 150000);
        assert_memory_equal(fetched, text + head, 150000);
    }
    lossy = false;
    assert_false(get(text, head + 149999, true)); /* ends too early */
    assert_non_null(strstr(err.text, "before the file was complete"));
    assert_false(get("HTTP/1.1 404 Nope\r\n\r\n", 21, true));
    assert_non_null(strstr(err.text, "404 Not Found"));
    requests = 0;
    const char *moved = "HTTP/1.1 301 Moved\r\nLocation: /again\r\n\r\n";
    assert_false(get(moved, strlen(moved), true));
    assert_non_null(strstr(err.text, "more than 5"));
    assert_int_equal(requests, 6);
    uint64_t before = now;
    assert_false(get(text, 20000, false)); /* silence in the middle */
    assert_int_equal(err.code, EXIT_TIMEOUT);
    assert_in_range(now - before, 29 * SECOND_NS, 40 * SECOND_NS);
    (void)pass(600 * SECOND_NS);
    assert_int_equal(wait_until, WAIT_FOREVER); /* no connection is left */
}

/* Segments that cannot be: whatever becomes of the file, nothing breaks, and the next one comes. */
static void test_server_lies(void **state)
{
    static char text[6000] = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
    size_t head = strlen(text);
    unsigned whole = 0;
    (void)state;
    srand(11);
    configure(NET_STATIC);
    for (unsigned i = 0; i < 400; i++) {
        lies = true;
        whole += get(text, head + 5000, i % 2 == 0);
        lies = false;
        if (i % 50 == 0) {
            (void)pass(300 * SECOND_NS);
            assert_int_equal(wait_until, WAIT_FOREVER);
            assert_true(get(text, head + 5000, true));
        }
    }
    assert_in_range(whole, 20, 399);
}

static void dhcp_liar(const uint8_t *f, uint32_t len)
{
    uint8_t answer[400] = {0};
    if (be(f + 12, 2) != 0x0800 || f[23] != 17 || be(f + 36, 2) != 67 || len < 42 + 243)
        return;
    memcpy(answer, f + 42, 44);
    answer[0] = 2;
    put(answer + 16, OWN + 4, 4);
    memcpy(answer + 236, "\x63\x82\x53\x63\x35\1\2\x36\4\x0a\0\0\2\1\4\xff\xff\xff\0\3\4\x0a\0\0\xfe\6\4\x0a\0\0\xfd\x33\4\0\0\x02\x58\xff", 38);
    answer[242] = f[42 + 242] == 1 ? 2 : 5;
    for (int i = rand() % 6; i > 0; i--)
        answer[(rand() % 3 != 0 ? 236 : 0) + rand() % 60] = (uint8_t)rand();
    udp(PEER, OWN + 4, 67, 68, answer, rand() % 4 != 0 ? sizeof answer : (size_t)rand() % 400);
}

static void test_dhcp_lies(void **state)
{
    struct net_view v;
    (void)state;
    srand(12);
    for (unsigned i = 0; i < 300; i++) {
        on_frame = dhcp_liar;
        configure(NET_DHCP);
        for (unsigned k = 0; k < 20; k++) {
            pass(SECOND_NS);
            ping_us(PEER, k);
        }
    }
    on_frame = dhcp_server;
    configure(NET_DHCP);
    (void)pass(60 * SECOND_NS);
    net_stack_view(&v);
    assert_int_equal(v.address, OWN + 4);
}

static void refusing(const uint8_t *f, uint32_t len)
{
    if (be(f + 12, 2) == 0x0806 || f[23] != 6) {
        peer_answers(f, len);
        return;
    }
    our_port = be(f + 34, 2);
    their_next = be(f + 38, 4) + 1;
    if ((f[47] & 4) == 0)
        tcp(0x14, 0, "", 0);
}

static void test_no_connection(void **state)
{
    (void)state;
    configure(NET_STATIC);
    peer_does = ECHO;
    on_frame = refusing;
    assert_null(stream_open("fetch x", PEER, 80, interrupted, &err));
    assert_non_null(strstr(err.text, "refuses"));
    on_frame = NULL;
    assert_null(stream_open("fetch x", PEER + 5, 80, interrupted, &err));
    assert_int_equal(err.code, EXIT_TIMEOUT);
    assert_non_null(strstr(err.text, "nobody on the network answers for 10.0.0.7"));
    assert_null(stream_open("fetch x", 0x08080808, 80, interrupted, &err));
    assert_non_null(strstr(err.text, "no gateway"));
    (void)pass(600 * SECOND_NS);
    assert_int_equal(wait_until, WAIT_FOREVER);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_mac), T(test_off), T(test_answers), T(test_nothing_due), T(test_flood), T(test_noise), T(test_ping), T(test_names), T(test_dhcp), T(test_fetch),
        T(test_server_lies), T(test_dhcp_lies), T(test_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
