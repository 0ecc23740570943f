/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Virtual disks: who has which, each one's thread, and its way through the states of xenbus. The thread alone
 * takes requests and changes the back end's state; the others set marks for it and wake it. Where the medium can do
 * several things at once, it hands reads and writes to the crew (block_crew.c) as soon as there is more than one, and
 * does the rest itself, when nothing of its disk is at work any more: flushes, barriers, discards, whatever ends the
 * connection. So a flush finds all on the medium's side that was answered before it. A read or write waits for those at
 * work whose sectors it shares, if either writes. */
#include "dom0/backend/block_backend.h"

#include <xen/io/xenbus.h>

#include "dom0/backend/block_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/limit.h"
#include "dom0/lib/string.h"
#include "dom0/store/store.h"

#define NOTICES_AT_ONCE 5U /* about disks that were dropped or fail, of all guests together */
#define NOTICE_EVERY_NS 10000000000UL
#define SILENCE_NS      5000000000UL
#define WHOLE_NS        1000000000UL /* ends of silence fall together: a timer that is set already costs nothing */

struct disk {
    struct disk *next;
    struct block_config config;
    char name[BLOCK_NAME_BYTES];
    struct vdisk *image;
    struct blk_disk limits;
    struct waitq wait;
    volatile bool event;   /* the guest's; set in upcall context, cleared before the ring is looked at */
    bool front_changed;    /* look at the front end's state */
    bool closing;          /* block_close */
    bool asked;            /* … was carried out */
    bool stop;             /* block_remove */
    bool ended;            /* the thread touches nothing any more */
    struct waitq stopper;
    int watch;
    unsigned state;        /* of the back end, enum xenbus_state */
    bool dropped;
    const char *broken;    /* what the guest did that ends the connection, found by whoever carried it out */
    bool full;             /* the operator was told that its volume is full */
    bool unflushed;        /* something was written since the last flush */
    bool lost;             /* a flush that the guest did not ask for failed: its next one is told */
    struct blk_ring ring;  /* ring.shared NULL: not connected */
    uint32_t handle[1U << BLK_RING_ORDER_MAX]; /* of its pages' grants */
    uint32_t pages, port;  /* of the ring; ours */
    uint8_t *buffer;
    struct blk_run run;    /* requests that were taken and not yet carried out */
    struct block_work work;
    uint32_t depth;        /* of the medium: so many runs at once; 1: without the crew */
    bool notify;           /* an answer asked for an event */
    uint64_t reads, writes, flushes, discards, read_sectors, written_sectors, errors;
};

static struct disk *disks;
static const char bad_indices[] = "the guest wrote impossible indices into its ring";

static struct disk *find(uint16_t domid, uint16_t index)
{
    struct disk *d = disks;
    while (d != NULL && (d->config.domid != domid || d->config.index != index))
        d = d->next;
    return d;
}

/* ---- names ---- */

void block_name(uint16_t index, char out[BLOCK_NAME_BYTES])
{
    snprintf(out, BLOCK_NAME_BYTES, "xvd%c", (char)('a' + index % BLOCK_PER_DOMAIN));
}

bool block_parse(const char *text, uint16_t *index)
{
    char name[BLOCK_NAME_BYTES];
    uint64_t number = 0;
    bool numeric = parse_u64(text, &number);
    for (*index = 0; *index < BLOCK_PER_DOMAIN; (*index)++) {
        block_name(*index, name);
        if (numeric ? number == block_number(*index) : strcmp(text, name) == 0)
            return true;
    }
    return false;
}

/* ---- connecting ---- */

static void notice(const struct disk *d, const char *what, const char *why)
{
    static struct limit limit;
    uint32_t dropped = 0;
    if (limit_pass(&limit, time_now_ns(), NOTICES_AT_ONCE, NOTICE_EVERY_NS, &dropped))
        console_notice(dropped != 0 ? "disk %s of domain %u: %s%s (and %u lines about disks that were not shown)"
                                    : "disk %s of domain %u: %s%s", d->name, d->config.domid, what, why, dropped);
}

static void set_state(struct disk *d, unsigned state)
{
    if (d->state == state)
        return;
    d->state = state;
    block_nodes_state(&d->config, state);
}

/* Until nothing of it is at work any more. */
static void settle(struct disk *d)
{
    while (d->work.running != 0)
        waitq_wait(&d->wait, WAIT_FOREVER);
}

