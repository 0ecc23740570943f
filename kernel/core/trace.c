/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The flight recorder's memory. */
#include "kernel/core/trace.h"

static struct trace_ring boot_ring;
struct trace_ring *trace_rings[TRACE_MAX_CPUS] = {&boot_ring};
