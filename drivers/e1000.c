/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Intel's gigabit cards: rings of legacy descriptors, each with a buffer of its own for ever. The card hands a
 * buffer over by writing "done" into its descriptor; what else it writes there is read once and checked. */
#include "drivers/e1000.h"

#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/e1000_regs.h"
#include "drivers/mmio.h"
#include "drivers/netdev.h"

#define RX_RING    128U
#define TX_RING    64U
#define PAGE_BYTES 4096U
#define RING_PAGES 1U /* for both rings */
#define RX_PAGES   (RX_RING * NETDEV_BUFFER / PAGE_BYTES)
#define TX_PAGES   (TX_RING * NETDEV_BUFFER / PAGE_BYTES)
#define MEM_PAGES  (RING_PAGES + RX_PAGES + TX_PAGES)
#define TX_RING_AT (RX_RING * 16U)

#define INTEL        0x8086U
#define ITR_20_US    80U
#define RESET_NS     100000000UL
#define RESET_REST   10000000UL /* the manual wants some microseconds; the EEPROM is read meanwhile */
#define POLL_NS      1000000UL
#define RELOAD_WORDS 3U

_Static_assert((RX_RING + TX_RING) * 16U <= RING_PAGES * PAGE_BYTES, "the rings fit");
_Static_assert(RX_RING % 8 == 0 && TX_RING % 8 == 0, "lengths are multiples of 128 bytes");

struct e1000 {
    struct netdev net;
    volatile void *regs;
    volatile struct e1000_rx_desc *rx;
    volatile struct e1000_tx_desc *tx;
    uint8_t *mem;
    uint64_t mem_phys;
    uint32_t rx_next;          /* the card fills it next */
    uint32_t tx_next, tx_done; /* the next that is free; the oldest that the card has */
    bool rx_skip;              /* inside a frame of several buffers */
    bool is_82574;
};

static const struct {
    uint16_t device;
    bool is_82574;
    const char *driver, *model;
} models[] = {
    {0x100e, false, "e1000", "Intel 82540EM"},
    {0x10d3, true, "e1000e", "Intel 82574L"},
};

static uint32_t get(const struct e1000 *e, uint32_t reg) { return mmio_read32(e->regs, reg); }
static void put(const struct e1000 *e, uint32_t reg, uint32_t v) { mmio_write32(e->regs, reg, v); }
static uint8_t *rx_buffer(const struct e1000 *e, uint32_t i) { return e->mem + RING_PAGES * PAGE_BYTES + (size_t)i * NETDEV_BUFFER; }
static uint8_t *tx_buffer(const struct e1000 *e, uint32_t i) { return rx_buffer(e, RX_RING + i); }
static uint64_t phys(const struct e1000 *e, const uint8_t *at) { return e->mem_phys + (uint64_t)(at - e->mem); }

/* ---- start and stop ---- */

static bool e1000_reset(struct e1000 *e)
{
    uint64_t deadline = time_now_ns() + RESET_NS;

    put(e, E1000_IMC, ~0U);
    put(e, E1000_RCTL, 0);
    put(e, E1000_TCTL, 0);
    (void)get(e, E1000_STATUS); /* the writes are there when this is */
    thread_sleep_ns(RESET_REST);
    put(e, E1000_CTRL, get(e, E1000_CTRL) | E1000_CTRL_RST);
    thread_sleep_ns(RESET_REST);
    while ((get(e, E1000_CTRL) & E1000_CTRL_RST) != 0) {
        if (time_now_ns() >= deadline)
            return false;
        thread_sleep_ns(POLL_NS);
    }
    put(e, E1000_IMC, ~0U);
    (void)get(e, E1000_ICR);
    return get(e, E1000_STATUS) != ~0U;
}

static void e1000_rings(struct e1000 *e)
{
    for (uint32_t i = 0; i < RX_RING; i++)
        e->rx[i] = (struct e1000_rx_desc){.address = phys(e, rx_buffer(e, i))};
    for (uint32_t i = 0; i < TX_RING; i++)
        e->tx[i] = (struct e1000_tx_desc){.address = phys(e, tx_buffer(e, i))};
    e->rx_next = e->tx_next = e->tx_done = 0;
    e->rx_skip = false;
    mmio_write64(e->regs, E1000_RDBAL, e->mem_phys);
    put(e, E1000_RDLEN, RX_RING * 16U);
    put(e, E1000_RDH, 0);
    put(e, E1000_RDT, RX_RING - 1U); /* one stays ours: a full ring would look like an empty one */
    put(e, E1000_RDTR, 0);
    mmio_write64(e->regs, E1000_TDBAL, e->mem_phys + TX_RING_AT);
    put(e, E1000_TDLEN, TX_RING * 16U);
    put(e, E1000_TDH, 0);
    put(e, E1000_TDT, 0);
    put(e, E1000_TIDV, 0);
}