static void disconnect(struct disk *d)
{
    settle(d);
    d->broken = NULL;
    if (d->ring.shared == NULL)
        return;
    if (d->port != 0)
        event_close(d->port);
    grant_unmap_pages(d->ring.shared, d->handle, d->pages);
    if (d->buffer != NULL)
        page_free(d->buffer, BLOCK_BUFFER_PAGES);
    d->ring.shared = NULL;
    d->buffer = NULL;
    d->run.n = 0;
    d->notify = false;
    d->port = 0;
}

/* The disk is gone for the guest. Its driver learns so from the state, and what it still waits for fails. */
static void drop(struct disk *d, const char *why)
{
    disconnect(d);
    d->dropped = true;
    set_state(d, XenbusStateClosing);
    notice(d, "no longer served: ", why);
}

static void on_event(uint32_t port, void *arg)
{
    struct disk *d = arg;
    (void)port;
    d->event = true;
    waitq_wake(&d->wait);
}

static const char *map(struct disk *d, const struct block_keys *keys)
{
    d->pages = 1U << keys->order;
    void *pages = grant_map_pages(d->config.domid, keys->ring_ref, d->pages, true, d->handle);
    if (pages == NULL)
        return "the guest named a ring that is no page it granted";
    bool sane = blk_ring_attach(&d->ring, pages, keys->order);
    d->buffer = page_alloc(BLOCK_BUFFER_PAGES, NULL);
    if (d->buffer == NULL)
        return "no memory in Dom0 to serve it";
    if (!sane)
        return bad_indices;
    int port = event_bind_interdomain(d->config.domid, keys->port, on_event, d);
    if (port < 0)
        return "the guest named an event channel that cannot be bound";
    d->port = (uint32_t)port;
    return NULL;
}

static void connect(struct disk *d)
{
    struct block_keys keys;
    const char *why = NULL;
    if (block_front_keys(&d->config, &keys, &why))
        why = map(d, &keys);
    if (why == NULL && block_nodes_publish(&d->config, &d->limits) != 0)
        why = "no room in xenstore";
    if (why != NULL) {
        drop(d, why);
        return;
    }
    set_state(d, XenbusStateConnected);
    d->event = true; /* it may have asked before */
}

/* ---- following the front end ---- */

static void follow(struct disk *d)
{
    d->front_changed = false;
    switch (block_front_state(&d->config)) {
    case XenbusStateInitialising:
        if (d->state == XenbusStateInitWait || d->closing)
            break;
        disconnect(d); /* it begins anew: a driver that was loaded again */
        d->dropped = false;
        set_state(d, XenbusStateInitWait);
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (d->state == XenbusStateInitWait)
            connect(d);
        break;
    case XenbusStateClosing:
        set_state(d, XenbusStateClosing);
        break;
    case XenbusStateClosed:
    case XenbusStateUnknown: /* or no such node: the guest may remove its own */
        disconnect(d);
        set_state(d, XenbusStateClosed);
        break;
    default:
        break;
    }
}

static void front_changed(const char *path, void *ctx)
{
    struct disk *d = ctx;
    (void)path;
    d->front_changed = true;
    waitq_wake(&d->wait);
}

/* ---- requests ---- */

static void count(struct disk *d, const struct blk_request *q, int16_t status)
{
    d->errors += status != BLKIF_RSP_OKAY;
    if (status != BLKIF_RSP_OKAY)
        return;
    if (q->op == BLKIF_OP_READ) {
        d->reads++;
        d->read_sectors += q->count;
    } else if (q->op == BLKIF_OP_DISCARD) {
        d->discards++;
    } else if (q->count != 0) {
        d->writes++;
        d->written_sectors += q->count;
    }
    d->flushes += q->op == BLKIF_OP_FLUSH_DISKCACHE || q->op == BLKIF_OP_WRITE_BARRIER;
}

static void answer(struct disk *d, const struct blk_request *q, int16_t status)
{
    count(d, q, status);
    if (blk_ring_answer(&d->ring, q, status))
        d->notify = true;
}

/* One event for all answers since the last. */
static void tell(struct disk *d)
{
    if (d->notify)
        event_send(d->port);
    d->notify = false;
}

static enum blk_verdict judge(struct disk *d, const union blkif_sring_entry *raw, struct blk_request *q,
                              const char **why)
{
    struct blkif_request_segment segments[BLK_INDIRECT_MAX];
    enum blk_verdict v = blk_request_read(q, raw, &d->limits, why);
    if (v != BLK_FINE || !q->indirect)
        return v;
    *why = "the guest named a table of segments that is no page it granted";
    const struct block_io io = {d->config.domid, d->image, d->buffer};
    return block_io_table(&io, q, segments) ? blk_segments(q, segments, &d->limits, why) : BLK_HOSTILE;
}

