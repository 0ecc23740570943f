/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] NE2000 on PCI: a DP8390 with 16 KiB of memory of its own, which the CPU reads and writes through one port; it
 * never masters the bus. One frame is sent at a time; others wait in a ring here. */
#include "drivers/ne2k.h"

#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/io.h"
#include "drivers/ne2k_regs.h"
#include "drivers/netdev.h"

#define REALTEK    0x10ecU
#define RTL8029    0x8029U
#define TX_RING    32U
#define TX_PAGES   (TX_RING * NETDEV_BUFFER / 4096U)
#define WAIT_NS    20000000UL
#define DRAIN_NS   2000000UL /* the longest frame takes 1.2 ms */
#define POLL_NS    100000UL
#define DMA_TRIES  20000U
#define PROM_BYTES 32U
#define FRAME_MOST (NETDEV_FRAME_MAX + 4U)

struct ne2k {
    struct netdev net;
    uint16_t io;
    bool on;                  /* started, and on page 0: IMR is where it should be */
    bool busy;                /* a frame is being sent */
    uint8_t next;             /* the ring's page that is read next */
    uint32_t tx_first, tx_count;
    uint16_t tx_len[TX_RING];
    uint8_t *tx;              /* TX_RING frames */
    uint8_t frame[NETDEV_BUFFER] __attribute__((aligned(8)));
};

static uint8_t get(const struct ne2k *e, uint32_t reg) { return io_in8((uint16_t)(e->io + reg)); }
static void put(const struct ne2k *e, uint32_t reg, uint32_t v) { io_out8((uint16_t)(e->io + reg), (uint8_t)v); }

/* ---- the card's memory ---- */

static void dma_begin(const struct ne2k *e, uint32_t at, uint32_t bytes, uint32_t direction)
{
    put(e, NE2K_ISR, NE2K_ISR_RDC);
    put(e, NE2K_RBCR0, bytes);
    put(e, NE2K_RBCR1, bytes >> 8);
    put(e, NE2K_RSAR0, at);
    put(e, NE2K_RSAR1, at >> 8);
    put(e, NE2K_CR, NE2K_CR_START | direction);
}

static void mem_read(struct ne2k *e, uint32_t at, uint8_t *to, uint32_t bytes)
{
    uint32_t even = (bytes + 1U) & ~1U;

    dma_begin(e, at, even, NE2K_CR_READ);
    io_in16_block((uint16_t)(e->io + NE2K_DATA), to, even / 2U);
    put(e, NE2K_ISR, NE2K_ISR_RDC);
    put(e, NE2K_CR, NE2K_CR_START | NE2K_CR_NO_DMA);
}

/* false: the card does not say that it has all. */
static bool mem_write(struct ne2k *e, uint32_t at, const uint8_t *from, uint32_t bytes)
{
    uint32_t even = (bytes + 1U) & ~1U, tries = 0;

    dma_begin(e, at, even, NE2K_CR_WRITE);
    io_out16_block((uint16_t)(e->io + NE2K_DATA), from, even / 2U);
    while ((get(e, NE2K_ISR) & NE2K_ISR_RDC) == 0 && tries < DMA_TRIES)
        tries++;
    put(e, NE2K_ISR, NE2K_ISR_RDC);
    put(e, NE2K_CR, NE2K_CR_START | NE2K_CR_NO_DMA);
    return tries < DMA_TRIES;
}

/* The ring goes round at its end. */
static void ring_read(struct ne2k *e, uint32_t at, uint8_t *to, uint32_t bytes)
{
    uint32_t room = NE2K_RX_END * NE2K_PAGE - at, part = bytes < room ? bytes : room;

    mem_read(e, at, to, part);
    if (part < bytes)
        mem_read(e, NE2K_RX_FIRST * NE2K_PAGE, to + part, bytes - part);
}

/* ---- start and stop ---- */

static bool ne2k_reset(struct ne2k *e)
{
    uint64_t deadline = time_now_ns() + WAIT_NS;

    e->on = false;
    put(e, NE2K_RESET, get(e, NE2K_RESET));
    while ((get(e, NE2K_ISR) & NE2K_ISR_RST) == 0) {
        if (time_now_ns() >= deadline)
            return false;
        thread_sleep_ns(POLL_NS);
    }
    put(e, NE2K_CR, NE2K_CR_STOP | NE2K_CR_NO_DMA);
    put(e, NE2K_IMR, 0);
    put(e, NE2K_ISR, 0xff);
    return get(e, NE2K_CR) != 0xffU;
}

