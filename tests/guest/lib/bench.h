/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] What guests that measure share: time stamps, samples, the line of a row, and the marks of a traced run (tests/bench/trace.py). */
#pragma once

#include "tests/guest/lib/guest.h"

#define BENCH_SAMPLES 2000U /* at most, in one row */
#define BENCH_TRACED 3U     /* so many samples of each row, the last ones */

extern uint64_t bench_samples[BENCH_SAMPLES];

/* The word "trace" in the command line switches the marks on. */
void bench_init(const void *start_info);
/* Of the row NAME are the marks that come. */
void bench_row(const char *name);
/* Before and behind the sample I of N, outside of its stamps: the last ones stop Bochs's debugger. */
void bench_mark(unsigned i, unsigned n);
/* Sorts the first N samples and prints the row. */
void bench_report(const char *name, unsigned n);

/* Has the hypervisor write this vCPU's running time from now on; how long it ran so far, in nanoseconds. */
void bench_tell_running(void);
uint64_t bench_run_ns(void);

/* A time stamp that neither earlier nor later instructions can cross. */
static inline uint64_t stamp(void)
{
    uint32_t lo, hi;
    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}
