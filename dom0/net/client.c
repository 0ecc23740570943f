/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Questions to others on the network. lwIP's callbacks run in the thread "tcpip" (or within a call from here): they note what came and wake. */
#include "dom0/net/client.h"

#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/icmp.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip4.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/raw.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/net/address.h"
#include "dom0/net/dns_message.h"
#include "dom0/net/random.h"
#include "dom0/net/stack_priv.h"
#include "dom0/net/url.h"

#define SECOND_NS     1000000000UL
#define CONNECT_NS    (20 * SECOND_NS)
#define SILENCE_NS    (30 * SECOND_NS) /* in the middle of a transfer */
#define DNS_TRIES     3U
#define DNS_TRY_NS    (2 * SECOND_NS)
#define DNS_PORT      53U
#define ECHO_HEADER   8U
#define IPV4_HEADER   20U
#define TYPE_REPLY    0U
#define TYPE_UNREACH  3U
#define TYPE_REQUEST  8U
#define TYPE_EXPIRED  11U

/* Until *DONE. false: the time is up, or INTERRUPTED. */
static bool wait_for(struct waitq *q, const volatile bool *done, uint64_t deadline_ns, bool (*interrupted)(void))
{
    while (!*done) {
        if (time_now_ns() >= deadline_ns || interrupted())
            return false;
        console_wait(q, deadline_ns);
    }
    return true;
}

bool net_client_ready(const char *who, struct error *e)
{
    return net_stack_ready() != NULL ||
           error_set(e, EXIT_WRONG_STATE, "%.100s: Dom0 has no address on the network: see `network-config`", who);
}

static bool was_interrupted(const char *who, struct error *e) { return error_set(e, EXIT_FAILED, "%.100s: interrupted: begin again", who); }

/* Why lwIP did not send. */
static const char *send_problem(err_t err)
{
    return err == ERR_RTE ? "the address is on another network and there is no gateway" : err == ERR_MEM || err == ERR_BUF ? "no memory for it" : "it could not be sent";
}

/* The host itself, or the gateway on the way to it; network order, 0: there is none. */
static uint32_t next_hop(const struct netif *n, uint32_t to)
{
    ip4_addr_t host = {to};
    return ip4_addr_netcmp(&host, netif_ip4_addr(n), netif_ip4_netmask(n)) ? to : netif_ip4_gw(n)->addr;
}

/* ---- ping ---- */

struct echo {
    struct waitq wait;
    volatile bool done;
    uint64_t sent_ns;
    uint16_t id, sequence;
    uint32_t to; /* network order */
    struct net_ping *out;
};

static uint8_t pattern(unsigned i) { return (uint8_t)(0x20 + i); }

static void build_echo(const struct echo *x, uint8_t *packet)
{
    memset(packet, 0, ECHO_HEADER);
    packet[0] = TYPE_REQUEST;
    packet[4] = (uint8_t)(x->id >> 8);
    packet[5] = (uint8_t)x->id;
    packet[6] = (uint8_t)(x->sequence >> 8);
    packet[7] = (uint8_t)x->sequence;
    for (unsigned i = 0; i < NET_PING_BYTES; i++)
        packet[ECHO_HEADER + i] = pattern(i);
    uint16_t sum = inet_chksum(packet, ECHO_HEADER + NET_PING_BYTES);
    memcpy(packet + 2, &sum, sizeof sum);
}

static bool same_question(const struct echo *x, const uint8_t *icmp)
{
    return icmp[4] == x->id >> 8 && icmp[5] == (x->id & 255) && icmp[6] == x->sequence >> 8 && icmp[7] == (x->sequence & 255);
}

static bool same_data(const uint8_t *data)
{
    unsigned i = 0;
    while (i < NET_PING_BYTES && data[i] == pattern(i))
        i++;
    return i == NET_PING_BYTES;
}

/* An error message holds the beginning of the packet that it is about. */
static bool about_us(const struct echo *x, const uint8_t *packet, size_t len)
{
    size_t header = len >= IPV4_HEADER ? (packet[0] & 15U) * 4U : 0;
    return header >= IPV4_HEADER && len >= header + ECHO_HEADER && packet[9] == IP_PROTO_ICMP && memcmp(packet + 16, &x->to, 4) == 0 &&
           same_question(x, packet + header);
}