/* How Q went. A guest that writes on while its volume is full fails often: that is said once, until a write goes through. */
static void say_how(struct disk *d, const struct blk_request *q, const struct error *e)
{
    char path[40], name[64], what[100] = "a request failed: ";
    bool failed = e->text[0] != '\0', full = failed && e->code == EXIT_NO_RESOURCE;
    if (!failed && q->op != BLKIF_OP_READ && q->count != 0)
        d->full = false;
    if (!failed && q->op != BLKIF_OP_READ)
        d->unflushed = q->op == BLKIF_OP_WRITE || q->op == BLKIF_OP_DISCARD ||
                       (q->op != BLKIF_OP_WRITE_BARRIER && q->count != 0);
    if (!failed || (full && d->full))
        return;
    d->full = d->full || full;
    snprintf(path, sizeof path, "/local/domain/%u/name", d->config.domid);
    if (store_read(path, name, sizeof name) == 0)
        snprintf(what, sizeof what, "a request of %s failed: ", name);
    notice(d, what, e->text);
}

/* false: the disk is to be dropped. What fails as ONE_OF_SEVERAL is tried again, alone, and not worth a line yet. */
static bool attempt(struct disk *d, const struct blk_request *q, uint8_t *buffer, bool one_of_several, int16_t *status)
{
    const struct block_io io = {d->config.domid, d->image, buffer};
    struct error e;
    *status = BLKIF_RSP_ERROR;
    if (!block_io_run(&io, q, status, &e)) {
        d->broken = "the guest named a page that it did not grant";
        return false;
    }
    if (e.text[0] == '\0' || !one_of_several)
        say_how(d, q, &e);
    return true;
}

static void carry_out(struct disk *d, const struct blk_request *q, uint8_t *buffer)
{
    int16_t status;
    if (!attempt(d, q, buffer, false, &status))
        return;
    if (q->op == BLKIF_OP_FLUSH_DISKCACHE || q->op == BLKIF_OP_WRITE_BARRIER) {
        status = d->lost ? BLKIF_RSP_ERROR : status;
        d->lost = false;
    }
    answer(d, q, status);
}

/* Several as one. If that fails, each for itself: a bad sector is one request's misfortune. */
static void carry_out_several(struct disk *d, const struct blk_run *run, uint8_t *buffer)
{
    struct blk_request q;
    int16_t status;
    if (!attempt(d, &run->whole, buffer, true, &status))
        return;
    for (uint32_t i = 0; i < run->n && d->broken == NULL; i++) {
        blk_run_part(run, i, &q);
        if (status == BLKIF_RSP_OKAY)
            answer(d, &q, status);
        else
            carry_out(d, &q, buffer);
    }
}

/* What was gathered; in the disk's own thread or one of the crew. */
static void carry_out_run(void *disk, const struct blk_run *run, uint8_t *buffer)
{
    struct disk *d = disk;
    if (d->broken != NULL)
        return;
    if (run->n == 1)
        carry_out(d, &run->whole, buffer);
    else
        carry_out_several(d, run, buffer);
    if (d->broken == NULL)
        tell(d);
}

/* To one of the crew, as soon as one is at rest and nothing is in the way. false: all work for other disks. */
static bool hand_over(struct disk *d)
{
    for (;;) {
        bool may = d->work.running < d->depth && !block_crew_overlaps(&d->work, &d->run.whole);
        if (may && block_crew_give(&d->work, &d->run))
            return true;
        if (d->work.running == 0)
            return false;
        waitq_wait(&d->wait, WAIT_FOREVER);
    }
}

/* What was gathered. Alone it is carried out here; with MORE behind it or before it, by the crew. */
static void finish_run(struct disk *d, bool more)
{
    if (d->run.n == 0)
        return;
    if (d->depth <= 1 || (!more && d->work.running == 0) || !hand_over(d))
        carry_out_run(d, &d->run, d->buffer);
    d->run.n = 0;
}

/* A read or write waits for others that go with it, while there are some in the ring; what is neither waits until those
 * before it are carried out. */
static void gather(struct disk *d, const struct blk_request *q)
{
    if (blk_run_add(&d->run, q))
        return;
    finish_run(d, q->op == BLKIF_OP_READ || q->op == BLKIF_OP_WRITE);
    if (d->broken != NULL || blk_run_add(&d->run, q))
        return;
    settle(d);
    if (d->broken == NULL)
        carry_out(d, q, d->buffer);
}

