/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One guest's xenstore ring page. */
#include "dom0/store/ring.h"

#include "dom0/lib/string.h"
#include "dom0/store/transaction.h"
#include "dom0/store/watch.h"

#define HEAD_BYTES ((uint32_t)sizeof(struct xsd_sockmsg))

/* Takes up to LEN request bytes; UINT32_MAX: the indices are impossible. */
static uint32_t take(struct xenstore_domain_interface *page, void *to, uint32_t len)
{
    uint32_t cons = __atomic_load_n(&page->req_cons, __ATOMIC_RELAXED);
    uint32_t prod = __atomic_load_n(&page->req_prod,
                                    __ATOMIC_ACQUIRE); /* pairs with the guest's barrier before it moves req_prod */
    uint32_t have = prod - cons;
    if (have > XENSTORE_RING_SIZE) {
        return UINT32_MAX;
    }
    uint32_t n = have < len ? have : len;
    uint32_t at = MASK_XENSTORE_IDX(cons);
    uint32_t first = n < XENSTORE_RING_SIZE - at ? n : XENSTORE_RING_SIZE - at;
    memcpy(to, page->req + at, first);
    memcpy((char *)to + first, page->req, n - first);
    __atomic_store_n(&page->req_cons, cons + n,
                     __ATOMIC_RELEASE); /* the bytes are copied before the guest may reuse them */
    return n;
}

/* Puts up to LEN reply bytes; UINT32_MAX: the indices are impossible. */
static uint32_t put(struct xenstore_domain_interface *page, const void *from, uint32_t len)
{
    uint32_t prod = __atomic_load_n(&page->rsp_prod, __ATOMIC_RELAXED);
    uint32_t cons = __atomic_load_n(&page->rsp_cons,
                                    __ATOMIC_ACQUIRE); /* pairs with the guest's barrier before it moves rsp_cons */
    uint32_t used = prod - cons;
    if (used > XENSTORE_RING_SIZE) {
        return UINT32_MAX;
    }
    uint32_t n = XENSTORE_RING_SIZE - used < len ? XENSTORE_RING_SIZE - used : len;
    uint32_t at = MASK_XENSTORE_IDX(prod);
    uint32_t first = n < XENSTORE_RING_SIZE - at ? n : XENSTORE_RING_SIZE - at;
    memcpy(page->rsp + at, from, first);
    memcpy(page->rsp, (const char *)from + first, n - first);
    __atomic_store_n(&page->rsp_prod, prod + n, __ATOMIC_RELEASE); /* the guest sees the bytes before the index */
    return n;
}

/* Sends what waits in out. false: bad indices. */
static bool flush(struct store_ring *r, bool *moved)
{
    if (r->out_sent == r->out_len) {
        return true;
    }
    uint32_t n = put(r->page, (const char *)&r->out + r->out_sent, r->out_len - r->out_sent);
    if (n == UINT32_MAX) {
        return false;
    }
    r->out_sent += n;
    *moved = *moved || n > 0;
    return true;
}

/* How many bytes of the request are still missing, as far as it is known; 0: complete. UINT32_MAX: too long. */
static uint32_t missing(const struct store_ring *r)
{
    if (r->in_used < HEAD_BYTES) {
        return HEAD_BYTES - r->in_used;
    }
    if (r->in.head.len > XENSTORE_PAYLOAD_MAX) {
        return UINT32_MAX;
    }
    return HEAD_BYTES + r->in.head.len - r->in_used;
}

/* Reads on; true with *COMPLETE when a whole request is there. false: *WHY. */
static bool receive(struct store_ring *r, bool *moved, bool *complete, const char **why)
{
    *complete = false;
    for (unsigned part = 0; part < 3; part++) { /* header, body, and once more for a body that wraps */
        uint32_t want = missing(r);
        if (want == UINT32_MAX) {
            *why = "a message is longer than 4096 bytes";
            return false;
        }
        if (want == 0) {
            *complete = true;
            return true;
        }
        uint32_t n = take(r->page, (char *)&r->in + r->in_used, want);
        if (n == UINT32_MAX) {
            *why = "the request indices are impossible";
            return false;
        }
        r->in_used += n;
        *moved = *moved || n > 0;
    }
    return true;
}

static void queue_out(struct store_ring *r)
{
    r->out_sent = 0;
    r->out_len = HEAD_BYTES + r->out.head.len;
}

void store_ring_start(struct store_ring *r, struct xenstore_domain_interface *page, uint16_t domid)
{
    *r = (struct store_ring){.page = page, .domid = domid};
    page->server_features = XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR;
}

/* The guest begins anew, for example a kernel that was started by another one. */
static void reconnect(struct store *s, struct store_ring *r)
{
    struct xenstore_domain_interface *page = r->page;
    store_watch_del_all(s, r->domid);
    store_tx_abort_all(s, r->domid);
    r->bad = r->event_turn = false;
    r->in_used = r->out_len = r->out_sent = 0;
    page->req_cons = page->req_prod = page->rsp_cons = page->rsp_prod = 0;
    page->error = XENSTORE_ERROR_NONE;
    __atomic_store_n(&page->connection, XENSTORE_CONNECTED, __ATOMIC_RELEASE); /* the guest sees the indices first */
}

static enum store_ring_result violated(struct store_ring *r, uint32_t error)
{
    r->bad = true;
    r->page->error = error;
    return STORE_RING_BAD;
}

/* One request or one event into the empty out. */
static bool work(struct store *s, struct store_ring *r, bool *moved, const char **why)
{
    if (r->event_turn && store_wire_event(s, r->domid, &r->out)) {
        r->event_turn = false;
        queue_out(r);
        return true;
    }
    bool complete;
    if (!receive(r, moved, &complete, why)) {
        return false;
    }
    if (complete) {
        r->in.body[r->in.head.len] = '\0';
        r->in_used = 0;
        store_wire_handle(s, r->domid, &r->in, &r->out);
        queue_out(r);
    } else if (store_wire_event(s, r->domid, &r->out)) {
        queue_out(r);
    }
    r->event_turn = true;
    return true;
}

enum store_ring_result store_ring_turn(struct store *s, struct store_ring *r, bool *notify, const char **why)
{
    bool moved = false;
    *notify = false;
    if (__atomic_load_n(&r->page->connection, __ATOMIC_ACQUIRE) == XENSTORE_RECONNECT) {
        reconnect(s, r);
        *notify = true;
        return STORE_RING_PROGRESS;
    }
    if (r->bad) {
        return STORE_RING_IDLE;
    }
    bool ok = flush(r, &moved);
    if (ok && r->out_sent == r->out_len) {
        if (!work(s, r, &moved, why)) {
            return violated(r, missing(r) == UINT32_MAX ? XENSTORE_ERROR_PROTO : XENSTORE_ERROR_RINGIDX);
        }
        ok = flush(r, &moved);
    }
    if (!ok) {
        *why = "the reply indices are impossible";
        return violated(r, XENSTORE_ERROR_RINGIDX);
    }
    *notify = moved;
    return moved ? STORE_RING_PROGRESS : STORE_RING_IDLE;
}
