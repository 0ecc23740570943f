/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Bridges that guests' network cards are plugged into, by name. Frames only. Pure: the caller gives time and memory of the ports.
 * A port that is locked to its address sends from that address only, and gets what is for it and for groups: it neither can pretend to be
 * another nor listen to others. Ports that are not locked (to the world outside) are learned from. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/net/mac.h"

#define NET_FRAME_MIN   14U
#define NET_FRAME_MAX   9018U /* jumbo frames; without the frame check sequence */
#define NET_BRIDGES     16U
#define NET_NAME_MAX    16U   /* of a bridge, with the terminating NUL */
#define NET_LEARN_SETS  32U
#define NET_LEARN_WAYS  4U
#define NET_LEARN_NS    300000000000UL /* an address that is silent for so long is forgotten (IEEE 802.1D's default) */

enum net_csum {
    NET_CSUM_NONE,      /* nobody looked */
    NET_CSUM_VALIDATED, /* right, says the sender */
    NET_CSUM_BLANK,     /* to be completed before it leaves this host */
};

struct net_frame {
    uint8_t *data; /* in RAM of Dom0's, physically in one piece; whoever it is delivered to may complete its checksum */
    uint32_t len;
    enum net_csum csum;
};

struct net_counters {
    uint64_t packets, bytes;
    uint64_t drops;  /* good frames that could not be passed on */
    uint64_t errors; /* frames that were none, or could not be copied */
};

struct net_bridge;
struct net_port {
    struct net_port *next;
    struct net_bridge *bridge; /* NULL: on none */
    uint8_t mac[MAC_LEN];
    bool locked;
    bool up;                      /* takes frames */
    struct net_counters sent;     /* by who is behind the port, into the bridge */
    struct net_counters received; /* by who is behind the port */
    uint64_t spoofed;             /* part of sent.drops: from another's address */
    /* Takes the frame. false: it could not; the function has counted why. */
    bool (*deliver)(struct net_port *to, struct net_frame *f);
};

struct net_learned {
    uint8_t mac[MAC_LEN];
    struct net_port *port; /* NULL: free */
    uint64_t seen_ns;
};

struct net_bridge { /* zeroed: does not exist */
    char name[NET_NAME_MAX];
    struct net_port *ports;
    struct net_learned learned[NET_LEARN_SETS][NET_LEARN_WAYS];
};

struct net_switch { /* zeroed: no bridge */
    struct net_bridge bridges[NET_BRIDGES];
};

/* Can a bridge be called so? Letters, digits, . _ - */
bool net_bridge_name_ok(const char *name);
/* PORT (on no bridge) joins the bridge NAME, which is made when it is the first. false: there are NET_BRIDGES others. */
bool net_bridge_join(struct net_switch *s, const char *name, struct net_port *port);
/* The last one that leaves takes the bridge with it. */
void net_bridge_leave(struct net_port *port);
/* A frame comes in from PORT. Returns to how many ports it went. */
uint32_t net_switch_frame(struct net_port *from, struct net_frame *f, uint64_t now_ns);
