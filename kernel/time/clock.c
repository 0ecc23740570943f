/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] System time. It starts at the loader's jump. The TSC's rate is measured against a timer of known rate for 5 ms; what
 * CPUID says is finer, but is believed only where the two agree. */
#include "kernel/time/clock.h"

#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/acpi.h"
#include "kernel/time/scale.h"

#define CALIBRATE_US 5000UL
#define MAX_TICKS 100000000UL /* a reference that has not moved far enough by then is dead */
#define PM_TIMER_HZ 3579545UL
#define PIT_HZ 1193182UL
#define HPET_PERIOD (0x04U / 4)
#define HPET_CONFIG (0x10U / 4)
#define HPET_COUNTER (0xf0U / 4)
#define NS_PER_SECOND 1000000000UL
#define FS_PER_SECOND 1000000000000000UL

static uint64_t khz;
static uint64_t tsc_base;
static struct scale scale;
static uint64_t wall_ns; /* since 1970, at system time 0 */
static volatile uint32_t *hpet;

static uint32_t read_hpet(void) { return hpet[HPET_COUNTER]; }
static uint32_t read_pm_timer(void) { return in32(acpi_info.pm_timer_port) & 0xffffff; }

/* TSC ticks per second against a counter of HZ that wraps at MASK; 0: it does not run. */
static uint64_t measure(uint32_t (*read)(void), uint64_t hz, uint32_t mask)
{
    uint32_t want = (uint32_t)(hz * CALIBRATE_US / 1000000);
    uint32_t first = read();
    uint64_t start = rdtsc();
    while (rdtsc() - start < MAX_TICKS) {
        uint32_t passed = (read() - first) & mask;
        uint64_t ticks = rdtsc() - start;
        if (passed >= want)
            return ticks * hz / passed; /* < 2^27 ticks, < 2^34 Hz */
    }
    return 0;
}

static uint64_t measure_hpet(void)
{
    void *va;
    if (acpi_info.hpet == 0 || pagetable_map_mmio(hpa(acpi_info.hpet), 1024, &va) != STATUS_OK)
        return 0;
    hpet = va;
    uint32_t period_fs = hpet[HPET_PERIOD];
    if (period_fs == 0 || period_fs > 100000000) /* IA-PC HPET specification, "General Capabilities": at most 100 ns */
        return 0;
    hpet[HPET_CONFIG] |= 1; /* let it count */
    return measure(read_hpet, FS_PER_SECOND / period_fs, ~0U);
}

/* PIT channel 2 in mode 0: its output (port 0x61 bit 5) rises when the count is over. */
static uint64_t measure_pit(void)
{
    uint32_t count = (uint32_t)(PIT_HZ * CALIBRATE_US / 1000000);
    uint8_t gate = in8(0x61);
    out8(0x61, (uint8_t)((gate & ~2U) | 1U)); /* gate on, speaker off */
    out8(0x43, 0xb0);                         /* channel 2, both bytes, mode 0, binary */
    out8(0x42, (uint8_t)count);
    out8(0x42, (uint8_t)(count >> 8));
    uint64_t start = rdtsc();
    uint64_t ticks = 0;
    while ((in8(0x61) & 0x20) == 0 && ticks < MAX_TICKS)
        ticks = rdtsc() - start;
    out8(0x61, gate);
    return ticks < MAX_TICKS ? ticks * PIT_HZ / count : 0;
}

static uint64_t measure_pm_timer(void) { return acpi_info.pm_timer_port != 0 ? measure(read_pm_timer, PM_TIMER_HZ, 0xffffff) : 0; }

void clock_init(const struct boot_info *boot)
{
    static const char *const names[] = {"HPET", "ACPI PM timer", "PIT"};
    static uint64_t (*const ways[])(void) = {measure_hpet, measure_pm_timer, measure_pit};
    const char *by = NULL;
    uint64_t hz = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(ways) && hz == 0; i++) {
        by = names[i];
        hz = ways[i]();
    }
    uint64_t said = cpu_features.tsc_hz_cpuid;
    if (hz == 0 || (said > hz - hz / 100 && said < hz + hz / 100)) {
        hz = said;
        by = "CPUID";
    }
    khz = (hz + 500) / 1000;
    if (khz == 0)
        panic("clock: no HPET, PM timer or PIT runs, and CPUID does not say the TSC's rate");
    scale = scale_of_khz(khz);
    tsc_base = boot->tsc_jump;
    wall_ns = boot->utc_seconds * NS_PER_SECOND;
    if (wall_ns != 0 && boot->tsc_utc <= boot->tsc_jump)
        wall_ns += scale_ns_of_ticks(&scale, boot->tsc_jump - boot->tsc_utc);
    log_set_clock(clock_now_ns);
    log_info("clock: TSC at %lu.%03lu MHz (by %s)%s", khz / 1000, khz % 1000, by, cpu_features.invariant_tsc ? "" : ", not invariant");
}

uint64_t clock_tsc_khz(void) { return khz; }
uint64_t clock_ns_of_tsc(uint64_t tsc) { return tsc > tsc_base ? scale_ns_of_ticks(&scale, tsc - tsc_base) : 0; }
uint64_t clock_now_ns(void) { return clock_ns_of_tsc(rdtsc()); }

uint64_t clock_tsc_of_ns(uint64_t ns)
{
    uint64_t ticks = scale_ticks_of_ns(&scale, ns);
    return ticks > UINT64_MAX - tsc_base ? UINT64_MAX : ticks + tsc_base;
}

void clock_pv_factors(uint32_t *mul, int8_t *shift, uint64_t *tsc, uint64_t *ns)
{
    *mul = scale.mul;
    *shift = scale.shift;
    *tsc = tsc_base;
    *ns = 0;
}

void clock_wallclock(uint64_t *seconds, uint32_t *ns)
{
    *seconds = wall_ns / NS_PER_SECOND;
    *ns = (uint32_t)(wall_ns % NS_PER_SECOND);
}