static void ne2k_address(struct ne2k *e)
{
    put(e, NE2K_CR, NE2K_CR_PAGE1 | NE2K_CR_NO_DMA | NE2K_CR_STOP);
    for (uint32_t i = 0; i < MAC_LEN; i++)
        put(e, NE2K_PAR0 + i, e->net.mac[i]);
    for (uint32_t i = 0; i < 8; i++)
        put(e, NE2K_MAR0 + i, 0xff);
    e->next = NE2K_RX_FIRST + 1U;
    put(e, NE2K_CURR, e->next);
    put(e, NE2K_CR, NE2K_CR_NO_DMA | NE2K_CR_STOP);
}

/* The data sheet's order: section 7, "Initialization Procedure". Stopped and in loopback until all is set. */
static void ne2k_set_up(struct ne2k *e)
{
    put(e, NE2K_CR, NE2K_CR_NO_DMA | NE2K_CR_STOP);
    put(e, NE2K_DCR, NE2K_DCR_WORDS);
    put(e, NE2K_RBCR0, 0);
    put(e, NE2K_RBCR1, 0);
    put(e, NE2K_RCR, NE2K_RCR_MONITOR);
    put(e, NE2K_TCR, NE2K_TCR_LOOPBACK);
    put(e, NE2K_TPSR, NE2K_MEM_FIRST);
    put(e, NE2K_PSTART, NE2K_RX_FIRST);
    put(e, NE2K_PSTOP, NE2K_RX_END);
    put(e, NE2K_BNRY, NE2K_RX_FIRST);
    put(e, NE2K_ISR, 0xff);
    put(e, NE2K_IMR, 0);
}

static void ne2k_go(struct ne2k *e)
{
    put(e, NE2K_CR, NE2K_CR_NO_DMA | NE2K_CR_START);
    put(e, NE2K_TCR, NE2K_TCR_NORMAL);
    put(e, NE2K_RCR, NE2K_RCR_WANTED);
}

static bool ne2k_start(struct netdev *n)
{
    struct ne2k *e = n->priv;

    if (!ne2k_reset(e))
        return false;
    ne2k_set_up(e);
    ne2k_address(e);
    ne2k_go(e);
    e->tx_first = e->tx_count = 0;
    e->busy = false;
    e->on = true;
    return true;
}

static void ne2k_stop(struct netdev *n) { (void)ne2k_reset(n->priv); }

/* ---- sending ---- */

static void tx_kick(struct ne2k *e)
{
    uint32_t len = e->tx_len[e->tx_first];

    if (e->busy || e->tx_count == 0)
        return;
    if (!mem_write(e, NE2K_MEM_FIRST * NE2K_PAGE, e->tx + (size_t)e->tx_first * NETDEV_BUFFER, len)) {
        netdev_fault(&e->net, NETDEV_FAULT_DEVICE);
        return;
    }
    put(e, NE2K_TPSR, NE2K_MEM_FIRST);
    put(e, NE2K_TBCR0, len);
    put(e, NE2K_TBCR1, len >> 8);
    put(e, NE2K_CR, NE2K_CR_NO_DMA | NE2K_CR_START | NE2K_CR_SEND);
    e->busy = true;
}

static void tx_done(struct ne2k *e)
{
    if (!e->busy)
        return;
    e->busy = false;
    e->tx_first = (e->tx_first + 1U) % TX_RING;
    e->tx_count--;
    e->net.sending--;
    e->net.went_out++;
}

static bool ne2k_send(struct netdev *n, const uint8_t *frame, uint32_t len)
{
    struct ne2k *e = n->priv;
    uint32_t i = (e->tx_first + e->tx_count) % TX_RING;

    if (e->tx_count == TX_RING)
        return false;
    e->tx_len[i] = (uint16_t)netdev_fill(e->tx + (size_t)i * NETDEV_BUFFER, frame, len);
    e->tx_count++;
    n->sending++;
    tx_kick(e);
    return true;
}

/* ---- receiving ---- */

