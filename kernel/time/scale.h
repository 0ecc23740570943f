/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Between TSC ticks and nanoseconds, by the arithmetic of the Xen clock page, so that root and guests agree to the
 * nanosecond: ns = ((ticks << shift) * mul) >> 32; a negative shift shifts right. Pure. */
#pragma once

#include "kernel/core/types.h"

struct scale { /* made by the loader: boot_info.clock */
    uint32_t mul;
    int8_t shift;
};

uint64_t scale_ns_of_ticks(const struct scale *s, uint64_t ticks);
/* The smallest tick count whose scale_ns_of_ticks is at least NS; saturates. */
uint64_t scale_ticks_of_ns(const struct scale *s, uint64_t ns);
