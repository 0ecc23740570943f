/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Between a bridge and a network card of the host. What comes from the card goes into the switch in the card's own memory; what goes out is
 * copied into it. Frames of other guests' addresses from outside are refused by the switch, as are those that are too long for the wire by the card. */
#include "dom0/backend/net_uplink.h"

#include "dom0/backend/net_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "dom0/net/checksum.h"

struct net_uplink {
    struct net_uplink *next;
    struct net_port port; /* up from the beginning: the card counts what it cannot take */
    struct netdev *card;
};

static struct net_uplink *uplinks; /* the last one first */

/* On a wire there is nobody who would complete a blank checksum. */
static bool uplink_deliver(struct net_port *to, struct net_frame *f)
{
    struct net_uplink *u = (struct net_uplink *)((char *)to - offsetof(struct net_uplink, port));

    if (f->csum == NET_CSUM_BLANK && checksum_complete(f->data, f->len))
        f->csum = NET_CSUM_VALIDATED;
    if (f->csum != NET_CSUM_BLANK && netdev_send(u->card, f->data, f->len))
        return true;
    to->received.drops++;
    return false;
}

static void uplink_receive(void *ctx, uint8_t *frame, uint32_t len)
{
    struct net_uplink *u = ctx;

    net_frames_in(&u->port, frame, len);
}

static void uplink_turn_over(void *ctx)
{
    (void)ctx;
    net_frames_over();
}

static void uplink_add(struct netdev *n)
{
    char bridge[NET_NAME_MAX];
    struct net_uplink *u = heap_alloc(sizeof *u);

    (void)snprintf(bridge, sizeof bridge, "bridge%s", n->name + strlen("nic"));
    if (u == NULL) {
        console_notice("%s: no memory for its place on %s: left aside", n->name, bridge);
        return;
    }
    u->card = n;
    u->port.up = true;
    u->port.deliver = uplink_deliver;
    memcpy(u->port.mac, n->mac, MAC_LEN);
    if (!net_bridge_join(&net_switch, bridge, &u->port) || !netdev_open(n, uplink_receive, uplink_turn_over, u)) {
        net_bridge_leave(&u->port);
        console_notice("%s: it does not get onto %s: left aside", n->name, bridge);
        heap_free(u);
        return;
    }
    u->next = uplinks;
    uplinks = u;
}

void net_uplink_init(void)
{
    if (netdev_first() == NULL)
        console_notice("network: the host has no card that is driven: bridges join its own guests only");
    for (struct netdev *n = netdev_first(); n != NULL; n = n->next)
        uplink_add(n);
}

void net_uplinks_list(bool (*fn)(const struct netdev *n, const char *bridge, void *ctx), void *ctx)
{
    for (struct netdev *n = netdev_first(); n != NULL; n = n->next) {
        const struct net_uplink *u = uplinks;
        while (u != NULL && u->card != n)
            u = u->next;
        if (!fn(n, u != NULL ? u->port.bridge->name : "", ctx))
            return;
    }
}
