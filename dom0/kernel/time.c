/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Time from the hypervisor's vcpu_time_info (system time = TSC scaled), one-shot timer, wall clock. Without a
 * hypervisor: the TSC, calibrated against PIT channel 2 (Intel 8254 data sheet, mode 0). */
#include "dom0/kernel/time.h"

#include <xen/vcpu.h>
#include <xen/xen.h>

#include "dom0/kernel/boot.h"
#include "dom0/kernel/boot_priv.h"
#include "dom0/kernel/cpu.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/event_priv.h"
#include "dom0/kernel/fatal.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread_priv.h"
#include "dom0/kernel/time_priv.h"
#include "drivers/io.h"

_Static_assert(sizeof(struct vcpu_time_info) == 32 && sizeof(struct vcpu_runstate_info) == 48, "Xen layout");

#define PIT_HZ       1193182UL
#define CALIBRATE_MS 10UL

static const volatile struct vcpu_time_info *clock;
static volatile struct vcpu_runstate_info runstate __attribute__((aligned(64)));
static uint64_t armed_ns;      /* 0: not armed */
static uint64_t plain_khz = 1; /* without a hypervisor */
static uint64_t plain_start;

uint64_t time_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void barrier(void) { __asm__ volatile("" : : : "memory"); }

/* An odd version: being written; a changed one: read again. x86 keeps the order of loads, so compiler barriers do. */
static uint64_t clock_read(void)
{
    for (;;) {
        uint32_t version = clock->version;
        barrier();
        uint64_t delta = time_tsc() - clock->tsc_timestamp;
        uint64_t base = clock->system_time;
        uint64_t mul = clock->tsc_to_system_mul;
        int shift = clock->tsc_shift;
        barrier();
        if ((version & 1) == 0 && version == clock->version) {
            delta = shift < 0 ? delta >> -shift : delta << shift;
            return base + (uint64_t)(((unsigned __int128)delta * mul) >> 32);
        }
    }
}

uint64_t time_now_ns(void)
{
    if (clock != NULL) {
        return clock_read();
    }
    uint64_t delta = time_tsc() - plain_start;
    return delta / plain_khz * 1000000U + delta % plain_khz * 1000000U / plain_khz;
}

uint64_t time_tsc_khz(void) { return boot_on_corbel() ? boot_host_info()->tsc_khz : plain_khz; }

uint64_t time_wallclock_s(void)
{
    const volatile struct shared_info *shared = event_shared_info();
    if (shared == NULL) {
        return 0;
    }
    for (;;) {
        uint32_t version = shared->wc_version;
        barrier();
        uint64_t seconds = (uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec;
        uint64_t ns = shared->wc_nsec;
        barrier();
        if ((version & 1) == 0 && version == shared->wc_version) {
            return seconds == 0 ? 0 : seconds + (ns + time_now_ns()) / 1000000000U;
        }
    }
}

uint64_t time_stolen_ns(void)
{
    return runstate.time[RUNSTATE_runnable] + runstate.time[RUNSTATE_blocked] + runstate.time[RUNSTATE_offline];
}

void time_timer_set(uint64_t deadline_ns)
{
    if (clock == NULL || deadline_ns == WAIT_FOREVER || deadline_ns == armed_ns) {
        return;
    }
    armed_ns = deadline_ns;
    struct vcpu_set_singleshot_timer op = {.timeout_abs_ns = deadline_ns};
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, (uint64_t)&op);
}

void time_wait_until(uint64_t deadline_ns)
{
    if (clock != NULL) {
        time_timer_set(deadline_ns);
        cpu_wait();
    } else if (deadline_ns == WAIT_FOREVER) {
        fatal("every thread waits, and without a hypervisor there is no interrupt");
    } else {
        __asm__ volatile("pause");
    }
}

static void on_timer(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    armed_ns = 0;
    thread_timer_event();
}

/* PIT channel 2 counts CALIBRATE_MS down with its gate on; port 0x61 bit 5 shows its end. */
static void calibrate(void)
{
    uint16_t count = (uint16_t)(PIT_HZ * CALIBRATE_MS / 1000);
    io_out8(0x61, (uint8_t)((io_in8(0x61) & 0xfcU) | 1U));
    io_out8(0x43, 0xb0);
    io_out8(0x42, (uint8_t)count);
    io_out8(0x42, (uint8_t)(count >> 8));
    uint64_t start = time_tsc();
    for (unsigned i = 0; i < 10000000 && (io_in8(0x61) & 0x20U) == 0; i++) {
        __asm__ volatile("pause");
    }
    plain_start = time_tsc();
    plain_khz = (plain_start - start) / CALIBRATE_MS;
    plain_khz = plain_khz != 0 ? plain_khz : 1;
}

void time_init(void)
{
    if (!boot_on_corbel()) {
        calibrate();
        return;
    }
    clock = &event_vcpu_info()->time;
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    if (boot_host_info()->debug != 0) { /* only the check of threads needs it, and it costs at each switch to another guest */
        struct vcpu_register_runstate_memory_area area = {.addr.p = (uint64_t)&runstate};
        hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, (uint64_t)&area);
    }
    if (event_bind_virq(VIRQ_TIMER, on_timer, NULL) <= 0) {
        fatal("the hypervisor refuses the timer event");
    }
}
