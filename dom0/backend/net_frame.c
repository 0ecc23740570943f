/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A frame's way: out of the sender's pages into the one buffer here (so that it cannot change any more), through the switch, into the
 * receivers' pages. Pages are copied by the hypervisor, never mapped: a grant that is taken back meanwhile is an answer with an error. */
#include "dom0/backend/net_priv.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/page.h"
#include "dom0/lib/string.h"
#include "dom0/net/checksum.h"

#define TURN_FRAMES 16U
#define TURN_COPIES 48U /* frames and their copies together: a frame to a group is copied to each member */

static uint8_t *buffer; /* NET_RX_SLOTS pages */
static uint64_t buffer_gfn;

bool net_frame_init(void)
{
    uint64_t phys = 0;
    buffer = page_alloc(NET_RX_SLOTS, &phys);
    buffer_gfn = phys / PAGE_SIZE;
    return buffer != NULL;
}

/* true: all of them were done. */
static bool copy(struct gnttab_copy *ops, uint32_t n)
{
    bool ok = n == 0 || hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, (uint64_t)ops, n) == 0;
    for (uint32_t i = 0; i < n; i++)
        ok = ok && ops[i].status == GNTST_okay;
    return ok;
}

/* The parts of F, one behind the other, into the buffer: each in at most two pieces, for it may cross a page there. */
static bool fetch(const struct net_device *d, const struct net_tx_frame *f)
{
    struct gnttab_copy ops[2 * NET_TX_SLOTS];
    uint32_t n = 0, at = 0;
    for (uint32_t i = 0; i < f->slots; i++) {
        const struct net_tx_part *p = &f->parts[i];
        for (uint32_t done = 0; done < p->len;) {
            uint32_t to = at % (uint32_t)PAGE_SIZE, room = (uint32_t)PAGE_SIZE - to, left = p->len - done;
            uint32_t len = left < room ? left : room;
            ops[n] = (struct gnttab_copy){.flags = GNTCOPY_source_gref, .len = (uint16_t)len};
            ops[n].source.u.ref = p->gref;
            ops[n].source.domid = d->config.domid;
            ops[n].source.offset = (uint16_t)(p->offset + done);
            ops[n].dest.u.gmfn = buffer_gfn + at / PAGE_SIZE;
            ops[n].dest.domid = DOMID_SELF;
            ops[n].dest.offset = (uint16_t)to;
            n++;
            at += len;
            done += len;
        }
    }
    return copy(ops, n);
}

/* A frame in memory of ours (the buffer here, or a card's) in pieces, none of which crosses a page at either end. */
static uint32_t store_ops(const struct net_device *d, const struct net_rx_slot *slots, uint32_t n, const struct net_frame *f, struct gnttab_copy *ops)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < f->len && at / PAGE_SIZE < n; count++) {
        uint64_t from = page_phys(f->data) % PAGE_SIZE + at;
        uint32_t to = at % (uint32_t)PAGE_SIZE, room = (uint32_t)(PAGE_SIZE - (to > from % PAGE_SIZE ? to : from % PAGE_SIZE));
        ops[count] = (struct gnttab_copy){.flags = GNTCOPY_dest_gref, .len = (uint16_t)(f->len - at < room ? f->len - at : room)};
        ops[count].source.u.gmfn = page_phys(f->data) / PAGE_SIZE + from / PAGE_SIZE;
        ops[count].source.domid = DOMID_SELF;
        ops[count].source.offset = (uint16_t)(from % PAGE_SIZE);
        ops[count].dest.u.ref = slots[at / PAGE_SIZE].gref;
        ops[count].dest.domid = d->config.domid;
        ops[count].dest.offset = (uint16_t)to;
        at += ops[count].len;
    }
    return count;
}