static uint8_t ring_end(struct ne2k *e)
{
    e->on = false;
    put(e, NE2K_CR, NE2K_CR_PAGE1 | NE2K_CR_NO_DMA | NE2K_CR_START);
    uint8_t curr = get(e, NE2K_CURR);
    put(e, NE2K_CR, NE2K_CR_NO_DMA | NE2K_CR_START);
    e->on = true;
    return curr;
}

static uint32_t page_behind(const struct ne2k *e, uint32_t bytes)
{
    uint32_t pages = (bytes + NE2K_PAGE - 1U) / NE2K_PAGE;
    return NE2K_RX_FIRST + (e->next - NE2K_RX_FIRST + pages) % (NE2K_RX_END - NE2K_RX_FIRST);
}

/* The header is the card's word for where the next frame is: it must lead to the page that the length says. The check
 * sequence, which the length leaves out, is behind the frame and may have opened one page more. */
static bool header_fits(const struct ne2k *e, const uint8_t *h, uint32_t bytes)
{
    bool next = h[1] == page_behind(e, bytes) || h[1] == page_behind(e, bytes + NE2K_FCS);

    return next && bytes >= NE2K_HEADER + NETDEV_FRAME_MIN && bytes <= NE2K_HEADER + FRAME_MOST;
}

/* false: the ring is not in order. */
static bool rx_one(struct ne2k *e)
{
    uint8_t h[NE2K_HEADER];
    uint32_t at = e->next * NE2K_PAGE;

    mem_read(e, at, h, NE2K_HEADER);
    uint32_t bytes = h[2] | (uint32_t)h[3] << 8, len = bytes - NE2K_HEADER;
    if (!header_fits(e, h, bytes))
        return false;
    if ((h[0] & NE2K_RX_GOOD) != 0) {
        ring_read(e, at + NE2K_HEADER, e->frame, len);
        netdev_received(&e->net, e->frame, len);
    } else {
        e->net.received.errors++;
    }
    e->next = h[1];
    put(e, NE2K_BNRY, e->next == NE2K_RX_FIRST ? NE2K_RX_END - 1U : e->next - 1U);
    return true;
}

static uint32_t rx_all(struct ne2k *e, uint32_t most)
{
    uint32_t got = 0;

    for (uint8_t end = ring_end(e); got < most; got++) {
        if (e->next == end)
            end = ring_end(e);
        if (end < NE2K_RX_FIRST || end >= NE2K_RX_END) {
            netdev_fault(&e->net, NETDEV_FAULT_DEVICE);
            return got;
        }
        if (e->next == end)
            return got;
        if (!rx_one(e)) {
            netdev_fault(&e->net, NETDEV_FAULT_DEVICE);
            return got;
        }
    }
    return got;
}

/* The data sheet's way out of an overflow: stop, let the frame on the wire end, empty the ring, and go on. What was
 * being sent may be lost; the frame that waits behind it goes out. */
static uint32_t rx_overflow(struct ne2k *e)
{
    bool sending = (get(e, NE2K_CR) & NE2K_CR_SEND) != 0;
    uint64_t deadline = time_now_ns() + DRAIN_NS;

    put(e, NE2K_CR, NE2K_CR_NO_DMA | NE2K_CR_STOP);
    while ((get(e, NE2K_ISR) & NE2K_ISR_RST) == 0 && time_now_ns() < deadline)
        ;
    put(e, NE2K_RBCR0, 0);
    put(e, NE2K_RBCR1, 0);
    bool lost = sending && (get(e, NE2K_ISR) & (NE2K_ISR_PTX | NE2K_ISR_TXE)) == 0;
    put(e, NE2K_TCR, NE2K_TCR_LOOPBACK);
    put(e, NE2K_CR, NE2K_CR_NO_DMA | NE2K_CR_START);
    uint32_t got = rx_all(e, NE2K_RX_END);
    put(e, NE2K_ISR, NE2K_ISR_OVW | NE2K_ISR_PRX);
    put(e, NE2K_TCR, NE2K_TCR_NORMAL);
    e->net.received.drops++; /* at least one */
    if (lost)
        tx_done(e);
    return got;
}

