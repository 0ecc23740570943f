/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] How often something may be said: a bucket of tokens that refills with time. What guests can cause again and
 * again must not flood the operator's terminal. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct limit { /* zeroed: full */
    uint64_t since_ns; /* the refilling counts from here */
    uint32_t spent;
    uint32_t dropped; /* refused since the last that passed */
};

/* BURST at once, then one per EVERY_NS. true: it may be said now, and *DROPPED were not before it. */
bool limit_pass(struct limit *l, uint64_t now_ns, uint32_t burst, uint64_t every_ns, uint32_t *dropped);