/* Never eats the packet: lwIP answers other people's requests itself. */
static u8_t on_icmp(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    struct echo *x = arg;
    uint8_t packet[IPV4_HEADER + 40 + ECHO_HEADER + NET_PING_BYTES];
    (void)pcb;
    size_t len = pbuf_copy_partial(p, packet, sizeof packet, 0), header = len >= IPV4_HEADER ? (packet[0] & 15U) * 4U : 0;
    if (x->done || header < IPV4_HEADER || len < header + ECHO_HEADER)
        return 0;
    const uint8_t *icmp = packet + header;
    len -= header;
    bool answer = icmp[0] == TYPE_REPLY && from->addr == x->to && same_question(x, icmp) && len >= ECHO_HEADER + NET_PING_BYTES && same_data(icmp + ECHO_HEADER);
    bool refused = (icmp[0] == TYPE_UNREACH || icmp[0] == TYPE_EXPIRED) && about_us(x, icmp + ECHO_HEADER, len - ECHO_HEADER);
    if (!answer && !refused)
        return 0;
    *x->out = (struct net_ping){.result = answer ? NET_PING_ANSWER : NET_PING_UNREACHABLE, .ns = time_now_ns() - x->sent_ns,
                                .from = lwip_ntohl(from->addr), .ttl = packet[8]};
    x->done = true;
    waitq_wake(&x->wait);
    return 0;
}

/* Is the address of the host (or the gateway on the way to it) known by now? */
static bool next_hop_known(uint32_t to)
{
    struct netif *n = net_stack_ready();
    ip4_addr_t hop = {n != NULL ? next_hop(n, to) : 0};
    struct eth_addr *mac;
    const ip4_addr_t *ip;
    return hop.addr != 0 && etharp_find_addr(n, &hop, &mac, &ip) >= 0;
}

static bool send_echo(struct raw_pcb *pcb, struct echo *x)
{
    uint8_t packet[ECHO_HEADER + NET_PING_BYTES];
    struct pbuf *p = pbuf_alloc(PBUF_IP, sizeof packet, PBUF_RAM);
    ip_addr_t to = {x->to};
    err_t err = ERR_MEM;
    if (p != NULL) {
        build_echo(x, packet);
        (void)pbuf_take(p, packet, sizeof packet);
        x->sent_ns = time_now_ns();
        err = raw_sendto(pcb, p, &to);
        pbuf_free(p);
    }
    if (err != ERR_OK)
        *x->out = (struct net_ping){.result = NET_PING_NOT_SENT, .why = send_problem(err)};
    return err == ERR_OK;
}

void net_ping(uint32_t to, uint16_t sequence, uint64_t deadline_ns, bool (*interrupted)(void), struct net_ping *out)
{
    struct echo x = {.id = (uint16_t)net_random(), .sequence = sequence, .to = lwip_htonl(to), .out = out};
    *out = (struct net_ping){.result = NET_PING_NOT_SENT, .why = "Dom0 has no address on the network any more"};
    struct raw_pcb *pcb = net_stack_ready() != NULL ? raw_new(IP_PROTO_ICMP) : NULL;
    if (pcb == NULL)
        return;
    net_stack_busy(true);
    raw_recv(pcb, on_icmp, &x);
    bool sent = send_echo(pcb, &x);
    net_stack_kick();
    if (sent && !wait_for(&x.wait, &x.done, deadline_ns, interrupted))
        *out = (struct net_ping){.result = next_hop_known(x.to) ? NET_PING_SILENCE : NET_PING_NO_HOST};
    raw_remove(pcb);
    net_stack_busy(false);
}

/* ---- names ---- */

struct lookup {
    struct waitq wait;
    volatile bool done;
    enum dns_result result;
    uint8_t query[DNS_MESSAGE_MAX];
    size_t query_len;
    uint32_t *addresses;
    unsigned max, *count;
};

static void on_dns(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
    struct lookup *l = arg;
    uint8_t answer[DNS_MESSAGE_MAX];
    (void)pcb;
    (void)from;
    (void)port; /* the socket is connected: from whom we asked */
    size_t len = pbuf_copy_partial(p, answer, sizeof answer, 0);
    pbuf_free(p);
    if (l->done)
        return;
    l->result = dns_message_answer(answer, len, l->query, l->query_len, l->addresses, l->max, l->count);
    l->done = l->result != DNS_NOT_MINE;
    if (l->done)
        waitq_wake(&l->wait);
}