static uint32_t ne2k_poll(struct netdev *n, uint32_t most)
{
    struct ne2k *e = n->priv;
    uint32_t isr = get(e, NE2K_ISR), got = 0;

    if (isr == 0xffU && pci_gone(n->pci)) {
        netdev_fault(n, NETDEV_FAULT_GONE);
        return 0;
    }
    if ((isr & NE2K_ISR_OVW) != 0) {
        got = rx_overflow(e);
        isr |= get(e, NE2K_ISR);
    }
    put(e, NE2K_ISR, isr & (NE2K_ISR_PRX | NE2K_ISR_RXE | NE2K_ISR_PTX | NE2K_ISR_TXE | NE2K_ISR_CNT));
    if ((isr & (NE2K_ISR_PTX | NE2K_ISR_TXE)) != 0) {
        n->sent.errors += (isr & NE2K_ISR_TXE) != 0 ? 1 : 0;
        tx_done(e);
    }
    tx_kick(e);
    return got < most && n->fault == NETDEV_FAULT_NONE ? got + rx_all(e, most - got) : got;
}

static bool ne2k_pending(struct netdev *n)
{
    struct ne2k *e = n->priv;
    return (get(e, NE2K_ISR) & NE2K_IMR_WANTED) != 0;
}

static void ne2k_interrupts(struct netdev *n, bool on)
{
    struct ne2k *e = n->priv;

    if (e->on)
        put(e, NE2K_IMR, on ? NE2K_IMR_WANTED : 0);
}

/* An RTL8029 does not tell in a way that its likes share whether there is a link: it counts as up. */
static void ne2k_look(struct netdev *n)
{
    struct ne2k *e = n->priv;

    n->link_seen = true;
    n->mbit = 10;
    n->received.errors += get(e, NE2K_CNTR0);
    n->received.errors += get(e, NE2K_CNTR1);
    n->received.drops += get(e, NE2K_CNTR2);
}

static const struct netdev_ops ne2k_ops = {
    .start = ne2k_start,
    .stop = ne2k_stop,
    .send = ne2k_send,
    .poll = ne2k_poll,
    .pending = ne2k_pending,
    .interrupts = ne2k_interrupts,
    .look = ne2k_look,
};

/* ---- finding ---- */

/* The address is in the first bytes of the card's PROM, each of them twice. */
static bool ne2k_read_prom(struct ne2k *e)
{
    uint8_t prom[PROM_BYTES];
    uint8_t all = 0;

    ne2k_set_up(e);
    mem_read(e, 0, prom, PROM_BYTES);
    put(e, NE2K_CR, NE2K_CR_NO_DMA | NE2K_CR_STOP);
    for (uint32_t i = 0; i < MAC_LEN; i++) {
        e->net.mac[i] = prom[2 * i];
        all |= prom[2 * i];
    }
    return all != 0 && (e->net.mac[0] & 1U) == 0;
}

static bool ne2k_bring_up(struct ne2k *e, const char **why)
{
    const struct pci_bar *bar = &e->net.pci->bars[0];
    uint64_t phys;

    *why = "its ports cannot be reached";
    if (!bar->io || bar->base == 0 || bar->size < NE2K_PORTS || bar->base > 0xffffU - NE2K_PORTS)
        return false;
    e->io = (uint16_t)bar->base;
    *why = "no memory";
    e->tx = page_alloc(TX_PAGES, &phys);
    if (e->tx == NULL)
        return false;
    *why = "it does not answer to a reset";
    if (!ne2k_reset(e))
        return false;
    *why = "it has no address";
    return ne2k_read_prom(e);
}

static void ne2k_probe(struct pci_device *d)
{
    const char *why = "no memory";
    struct ne2k *e = heap_alloc(sizeof(*e));

    if (e == NULL) {
        netdev_leave_aside(d, "ne2k", why);
        return;
    }
    e->net = (struct netdev){.driver = "ne2k", .model = "Realtek RTL8029", .pci = d, .ops = &ne2k_ops, .priv = e};
    uint16_t command = pci_enable(d, false);
    if (ne2k_bring_up(e, &why)) {
        netdev_register(&e->net);
        return;
    }
    netdev_leave_aside(d, "ne2k", why);
    pci_restore(d, command);
    if (e->tx != NULL)
        page_free(e->tx, TX_PAGES);
    heap_free(e);
}

void ne2k_init(void)
{
    for (struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        if (d->vendor == REALTEK && d->device == RTL8029)
            ne2k_probe(d);
    }
}
