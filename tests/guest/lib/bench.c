/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] See bench.h. */
#include "tests/guest/lib/bench.h"
#include "tests/guest/lib/pv.h"

#include <xen/vcpu.h>

uint64_t bench_samples[BENCH_SAMPLES];
static bool tracing;
static struct vcpu_runstate_info running __attribute__((aligned(64)));

void bench_init(const void *start_info)
{
    for (const char *p = guest_cmdline(start_info); *p != '\0'; p++)
        tracing = tracing || (p[0] == 't' && p[1] == 'r' && p[2] == 'a' && p[3] == 'c' && p[4] == 'e');
}

void bench_row(const char *name)
{
    if (tracing)
        say("TRACE %s", name);
}

void bench_mark(unsigned i, unsigned n)
{
    if (tracing && i + BENCH_TRACED >= n)
        __asm__ volatile("xchgw %%bx, %%bx" : : : "memory");
}

static void sort(unsigned n)
{
    for (unsigned gap = n / 2; gap > 0; gap /= 2)
        for (unsigned i = gap; i < n; i++) {
            uint64_t x = bench_samples[i];
            unsigned k = i;
            for (; k >= gap && bench_samples[k - gap] > x; k -= gap)
                bench_samples[k] = bench_samples[k - gap];
            bench_samples[k] = x;
        }
}

void bench_report(const char *name, unsigned n)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += bench_samples[i];
    sort(n);
    say("BENCH %s n=%u min=%lu med=%lu avg=%lu p99=%lu", name, n, bench_samples[0], bench_samples[n / 2], sum / n, bench_samples[n * 99 / 100]);
}

void bench_tell_running(void)
{
    uint64_t at = (uint64_t)&running;
    check(hypercall(HC_VCPU_OP, VCPUOP_register_runstate_memory_area, 0, (uint64_t)&at) == 0, "no running time");
}

uint64_t bench_run_ns(void)
{
    volatile struct vcpu_runstate_info *r = &running;
    return r->time[RUNSTATE_running] + pv_now_ns() - r->state_entry_time;
}
