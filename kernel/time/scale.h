/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Between TSC ticks and nanoseconds, by the arithmetic of the Xen clock page, so that root and guests agree to the
 * nanosecond: ns = ((ticks << shift) * mul) >> 32; a negative shift shifts right. Pure. */
#pragma once

#include "kernel/core/types.h"

struct scale {
    uint32_t mul;
    int8_t shift;
};

/* Factors for KHZ (1 .. 2^32-1). mul has its top bit set: the best precision that 32 bits give. */
struct scale scale_of_khz(uint64_t khz);
uint64_t scale_ns_of_ticks(const struct scale *s, uint64_t ticks);
/* The smallest tick count whose scale_ns_of_ticks is at least NS; saturates. */
uint64_t scale_ticks_of_ns(const struct scale *s, uint64_t ns);
