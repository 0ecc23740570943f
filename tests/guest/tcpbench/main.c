/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] tcpbench: what a stream over TCP costs, from guest to guest and from a guest to Dom0, with lwIP in the guests (from Debian's source package, as Dom0 has it).
 * Two domains run it. One (corbel.cmdline "serve", 10.0.0.1) takes a stream on port 5001 and judges it; then it is a web server for Dom0's `fetch`: /a has 1 MiB, and
 * /b has 48 KiB, which Dom0 takes in before it writes anything to a disk. After both it powers off. The other one (10.0.0.2) sends the stream and powers off.
 * Why: `make bench`. Expected: every byte arrives, no frame is lost. */
#include "tests/guest/tcpbench/card.h"

#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "tests/guest/lib/bench.h"
#include "tests/guest/lib/pv.h"

#define STREAM_PORT 5001U
#define CHECKED (256U << 10)  /* bytes of which the receiver looks at every one; of those behind them at the first words of each segment */
#define PORTION (512U << 10)  /* of the rest, one sample */
#define PORTIONS 20U
#define LARGE (1U << 20)
#define SMALL (48U << 10)
#define PATTERN 65536U
#define TIMER_NS 250000000UL

static uint8_t pattern[PATTERN + TCP_MSS] __attribute__((aligned(8))); /* the stream repeats it; what follows it is its beginning */
static struct source { /* a stream that is being sent */
    struct tcp_pcb *to;
    uint64_t queued, acked, bytes;
} out;

/* ---- what lwIP wants of a C library ---- */

void *memcpy(void *dst, const void *src, size_t len);
int memcmp(const void *a, const void *b, size_t len);

void *memcpy(void *dst, const void *src, size_t len)
{
    size_t words = len / 8;
    void *at = dst;
    __asm__ volatile("rep movsq" : "+D"(at), "+S"(src), "+c"(words) : : "memory");
    len %= 8;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(src), "+c"(len) : : "memory");
    return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < len; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

void tcp_timer_needed(void) {} /* it runs all the time */

/* ---- time ---- */

struct share { uint64_t ticks, ns, run_ns; };

static struct share share_now(void) { return (struct share){stamp(), pv_now_ns(), bench_run_ns()}; }

/* Of the time since FROM: in all, and this guest's own, in ticks for each KiB. */
static uint64_t ticks_per_kib(const struct share *from, uint64_t bytes) { return (stamp() - from->ticks) * 1024 / bytes; }
static uint64_t own_per_kib(const struct share *from, uint64_t bytes)
{
    struct share now = share_now();
    return (now.run_ns - from->run_ns) * (now.ticks - from->ticks) / (now.ns - from->ns) * 1024 / bytes;
}

static void report(const char *name, uint64_t value) { say("BENCH %s n=1 min=%lu med=%lu avg=%lu p99=%lu", name, value, value, value, value); }

/* One look at the card and lwIP's timers; asleep if nothing came. */
static void turn(void)
{
    static uint64_t due;
    static unsigned ticks;
    if (!card_turn())
        card_wait(TIMER_NS);
    if (pv_now_ns() < due)
        return;
    due = pv_now_ns() + TIMER_NS;
    tcp_tmr();
    if (++ticks % 4 == 0)
        etharp_tmr();
}

/* ---- sending ---- */

static void fill(void)
{
    while (out.queued < out.bytes) {
        uint64_t room = tcp_sndbuf(out.to), left = out.bytes - out.queued;
        uint16_t n = (uint16_t)(left < TCP_MSS ? left : TCP_MSS);
        if (room < n || tcp_write(out.to, pattern + out.queued % PATTERN, n, out.queued + n < out.bytes ? TCP_WRITE_FLAG_MORE : 0) != ERR_OK)
            break;
        out.queued += n;
    }
    tcp_output(out.to);
}

static err_t on_acked(void *arg, struct tcp_pcb *pcb, uint16_t len)
{
    (void)arg;
    if (pcb == out.to) {
        out.acked += len;
        fill();
    }
    return ERR_OK;
}

static void send_until(uint64_t bytes)
{
    while (out.acked < bytes)
        turn();
}

static void begin(struct tcp_pcb *to, uint64_t bytes)
{
    out = (struct source){.to = to, .bytes = bytes};
    tcp_sent(to, on_acked);
    tcp_nagle_disable(to);
}

/* ---- the one that sends ---- */

static bool connected;

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg; (void)pcb;
    check(err == ERR_OK, "connected: %d", err);
    connected = true;
    return ERR_OK;
}

/* The other side may not be there yet: lwIP asks again by itself. */
static struct tcp_pcb *connect(void)
{
    ip_addr_t server;
    struct tcp_pcb *pcb = tcp_new();
    IP4_ADDR(&server, 10, 0, 0, 1);
    check(pcb != NULL && tcp_connect(pcb, &server, STREAM_PORT, on_connected) == ERR_OK, "no connection");
    while (!connected)
        turn();
    return pcb;
}

