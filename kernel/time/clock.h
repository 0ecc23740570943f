/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] System time: nanoseconds since the hypervisor's boot, by TSC; and the wall clock. */
#pragma once

#include "boot/boot_info.h"
#include "kernel/core/types.h"

/* Time runs from here on, at the rate that BOOT says. */
void clock_init(const struct boot_info *boot);
uint64_t clock_tsc_khz(void);
uint64_t clock_now_ns(void);            /* system time */
uint64_t clock_ns_of_tsc(uint64_t tsc); /* system time at host TSC */
uint64_t clock_tsc_of_ns(uint64_t ns);  /* saturates */
/* The pvclock factors: ns = ((tsc << shift) * mul) >> 32; a negative shift shifts right. */
void clock_pv_factors(uint32_t *mul, int8_t *shift, uint64_t *tsc_base, uint64_t *ns_base);
/* UTC at system time 0. */
void clock_wallclock(uint64_t *seconds, uint32_t *ns);
