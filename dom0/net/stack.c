/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Dom0's port, its receive queue, the thread that serves it, and lwIP's timers. A timer runs only while somebody needs it: TCP's while there
 * are connections, DHCP's fine one while a question is open, the coarse one with a lease, the address table's while there is traffic. After a pause
 * the latter is given the seconds that it missed. */
#include "dom0/net/stack.h"

#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <netif/ethernet.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/dhcp.h>

#include "dom0/backend/net_backend.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/net/address.h"
#include "dom0/net/checksum.h"
#include "dom0/net/stack_priv.h"
#include "drivers/block.h"

#define MTU            1500U
#define FRAME_MAX      (NET_FRAME_MIN + MTU)
#define QUEUE_FRAMES   32U /* half of lwIP's pool: the rest is for connections */
#define TURN_FRAMES    4U
#define MS_NS          1000000UL
#define ARP_NS         (ARP_TMR_INTERVAL * MS_NS)
#define ARP_CATCH_UP   300U /* in seconds: then nothing that was known is left */
#define ARP_AWAKE_NS   (6 * ARP_NS) /* after the last frame: longer than a question may stay open */
#define LOCAL          2U /* in an address's first byte: given by whoever runs the network */
#define LOOK_AGAIN_NS  (100 * MS_NS)

static struct net_port port;
static struct net_config config;
static struct netif netif;
static struct dhcp dhcp;
static bool joined, running;
static uint8_t *out_frame; /* a page: what is sent must lie in one piece */

static struct {
    struct pbuf *frames[QUEUE_FRAMES];
    uint32_t head, count;
} queue;
static struct waitq work;

static struct { /* when they are due; WAIT_FOREVER: not needed */
    uint64_t tcp, arp, dhcp_fine, dhcp_coarse;
    uint64_t arp_done, arp_until;
    unsigned users;
} timers = {WAIT_FOREVER, WAIT_FOREVER, WAIT_FOREVER, WAIT_FOREVER, 0, 0, 0};

/* ---- frames ---- */

static void traffic(void)
{
    timers.arp_until = time_now_ns() + ARP_AWAKE_NS;
}

/* In the sender's thread: queues a copy, or drops it. */
static bool deliver(struct net_port *to, struct net_frame *f)
{
    struct pbuf *p = NULL;
    if (f->len <= FRAME_MAX && queue.count < QUEUE_FRAMES)
        p = pbuf_alloc(PBUF_RAW, (u16_t)f->len, PBUF_POOL);
    if (p == NULL) {
        to->received.drops++;
        return false;
    }
    if (f->csum == NET_CSUM_BLANK && checksum_complete(f->data, f->len))
        f->csum = NET_CSUM_VALIDATED;
    (void)pbuf_take(p, f->data, (u16_t)f->len);
    queue.frames[(queue.head + queue.count++) % QUEUE_FRAMES] = p;
    waitq_wake(&work);
    return true;
}

static struct pbuf *next_frame(void)
{
    if (queue.count == 0)
        return NULL;
    struct pbuf *p = queue.frames[queue.head];
    queue.head = (queue.head + 1) % QUEUE_FRAMES;
    queue.count--;
    return p;
}

static err_t send(struct netif *from, struct pbuf *p)
{
    (void)from;
    struct net_frame f = {.data = out_frame, .len = p->tot_len, .csum = NET_CSUM_VALIDATED};
    if (p->tot_len > FRAME_MAX || pbuf_copy_partial(p, out_frame, p->tot_len, 0) != p->tot_len)
        return ERR_BUF;
    net_port_frame(&port, &f);
    traffic();
    return ERR_OK;
}

/* ---- timers ---- */

/* lwIP calls this when the first connection begins. */
void tcp_timer_needed(void)
{
    if (timers.tcp == WAIT_FOREVER) {
        timers.tcp = time_now_ns() + TCP_TMR_INTERVAL * MS_NS;
        waitq_wake(&work);
    }
}

static void run_arp(uint64_t now)
{
    uint64_t seconds = (now - timers.arp_done) / ARP_NS;
    timers.arp_done += seconds * ARP_NS;
    for (uint64_t i = 0; i < seconds && i < ARP_CATCH_UP; i++)
        etharp_tmr();
}