/* The guest broke the rules; what it asked for before that is carried out and answered. */
static void break_off(struct disk *d, const char *why)
{
    finish_run(d, false);
    settle(d);
    d->broken = d->broken != NULL ? d->broken : why;
}

static void process(struct disk *d, const union blkif_sring_entry *raw)
{
    struct blk_request q;
    const char *why = "";
    enum blk_verdict v = judge(d, raw, &q, &why);
    if (v == BLK_FINE) {
        gather(d, &q);
        return;
    }
    if (v == BLK_HOSTILE) {
        break_off(d, why);
        return;
    }
    finish_run(d, false);
    if (d->broken == NULL)
        answer(d, &q, v == BLK_UNKNOWN ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR);
}

/* Has somebody else set a mark for the thread? */
static bool called(const struct disk *d)
{
    return d->stop || d->front_changed || (d->closing && !d->asked) || d->broken != NULL;
}

/* The ring looks empty: what was gathered is carried out, then the guest is told. true: there is nothing more. */
static bool run_dry(struct disk *d)
{
    finish_run(d, false);
    if (d->broken != NULL)
        return true;
    tell(d);
    return !blk_ring_rest(&d->ring);
}

/* Until the ring is empty, other threads after each piece of work: a guest can fill the ring as fast as it is emptied. A mark ends it early. */
static void serve(struct disk *d)
{
    union blkif_sring_entry raw;
    d->event = false;
    while (!called(d)) {
        uint32_t gathered = d->run.n;
        switch (blk_ring_take(&d->ring, &raw)) {
        case BLK_TAKEN:
            process(d, &raw);
            break;
        case BLK_BROKEN:
            break_off(d, bad_indices);
            return;
        case BLK_NONE:
            if (run_dry(d))
                return;
            break;
        }
        if (d->run.n <= gathered) /* not only gathered */
            thread_yield();
    }
    finish_run(d, false);
    if (d->broken == NULL)
        tell(d);
    d->event = true; /* there may be more */
}

static void close_gently(struct disk *d)
{
    d->asked = true;
    block_nodes_offline(&d->config);
    if (d->state == XenbusStateInitWait) /* nobody uses it */
        set_state(d, XenbusStateClosed);
    else if (d->state != XenbusStateClosed)
        set_state(d, XenbusStateClosing);
}

static void flush_unasked(struct disk *d)
{
    struct error e;
    d->unflushed = false;
    if (vdisk_flush(d->image, &e))
        return;
    d->lost = true;
    notice(d, "what was written is not on the medium: ", e.text);
}

/* Until there is something to do. What was written and not flushed goes to the medium when the guest has been silent for a
 * while, as a disk does it by itself. */
static void rest(struct disk *d)
{
    bool unflushed = d->unflushed && d->work.running == 0;
    uint64_t until = (time_now_ns() + SILENCE_NS) / WHOLE_NS * WHOLE_NS + WHOLE_NS;
    until = unflushed ? until : WAIT_FOREVER;
    if (waitq_wait(&d->wait, until) || !unflushed)
        return;
    flush_unasked(d);
}

static void run(void *arg)
{
    struct disk *d = arg;
    while (!d->stop) {
        if (d->broken != NULL)
            drop(d, d->broken);
        else if (d->front_changed)
            follow(d);
        else if (d->closing && !d->asked)
            close_gently(d);
        else if (d->event && d->ring.shared != NULL)
            serve(d);
        else
            rest(d);
    }
    disconnect(d);
    if (d->unflushed)
        flush_unasked(d);
    vdisk_close(d->image);
    d->ended = true;
    waitq_wake(&d->stopper); /* who frees it */
    thread_exit();
}

/* ---- attaching ---- */

static enum vdisk_access access_of(const struct block_config *c) { return c->read_only ? VDISK_READ : VDISK_WRITE; }

static struct vdisk_user user_of(const struct block_config *c)
{
    struct vdisk_user u = {.domid = c->domid};
    block_name(c->index, u.disk);
    return u;
}

bool block_check(const struct block_config *c, struct error *e)
{
    struct vdisk_user user = user_of(c);
    return vdisk_check(c->path, access_of(c), &user, e);
}

static bool no_room(const struct block_config *c, struct error *e)
{
    return error_set(e, EXIT_NO_RESOURCE, "%.120s: no memory for one more disk: destroy a domain that is not needed",
                     c->path);
}

