/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Network cards in xenstore: the nodes of both ends (Xen public io/netif.h) and the states that they go through (io/xenbus.h). The front
 * end's nodes are the guest's: each is read once, bounded and checked, and where a card is or what address it has is never read from there. */
#include <xen/io/xenbus.h>

#include "dom0/backend/net_priv.h"
#include "dom0/backend/xenbus_nodes.h"
#include "dom0/lib/string.h"

static struct xenbus_device device_of(const struct net_device *d)
{
    return (struct xenbus_device){"vif", d->config.domid, d->config.dev};
}

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Ours first: Linux looks for it as soon as its own directory is there. It is ready for a front end from the start. */
int net_nodes_create(struct net_device *d)
{
    struct xenbus_device x = device_of(d);
    char front[XENBUS_PATH], back[XENBUS_PATH], domid[8], dev[8], mac[MAC_TEXT], readable[16], owned[16];
    xenbus_path(front, &x, XENBUS_FRONT, "");
    xenbus_path(back, &x, XENBUS_BACK, "");
    snprintf(domid, sizeof domid, "%u", d->config.domid);
    snprintf(dev, sizeof dev, "%u", d->config.dev);
    snprintf(readable, sizeof readable, "n0,r%u", d->config.domid);
    snprintf(owned, sizeof owned, "n%u", d->config.domid);
    mac_format(mac, d->config.mac);
    const struct xenbus_pair ours[] = {
        {"frontend", front}, {"frontend-id", domid}, {"online", "1"}, {"handle", dev}, {"mac", mac}, {"bridge", d->config.bridge},
        {"feature-rx-copy", "1"}, {"feature-sg", "1"}, {"feature-ipv6-csum-offload", "1"}, {"state", "2"},
    };
    const struct xenbus_pair theirs[] = {
        {"backend", back}, {"backend-id", "0"}, {"handle", dev}, {"mac", mac}, {"state", "1"},
    };
    int err = xenbus_folder(&x, XENBUS_BACK, readable, true, ours, COUNT(ours));
    d->state = XenbusStateInitWait;
    return err != 0 ? err : xenbus_folder(&x, XENBUS_FRONT, owned, true, theirs, COUNT(theirs));
}

void net_nodes_remove(const struct net_device *d)
{
    struct xenbus_device x = device_of(d);
    xenbus_remove(&x);
}

void net_nodes_state(struct net_device *d, uint8_t state)
{
    struct xenbus_device x = device_of(d);
    if (d->state == state)
        return;
    d->state = state;
    (void)xenbus_put_u64(&x, "state", state);
}

static bool front_number(const struct net_device *d, const char *key, uint32_t *out)
{
    struct xenbus_device x = device_of(d);
    return xenbus_front_u32(&x, key, UINT32_MAX, out);
}

static bool front_flag(const struct net_device *d, const char *key)
{
    uint32_t v = 0;
    return front_number(d, key, &v) && v != 0;
}

static void connect(struct net_device *d, const char **why)
{
    uint32_t tx = 0, rx = 0, port = 0;
    if (!front_number(d, "tx-ring-ref", &tx) || !front_number(d, "rx-ring-ref", &rx) ||
        !front_number(d, "event-channel", &port))
        *why = "wrote no ring or event channel that could be one";
    else if (!front_flag(d, "request-rx-copy"))
        *why = "asks for pages to be flipped, which only very old systems do";
    if (*why != NULL)
        return;
    d->sg = front_flag(d, "feature-sg");
    d->csum_ipv4 = !front_flag(d, "feature-no-csum-offload");
    d->csum_ipv6 = front_flag(d, "feature-ipv6-csum-offload");
    if (net_connect(d, tx, rx, port, why))
        net_nodes_state(d, XenbusStateConnected);
}

void net_xenbus_look(struct net_device *d, const char **why)
{
    struct xenbus_device x = device_of(d);
    switch (xenbus_front_state(&x)) {
    case XenbusStateInitialising:
        if (d->state == XenbusStateInitWait || !d->online)
            return;
        net_disconnect(d); /* it begins anew: a driver that was loaded again */
        d->failed = false;
        net_nodes_state(d, XenbusStateInitWait);
        return;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (d->state == XenbusStateInitWait)
            connect(d, why);
        return;
    case XenbusStateClosing:
        net_disconnect(d);
        if (d->state != XenbusStateClosed)
            net_nodes_state(d, XenbusStateClosing);
        return;
    case XenbusStateClosed:
    case XenbusStateUnknown:
        net_disconnect(d);
        net_nodes_state(d, XenbusStateClosed);
        return;
    default:
        return;
    }
}
