/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] System time. It starts at the loader's jump; the loader has measured the TSC's rate. */
#include "kernel/time/clock.h"

#include "kernel/core/log.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/x86.h"
#include "kernel/platform/machine.h"
#include "kernel/time/scale.h"

#define NS_PER_SECOND 1000000000UL

void clock_init(const struct boot_info *boot)
{
    log_set_clock(clock_now_ns);
    log_info("clock: TSC at %u.%03u MHz (by %s)%s", boot->clock.khz / 1000, boot->clock.khz % 1000, boot->clock.by,
             cpu_features.invariant_tsc ? "" : ", not invariant");
}

uint64_t clock_tsc_khz(void) { return boot_info.clock.khz; }
uint64_t clock_ns_of_tsc(uint64_t tsc) { return tsc > boot_info.tsc_jump ? scale_ns_of_ticks(&boot_info.clock, tsc - boot_info.tsc_jump) : 0; }
uint64_t clock_now_ns(void) { return clock_ns_of_tsc(rdtsc()); }

uint64_t clock_tsc_of_ns(uint64_t ns)
{
    uint64_t ticks = scale_ticks_of_ns(&boot_info.clock, ns);
    return ticks > UINT64_MAX - boot_info.tsc_jump ? UINT64_MAX : ticks + boot_info.tsc_jump;
}

void clock_pv_factors(uint32_t *mul, int8_t *shift, uint64_t *tsc, uint64_t *ns)
{
    *mul = boot_info.clock.mul;
    *shift = boot_info.clock.shift;
    *tsc = boot_info.tsc_jump;
    *ns = 0;
}

void clock_wallclock(uint64_t *seconds, uint32_t *ns)
{
    *seconds = boot_info.clock.wall_ns / NS_PER_SECOND;
    *ns = (uint32_t)(boot_info.clock.wall_ns % NS_PER_SECOND);
}
