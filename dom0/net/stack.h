/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Dom0's own port on bridge0 and its TCP/IP (lwIP). There is no lock: threads are cooperative, nothing that calls lwIP lets others run within
 * a call, and lwIP's callbacks only set what they found and wake. The port's `deliver` only queues; the thread "tcpip" serves the queue and whatever
 * timers are due. Without a configuration there is neither. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/lib/error.h"
#include "dom0/net/mac.h"
#include "dom0/net/switch.h"

#define NET_OWN_BRIDGE "bridge0"

enum net_mode { NET_OFF, NET_STATIC, NET_DHCP };

struct net_config {
    enum net_mode mode;
    /* For NET_STATIC; host order, 0: none. */
    uint32_t address, gateway, dns;
    uint8_t prefix;
};

struct net_view {
    enum net_mode mode;
    uint32_t address; /* 0: none (yet) */
    uint32_t gateway, dns;
    uint8_t prefix;
    uint8_t mac[MAC_LEN];
    bool joined; /* the port is on its bridge */
    struct net_counters sent, received; /* by Dom0 */
};

/* The port joins its bridge, under an address that is made from that of a card of the host's that is there already, else from what identifies the
 * first disk. Reads that: in a thread that may wait. */
void net_stack_init(void);
/* Replaces the configuration; open connections end. NET_DHCP returns at once, before there is an address. */
bool net_stack_configure(const struct net_config *c, struct error *e);
void net_stack_view(struct net_view *v);
/* Waits until there is an address. false: the time is up, or INTERRUPTED. */
bool net_stack_wait_address(uint64_t deadline_ns, bool (*interrupted)(void));
