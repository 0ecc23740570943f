/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Per-CPU windows on frames that root does not own. Cached by frame: opening the same frame again costs a lookup.
 * A pointer from window_open stays valid until this CPU opens WINDOW_SLOTS others, calls window_flush, or switches vCPU. */
#pragma once

#include "kernel/core/addr.h"

#define WINDOW_SLOTS 16U

/* A pointer to the 4 KiB frame F, RW NX, write-back. Never fails for RAM frames or firmware table ranges. */
void *window_open(hfn_t f);
/* Drops all cached windows of this CPU. */
void window_flush(void);
/* Zeroes the frame F, which nobody uses. */
void window_scrub(hfn_t f);
