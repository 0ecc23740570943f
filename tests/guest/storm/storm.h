/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] The part of the guest `storm` that makes hypercalls long. */
#pragma once

#include "tests/guest/lib/pv.h"

/* Prints "cost NAME N ticks" for each hypercall with the largest arguments that are carried out in one call, then powers off. */
void cost(void);
/* The longest of them without end. */
void storm_copies(void);
void storm_flushes(void);
void storm_small_balloon(void);
void storm_large_balloon(void);
