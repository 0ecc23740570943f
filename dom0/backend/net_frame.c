/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A frame's way: out of the sender's pages into the buffer here (so that it cannot change any more), through the switch, into the
 * receivers' pages; a turn's frames together. Pages are copied by the hypervisor, never mapped: a grant that is taken back meanwhile is an answer with an error. */
#include "dom0/backend/net_priv.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/page.h"
#include "dom0/lib/string.h"
#include "dom0/net/checksum.h"

#define TURN_FRAMES 16U
#define TURN_COPIES 48U /* frames and their copies together: a frame to a group is copied to each member */
#define FETCHES     52U /* so that TURN_FRAMES of one part each go together, whatever the last one is */
#define STORES      48U
#define DELIVERIES  32U

/* Copies that go to the hypervisor in one call: its way to a call's arguments costs more than the copy of a frame. Nothing here outlives a turn. */
struct ops {
    struct gnttab_copy *op;
    uint32_t n;
};

struct delivery { /* a frame whose copies into D's pages are in `stores` */
    struct net_device *d;
    struct net_rx_slot slots[NET_RX_SLOTS];
    uint32_t n, len, first, end; /* buffers; bytes; its copies */
    enum net_csum csum;
};

struct taken { /* a frame out of the sender's ring */
    struct net_tx_frame t;
    uint32_t first, end; /* its copies in `fetches` */
};

static uint8_t *buffer; /* NET_RX_SLOTS pages for each frame of a turn */
static uint64_t buffer_gfn;
static struct gnttab_copy op_page[FETCHES + STORES] __attribute__((aligned(4096))); /* one page: one way to it */
static struct ops fetches = {.op = op_page}, stores = {.op = op_page + FETCHES};
static struct delivery deliveries[DELIVERIES];
static uint32_t delivery_count;
static struct taken taken[TURN_FRAMES];

_Static_assert(sizeof op_page <= PAGE_SIZE && FETCHES >= TURN_FRAMES - 1 + 2 * NET_TX_SLOTS && STORES >= 2 * NET_RX_SLOTS, "copies");

bool net_frame_init(void)
{
    uint64_t phys = 0;
    buffer = page_alloc(NET_RX_SLOTS * TURN_FRAMES, &phys);
    buffer_gfn = phys / PAGE_SIZE;
    return buffer != NULL;
}

/* All of them have a status then. */
static void run(struct ops *o)
{
    if (o->n == 0 || hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, (uint64_t)o->op, o->n) == 0)
        return;
    for (uint32_t i = 0; i < o->n; i++)
        o->op[i].status = GNTST_general_error;
}

static bool all_done(const struct ops *o, uint32_t first, uint32_t end)
{
    bool ok = true;
    for (uint32_t i = first; i < end; i++)
        ok = ok && o->op[i].status == GNTST_okay;
    return ok;
}

/* The parts of F, one behind the other, into the frame's pages from GFN on: each in at most two pieces, for it may cross a page there. */
static void fetch_ops(const struct net_device *d, const struct net_tx_frame *f, uint64_t gfn)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < f->slots; i++) {
        const struct net_tx_part *p = &f->parts[i];
        for (uint32_t done = 0; done < p->len;) {
            uint32_t to = at % (uint32_t)PAGE_SIZE, room = (uint32_t)PAGE_SIZE - to, left = p->len - done;
            uint32_t len = left < room ? left : room;
            struct gnttab_copy *op = &fetches.op[fetches.n++];
            *op = (struct gnttab_copy){.flags = GNTCOPY_source_gref, .len = (uint16_t)len};
            op->source.u.ref = p->gref;
            op->source.domid = d->config.domid;
            op->source.offset = (uint16_t)(p->offset + done);
            op->dest.u.gmfn = gfn + at / PAGE_SIZE;
            op->dest.domid = DOMID_SELF;
            op->dest.offset = (uint16_t)to;
            at += len;
            done += len;
        }
    }
}

/* A frame in memory of ours (the buffer here, or a card's) in pieces, none of which crosses a page at either end. */
static void store_ops(const struct delivery *y, const struct net_frame *f)
{
    for (uint32_t at = 0; at < f->len && at / PAGE_SIZE < y->n;) {
        uint64_t from = page_phys(f->data) % PAGE_SIZE + at;
        uint32_t to = at % (uint32_t)PAGE_SIZE, room = (uint32_t)(PAGE_SIZE - (to > from % PAGE_SIZE ? to : from % PAGE_SIZE));
        struct gnttab_copy *op = &stores.op[stores.n++];
        *op = (struct gnttab_copy){.flags = GNTCOPY_dest_gref, .len = (uint16_t)(f->len - at < room ? f->len - at : room)};
        op->source.u.gmfn = page_phys(f->data) / PAGE_SIZE + from / PAGE_SIZE;
        op->source.domid = DOMID_SELF;
        op->source.offset = (uint16_t)(from % PAGE_SIZE);
        op->dest.u.ref = y->slots[at / PAGE_SIZE].gref;
        op->dest.domid = y->d->config.domid;
        op->dest.offset = (uint16_t)to;
        at += op->len;
    }
}