/* The PHY negotiates by itself after power-on; one that has no link is asked to begin again. */
static void e1000_link_up(struct e1000 *e)
{
    uint32_t off = E1000_CTRL_LRST | E1000_CTRL_ILOS | E1000_CTRL_FRCSPD | E1000_CTRL_FRCDPX | E1000_CTRL_PHY | E1000_CTRL_VME;

    put(e, E1000_CTRL, (get(e, E1000_CTRL) & ~off) | E1000_CTRL_SLU | E1000_CTRL_ASDE);
    if ((get(e, E1000_STATUS) & E1000_STATUS_LU) == 0)
        put(e, E1000_MDIC, E1000_MDIC_WRITE | E1000_PHY_CONTROL << 16 | E1000_PHY_NEGOTIATE);
}

static bool e1000_start(struct netdev *n)
{
    struct e1000 *e = n->priv;

    if (!e1000_reset(e))
        return false;
    e1000_link_up(e);
    for (uint32_t i = 0; i < E1000_MTA_SIZE; i++)
        put(e, E1000_MTA + 4U * i, 0);
    e1000_rings(e);
    put(e, E1000_TIPG, E1000_TIPG_COPPER);
    put(e, E1000_ITR, ITR_20_US * 4U);
    if (e->is_82574 && n->pci->irq_kind == PCI_IRQ_MSIX)
        put(e, E1000_IVAR, E1000_IVAR_ALL_0);
    put(e, E1000_TCTL, E1000_TCTL_WANTED);
    put(e, E1000_RCTL, E1000_RCTL_WANTED);
    return true;
}

static void e1000_stop(struct netdev *n) { (void)e1000_reset(n->priv); }

/* ---- frames ---- */

static void tx_reap(struct e1000 *e)
{
    while (e->tx_done != e->tx_next && (e->tx[e->tx_done].status & E1000_TX_DONE) != 0) {
        e->tx_done = (e->tx_done + 1) % TX_RING;
        e->net.sending--;
        e->net.went_out++;
    }
}

static bool e1000_send(struct netdev *n, const uint8_t *frame, uint32_t len)
{
    struct e1000 *e = n->priv;
    uint32_t i = e->tx_next, next = (i + 1) % TX_RING;

    if (next == e->tx_done)
        tx_reap(e);
    if (next == e->tx_done)
        return false;
    e->tx[i].length = (uint16_t)netdev_fill(tx_buffer(e, i), frame, len);
    e->tx[i].status = 0;
    e->tx[i].command = E1000_TX_END | E1000_TX_FCS | E1000_TX_REPORT;
    e->tx_next = next;
    n->sending++;
    put(e, E1000_TDT, next);
    return true;
}

/* A frame that is longer than its buffer cannot be, but its pieces must not be taken for frames. */
static void rx_one(struct e1000 *e, volatile struct e1000_rx_desc *d, uint8_t *buffer)
{
    bool whole = (d->status & E1000_RX_END) != 0 && !e->rx_skip;
    uint32_t len = d->length;

    e->rx_skip = (d->status & E1000_RX_END) == 0;
    if (!whole && e->rx_skip)
        return;
    if (whole && (d->errors & E1000_RX_BAD) == 0 && len >= NETDEV_FRAME_MIN && len <= NETDEV_BUFFER)
        netdev_received(&e->net, buffer, len);
    else
        e->net.received.errors++;
}

static uint32_t e1000_poll(struct netdev *n, uint32_t most)
{
    struct e1000 *e = n->priv;
    uint32_t cause = get(e, E1000_ICR), got = 0;

    if (cause == ~0U)
        netdev_fault(n, NETDEV_FAULT_GONE);
    if (cause == ~0U || (cause & E1000_INT_LSC) != 0)
        n->look = true;
    tx_reap(e);
    while (got < most && (e->rx[e->rx_next].status & E1000_RX_DONE) != 0) {
        uint32_t i = e->rx_next;
        rx_one(e, &e->rx[i], rx_buffer(e, i));
        e->rx[i].status = 0;
        e->rx_next = (i + 1) % RX_RING;
        got++;
        if (got % 8 == 0)
            put(e, E1000_RDT, i);
    }
    if (got % 8 != 0)
        put(e, E1000_RDT, (e->rx_next + RX_RING - 1) % RX_RING);
    return got;
}

static bool e1000_pending(struct netdev *n)
{
    struct e1000 *e = n->priv;
    return (e->rx[e->rx_next].status & E1000_RX_DONE) != 0;
}

