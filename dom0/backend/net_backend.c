/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] All network cards: the list, the thread that serves it, and a card's rings. Threads are cooperative: only a yield and console_notice let
 * others run, and nothing here holds a card across one. */
#include "dom0/backend/net_backend.h"

#include <xen/io/xenbus.h>

#include "dom0/backend/net_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/limit.h"
#include "dom0/lib/string.h"
#include "dom0/store/store.h"

#define NOTICES_AT_ONCE 5U /* about cards that were dropped, of all guests together */
#define NOTICE_EVERY_NS 10000000000UL
#define KIB             1024UL

struct net_switch net_switch;

static struct net_port *others[NET_BRIDGES]; /* ports that are no guest's card */
static struct net_device *devices; /* the one that was served last is last */
static struct waitq server_wait;
static bool server_runs;
static volatile bool any_work;

static struct net_device *find(uint16_t domid, uint32_t dev)
{
    struct net_device *d = devices;
    while (d != NULL && !(d->config.domid == domid && d->config.dev == dev))
        d = d->next;
    return d;
}

static void append(struct net_device *d)
{
    struct net_device **at = &devices;
    while (*at != NULL)
        at = &(*at)->next;
    d->next = NULL;
    *at = d;
}

static void unlink_device(struct net_device *d)
{
    struct net_device **at = &devices;
    while (*at != NULL && *at != d)
        at = &(*at)->next;
    if (*at != NULL)
        *at = d->next;
}

static void wake(void)
{
    any_work = true;
    waitq_wake(&server_wait);
}

static void on_event(uint32_t port, void *arg)
{
    struct net_device *d = arg;
    (void)port;
    d->work = true;
    wake();
}

static void on_change(const char *path, void *ctx)
{
    struct net_device *d = ctx;
    (void)path;
    d->look = true;
    wake();
}

/* ---- rings ---- */

bool net_connect(struct net_device *d, uint32_t tx_ref, uint32_t rx_ref, uint32_t remote_port, const char **why)
{
    d->tx = (struct net_tx){.shared = grant_map(d->config.domid, tx_ref, true, &d->tx_handle)};
    d->rx = (struct net_rx){.shared = grant_map(d->config.domid, rx_ref, true, &d->rx_handle)};
    if (d->tx.shared == NULL || d->rx.shared == NULL) {
        *why = "named rings that cannot be mapped";
        return false;
    }
    int port = event_bind_interdomain(d->config.domid, remote_port, on_event, d);
    if (port < 0) {
        *why = "named an event channel that cannot be bound";
        return false;
    }
    d->event_port = (uint32_t)port;
    d->broken = NULL;
    d->wait_ns = 0;
    d->port.up = d->work = true; /* it may have sent before */
    any_work = true;
    return true;
}

void net_disconnect(struct net_device *d)
{
    d->port.up = d->work = d->notify = false;
    d->broken = NULL;
    if (d->event_port != 0)
        event_close(d->event_port);
    if (d->tx.shared != NULL)
        grant_unmap(d->tx.shared, d->tx_handle);
    if (d->rx.shared != NULL)
        grant_unmap(d->rx.shared, d->rx_handle);
    d->event_port = 0;
    d->tx = (struct net_tx){0};
    d->rx = (struct net_rx){0};
}

/* The last thing that is done with D in a turn: the notice lets others run. */
static void drop(struct net_device *d, const char *why)
{
    static struct limit limit;
    uint32_t dropped = 0, dev = d->config.dev;
    uint16_t domid = d->config.domid;
    net_disconnect(d);
    d->failed = true;
    net_nodes_state(d, XenbusStateClosed);
    if (limit_pass(&limit, time_now_ns(), NOTICES_AT_ONCE, NOTICE_EVERY_NS, &dropped))
        console_notice("network card %u of domain %u: the guest %s: no longer served%s", dev, domid, why,
                       dropped != 0 ? " (nor were others, not shown)" : "");
}

/* ---- the thread ---- */

static bool due(const struct net_device *d, uint64_t now_ns)
{
    return d->look || (d->work && (d->broken != NULL || now_ns >= d->wait_ns));
}

/* The first that has something to do goes to the list's end, so that each gets its turn. */
static struct net_device *next_due(uint64_t now_ns)
{
    struct net_device *d = devices;
    while (d != NULL && !due(d, now_ns))
        d = d->next;
    if (d != NULL) {
        unlink_device(d);
        append(d);
    }
    return d;
}

static uint64_t next_wait(void)
{
    uint64_t at = WAIT_FOREVER;
    for (const struct net_device *d = devices; d != NULL; d = d->next)
        if (d->work && d->wait_ns < at)
            at = d->wait_ns;
    return at;
}

static void notify_all(void)
{
    for (struct net_device *d = devices; d != NULL; d = d->next) {
        if (d->notify && d->event_port != 0)
            event_send(d->event_port);
        d->notify = false;
    }
}

static void pass_on(struct net_port *from, struct net_frame *f)
{
    (void)net_switch_frame(from, f, time_now_ns());
    net_frame_flush();
}

void net_frames_in(struct net_port *from, uint8_t *frame, uint32_t len)
{
    pass_on(from, &(struct net_frame){.data = frame, .len = len, .csum = NET_CSUM_NONE});
}

void net_frames_over(void)
{
    notify_all();
    wake(); /* a card whose ring turned out broken is dropped by the thread */
}

static void turn(struct net_device *d, uint64_t now_ns)
{
    const char *why = NULL;
    if (d->look) {
        d->look = false;
        net_xenbus_look(d, &why);
    } else {
        why = d->broken;
        d->work = false;
        if (why == NULL && d->port.up && net_frame_turn(d, now_ns, &why))
            d->work = true;
        notify_all();
    }
    if (why != NULL)
        drop(d, why);
}

