/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The two shared pages of a paravirtual network card (Xen public io/netif.h). The guest may write anything into them at any time: each
 * slot is copied once and checked then; our own indices are kept here and never read back. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/netif.h>

#define NET_RING_SLOTS 256U
#define NET_TX_SLOTS   XEN_NETIF_NR_SLOTS_MIN /* of one frame at most: 18 */
#define NET_RX_SLOTS   3U                     /* of one frame at most: NET_FRAME_MAX in pages */

enum net_ring_result {
    NET_RING_EMPTY,
    NET_RING_FRAME,
    NET_RING_BROKEN, /* nothing more can be made of it; *WHY says what was seen */
};

struct net_tx { /* what the guest sends */
    struct netif_tx_sring *shared;
    uint32_t cons, prod; /* requests taken; answers given */
};

struct net_tx_part {
    uint32_t gref;
    uint16_t offset, len; /* within one page */
};

struct net_tx_frame {
    uint32_t slots;
    uint32_t len;
    bool blank, validated; /* its checksum */
    uint16_t ids[NET_TX_SLOTS];
    struct net_tx_part parts[NET_TX_SLOTS];
};

struct net_rx { /* what the guest receives */
    struct netif_rx_sring *shared;
    uint32_t cons, prod;
};

struct net_rx_slot {
    uint32_t gref;
    uint16_t id;
};

/* Takes the slots of the next frame out of the ring; each must be answered. */
enum net_ring_result net_tx_next(struct net_tx *t, struct net_tx_frame *f, const char **why);
/* Answers all slots of F with STATUS (NETIF_RSP_*). true: the guest wants an event. */
bool net_tx_answer(struct net_tx *t, const struct net_tx_frame *f, int16_t status);
/* Asks for an event at the next request. true: there is one already. */
bool net_tx_rearm(struct net_tx *t);

/* Takes N buffers (1 to NET_RX_SLOTS) for one frame; EMPTY: the guest has not given so many, none was taken. */
enum net_ring_result net_rx_take(struct net_rx *r, uint32_t n, struct net_rx_slot *slots, const char **why);
/* The answer to the next buffer that was taken: LEN bytes, or a NETIF_RSP_*. In the order of taking. */
void net_rx_answer(struct net_rx *r, uint16_t id, uint16_t flags, int16_t len);
/* Makes the answers seen. FROM: r->prod before them. true: the guest wants an event. */
bool net_rx_push(struct net_rx *r, uint32_t from);