/* Answers all of the guest's buffers that the frame took, in order. A frame that was not copied after all was counted as received when it was queued. */
static void answer(struct delivery *y)
{
    struct net_device *d = y->d;
    uint32_t from = d->rx.prod, left = y->len;
    bool ok = all_done(&stores, y->first, y->end);
    uint32_t csum = y->csum == NET_CSUM_BLANK       ? NETRXF_csum_blank | NETRXF_data_validated
                    : y->csum == NET_CSUM_VALIDATED ? NETRXF_data_validated
                                                    : 0;
    for (uint32_t i = 0; i < y->n; i++) {
        uint32_t flags = (i == 0 ? csum : 0) | (i + 1 < y->n ? NETRXF_more_data : 0);
        uint32_t part = left < PAGE_SIZE ? left : (uint32_t)PAGE_SIZE;
        net_rx_answer(&d->rx, y->slots[i].id, (uint16_t)flags, ok ? (int16_t)part : NETIF_RSP_ERROR);
        left -= part;
    }
    if (net_rx_push(&d->rx, from))
        d->notify = true;
    if (ok)
        return;
    d->port.received.packets--;
    d->port.received.bytes -= y->len;
    d->port.received.errors++;
}

void net_frame_flush(void)
{
    run(&stores);
    for (uint32_t i = 0; i < delivery_count; i++)
        answer(&deliveries[i]);
    stores.n = delivery_count = 0;
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
    enum net_ring_result r = NET_RING_EMPTY;
    if (delivery_count == DELIVERIES || stores.n + 2 * NET_RX_SLOTS > STORES)
        net_frame_flush();
    struct delivery *y = &deliveries[delivery_count];
    y->n = (f->len + (uint32_t)PAGE_SIZE - 1) / (uint32_t)PAGE_SIZE;
    if (d->broken == NULL && (y->n == 1 || d->sg))
        r = net_rx_take(&d->rx, y->n, y->slots, &d->broken);
    if (r != NET_RING_FRAME) {
        to->received.drops++;
        d->work = d->work || r == NET_RING_BROKEN;
        return false;
    }
    complete(d, f);
    y->d = d;
    y->len = f->len;
    y->csum = f->csum;
    y->first = stores.n;
    store_ops(y, f);
    y->end = stores.n;
    delivery_count++;
    if (f->csum == NET_CSUM_BLANK && mac_is_group(f->data))
        net_frame_flush(); /* before another receiver completes it */
    return true;
}

/* ---- a turn ---- */

/* At most LIMIT frames out of D's ring and on their way into the buffer; how many. *R: how the ring was left. */
static uint32_t take(struct net_device *d, uint64_t now_ns, uint32_t limit, enum net_ring_result *r, const char **why)
{
    uint32_t n = 0;
    *r = NET_RING_FRAME;
    fetches.n = 0;
    while (n < limit && fetches.n + 2 * NET_TX_SLOTS <= FETCHES && net_rate_wait_ns(&d->rate, now_ns) == 0) {
        struct taken *x = &taken[n];
        *r = net_tx_next(&d->tx, &x->t, why);
        if (*r != NET_RING_FRAME)
            break;
        net_rate_charge(&d->rate, x->t.len);
        x->first = fetches.n;
        if (x->t.len >= NET_FRAME_MIN && x->t.len <= NET_FRAME_MAX)
            fetch_ops(d, &x->t, buffer_gfn + (uint64_t)n * NET_RX_SLOTS);
        x->end = fetches.n;
        n++;
    }
    run(&fetches);
    return n;
}

/* The frame taken as number I goes to the bridge. Returns to how many it went. */
static uint32_t forward(struct net_device *d, uint32_t i, uint64_t now_ns, int16_t *status)
{
    const struct taken *x = &taken[i];
    struct net_frame f = {.data = buffer + (size_t)i * NET_RX_SLOTS * PAGE_SIZE, .len = x->t.len};
    f.csum = x->t.blank ? NET_CSUM_BLANK : x->t.validated ? NET_CSUM_VALIDATED : NET_CSUM_NONE;
    bool ok = x->end != x->first && all_done(&fetches, x->first, x->end);
    /* What nobody could complete would only trouble the receivers. */
    if (!ok || (x->t.blank && checksum_find(f.data, f.len) == CHECKSUM_NONE)) {
        d->port.sent.errors++;
        *status = NETIF_RSP_ERROR;
        return 0;
    }
    *status = NETIF_RSP_OKAY;
    return net_switch_frame(&d->port, &f, now_ns);
}

/* How many frames may be taken at once, so that not more than COPIES are made should all be for everybody; at least one. */
static uint32_t share_of(const struct net_device *d, uint32_t copies)
{
    uint32_t each = 1;
    for (const struct net_port *p = d->port.bridge->ports; p != NULL; p = p->next)
        each++;
    return copies > each ? copies / each : 1;
}

/* N frames, from their ring to the receivers. Returns how many copies that were, at most. */
static uint32_t pass_on(struct net_device *d, uint32_t n, uint64_t now_ns)
{
    uint32_t copies = n;
    for (uint32_t i = 0; i < n; i++) {
        int16_t status = NETIF_RSP_ERROR;
        copies += forward(d, i, now_ns, &status);
        if (net_tx_answer(&d->tx, &taken[i].t, status))
            d->notify = true;
    }
    net_frame_flush();
    return copies;
}

bool net_frame_turn(struct net_device *d, uint64_t now_ns, const char **why)
{
    for (uint32_t frames = 0, copies = 0; frames < TURN_FRAMES && copies < TURN_COPIES;) {
        uint32_t limit = share_of(d, TURN_COPIES - copies);
        enum net_ring_result r;
        uint32_t n = take(d, now_ns, limit < TURN_FRAMES - frames ? limit : TURN_FRAMES - frames, &r, why);
        copies += pass_on(d, n, now_ns);
        frames += n;
        if (r == NET_RING_BROKEN || (r == NET_RING_EMPTY && !net_tx_rearm(&d->tx)))
            return false;
        uint64_t wait = net_rate_wait_ns(&d->rate, now_ns);
        if (wait != 0) {
            d->wait_ns = now_ns + wait;
            return true;
        }
        frames += r == NET_RING_EMPTY ? 1 : 0; /* it goes on, and this has an end */
    }
    return true;
}
