/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Dom0's own watches: function pointers, hence on the heap and not in the arena. */
#pragma once

#include <stdbool.h>

/* Queues an event for each own watch that the change concerns. */
void store_local_changed(const char *path, bool removed);
/* Calls back for what is queued (from the server thread). true: there was something. */
bool store_local_deliver(void);
/* Wakes the server thread (server.c). */
void store_server_wake(void);
