/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Virtio network cards: VIRTIO 1.1, section 5.1 "Network Device". One queue each way, one descriptor and one
 * buffer for a frame with the header in front of it; nothing is offloaded. What the device writes is checked against
 * notes that it cannot reach (drivers/virtqueue.h). */
#include "drivers/virtio_net.h"

#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "drivers/mmio.h"
#include "drivers/netdev.h"
#include "drivers/virtio_pci.h"

#define NET_F_MAC    (1UL << 5)
#define NET_F_STATUS (1UL << 16)
#define NET_FEATURES (NET_F_MAC | NET_F_STATUS)

#define NET_CONFIG_MAC    0U
#define NET_CONFIG_STATUS 6U
#define NET_CONFIG_BYTES  8U
#define NET_STATUS_LINK   1U

#define NET_HEADER 12U /* all zeros when sent; of what is received nothing in it concerns us */
#define NET_RX     0U
#define NET_TX     1U
#define QUEUE_PAGES  2U
#define BUFFER_PAGES (2U * VIRTQUEUE_SIZE * NETDEV_BUFFER / 4096U)
#define MEM_PAGES    (QUEUE_PAGES + BUFFER_PAGES)
#define FRAME_MOST   (NETDEV_FRAME_MAX + 4U)

_Static_assert(VIRTQUEUE_SIZE == 64, "which buffers are free is one word");

struct virtio_net {
    struct netdev net;
    struct virtio_device dev;
    struct virtqueue rx, tx;
    uint32_t rx_notify, tx_notify;
    uint64_t tx_free; /* a bit for each buffer */
    uint8_t *mem;     /* both queues, then buffers for receiving, then for sending */
    uint64_t mem_phys;
};

static uint32_t buffer_at(uint32_t i) { return QUEUE_PAGES * 4096U + i * NETDEV_BUFFER; }
static uint8_t *rx_buffer(const struct virtio_net *e, uint32_t i) { return e->mem + buffer_at(i); }
static uint8_t *tx_buffer(const struct virtio_net *e, uint32_t i) { return e->mem + buffer_at(VIRTQUEUE_SIZE + i); }

/* ---- start and stop ---- */

static void rx_give(struct virtio_net *e, uint32_t i)
{
    struct virtq_buffer b = {e->mem_phys + buffer_at(i), NETDEV_BUFFER, true};

    virtqueue_put(&e->rx, i, &b, 1);
}

static bool net_start(struct netdev *n)
{
    struct virtio_net *e = n->priv;

    if (!virtio_begin(&e->dev, NET_FEATURES))
        return false;
    virtqueue_init(&e->rx, e->mem, e->mem_phys);
    virtqueue_init(&e->tx, e->mem + 4096, e->mem_phys + 4096);
    virtqueue_quiet(&e->tx, true);
    e->tx_free = ~0UL;
    if (!virtio_queue(&e->dev, NET_RX, &e->rx, &e->rx_notify) || !virtio_queue(&e->dev, NET_TX, &e->tx, &e->tx_notify))
        return false;
    virtio_ready(&e->dev);
    for (uint32_t i = 0; i < VIRTQUEUE_SIZE; i++)
        rx_give(e, i);
    virtio_notify(&e->dev, NET_RX, e->rx_notify);
    return true;
}

static void net_stop(struct netdev *n)
{
    struct virtio_net *e = n->priv;
    (void)virtio_reset(&e->dev);
}

/* ---- frames ---- */

static void tx_reap(struct virtio_net *e)
{
    uint32_t first, bytes;

    for (uint32_t i = 0; i < VIRTQUEUE_SIZE; i++) {
        enum virtq_take t = virtqueue_take(&e->tx, &first, &bytes);
        if (t == VIRTQ_BROKEN)
            netdev_fault(&e->net, NETDEV_FAULT_DEVICE);
        if (t != VIRTQ_TAKEN)
            return;
        e->tx_free |= 1UL << first;
        e->net.sending--;
        e->net.went_out++;
    }
}

static bool net_send(struct netdev *n, const uint8_t *frame, uint32_t len)
{
    struct virtio_net *e = n->priv;

    if (e->tx_free == 0)
        tx_reap(e);
    if (e->tx_free == 0)
        return false;
    uint32_t i = (uint32_t)__builtin_ctzl(e->tx_free);
    struct virtq_buffer b = {e->mem_phys + buffer_at(VIRTQUEUE_SIZE + i), 0, false};
    memset(tx_buffer(e, i), 0, NET_HEADER);
    b.bytes = NET_HEADER + netdev_fill(tx_buffer(e, i) + NET_HEADER, frame, len);
    e->tx_free &= ~(1UL << i);
    n->sending++;
    virtqueue_put(&e->tx, i, &b, 1);
    virtio_notify(&e->dev, NET_TX, e->tx_notify);
    return true;
}

