/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The flight recorder's memory and reader. */
#include "kernel/core/trace.h"

static struct trace_ring boot_ring;
struct trace_ring *trace_rings[TRACE_MAX_CPUS] = {&boot_ring};

size_t trace_read(uint32_t cpu, uint64_t *pos, struct trace_record *out, size_t max)
{
    if (cpu >= TRACE_MAX_CPUS || trace_rings[cpu] == NULL)
        return 0;
    const struct trace_ring *ring = trace_rings[cpu];
    uint64_t end = ring->next;
    uint64_t oldest = end > TRACE_RECORDS ? end - TRACE_RECORDS : 0;
    uint64_t at = *pos < oldest || *pos > end ? oldest : *pos;
    size_t n = MIN(max, end - at);
    for (size_t i = 0; i < n; i++)
        out[i] = ring->records[(at + i) % TRACE_RECORDS];
    *pos = at + n;
    return n;
}
