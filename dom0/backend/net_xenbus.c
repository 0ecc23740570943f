/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Network cards in xenstore: the nodes of both ends (Xen public io/netif.h) and the states that they go through (io/xenbus.h). The front
 * end's nodes are the guest's: each is read once, bounded and checked, and where a card is or what address it has is never read from there. */
#include <xen/io/xenbus.h>

#include "dom0/backend/net_priv.h"
#include "dom0/lib/string.h"
#include "dom0/store/store.h"

#define PATH_LEN 96U

static void front_path(char out[PATH_LEN], const struct net_device *d, const char *key)
{
    snprintf(out, PATH_LEN, "/local/domain/%u/device/vif/%u%s%s", d->config.domid, d->config.dev, key[0] != '\0' ? "/" : "", key);
}

static void back_path(char out[PATH_LEN], const struct net_device *d, const char *key)
{
    snprintf(out, PATH_LEN, "/local/domain/0/backend/vif/%u/%u%s%s", d->config.domid, d->config.dev, key[0] != '\0' ? "/" : "", key);
}

struct key {
    const char *name, *value;
};

static int put_all(const struct net_device *d, void (*path_of)(char *, const struct net_device *, const char *), const char *perms,
                   const struct key *keys, size_t n)
{
    char path[PATH_LEN];
    path_of(path, d, "");
    int err = store_mkdir(path);
    err = err != 0 ? err : store_set_perms(path, perms);
    for (size_t i = 0; i < n && err == 0; i++) {
        path_of(path, d, keys[i].name);
        err = store_write(path, keys[i].value);
        err = err != 0 ? err : store_set_perms(path, perms);
    }
    return err;
}

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Ours first: Linux looks for it as soon as its own directory is there. It is ready for a front end from the start. */
int net_nodes_create(struct net_device *d)
{
    char front[PATH_LEN], back[PATH_LEN], domid[8], dev[8], mac[MAC_TEXT], readable[16], owned[16];
    front_path(front, d, "");
    back_path(back, d, "");
    snprintf(domid, sizeof domid, "%u", d->config.domid);
    snprintf(dev, sizeof dev, "%u", d->config.dev);
    snprintf(readable, sizeof readable, "n0,r%u", d->config.domid);
    snprintf(owned, sizeof owned, "n%u", d->config.domid);
    mac_format(mac, d->config.mac);
    const struct key ours[] = {
        {"frontend", front}, {"frontend-id", domid}, {"online", "1"}, {"handle", dev}, {"mac", mac}, {"bridge", d->config.bridge},
        {"feature-rx-copy", "1"}, {"feature-sg", "1"}, {"feature-ipv6-csum-offload", "1"}, {"state", "2"},
    };
    const struct key theirs[] = {
        {"backend", back}, {"backend-id", "0"}, {"handle", dev}, {"mac", mac}, {"state", "1"},
    };
    int err = put_all(d, back_path, readable, ours, COUNT(ours));
    d->state = XenbusStateInitWait;
    return err != 0 ? err : put_all(d, front_path, owned, theirs, COUNT(theirs));
}

static bool none_left(const char *name, void *ctx)
{
    (void)name;
    *(bool *)ctx = false;
    return false;
}

void net_nodes_remove(const struct net_device *d)
{
    char path[PATH_LEN];
    bool empty = true;
    front_path(path, d, "");
    (void)store_rm(path);
    back_path(path, d, "");
    (void)store_rm(path);
    *strrchr(path, '/') = '\0';
    if (store_list(path, none_left, &empty) && empty)
        (void)store_rm(path);
}

void net_nodes_state(struct net_device *d, uint8_t state)
{
    char path[PATH_LEN];
    if (d->state == state)
        return;
    d->state = state;
    back_path(path, d, "state");
    (void)store_write_fmt(path, "%u", state);
}

/* A number that the guest wrote. false: none, or above MAX. */
static bool front_number(const struct net_device *d, const char *key, uint64_t max, uint32_t *out)
{
    char path[PATH_LEN], text[16];
    uint64_t v = 0;
    front_path(path, d, key);
    if (store_read(path, text, sizeof text) != 0 || !parse_u64(text, &v) || v > max)
        return false;
    *out = (uint32_t)v;
    return true;
}

static bool front_flag(const struct net_device *d, const char *key)
{
    uint32_t v = 0;
    return front_number(d, key, UINT32_MAX, &v) && v != 0;
}

static void connect(struct net_device *d, const char **why)
{
    uint32_t tx = 0, rx = 0, port = 0;
    if (!front_number(d, "tx-ring-ref", UINT32_MAX, &tx) || !front_number(d, "rx-ring-ref", UINT32_MAX, &rx) ||
        !front_number(d, "event-channel", UINT32_MAX, &port))
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
    uint32_t state = XenbusStateUnknown;
    if (!front_number(d, "state", XenbusStateReconfigured, &state))
        state = XenbusStateUnknown;
    switch (state) {
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