static bool open_image(struct disk *d, struct error *e)
{
    struct vdisk_user user = user_of(&d->config);
    if (!vdisk_open(d->config.path, access_of(&d->config), &user, &d->image, e))
        return false;
    struct vdisk_about about;
    vdisk_about(d->image, &about);
    d->depth = about.depth;
    d->limits = (struct blk_disk){vdisk_sectors(d->image), d->config.read_only, about.discards && !d->config.read_only};
    return true;
}

/* What begin makes, undone here on failure, by the thread otherwise. */
static bool begin(struct disk *d, struct error *e)
{
    const struct block_config *c = &d->config;
    int err = block_nodes_create(c);
    if (err != 0)
        return error_set(e, EXIT_NO_RESOURCE,
                         "%.120s: its xenstore nodes cannot be written: %s: destroy a domain that is not needed",
                         c->path, errno_text(-err));
    d->watch = block_front_watch(c, front_changed, d);
    if (d->watch < 0)
        return no_room(c, e);
    if (thread_create(d->name, run, d, BLOCK_STACK_BYTES) != NULL)
        return true;
    store_unwatch(d->watch);
    return no_room(c, e);
}

bool block_attach(const struct block_config *c, struct error *e)
{
    struct disk *d = heap_alloc(sizeof *d);
    if (d == NULL)
        return no_room(c, e);
    d->config = *c;
    d->state = XenbusStateInitWait;
    d->work = (struct block_work){.carry_out = carry_out_run, .disk = d, .wait = &d->wait};
    block_name(c->index, d->name);
    if (open_image(d, e) && begin(d, e)) {
        d->next = disks;
        disks = d;
        return true;
    }
    block_nodes_remove(&d->config);
    vdisk_close(d->image);
    heap_free(d);
    return false;
}

/* ---- the end ---- */

bool block_close(uint16_t domid, uint16_t index)
{
    struct disk *d = find(domid, index);
    if (d == NULL)
        return false;
    d->closing = true;
    waitq_wake(&d->wait);
    return true;
}

static void ask_to_stop(struct disk *d)
{
    d->stop = true;
    waitq_wake(&d->wait);
}

static void wait_and_free(struct disk *d)
{
    struct disk **at = &disks;
    while (!d->ended)
        waitq_wait(&d->stopper, WAIT_FOREVER);
    store_unwatch(d->watch);
    block_nodes_remove(&d->config);
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    heap_free(d);
}

void block_remove(uint16_t domid, uint16_t index)
{
    struct disk *d = find(domid, index);
    if (d == NULL)
        return;
    ask_to_stop(d);
    wait_and_free(d);
}

void block_remove_all(uint16_t domid)
{
    struct disk *d;
    for (d = disks; d != NULL; d = d->next)
        if (d->config.domid == domid)
            ask_to_stop(d); /* all at once: each may be waiting for a disk */
    for (uint16_t i = 0; i < BLOCK_PER_DOMAIN; i++)
        if ((d = find(domid, i)) != NULL)
            wait_and_free(d);
}

/* ---- looking ---- */

static enum block_state state_of(const struct disk *d)
{
    return d->dropped                            ? BLOCK_DROPPED
           : d->state == XenbusStateConnected    ? BLOCK_CONNECTED
           : d->state == XenbusStateClosing      ? BLOCK_CLOSING
           : d->state == XenbusStateClosed       ? BLOCK_CLOSED
                                                 : BLOCK_WAITING;
}

bool block_get(uint16_t domid, uint16_t index, struct block_view *out)
{
    const struct disk *d = find(domid, index);
    if (d == NULL)
        return false;
    *out = (struct block_view){.config = d->config,
                               .number = block_number(index),
                               .state = state_of(d),
                               .bytes = d->limits.sectors * BLK_SECTOR_BYTES,
                               .reads = d->reads,
                               .writes = d->writes,
                               .flushes = d->flushes,
                               .discards = d->discards,
                               .read_bytes = d->read_sectors * BLK_SECTOR_BYTES,
                               .written_bytes = d->written_sectors * BLK_SECTOR_BYTES,
                               .errors = d->errors};
    strlcpy(out->name, d->name, sizeof out->name);
    return true;
}

bool block_next(uint16_t domid, uint16_t index, struct block_view *out)
{
    for (; index < BLOCK_PER_DOMAIN; index++)
        if (block_get(domid, index, out))
            return true;
    return false;
}
