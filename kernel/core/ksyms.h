/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Function names for backtraces, from the table that tools/mksyms.py links in. */
#pragma once

#include "kernel/core/types.h"

/* The function that contains ADDR (a root-mode text address) and the offset in it; "?" when there is none. */
const char *ksyms_lookup(uint64_t addr, uint64_t *offset);
