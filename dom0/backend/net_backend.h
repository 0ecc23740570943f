/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The back end of guests' paravirtual network cards (Xen's netif protocol): one cooperative thread serves all of them, a bounded number of
 * frames a turn. A card is plugged into a bridge (dom0/net/switch.h) under its address for good; what the guest does with its rings is its affair,
 * and a ring that cannot be true costs it the card. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"
#include "dom0/net/switch.h"

#define NET_DEVICES_MAX 8U /* of one domain: numbers 0 to 7 */

struct net_device_config {
    uint16_t domid;
    uint32_t dev;
    uint8_t mac[MAC_LEN];
    char bridge[NET_NAME_MAX];
    uint32_t rate_kib; /* KiB/s that the guest may send; 0: no limit */
};

struct net_device_view {
    struct net_device_config config;
    const char *state; /* "connected", … */
    bool connected, failed;
    struct net_counters sent, received; /* by the guest */
    uint64_t spoofed;
};

/* The nodes that all cards share, and the thread. */
void net_backend_init(void);
/* A port that is no guest's card, on the bridge BRIDGE for good. Its `deliver` is called in the thread that sends the frame, must not let others run,
 * and copies what it wants to keep. false: there are NET_BRIDGES others. */
bool net_port_join(const char *bridge, struct net_port *port);
/* A frame comes in from such a port: it goes through the switch, and guests that got it hear of it. Any thread; lets nobody else run. */
void net_port_frame(struct net_port *from, struct net_frame *f);
/* A new card: its nodes in xenstore, its place on the bridge; the guest connects when it likes. NAME: the guest's, for messages. */
bool net_device_add(const struct net_device_config *c, const char *name, struct error *e);
/* Asks the guest to let go of it (for net_device_remove soon). false: there is no such card. */
bool net_device_close(uint16_t domid, uint32_t dev);
/* Has the guest let go, or never had it? */
bool net_device_closed(uint16_t domid, uint32_t dev);
/* Takes it away, whatever the guest does: rings, event channel, nodes. None such is fine. */
void net_device_remove(uint16_t domid, uint32_t dev);
void net_devices_remove(uint16_t domid); /* all of a domain */
/* Calls FN for each card, by domain and number. FN may print; false stops. */
void net_devices_list(bool (*fn)(const struct net_device_view *v, void *ctx), void *ctx);
bool net_device_get(uint16_t domid, uint32_t dev, struct net_device_view *v);
/* Whose address is MAC? Domain 0's are those of locked ports that net_port_join brought. false: nobody's. */
bool net_mac_owner(const uint8_t mac[MAC_LEN], uint16_t *domid, uint32_t *dev);

/* A frame from outside comes into the bridge by PORT, which is no guest's; it is in Dom0's RAM, and may be changed. Then, after the last one for now,
 * NET_FRAMES_OVER: guests hear of what they got. Neither sleeps. */
void net_frames_in(struct net_port *from, uint8_t *frame, uint32_t len);
void net_frames_over(void);
