/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What Dom0 asks of others on the network: is a host there, what is a name's address, and a TCP stream. The calls wait, and are for the
 * prompt's thread alone: a key wakes them, and INTERRUPTED tells them to give up (code 1). WHO begins the error's text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"

#define NET_PING_BYTES 56U

enum net_ping_result {
    NET_PING_ANSWER,
    NET_PING_SILENCE,      /* none in time */
    NET_PING_NO_HOST,      /* nobody on this network has the address, or the gateway's */
    NET_PING_UNREACHABLE,  /* says FROM */
    NET_PING_NOT_SENT,     /* no address any more, no gateway, or no memory: WHY */
};

struct net_ping {
    enum net_ping_result result;
    uint64_t ns;
    uint32_t from; /* who answered */
    uint8_t ttl;
    const char *why;
};

/* Has Dom0 an address? */
bool net_client_ready(const char *who, struct error *e);
/* One echo request to TO (host order). It ends at once when the answer comes, and at DEADLINE_NS. */
void net_ping(uint32_t to, uint16_t sequence, uint64_t deadline_ns, bool (*interrupted)(void), struct net_ping *out);
/* The addresses of NAME, up to MAX: its own if it is one, else the name server's answer. */
bool net_resolve(const char *who, const char *name, uint32_t *addresses, unsigned max, unsigned *count, bool (*interrupted)(void), struct error *e);

struct net_stream;
/* NULL: no connection came about. */
struct net_stream *stream_open(const char *who, uint32_t to, uint16_t port, bool (*interrupted)(void), struct error *e);
/* At most 4 KiB, at the beginning. */
bool stream_send(struct net_stream *s, const char *who, const void *data, size_t len, struct error *e);
/* At least one byte, at most SIZE; *GOT 0: the other side has ended. */
bool stream_receive(struct net_stream *s, const char *who, void *buf, size_t size, size_t *got, bool (*interrupted)(void), struct error *e);
void stream_close(struct net_stream *s); /* NULL is fine */
