/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the files of the network back end share. */
#pragma once

#include <stdint.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#include "dom0/backend/net_backend.h"
#include "dom0/backend/net_ring.h"
#include "dom0/net/rate.h"

struct net_device {
    struct net_device *next;
    struct net_device_config config;
    struct net_port port; /* up: rings are mapped */
    struct net_rate rate;
    struct net_tx tx;
    struct net_rx rx;
    uint32_t tx_handle, rx_handle; /* of the mapped grants */
    uint32_t event_port;           /* 0: none */
    uint8_t state;                 /* ours: enum xenbus_state */
    bool online;                   /* false: it is to go */
    bool failed;                   /* dropped; until the guest begins anew */
    bool sg, csum_ipv4, csum_ipv6; /* what its front end can take */
    bool notify;                   /* an event is due at the end of the turn */
    const char *broken;            /* its rings are; dropped at its next turn */
    uint64_t wait_ns;              /* it sent more than it may: not before */
    int watch;
    volatile bool work;   /* set in upcall context, cleared before the ring is looked at */
    volatile bool look;   /* the front end's nodes changed */
};

extern struct net_switch net_switch;

/* net_xenbus.c: the nodes and the states. */
int net_nodes_create(struct net_device *d); /* 0 or a Xen errno */
void net_nodes_remove(const struct net_device *d);
void net_nodes_state(struct net_device *d, uint8_t state);
/* The front end's nodes changed: what follows. *WHY: the device must be dropped. */
void net_xenbus_look(struct net_device *d, const char **why);

/* net_backend.c */
bool net_connect(struct net_device *d, uint32_t tx_ref, uint32_t rx_ref, uint32_t remote_port, const char **why);
void net_disconnect(struct net_device *d);

/* net_frame.c: frames between guests' pages and ours. */
bool net_frame_init(void);
/* Serves D's ring, at most a turn's worth. true: there is more. *WHY: the ring is broken. */
bool net_frame_turn(struct net_device *d, uint64_t now_ns, const char **why);
/* A net_port's `deliver`. The frame is queued: it must stay as it is until net_frame_flush, which comes before anybody else runs. */
bool net_frame_deliver(struct net_port *to, struct net_frame *f);
/* Copies all queued frames to their receivers, and answers for their buffers. */
void net_frame_flush(void);