static void send_stream(void)
{
    struct tcp_pcb *pcb = connect();
    begin(pcb, CHECKED + PORTIONS * PORTION);
    fill();
    send_until(CHECKED);
    struct share all = share_now();
    for (unsigned i = 0; i < PORTIONS; i++) {
        uint64_t from = stamp(), acked = out.acked;
        send_until(CHECKED + (i + 1) * PORTION);
        bench_samples[i] = (stamp() - from) * 1024 / (out.acked - acked);
    }
    uint64_t own = own_per_kib(&all, PORTIONS * PORTION);
    bench_report("tcp_stream_kib", PORTIONS);
    report("tcp_stream_sender", own);
    check(card_lost == 0, "%u frames found no room", card_lost);
    tcp_close(pcb);
    for (unsigned i = 0; i < 4; i++)
        turn();
}

/* ---- the one that takes the stream ---- */

static struct { uint64_t got; struct share from; bool over; } stream;

static void judge(const struct pbuf *p)
{
    for (; p != NULL; p = p->next) {
        const uint8_t *data = p->payload;
        uint32_t n = stream.got < CHECKED ? p->len : p->len < 16U ? p->len : 16U;
        for (uint32_t i = 0; i < n; i++)
            if (data[i] != pattern[(stream.got + i) % PATTERN]) {
                check(false, "byte %lu of the stream is wrong", stream.got + i);
                break;
            }
        if (stream.got < CHECKED && stream.got + p->len >= CHECKED)
            stream.from = share_now();
        stream.got += p->len;
    }
}

static err_t on_stream(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg; (void)err;
    if (p == NULL) {
        stream.over = true;
        tcp_close(pcb);
        return ERR_OK;
    }
    judge(p);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    if (stream.got == CHECKED + PORTIONS * PORTION)
        report("tcp_stream_receiver", own_per_kib(&stream.from, PORTIONS * PORTION));
    return ERR_OK;
}

static err_t on_stream_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg; (void)err;
    tcp_recv(pcb, on_stream);
    return ERR_OK;
}

/* ---- the web server ---- */

static struct { struct tcp_pcb *to; bool large, asked; unsigned served; } web;

/* A request comes in one segment; of what it says the path's first letter counts. */
static err_t on_request(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg; (void)err;
    if (p == NULL) {
        if (pcb != out.to)
            tcp_close(pcb);
        return ERR_OK;
    }
    web.large = p->len > 5 && ((const char *)p->payload)[5] == 'a';
    web.asked = true;
    web.to = pcb;
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t on_web_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg; (void)err;
    tcp_recv(pcb, on_request);
    return ERR_OK;
}

static void serve(void)
{
    char head[80] = "HTTP/1.1 200 OK\r\nContent-Length: ", *at = head + sizeof "HTTP/1.1 200 OK\r\nContent-Length: " - 1;
    uint64_t bytes = web.large ? LARGE : SMALL;
    web.asked = false;
    pv_format(at, bytes);
    pv_copy(head + pv_length(head), "\r\n\r\n", 5);
    begin(web.to, pv_length(head));
    check(tcp_write(web.to, head, (uint16_t)pv_length(head), TCP_WRITE_FLAG_COPY) == ERR_OK, "no head");
    out.queued = out.bytes;
    tcp_output(web.to);
    send_until(out.bytes);
    begin(web.to, bytes);
    struct share from = share_now();
    fill();
    send_until(bytes);
    report(web.large ? "tcp_dom0_file_kib" : "tcp_dom0_kib", ticks_per_kib(&from, bytes));
    report(web.large ? "tcp_dom0_file_sender" : "tcp_dom0_sender", own_per_kib(&from, bytes));
    out.to = NULL;
    tcp_close(web.to);
    web.served++;
}

static void listen(uint16_t port, tcp_accept_fn accept)
{
    struct tcp_pcb *pcb = tcp_new();
    check(pcb != NULL && tcp_bind(pcb, IP_ADDR_ANY, port) == ERR_OK, "no port %u", port);
    tcp_accept(tcp_listen(pcb), accept);
}

static void serve_all(void)
{
    listen(STREAM_PORT, on_stream_accept);
    listen(80, on_web_accept);
    while (web.served < 2) {
        turn();
        if (web.asked)
            serve();
    }
    check(stream.over && stream.got == CHECKED + PORTIONS * PORTION, "%lu bytes of the stream", stream.got);
    check(card_lost == 0, "%u frames found no room", card_lost);
    for (unsigned i = 0; i < 4; i++)
        turn(); /* the end of the connection */
}

void guest_main(const void *start_info)
{
    bool server = text_equal(guest_cmdline(start_info), "serve");
    traps_on();
    pv_init();
    for (uint32_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i < PATTERN ? (uint8_t)random_next() : pattern[i - PATTERN];
    bench_tell_running();
    lwip_init();
    card_start(server ? 1 : 2, server ? 3 : 4);
    if (server)
        serve_all();
    else
        send_stream();
    summary(server ? "tcpbench-server" : "tcpbench");
}
