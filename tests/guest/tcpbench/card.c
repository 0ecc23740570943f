/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] See card.h. */
#include "tests/guest/tcpbench/card.h"

#include <xen/io/netif.h>

#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "netif/ethernet.h"
#include "tests/guest/lib/pv.h"

#define SLOTS 256U
#define SENDING 128U /* frames on their way to Dom0 */
#define PAGE 4096U

enum { REF_TX = 8, REF_RX, REF_OUT, REF_IN = REF_OUT + SENDING };
_Static_assert(REF_IN + SLOTS <= GRANT_REFS, "grants");

uint32_t card_lost;

static struct pv_device card;
static uint8_t tx_page[PAGE] __attribute__((aligned(4096))), rx_page[PAGE] __attribute__((aligned(4096)));
static uint8_t out[SENDING][PAGE] __attribute__((aligned(4096)));
static uint8_t in[SLOTS][PAGE] __attribute__((aligned(4096)));
static struct netif_tx_sring *const tx = (void *)tx_page;
static struct netif_rx_sring *const rx = (void *)rx_page;
static uint32_t tx_prod, tx_pushed, rx_cons;
static struct netif interface;

#define TX(n) ((union netif_tx_sring_entry *)(void *)(tx_page + 64))[(n) % SLOTS]
#define RX(n) ((union netif_rx_sring_entry *)(void *)(rx_page + 64))[(n) % SLOTS]

static void connect(void)
{
    while (!pv_open(&card, "vif", 0))
        pv_poll(0, 10000000UL);
    tx->req_event = rx->req_event = rx->rsp_event = 1;
    pv_grant_page(REF_TX, tx_page);
    pv_grant_page(REF_RX, rx_page);
    for (uint32_t i = 0; i < SENDING; i++)
        pv_grant_page(REF_OUT + i, out[i]);
    for (uint32_t i = 0; i < SLOTS; i++) {
        pv_grant_page(REF_IN + i, in[i]);
        RX(i).req = (struct netif_rx_request){.id = (uint16_t)i, .gref = REF_IN + i};
    }
    rx->req_prod = SLOTS;
    pv_number(&card, "tx-ring-ref", REF_TX);
    pv_number(&card, "rx-ring-ref", REF_RX);
    pv_number(&card, "event-channel", card.port);
    pv_key(&card, "request-rx-copy", "1");
    pv_key(&card, "state", "4");
    check(pv_wait_state(&card, '4'), "no card: state %d", pv_back_state(&card));
}

/* Dom0 answers frames in their order: what lies SENDING behind has been answered, or there is no room. */
static err_t send(struct netif *n, struct pbuf *p)
{
    (void)n;
    if (tx_prod - __atomic_load_n(&tx->rsp_prod, __ATOMIC_ACQUIRE) == SENDING) {
        card_lost++;
        return ERR_IF;
    }
    uint32_t slot = tx_prod % SENDING;
    bool arp = pbuf_get_at(p, 12) == 8 && pbuf_get_at(p, 13) == 6;
    pbuf_copy_partial(p, out[slot], p->tot_len, 0);
    TX(tx_prod).req = (struct netif_tx_request){.gref = REF_OUT + slot, .id = (uint16_t)(tx_prod % SLOTS), .size = p->tot_len,
                                                .flags = arp ? 0 : NETTXF_csum_blank | NETTXF_data_validated};
    tx_prod++;
    return ERR_OK;
}

static err_t interface_init(struct netif *n)
{
    n->name[0] = 'e';
    n->name[1] = 'n';
    n->mtu = 1500;
    n->hwaddr_len = 6;
    n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    n->output = etharp_output;
    n->linkoutput = send;
    return ERR_OK;
}

void card_start(uint8_t last, uint8_t mac)
{
    ip4_addr_t address, mask, none = {0};
    IP4_ADDR(&address, 10, 0, 0, last);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    connect();
    netif_add(&interface, &address, &mask, &none, NULL, interface_init, ethernet_input);
    pv_copy(interface.hwaddr, (const uint8_t[]){0, 0x50, 0x56, 0, 0, mac}, 6);
    netif_set_default(&interface);
    netif_set_up(&interface);
}

static void receive(const struct netif_rx_response *r)
{
    struct pbuf *p = r->status > 0 ? pbuf_alloc(PBUF_RAW, (uint16_t)r->status, PBUF_POOL) : NULL;
    check(p != NULL, "a frame that cannot be taken: %d", r->status);
    if (p == NULL)
        return;
    pbuf_take(p, in[r->id % SLOTS] + r->offset, p->tot_len);
    if (interface.input(p, &interface) != ERR_OK)
        pbuf_free(p);
}

static void push(void)
{
    uint32_t from = tx_pushed;
    if (tx_prod == from)
        return;
    tx->rsp_event = tx_prod + SLOTS; /* what was sent is no news */
    __atomic_store_n(&tx->req_prod, tx_prod, __ATOMIC_SEQ_CST);
    tx_pushed = tx_prod;
    if (tx_prod - __atomic_load_n(&tx->req_event, __ATOMIC_SEQ_CST) < tx_prod - from)
        pv_send(card.port);
}

bool card_turn(void)
{
    uint32_t prod = __atomic_load_n(&rx->rsp_prod, __ATOMIC_ACQUIRE);
    bool came = prod != rx_cons;
    for (; rx_cons != prod; rx_cons++) {
        struct netif_rx_response r = RX(rx_cons).rsp;
        receive(&r);
        RX(rx_cons).req = (struct netif_rx_request){.id = r.id, .gref = REF_IN + r.id % SLOTS};
    }
    __atomic_store_n(&rx->req_prod, rx_cons + SLOTS, __ATOMIC_RELEASE);
    push();
    return came;
}

void card_wait(uint64_t ns)
{
    pv_clear(card.port);
    __atomic_store_n(&rx->rsp_event, rx_cons + 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&rx->rsp_prod, __ATOMIC_SEQ_CST) == rx_cons)
        pv_poll(card.port, ns);
}