/* The question, a few times. */
static void ask(struct udp_pcb *pcb, struct lookup *l, bool (*interrupted)(void))
{
    for (unsigned i = 0; i < DNS_TRIES && !l->done && !interrupted(); i++) {
        struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)l->query_len, PBUF_RAM);
        if (p != NULL) {
            (void)pbuf_take(p, l->query, (u16_t)l->query_len);
            (void)udp_send(pcb, p);
            pbuf_free(p);
        }
        net_stack_kick();
        (void)wait_for(&l->wait, &l->done, time_now_ns() + DNS_TRY_NS, interrupted);
    }
}

static bool look_up(struct lookup *l, const char *who, const ip_addr_t *server, bool (*interrupted)(void), struct error *e)
{
    struct udp_pcb *pcb = udp_new();
    if (pcb == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%.100s: no memory to ask the name server: try again", who);
    net_stack_busy(true);
    udp_recv(pcb, on_dns, l);
    (void)udp_bind(pcb, IP_ANY_TYPE, (u16_t)(49152U + net_random() % 16384U));
    if (udp_connect(pcb, server, DNS_PORT) == ERR_OK)
        ask(pcb, l, interrupted);
    udp_remove(pcb);
    net_stack_busy(false);
    return l->done || (interrupted() ? was_interrupted(who, e) : false);
}

static bool explain(const struct lookup *l, const char *who, const char *name, const char *server, struct error *e)
{
    if (!l->done)
        return error_set(e, EXIT_TIMEOUT, "%.60s: the name server %s does not answer: `ping` it, or name another (`network-config`)", who, server);
    if (l->result == DNS_FAILED)
        return error_set(e, EXIT_FAILED, "%.60s: the name server %s could not tell (it failed or refused): try again, or name another", who, server);
    return error_set(e, EXIT_FAILED, "%.60s: %s %.80s: check its spelling", who,
                     l->result == DNS_NO_NAME ? "the name server knows no" : "there is no IPv4 address for", name);
}

bool net_resolve(const char *who, const char *name, uint32_t *addresses, unsigned max, unsigned *count, bool (*interrupted)(void), struct error *e)
{
    char server[IPV4_TEXT];
    *count = 1;
    if (ipv4_parse(name, addresses))
        return true;
    if (!net_client_ready(who, e))
        return false;
    const ip_addr_t *dns = dns_getserver(0);
    if (dns->addr == 0)
        return error_set(e, EXIT_WRONG_STATE, "%.100s: there is no name server: name one with `network-config`, or write an address", who);
    struct lookup l = {.addresses = addresses, .max = max, .count = count};
    l.query_len = dns_message_query(l.query, (uint16_t)net_random(), name);
    if (l.query_len == 0)
        return error_set(e, EXIT_FAILED, "%.60s: %.60s is no host's name: use letters, digits, - and dots", who, name);
    ipv4_format(server, lwip_ntohl(dns->addr));
    e->text[0] = '\0';
    if (!look_up(&l, who, dns, interrupted, e) && e->text[0] != '\0')
        return false;
    return (l.done && l.result == DNS_FOUND) || explain(&l, who, name, server, e);
}

/* ---- streams ---- */

struct net_stream {
    struct tcp_pcb *pcb; /* NULL: gone */
    struct pbuf *in;     /* what came and was not taken yet */
    struct waitq wait;
    volatile bool event; /* something below changed */
    bool connected, ended;
    err_t error;
    uint32_t to;
};

static void tell(struct net_stream *s)
{
    s->event = true;
    waitq_wake(&s->wait);
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct net_stream *s = arg;
    (void)pcb;
    (void)err;
    s->connected = true;
    tell(s);
    return ERR_OK;
}

/* What is kept is bounded by the window, which opens again when it is taken. */
static err_t on_data(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct net_stream *s = arg;
    (void)pcb;
    (void)err;
    if (p == NULL)
        s->ended = true;
    else if (s->in == NULL)
        s->in = p;
    else
        pbuf_cat(s->in, p);
    tell(s);
    return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
    struct net_stream *s = arg;
    s->pcb = NULL; /* lwIP has freed it */
    s->error = err;
    tell(s);
}

static bool lost(const struct net_stream *s, const char *who, struct error *e)
{
    return error_set(e, EXIT_FAILED, "%.100s: %s: try again", who,
                     s->error == ERR_RST ? "the other side broke the connection off" : "the connection was lost");
}

static bool explain_connect(const struct net_stream *s, const char *who, bool interrupted, struct error *e)
{
    char to[IPV4_TEXT];
    ipv4_format(to, lwip_ntohl(s->to));
    if (interrupted)
        return was_interrupted(who, e);
    if (s->error == ERR_RST)
        return error_set(e, EXIT_FAILED, "%.100s: %s refuses the connection: is a server running there, on this port?", who, to);
    if (!next_hop_known(s->to))
        return error_set(e, EXIT_TIMEOUT, "%.100s: nobody on the network answers for %s (or the gateway to it): check the address", who, to);
    return error_set(e, EXIT_TIMEOUT, "%.100s: %s does not answer: check that it is up and lets this port through", who, to);
}

static bool open(struct net_stream *s, const char *who, uint16_t port, bool (*interrupted)(void), struct error *e)
{
    ip_addr_t to = {s->to};
    if (next_hop(net_stack_ready(), s->to) == 0)
        return error_set(e, EXIT_FAILED, "%.100s: %s: see `network-config`", who, send_problem(ERR_RTE));
    s->pcb = tcp_new();
    if (s->pcb == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%.100s: no memory for a connection: try again", who);
    tcp_arg(s->pcb, s);
    tcp_recv(s->pcb, on_data);
    tcp_err(s->pcb, on_error);
    err_t err = tcp_connect(s->pcb, &to, port, on_connected);
    if (err != ERR_OK)
        return error_set(e, EXIT_FAILED, "%.100s: %s: see `network-config`", who, send_problem(err));
    net_stack_kick();
    bool event = wait_for(&s->wait, &s->event, time_now_ns() + CONNECT_NS, interrupted);
    return s->connected || explain_connect(s, who, !event && interrupted(), e);
}

struct net_stream *stream_open(const char *who, uint32_t to, uint16_t port, bool (*interrupted)(void), struct error *e)
{
    if (!net_client_ready(who, e))
        return NULL;
    struct net_stream *s = heap_alloc(sizeof *s);
    if (s == NULL) {
        error_set(e, EXIT_NO_RESOURCE, "%.100s: no memory for a connection: destroy a domain that is not needed", who);
        return NULL;
    }
    s->to = lwip_htonl(to);
    net_stack_busy(true);
    if (open(s, who, port, interrupted, e))
        return s;
    stream_close(s);
    return NULL;
}

bool stream_send(struct net_stream *s, const char *who, const void *data, size_t len, struct error *e)
{
    if (s->pcb == NULL)
        return lost(s, who, e);
    if (tcp_write(s->pcb, data, (u16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK || tcp_output(s->pcb) != ERR_OK)
        return error_set(e, EXIT_NO_RESOURCE, "%.100s: no memory to send it: try again", who);
    net_stack_kick();
    return true;
}

static size_t take(struct net_stream *s, void *buf, size_t size)
{
    u16_t n = (u16_t)(size < s->in->tot_len ? size : s->in->tot_len);
    (void)pbuf_copy_partial(s->in, buf, n, 0);
    s->in = pbuf_free_header(s->in, n);
    if (s->pcb != NULL)
        tcp_recved(s->pcb, n);
    net_stack_kick();
    return n;
}

bool stream_receive(struct net_stream *s, const char *who, void *buf, size_t size, size_t *got, bool (*interrupted)(void), struct error *e)
{
    uint64_t deadline = time_now_ns() + SILENCE_NS;
    *got = 0;
    for (;;) {
        s->event = false;
        if (s->in != NULL) {
            *got = take(s, buf, size);
            return true;
        }
        if (s->ended)
            return true;
        if (s->pcb == NULL)
            return lost(s, who, e);
        if (!wait_for(&s->wait, &s->event, deadline, interrupted))
            return interrupted() ? was_interrupted(who, e)
                                 : error_set(e, EXIT_TIMEOUT, "%.100s: nothing came for 30 s: try again", who);
    }
}

/* What the other side has not ended is broken off: there is nothing more that we would want, and nothing to wait for. */
static void end(struct net_stream *s)
{
    tcp_arg(s->pcb, NULL);
    tcp_recv(s->pcb, NULL);
    tcp_err(s->pcb, NULL);
    if (!s->ended || tcp_close(s->pcb) != ERR_OK)
        tcp_abort(s->pcb);
}

void stream_close(struct net_stream *s)
{
    if (s == NULL)
        return;
    if (s->pcb != NULL)
        end(s);
    if (s->in != NULL)
        pbuf_free(s->in);
    heap_free(s);
    net_stack_busy(false);
}
