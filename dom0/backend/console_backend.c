/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Serves all guests' PV consoles from one thread: drains each ring into its scroll-back, at most one ring's
 * worth per turn. */
#include "dom0/backend/console_backend.h"

#include "dom0/backend/guest_ring.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/limit.h"

#define TURN_BYTES      1024U
#define NOTICES_AT_ONCE 5U /* about broken rings, of all guests together */
#define NOTICE_EVERY_NS 10000000000UL

struct guest_console {
    struct guest_console *next;
    struct xencons_interface *ring; /* NULL: not served any more */
    uint32_t port;
    uint16_t domid;
    volatile bool event; /* set in upcall context, cleared before the ring is looked at */
    struct waitq readers;
    struct scrollback scroll;
};

static struct guest_console *consoles;
static struct waitq server_wait;
static bool server_runs;
static volatile bool any_event;

static struct guest_console *find(uint16_t domid)
{
    struct guest_console *c = consoles;
    while (c != NULL && c->domid != domid)
        c = c->next;
    return c;
}

static void on_event(uint32_t port, void *arg)
{
    struct guest_console *c = arg;
    (void)port;
    c->event = true;
    any_event = true;
    waitq_wake(&server_wait);
}

static void stop_broken(struct guest_console *c)
{
    static struct limit limit;
    uint16_t domid = c->domid;
    uint32_t dropped = 0;
    event_close(c->port);
    c->ring = NULL;
    waitq_wake_all(&c->readers);
    if (limit_pass(&limit, time_now_ns(), NOTICES_AT_ONCE, NOTICE_EVERY_NS, &dropped))
        console_notice("console of domain %u: the guest wrote impossible indices into its ring: no longer served%s",
                       domid, dropped != 0 ? " (nor were others, not shown)" : "");
}

enum drain_result { DRAIN_EMPTY, DRAIN_MORE, DRAIN_STOPPED };

static enum drain_result drain(struct guest_console *c)
{
    char buf[TURN_BYTES];
    bool broken = false;
    size_t n = guest_ring_take(c->ring, buf, sizeof buf, &broken);
    if (broken) {
        stop_broken(c);
        return DRAIN_STOPPED;
    }
    if (n == 0)
        return DRAIN_EMPTY;
    scrollback_add(&c->scroll, buf, n);
    event_send(c->port);
    waitq_wake_all(&c->readers);
    return n == sizeof buf ? DRAIN_MORE : DRAIN_EMPTY;
}

static void serve_all(void)
{
    for (struct guest_console *c = consoles; c != NULL; c = c->next) {
        if (!c->event || c->ring == NULL)
            continue;
        c->event = false;
        switch (drain(c)) {
        case DRAIN_EMPTY:
            break;
        case DRAIN_MORE:
            c->event = any_event = true;
            break;
        case DRAIN_STOPPED:
            any_event = true;
            return; /* the notice may have let other threads run, and the list may have changed */
        }
    }
}

static void server(void *arg)
{
    (void)arg;
    for (;;) {
        if (!any_event)
            waitq_wait(&server_wait, WAIT_FOREVER);
        any_event = false;
        serve_all();
        thread_yield();
    }
}

bool guest_console_add(uint16_t domid, void *ring, uint32_t remote_port)
{
    guest_console_forget(domid);
    if (!server_runs)
        server_runs = thread_create("guest-consoles", server, NULL, 0) != NULL;
    struct guest_console *c = server_runs ? heap_alloc(sizeof *c) : NULL;
    if (c == NULL)
        return false;
    c->domid = domid;
    c->ring = ring;
    int port = event_bind_interdomain(domid, remote_port, on_event, c);
    if (port < 0) {
        heap_free(c);
        return false;
    }
    c->port = (uint32_t)port;
    c->next = consoles;
    consoles = c;
    c->event = true; /* the guest may have spoken before */
    any_event = true;
    waitq_wake(&server_wait);
    return true;
}

void guest_console_stop(uint16_t domid)
{
    struct guest_console *c = find(domid);
    enum drain_result r = DRAIN_MORE;
    if (c == NULL || c->ring == NULL)
        return;
    for (unsigned i = 0; r == DRAIN_MORE && i < sizeof c->ring->out / TURN_BYTES; i++)
        r = drain(c);
    if (r == DRAIN_STOPPED)
        return;
    event_close(c->port);
    c->ring = NULL;
    waitq_wake_all(&c->readers);
}

void guest_console_forget(uint16_t domid)
{
    guest_console_stop(domid);
    for (struct guest_console **at = &consoles; *at != NULL; at = &(*at)->next) {
        struct guest_console *c = *at;
        if (c->domid != domid)
            continue;
        *at = c->next;
        waitq_wake_all(&c->readers); /* they look the number up again */
        heap_free(c);
        return;
    }
}

bool guest_console_present(uint16_t domid) { return find(domid) != NULL; }

bool guest_console_live(uint16_t domid)
{
    const struct guest_console *c = find(domid);
    return c != NULL && c->ring != NULL;
}

size_t guest_console_read(uint16_t domid, uint64_t *pos, char *buf, size_t len)
{
    const struct guest_console *c = find(domid);
    return c != NULL ? scrollback_read(&c->scroll, pos, buf, len) : 0;
}

uint64_t guest_console_tail(uint16_t domid, uint64_t lines)
{
    const struct guest_console *c = find(domid);
    return c != NULL ? scrollback_tail(&c->scroll, lines) : 0;
}

void guest_console_wait(uint16_t domid, uint64_t pos, uint64_t deadline_ns)
{
    struct guest_console *c = find(domid);
    if (c != NULL && c->ring != NULL && c->scroll.end <= pos)
        waitq_wait(&c->readers, deadline_ns);
}

void guest_console_kick(uint16_t domid)
{
    struct guest_console *c = find(domid);
    if (c != NULL)
        waitq_wake_all(&c->readers);
}

size_t guest_console_bytes(void)
{
    size_t n = 0;
    for (const struct guest_console *c = consoles; c != NULL; c = c->next)
        n += sizeof *c;
    return n;
}

size_t guest_console_input(uint16_t domid, const char *text, size_t len)
{
    struct guest_console *c = find(domid);
    bool broken = false;
    if (c == NULL || c->ring == NULL)
        return 0;
    size_t n = guest_ring_put(c->ring, text, len, &broken);
    if (broken)
        stop_broken(c);
    else if (n > 0)
        event_send(c->port);
    return n;
}