static void run_tcp(uint64_t now)
{
    if (now < timers.tcp)
        return;
    tcp_tmr();
    timers.tcp = tcp_active_pcbs != NULL || tcp_tw_pcbs != NULL ? now + TCP_TMR_INTERVAL * MS_NS : WAIT_FOREVER;
}

static void run_dhcp(uint64_t now)
{
    if (now >= timers.dhcp_fine) {
        timers.dhcp_fine = WAIT_FOREVER;
        dhcp_fine_tmr();
    }
    if (now >= timers.dhcp_coarse) {
        timers.dhcp_coarse = WAIT_FOREVER;
        dhcp_coarse_tmr();
    }
}

/* Which are needed from now on? */
static void plan(uint64_t now)
{
    bool on = config.mode == NET_DHCP;
    if (!on || dhcp.request_timeout == 0)
        timers.dhcp_fine = WAIT_FOREVER;
    else if (timers.dhcp_fine == WAIT_FOREVER)
        timers.dhcp_fine = now + DHCP_FINE_TIMER_MSECS * MS_NS;
    if (!on || dhcp.t0_timeout == 0)
        timers.dhcp_coarse = WAIT_FOREVER;
    else if (timers.dhcp_coarse == WAIT_FOREVER)
        timers.dhcp_coarse = now + DHCP_COARSE_TIMER_SECS * 1000 * MS_NS;
    bool arp = config.mode != NET_OFF && (timers.users != 0 || now < timers.arp_until);
    timers.arp = arp ? timers.arp_done + ARP_NS : WAIT_FOREVER;
}

static uint64_t first(void)
{
    uint64_t at = timers.tcp < timers.arp ? timers.tcp : timers.arp;
    at = timers.dhcp_fine < at ? timers.dhcp_fine : at;
    return timers.dhcp_coarse < at ? timers.dhcp_coarse : at;
}

/* ---- the thread ---- */

/* At most a turn's worth of frames, then what is due. Returns when to do it again; 0: there is more. */
static uint64_t serve(void)
{
    uint64_t now = time_now_ns();
    run_arp(now);
    for (unsigned i = 0; i < TURN_FRAMES; i++) {
        struct pbuf *p = next_frame();
        if (p == NULL)
            break;
        traffic();
        if (netif.input(p, &netif) != ERR_OK)
            pbuf_free(p);
    }
    netif_poll(&netif);
    PBUF_CHECK_FREE_OOSEQ();
    run_tcp(now);
    run_dhcp(now);
    plan(time_now_ns());
    return queue.count != 0 ? 0 : first();
}

static void server(void *arg)
{
    (void)arg;
    for (;;) {
        uint64_t again = serve();
        if (again == 0)
            thread_yield();
        else
            waitq_wait(&work, again);
    }
}

void net_stack_kick(void) { waitq_wake(&work); }

void net_stack_busy(bool on)
{
    run_arp(time_now_ns());
    timers.users += on ? 1U : -1U;
    net_stack_kick();
}

/* ---- the configuration ---- */

static err_t setup(struct netif *n)
{
    n->name[0] = 'e';
    n->name[1] = 'n';
    n->hostname = "corbel";
    n->mtu = MTU;
    n->hwaddr_len = MAC_LEN;
    memcpy(n->hwaddr, port.mac, MAC_LEN);
    n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    n->output = etharp_output;
    n->linkoutput = send;
    return ERR_OK;
}

/* Once, when the first configuration comes. */
static bool start(struct error *e)
{
    if (running)
        return true;
    if (out_frame == NULL)
        out_frame = page_alloc(1, NULL);
    if (out_frame == NULL || thread_create("tcpip", server, NULL, 0) == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "network-config: no memory for Dom0's network: destroy a domain that is not needed");
    lwip_init();
    netif_add(&netif, NULL, NULL, NULL, NULL, setup, ethernet_input);
    netif_set_default(&netif);
    dhcp_set_struct(&netif, &dhcp);
    netif_set_link_up(&netif);
    running = true;
    return true;
}

static void stop(void)
{
    if (config.mode == NET_DHCP)
        dhcp_release_and_stop(&netif);
    config.mode = NET_OFF;
    netif_set_addr(&netif, NULL, NULL, NULL);
    netif_set_down(&netif);
    dns_setserver(0, NULL);
    port.up = false;
    for (struct pbuf *p; (p = next_frame()) != NULL;)
        pbuf_free(p);
}