/* Returns whether there was one. */
static bool rx_one(struct virtio_net *e)
{
    uint32_t i, bytes;
    enum virtq_take t = virtqueue_take(&e->rx, &i, &bytes);

    if (t == VIRTQ_BROKEN)
        netdev_fault(&e->net, NETDEV_FAULT_DEVICE);
    if (t != VIRTQ_TAKEN)
        return false;
    if (bytes >= NET_HEADER + NETDEV_FRAME_MIN && bytes <= NET_HEADER + FRAME_MOST)
        netdev_received(&e->net, rx_buffer(e, i) + NET_HEADER, bytes - NET_HEADER);
    else
        e->net.received.errors++;
    rx_give(e, i);
    return true;
}

static uint32_t net_poll(struct netdev *n, uint32_t most)
{
    struct virtio_net *e = n->priv;
    uint32_t got = 0;

    tx_reap(e);
    while (got < most && rx_one(e))
        got++;
    if (got != 0)
        virtio_notify(&e->dev, NET_RX, e->rx_notify);
    return got;
}

static bool net_pending(struct netdev *n)
{
    struct virtio_net *e = n->priv;
    return virtqueue_waiting(&e->rx);
}

/* A device without MSI-X holds its line until it was asked. */
static void net_interrupts(struct netdev *n, bool on)
{
    struct virtio_net *e = n->priv;

    virtqueue_quiet(&e->rx, !on);
    if (!on)
        (void)virtio_interrupted(&e->dev);
}

static void net_look(struct netdev *n)
{
    struct virtio_net *e = n->priv;

    if (!virtio_running(&e->dev)) {
        netdev_fault(n, NETDEV_FAULT_DEVICE);
        return;
    }
    n->link_seen = (e->dev.features & NET_F_STATUS) == 0 || (mmio_read16(e->dev.config, NET_CONFIG_STATUS) & NET_STATUS_LINK) != 0;
}

static const struct netdev_ops net_ops = {
    .start = net_start,
    .stop = net_stop,
    .send = net_send,
    .poll = net_poll,
    .pending = net_pending,
    .interrupts = net_interrupts,
    .look = net_look,
};

/* ---- finding ---- */

static bool net_address(struct virtio_net *e)
{
    uint8_t all = 0;

    for (uint32_t i = 0; i < MAC_LEN; i++) {
        e->net.mac[i] = mmio_read8(e->dev.config, NET_CONFIG_MAC + i);
        all |= e->net.mac[i];
    }
    return (e->dev.features & NET_F_MAC) != 0 && all != 0 && (e->net.mac[0] & 1U) == 0;
}

static bool net_bring_up(struct virtio_net *e, const char **why)
{
    *why = "no memory";
    e->mem = page_alloc(MEM_PAGES, &e->mem_phys);
    if (e->mem == NULL || !virtio_find(&e->dev, e->net.pci, why))
        return false;
    *why = "its description is too short";
    if (e->dev.config_bytes < NET_CONFIG_BYTES)
        return false;
    *why = "it does not agree on features";
    if (!virtio_begin(&e->dev, NET_FEATURES))
        return false;
    *why = "it has no address";
    return net_address(e) && virtio_reset(&e->dev);
}

static void virtio_net_probe(struct pci_device *d)
{
    const char *why = "no memory";
    struct virtio_net *e = heap_alloc(sizeof(*e));

    if (e == NULL) {
        netdev_leave_aside(d, "virtio-net", why);
        return;
    }
    e->net = (struct netdev){.driver = "virtio-net", .model = "virtio network card", .pci = d, .ops = &net_ops, .dma = true, .priv = e};
    uint16_t command = pci_enable(d, false);
    if (net_bring_up(e, &why)) {
        netdev_register(&e->net);
        return;
    }
    netdev_leave_aside(d, "virtio-net", why);
    if (e->dev.common != NULL)
        (void)virtio_reset(&e->dev);
    pci_restore(d, command);
    if (e->mem != NULL)
        page_free(e->mem, MEM_PAGES); /* no queue was ever set up */
    heap_free(e);
}

void virtio_net_init(void)
{
    for (struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        if (virtio_is(d, VIRTIO_TYPE_NET))
            virtio_net_probe(d);
    }
}
