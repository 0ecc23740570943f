/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The host's network cards as ports of bridges: nic0 on bridge0, nic1 on bridge1, and so on. Such a port is not locked to an address: who is
 * behind it is learned. */
#pragma once

#include <stdbool.h>

#include "drivers/netdev.h"

/* Puts every card that a driver found to use. After net_backend_init. */
void net_uplink_init(void);
/* Calls FN for each card with its bridge ("": on none), in order. FN may print; false stops. */
void net_uplinks_list(bool (*fn)(const struct netdev *n, const char *bridge, void *ctx), void *ctx);