static void set_static(const struct net_config *c)
{
    ip4_addr_t address = {lwip_htonl(c->address)}, mask = {lwip_htonl(ipv4_mask(c->prefix))}, gateway = {lwip_htonl(c->gateway)};
    ip_addr_t dns = {lwip_htonl(c->dns)};
    netif_set_addr(&netif, &address, &mask, &gateway);
    dns_setserver(0, &dns);
    netif_set_up(&netif);
}

bool net_stack_configure(const struct net_config *c, struct error *e)
{
    if (!joined)
        return error_set(e, EXIT_NO_RESOURCE, "network-config: Dom0 has no port: there are 16 bridges with other names");
    if (c->mode == NET_OFF && !running)
        return true;
    if (!start(e))
        return false;
    stop();
    config = *c;
    timers.arp_done = time_now_ns();
    port.up = c->mode != NET_OFF;
    if (c->mode == NET_STATIC)
        set_static(c);
    if (c->mode == NET_DHCP) {
        netif_set_up(&netif);
        if (dhcp_start(&netif) != ERR_OK) {
            stop();
            return error_set(e, EXIT_NO_RESOURCE, "network-config: no memory for DHCP: try again, or set an address by hand");
        }
    }
    net_stack_kick();
    return true;
}

static bool has_address(void) { return running && config.mode != NET_OFF && netif_ip4_addr(&netif)->addr != 0; }

struct netif *net_stack_ready(void) { return has_address() ? &netif : NULL; }

void net_stack_view(struct net_view *v)
{
    *v = (struct net_view){.mode = config.mode, .joined = joined, .sent = port.sent, .received = port.received};
    memcpy(v->mac, port.mac, MAC_LEN);
    if (!has_address())
        return;
    v->address = lwip_ntohl(netif_ip4_addr(&netif)->addr);
    v->gateway = lwip_ntohl(netif_ip4_gw(&netif)->addr);
    v->prefix = ipv4_prefix(lwip_ntohl(netif_ip4_netmask(&netif)->addr));
    v->dns = lwip_ntohl(dns_getserver(0)->addr);
}

bool net_stack_wait_address(uint64_t deadline_ns, bool (*interrupted)(void))
{
    while (!has_address() && time_now_ns() < deadline_ns && !interrupted())
        thread_sleep_ns(LOOK_AGAIN_NS);
    return has_address();
}

/* ---- the port ---- */

static uint64_t hash(uint64_t h, const uint8_t *bytes, size_t len) /* FNV-1a */
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ bytes[i]) * 0x100000001b3UL;
    return h;
}

/* From a card of the host's on the same bridge, made a local address: no other host has that card. */
static bool mac_from_card(uint8_t mac[MAC_LEN])
{
    static const uint8_t none[MAC_LEN];
    const struct net_port *p = port.bridge->ports;
    while (p != NULL && (p->locked || mac_equal(p->mac, none)))
        p = p->next;
    if (p == NULL)
        return false;
    memcpy(mac, p->mac, MAC_LEN);
    mac[0] = (uint8_t)((mac[0] & LOCAL) != 0 ? mac[0] ^ 0x40U : mac[0] | LOCAL);
    return true;
}

/* Without one, the same at every boot: from the first two sectors of the first disk, where its partition table's identity is (GPT), or its own (MBR). */
static void mac_from_disk(uint8_t mac[MAC_LEN])
{
    struct block_device *d = block_first();
    uint64_t h = 0xcbf29ce484222325UL;
    uint8_t *sectors = d != NULL ? heap_alloc(2 * (size_t)d->sector_size) : NULL;
    if (sectors != NULL && d->sectors >= 2 && d->ops->read(d, 0, 2, sectors) == BLOCK_OK)
        h = hash(h, sectors, 2 * (size_t)d->sector_size);
    heap_free(sectors);
    mac[0] = LOCAL;
    mac[1] = 0xcb;
    for (unsigned i = 2; i < MAC_LEN; i++, h >>= 8)
        mac[i] = (uint8_t)(h ^ h >> 32);
}

void net_stack_init(void)
{
    port.locked = true;
    port.deliver = deliver;
    joined = net_port_join(NET_OWN_BRIDGE, &port);
    if (!joined || !mac_from_card(port.mac))
        mac_from_disk(port.mac);
}
