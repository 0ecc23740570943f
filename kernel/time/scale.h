/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Between TSC ticks and nanoseconds, by the arithmetic of the Xen clock page, so that root and guests agree to the
 * nanosecond: ns = ((ticks << shift) * mul) >> 32; a negative shift shifts right. Pure. */
#pragma once

#include "boot/boot_info.h"

uint64_t scale_ns_of_ticks(const struct boot_clock *s, uint64_t ticks);
/* The smallest tick count whose scale_ns_of_ticks is at least NS; saturates. */
uint64_t scale_ticks_of_ns(const struct boot_clock *s, uint64_t ns);
