/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What stack.c has for client.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct netif;

/* The interface, when it has an address; else NULL. */
struct netif *net_stack_ready(void);
/* Between the two somebody waits for an answer: addresses that are not known are asked for again and again. */
void net_stack_busy(bool on);
/* After anything that may have put a frame into lwIP's own queue or set a timer. */
void net_stack_kick(void);
