/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The rings of a paravirtual network card. Pure. */
#include "dom0/backend/net_ring.h"

#include "dom0/lib/string.h"
#include "dom0/net/switch.h"

#define PAGE_BYTES 4096U

_Static_assert(sizeof(struct netif_tx_request) == 12 && sizeof(struct netif_rx_request) == 8 && sizeof(struct netif_rx_response) == 8, "Xen's slots");
_Static_assert(offsetof(struct netif_tx_sring, ring) == 64 && offsetof(struct netif_rx_sring, ring) == 64, "Xen's ring");
_Static_assert(offsetof(struct netif_tx_sring, rsp_event) == 12, "Xen's ring");
_Static_assert(NET_RX_SLOTS *PAGE_BYTES >= NET_FRAME_MAX, "a frame fits");

/* Xen declares the slots as an array of one. */
static union netif_tx_sring_entry *tx_slot(const struct net_tx *t, uint32_t n)
{
    return (union netif_tx_sring_entry *)(void *)((char *)t->shared + offsetof(struct netif_tx_sring, ring)) + (n & (NET_RING_SLOTS - 1));
}

static union netif_rx_sring_entry *rx_slot(const struct net_rx *r, uint32_t n)
{
    return (union netif_rx_sring_entry *)(void *)((char *)r->shared + offsetof(struct netif_rx_sring, ring)) + (n & (NET_RING_SLOTS - 1));
}

/* Requests that wait. false: more than the ring has. Pairs with the guest's barrier between its slots and req_prod. */
static bool waiting(const RING_IDX *req_prod, uint32_t cons, uint32_t *n, const char **why)
{
    *n = __atomic_load_n(req_prod, __ATOMIC_ACQUIRE) - cons;
    if (*n > NET_RING_SLOTS)
        *why = "moved its index by more than the ring holds";
    return *n <= NET_RING_SLOTS;
}

/* Does the guest want to hear of the answers FROM..TO? Its rsp_event is read after TO can be seen (pairs with its barrier between the two). */
static bool publish(RING_IDX *rsp_prod, const RING_IDX *rsp_event, uint32_t from, uint32_t to)
{
    __atomic_store_n(rsp_prod, to, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return to - __atomic_load_n(rsp_event, __ATOMIC_RELAXED) < to - from;
}

static struct netif_tx_request tx_copy(const struct net_tx *t, uint32_t at)
{
    const volatile struct netif_tx_request *s = &tx_slot(t, at)->req;
    return (struct netif_tx_request){.gref = s->gref, .offset = s->offset, .flags = s->flags, .id = s->id, .size = s->size};
}

/* The first slot names the length of the whole frame, the others that of their part; REST is what is left for the first. */
static const char *tx_part(struct net_tx_frame *f, const struct netif_tx_request *q, uint32_t *rest)
{
    struct net_tx_part *p = &f->parts[f->slots];
    p->gref = q->gref;
    p->offset = q->offset;
    p->len = q->size;
    f->ids[f->slots++] = q->id;
    if (f->slots == 1)
        return NULL;
    if (q->size > *rest)
        return "sent parts that are longer than their frame";
    *rest -= q->size;
    return (uint32_t)q->offset + q->size > PAGE_BYTES ? "sent a part that crosses its page" : NULL;
}

static const char *tx_frame(struct net_tx *t, struct net_tx_frame *f, uint32_t n)
{
    uint32_t rest = 0;
    for (bool more = true; more;) {
        if (n-- == 0)
            return "sent a frame without its end";
        if (f->slots == NET_TX_SLOTS)
            return "sent a frame of more than 18 parts";
        struct netif_tx_request q = tx_copy(t, t->cons++);
        if (f->slots == 0) {
            f->len = rest = q.size;
            f->blank = (q.flags & NETTXF_csum_blank) != 0;
            f->validated = (q.flags & NETTXF_data_validated) != 0;
        }
        if ((q.flags & NETTXF_extra_info) != 0)
            return "used an extension that it was not offered";
        const char *why = tx_part(f, &q, &rest);
        if (why != NULL)
            return why;
        more = (q.flags & NETTXF_more_data) != 0;
    }
    f->parts[0].len = (uint16_t)rest;
    return (uint32_t)f->parts[0].offset + rest > PAGE_BYTES ? "sent a part that crosses its page" : NULL;
}

enum net_ring_result net_tx_next(struct net_tx *t, struct net_tx_frame *f, const char **why)
{
    uint32_t n = 0;
    f->slots = 0;
    if (!waiting(&t->shared->req_prod, t->cons, &n, why))
        return NET_RING_BROKEN;
    if (n == 0)
        return NET_RING_EMPTY;
    *why = tx_frame(t, f, n);
    return *why == NULL ? NET_RING_FRAME : NET_RING_BROKEN;
}

bool net_tx_answer(struct net_tx *t, const struct net_tx_frame *f, int16_t status)
{
    uint32_t from = t->prod;
    for (uint32_t i = 0; i < f->slots; i++) {
        struct netif_tx_response *s = &tx_slot(t, t->prod++)->rsp;
        s->id = f->ids[i];
        s->status = status;
    }
    return publish(&t->shared->rsp_prod, &t->shared->rsp_event, from, t->prod);
}

bool net_tx_rearm(struct net_tx *t)
{
    __atomic_store_n(&t->shared->req_event, t->cons + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the guest's between its req_prod and its look at req_event */
    return __atomic_load_n(&t->shared->req_prod, __ATOMIC_ACQUIRE) != t->cons;
}

enum net_ring_result net_rx_take(struct net_rx *r, uint32_t n, struct net_rx_slot *slots, const char **why)
{
    uint32_t have = 0;
    if (!waiting(&r->shared->req_prod, r->cons, &have, why))
        return NET_RING_BROKEN;
    if (have < n)
        return NET_RING_EMPTY;
    for (uint32_t i = 0; i < n; i++) {
        const volatile struct netif_rx_request *s = &rx_slot(r, r->cons++)->req;
        slots[i] = (struct net_rx_slot){.gref = s->gref, .id = s->id};
    }
    return NET_RING_FRAME;
}

void net_rx_answer(struct net_rx *r, uint16_t id, uint16_t flags, int16_t len)
{
    struct netif_rx_response *s = &rx_slot(r, r->prod++)->rsp;
    s->id = id;
    s->offset = 0;
    s->flags = flags;
    s->status = len;
}

bool net_rx_push(struct net_rx *r, uint32_t from)
{
    return publish(&r->shared->rsp_prod, &r->shared->rsp_event, from, r->prod);
}
