/* SPDX-License-Identifier: Apache-2.0
 * [FW] The time-stamp counter. */
#pragma once

#include <stdint.h>

static inline uint64_t tsc_read(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
