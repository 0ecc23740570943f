/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A limit on bytes per second: who sent more than it may waits; nothing is thrown away. Pure. */
#pragma once

#include <stdint.h>

struct net_rate { /* zeroed: no limit */
    uint64_t bytes_per_s;
    int64_t credit; /* below zero: in debt */
    uint64_t since_ns;
};

void net_rate_set(struct net_rate *r, uint64_t bytes_per_s, uint64_t now_ns);
/* 0: a frame may be sent now; else in how many nanoseconds. */
uint64_t net_rate_wait_ns(struct net_rate *r, uint64_t now_ns);
void net_rate_charge(struct net_rate *r, uint32_t bytes);