static void server(void *arg)
{
    (void)arg;
    for (;;) {
        if (!any_work)
            waitq_wait(&server_wait, next_wait());
        any_work = false;
        for (struct net_device *d; (d = next_due(time_now_ns())) != NULL; thread_yield())
            turn(d, time_now_ns());
    }
}

void net_backend_init(void)
{
    (void)store_mkdir("/local/domain/0/backend/vif");
    server_runs = net_frame_init() && thread_create("network", server, NULL, 0) != NULL;
}

/* ---- ports that are no guest's card ---- */

bool net_port_join(const char *bridge, struct net_port *port)
{
    unsigned i = 0;
    while (i < NET_BRIDGES && others[i] != NULL)
        i++;
    if (i == NET_BRIDGES || !net_bridge_join(&net_switch, bridge, port))
        return false;
    others[i] = port;
    return true;
}

void net_port_frame(struct net_port *from, struct net_frame *f)
{
    pass_on(from, f);
    net_frames_over();
}

/* ---- for the manager ---- */

static bool refuse(struct net_device *d, const char *name, const char *why, struct error *e)
{
    char mac[MAC_TEXT];
    mac_format(mac, d->config.mac);
    error_set(e, EXIT_NO_RESOURCE, "%s: network card %u (%s): %s: destroy a domain that is not needed", name, d->config.dev, mac, why);
    net_nodes_remove(d);
    net_bridge_leave(&d->port);
    heap_free(d);
    return false;
}

bool net_device_add(const struct net_device_config *c, const char *name, struct error *e)
{
    char path[96];
    struct net_device *d = server_runs ? heap_alloc(sizeof *d) : NULL;
    if (d == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory for a network card: destroy a domain that is not needed", name);
    d->config = *c;
    d->online = true;
    memcpy(d->port.mac, c->mac, MAC_LEN);
    d->port.locked = true;
    d->port.deliver = net_frame_deliver;
    net_rate_set(&d->rate, c->rate_kib * KIB, time_now_ns());
    if (!net_bridge_join(&net_switch, c->bridge, &d->port))
        return refuse(d, name, "there are 16 bridges with other names", e);
    if (net_nodes_create(d) != 0)
        return refuse(d, name, "its xenstore nodes cannot be written", e);
    snprintf(path, sizeof path, "/local/domain/%u/device/vif/%u/state", c->domid, c->dev);
    d->watch = store_watch(path, on_change, d);
    if (d->watch < 0)
        return refuse(d, name, "no memory to watch it", e);
    append(d);
    return true;
}

bool net_device_close(uint16_t domid, uint32_t dev)
{
    struct net_device *d = find(domid, dev);
    if (d == NULL)
        return false;
    d->online = false;
    char path[96];
    snprintf(path, sizeof path, "/local/domain/0/backend/vif/%u/%u/online", domid, dev);
    (void)store_write(path, "0");
    if (d->port.up)
        net_nodes_state(d, XenbusStateClosing);
    return true;
}

bool net_device_closed(uint16_t domid, uint32_t dev)
{
    const struct net_device *d = find(domid, dev);
    return d == NULL || !d->port.up;
}

static void remove_device(struct net_device *d)
{
    store_unwatch(d->watch);
    net_disconnect(d);
    net_nodes_remove(d);
    net_bridge_leave(&d->port);
    unlink_device(d);
    heap_free(d);
}

void net_device_remove(uint16_t domid, uint32_t dev)
{
    struct net_device *d = find(domid, dev);
    if (d != NULL)
        remove_device(d);
}

void net_devices_remove(uint16_t domid)
{
    for (uint32_t dev = 0; dev < NET_DEVICES_MAX; dev++)
        net_device_remove(domid, dev);
}

static const char *state_text(const struct net_device *d)
{
    return d->failed       ? "dropped"
           : !d->online    ? "closing"
           : d->port.up    ? "connected"
           : d->state == XenbusStateInitWait ? "waiting"
                           : "closed";
}

static void view(const struct net_device *d, struct net_device_view *v)
{
    *v = (struct net_device_view){.config = d->config, .state = state_text(d), .connected = d->port.up, .failed = d->failed,
                                  .sent = d->port.sent, .received = d->port.received, .spoofed = d->port.spoofed};
}

bool net_device_get(uint16_t domid, uint32_t dev, struct net_device_view *v)
{
    const struct net_device *d = find(domid, dev);
    if (d != NULL)
        view(d, v);
    return d != NULL;
}

static uint32_t order_of(const struct net_device *d) { return (uint32_t)d->config.domid << 8 | d->config.dev; }

void net_devices_list(bool (*fn)(const struct net_device_view *v, void *ctx), void *ctx)
{
    for (uint32_t from = 0;;) {
        const struct net_device *next = NULL;
        for (const struct net_device *d = devices; d != NULL; d = d->next)
            if (order_of(d) >= from && (next == NULL || order_of(d) < order_of(next)))
                next = d;
        if (next == NULL)
            return;
        struct net_device_view v;
        from = order_of(next) + 1;
        view(next, &v);
        if (!fn(&v, ctx))
            return;
    }
}

bool net_mac_owner(const uint8_t mac[MAC_LEN], uint16_t *domid, uint32_t *dev)
{
    for (const struct net_device *d = devices; d != NULL; d = d->next) {
        if (mac_equal(d->config.mac, mac)) {
            *domid = d->config.domid;
            *dev = d->config.dev;
            return true;
        }
    }
    for (unsigned i = 0; i < NET_BRIDGES && others[i] != NULL; i++) {
        if (others[i]->locked && mac_equal(others[i]->mac, mac)) {
            *domid = 0;
            *dev = i;
            return true;
        }
    }
    return false;
}