static void e1000_interrupts(struct netdev *n, bool on)
{
    struct e1000 *e = n->priv;
    bool msix = e->is_82574 && n->pci->irq_kind == PCI_IRQ_MSIX;

    if (on)
        put(e, E1000_IMS, E1000_INT_WANTED | (msix ? E1000_INT_RXQ0 | E1000_INT_OTHER : 0U));
    else
        put(e, E1000_IMC, ~0U);
}

static void e1000_look(struct netdev *n)
{
    static const uint32_t mbit[] = {10, 100, 1000, 1000};
    struct e1000 *e = n->priv;
    uint32_t status = get(e, E1000_STATUS);

    if (status == ~0U) {
        netdev_fault(n, NETDEV_FAULT_GONE);
        return;
    }
    n->link_seen = (status & E1000_STATUS_LU) != 0;
    n->mbit = mbit[E1000_STATUS_SPEED(status)];
    n->received.drops += get(e, E1000_MPC);
    n->received.errors += get(e, E1000_CRCERRS) + get(e, E1000_RXERRC);
}

static const struct netdev_ops e1000_ops = {
    .start = e1000_start,
    .stop = e1000_stop,
    .send = e1000_send,
    .poll = e1000_poll,
    .pending = e1000_pending,
    .interrupts = e1000_interrupts,
    .look = e1000_look,
};

/* ---- finding ---- */

/* A word of the EEPROM; all ones if it does not answer. The 82574 has "done" and address in other places. */
static uint16_t e1000_eeprom(struct e1000 *e, uint32_t word)
{
    uint32_t shift = e->is_82574 ? 2 : 8, done = e->is_82574 ? 2U : 0x10U;
    uint64_t deadline = time_now_ns() + RESET_NS;

    put(e, E1000_EERD, word << shift | E1000_EERD_START);
    for (;;) {
        uint32_t v = get(e, E1000_EERD);
        if ((v & done) != 0)
            return E1000_EERD_DATA(v);
        if (time_now_ns() >= deadline)
            return 0xffff;
        thread_sleep_ns(POLL_NS);
    }
}

/* A reset loads the address from the EEPROM into the first filter; where it did not, it is read there. */
static bool e1000_address(struct e1000 *e)
{
    uint32_t low = get(e, E1000_RAL), high = get(e, E1000_RAH);
    uint16_t words[RELOAD_WORDS] = {(uint16_t)low, (uint16_t)(low >> 16), (uint16_t)high};

    for (uint32_t i = 0; (high & E1000_RAH_VALID) == 0 && i < RELOAD_WORDS; i++)
        words[i] = e1000_eeprom(e, i);
    for (uint32_t i = 0; i < MAC_LEN; i++)
        e->net.mac[i] = (uint8_t)(words[i / 2] >> (8 * (i % 2)));
    return (words[0] | words[1] | words[2]) != 0 && (e->net.mac[0] & 1U) == 0;
}

static bool e1000_bring_up(struct e1000 *e, const char **why)
{
    *why = "no memory";
    e->mem = page_alloc(MEM_PAGES, &e->mem_phys);
    if (e->mem == NULL)
        return false;
    e->rx = (volatile struct e1000_rx_desc *)(void *)e->mem;
    e->tx = (volatile struct e1000_tx_desc *)(void *)(e->mem + TX_RING_AT);
    *why = "its registers cannot be reached";
    e->regs = pci_map_bar(e->net.pci, 0, E1000_REGISTERS);
    if (e->regs == NULL)
        return false;
    *why = "it does not answer to a reset";
    if (!e1000_reset(e))
        return false;
    *why = "it has no address";
    return e1000_address(e);
}

static void e1000_probe(struct pci_device *d, uint32_t model)
{
    const char *why = "no memory";
    struct e1000 *e = heap_alloc(sizeof(*e));

    if (e == NULL) {
        netdev_leave_aside(d, models[model].driver, why);
        return;
    }
    *e = (struct e1000){.is_82574 = models[model].is_82574};
    e->net = (struct netdev){.driver = models[model].driver, .model = models[model].model, .pci = d, .ops = &e1000_ops, .dma = true, .priv = e};
    uint16_t command = pci_enable(d, false);
    if (e1000_bring_up(e, &why)) {
        netdev_register(&e->net);
        return;
    }
    netdev_leave_aside(d, models[model].driver, why);
    pci_restore(d, command);
    if (e->mem != NULL)
        page_free(e->mem, MEM_PAGES); /* it never mastered the bus for us */
    heap_free(e);
}

void e1000_init(void)
{
    for (struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        for (uint32_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
            if (d->vendor == INTEL && d->device == models[i].device)
                e1000_probe(d, i);
        }
    }
}
