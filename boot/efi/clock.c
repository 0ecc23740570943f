/* SPDX-License-Identifier: Apache-2.0
 * [FW] The TSC's rate, measured against a timer of known rate for 5 ms with interrupts off; what CPUID says is finer, but is
 * believed only where the two agree. */
#include "boot/efi/clock.h"

#include <stdbool.h>
#include <stddef.h>

#include "boot/efi/fmt.h"
#include "boot/efi/handoff.h"
#include "boot/efi/port.h"
#include "boot/efi/preflight.h"
#include "boot/efi/tsc.h"

#define CALIBRATE_US  5000UL
#define MAX_TICKS     100000000UL /* a reference that has not moved far enough by then is dead */
#define PM_TIMER_HZ   3579545UL
#define PIT_HZ        1193182UL
#define HPET_PERIOD   (0x04U / 4)
#define HPET_CONFIG   (0x10U / 4)
#define HPET_COUNTER  (0xf0U / 4)
#define FS_PER_SECOND 1000000000000000UL

static const struct fwacpi *timers;

static volatile uint32_t *hpet(void) { return (volatile uint32_t *)(uintptr_t)timers->hpet; }
static uint32_t read_hpet(void) { return hpet()[HPET_COUNTER]; }
static uint32_t read_pm_timer(void) { return inl(timers->pm_timer_port) & 0xffffff; }

/* TSC ticks per second against a counter of `hz` that wraps at `mask`; 0: it does not run. */
static uint64_t measure(uint32_t (*read)(void), uint64_t hz, uint32_t mask)
{
    uint32_t want = (uint32_t)(hz * CALIBRATE_US / 1000000);
    uint32_t first = read();
    uint64_t start = tsc_read();

    while (tsc_read() - start < MAX_TICKS) {
        uint32_t passed = (read() - first) & mask;
        uint64_t ticks = tsc_read() - start;
        if (passed >= want) {
            return ticks * hz / passed; /* < 2^27 ticks, < 2^34 Hz */
        }
    }
    return 0;
}

static uint64_t measure_hpet(void)
{
    uint32_t period_fs = timers->hpet != 0 ? hpet()[HPET_PERIOD] : 0;

    if (period_fs == 0 || period_fs > 100000000) { /* IA-PC HPET specification, "General Capabilities": at most 100 ns */
        return 0;
    }
    hpet()[HPET_CONFIG] |= 1; /* let it count */
    return measure(read_hpet, FS_PER_SECOND / period_fs, ~0U);
}

static uint64_t measure_pm_timer(void)
{
    return timers->pm_timer_port != 0 ? measure(read_pm_timer, PM_TIMER_HZ, 0xffffff) : 0;
}

/* PIT channel 2 in mode 0: its output (port 0x61 bit 5) rises when the count is over. */
static uint64_t measure_pit(void)
{
    uint32_t count = (uint32_t)(PIT_HZ * CALIBRATE_US / 1000000);
    uint8_t gate = inb(0x61);
    uint64_t ticks = 0;

    outb(0x61, (uint8_t)((gate & ~2U) | 1U)); /* gate on, speaker off */
    outb(0x43, 0xb0);                         /* channel 2, both bytes, mode 0, binary */
    outb(0x42, (uint8_t)count);
    outb(0x42, (uint8_t)(count >> 8));
    uint64_t start = tsc_read();
    while ((inb(0x61) & 0x20) == 0 && ticks < MAX_TICKS) {
        ticks = tsc_read() - start;
    }
    outb(0x61, gate);
    return ticks < MAX_TICKS ? ticks * PIT_HZ / count : 0;
}

void clock_calibrate(const struct fwacpi *acpi, struct boot_clock *clock)
{
    static const char *const names[] = {"HPET", "ACPI PM timer", "PIT"};
    static uint64_t (*const ways[])(void) = {measure_hpet, measure_pm_timer, measure_pit};
    const char *by = NULL;
    uint64_t hz = 0;
    uint64_t said = preflight_tsc_hz();
    uint64_t flags;

    timers = acpi;
    __asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]) && hz == 0; i++) {
        by = names[i];
        hz = ways[i]();
    }
    if ((flags >> 9 & 1) != 0) {
        __asm__ volatile("sti" : : : "memory");
    }
    if (hz == 0 || (said > hz - hz / 100 && said < hz + hz / 100)) {
        hz = said;
        by = "CPUID";
    }
    fmt_print(clock->by, sizeof(clock->by), "%s", by);
    handoff_set_rate(clock, (hz + 500) / 1000);
}
