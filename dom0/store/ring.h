/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One guest's xenstore ring page: moves bytes, reassembles messages. The guest can write anything there at any
 * time: each index is read once and checked. Pure (the ring is memory like any other). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/store/wire.h"

_Static_assert(sizeof(struct xenstore_domain_interface) == 2076, "xenstore ring");

struct store_ring {
    struct xenstore_domain_interface *page;
    uint16_t domid;
    bool bad;         /* a violation of the protocol: silent until the guest reconnects */
    bool event_turn;  /* requests and events take turns */
    uint32_t in_used; /* bytes of in that have arrived */
    uint32_t out_len, out_sent;
    struct store_message in, out;
};

enum store_ring_result { STORE_RING_IDLE, STORE_RING_PROGRESS, STORE_RING_BAD };

/* A new connection over PAGE: says what the server can do (error words, reconnecting). */
void store_ring_start(struct store_ring *r, struct xenstore_domain_interface *page, uint16_t domid);
/* One turn: sends what waits, then at most one request or one event. *NOTIFY: tell the guest. *WHY for STORE_RING_BAD:
 * in words; the page says it to the guest, and the ring is idle from then on until the guest asks to reconnect, which
 * also drops its watches and transactions. */
enum store_ring_result store_ring_turn(struct store *s, struct store_ring *r, bool *notify, const char **why);
