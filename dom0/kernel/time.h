/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Time: system time of the hypervisor, wall clock. */
#pragma once

#include <stdint.h>

uint64_t time_now_ns(void);
uint64_t time_tsc(void);
uint64_t time_tsc_khz(void);
uint64_t time_wallclock_s(void); /* UTC; 0: unknown */
