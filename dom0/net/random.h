/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Numbers that others on the network should not guess: ports, sequence numbers, identifiers. Not for keys. */
#pragma once

#include <stdint.h>

uint32_t net_random(void);