/* Into the guest's buffers; all of them are answered, in order. */
static bool store(struct net_device *d, const struct net_rx_slot *slots, uint32_t n, const struct net_frame *f)
{
    struct gnttab_copy ops[2 * NET_RX_SLOTS];
    uint32_t from = d->rx.prod, left = f->len;
    bool ok = copy(ops, store_ops(d, slots, n, f, ops));
    uint32_t csum = f->csum == NET_CSUM_BLANK       ? NETRXF_csum_blank | NETRXF_data_validated
                    : f->csum == NET_CSUM_VALIDATED ? NETRXF_data_validated
                                                    : 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t flags = (i == 0 ? csum : 0) | (i + 1 < n ? NETRXF_more_data : 0);
        uint32_t part = left < PAGE_SIZE ? left : (uint32_t)PAGE_SIZE;
        net_rx_answer(&d->rx, slots[i].id, (uint16_t)flags, ok ? (int16_t)part : NETIF_RSP_ERROR);
        left -= part;
    }
    if (net_rx_push(&d->rx, from))
        d->notify = true;
    return ok;
}

/* A blank checksum is completed for who cannot take one. */
static void complete(const struct net_device *d, struct net_frame *f)
{
    if (f->csum != NET_CSUM_BLANK)
        return;
    enum checksum_kind kind = checksum_find(f->data, f->len);
    if ((kind == CHECKSUM_IPV4 && d->csum_ipv4) || (kind == CHECKSUM_IPV6 && d->csum_ipv6))
        return;
    if (checksum_complete(f->data, f->len))
        f->csum = NET_CSUM_VALIDATED;
}

bool net_frame_deliver(struct net_port *to, struct net_frame *f)
{
    struct net_device *d = (struct net_device *)((char *)to - offsetof(struct net_device, port));
    struct net_rx_slot slots[NET_RX_SLOTS];
    uint32_t n = (f->len + (uint32_t)PAGE_SIZE - 1) / (uint32_t)PAGE_SIZE;
    enum net_ring_result r = NET_RING_EMPTY;
    if (d->broken == NULL && (n == 1 || d->sg))
        r = net_rx_take(&d->rx, n, slots, &d->broken);
    if (r != NET_RING_FRAME) {
        to->received.drops++;
        d->work = d->work || r == NET_RING_BROKEN;
        return false;
    }
    complete(d, f);
    bool ok = store(d, slots, n, f);
    to->received.errors += ok ? 0 : 1;
    return ok;
}

/* One frame of D's; its answer. Returns to how many it went. */
static uint32_t forward(struct net_device *d, const struct net_tx_frame *t, uint64_t now_ns, int16_t *status)
{
    struct net_frame f = {.data = buffer, .len = t->len};
    f.csum = t->blank ? NET_CSUM_BLANK : t->validated ? NET_CSUM_VALIDATED : NET_CSUM_NONE;
    bool ok = t->len >= NET_FRAME_MIN && t->len <= NET_FRAME_MAX && fetch(d, t);
    /* What nobody could complete would only trouble the receivers. */
    if (!ok || (t->blank && checksum_find(buffer, t->len) == CHECKSUM_NONE)) {
        d->port.sent.errors++;
        *status = NETIF_RSP_ERROR;
        return 0;
    }
    *status = NETIF_RSP_OKAY;
    return net_switch_frame(&d->port, &f, now_ns);
}

bool net_frame_turn(struct net_device *d, uint64_t now_ns, const char **why)
{
    struct net_tx_frame t;
    for (uint32_t frames = 0, copies = 0; frames < TURN_FRAMES && copies < TURN_COPIES; frames++, copies++) {
        uint64_t wait = net_rate_wait_ns(&d->rate, now_ns);
        if (wait != 0) {
            d->wait_ns = now_ns + wait;
            return true;
        }
        enum net_ring_result r = net_tx_next(&d->tx, &t, why);
        if (r == NET_RING_BROKEN)
            return false;
        if (r == NET_RING_EMPTY) {
            if (!net_tx_rearm(&d->tx))
                return false;
            continue;
        }
        int16_t status = NETIF_RSP_ERROR;
        copies += forward(d, &t, now_ns, &status);
        net_rate_charge(&d->rate, t.len);
        if (net_tx_answer(&d->tx, &t, status))
            d->notify = true;
    }
    return true;
}
