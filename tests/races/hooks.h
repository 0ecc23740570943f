/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Included before everything else (-include) by root's real files in the tests of races: each atomic operation, each copy of guest memory and each
 * place that waits for another CPU calls the test, which may let another CPU go on there. With RACES_THREADS nothing is called: the CPUs are real threads.
 * What has no meaning in a process (PAUSE, HLT, the byte at GS) is replaced; no line of root changes. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "tests/unit/host_memory.h"

void race_point(void); /* another CPU may go on here */
void race_wait(void);  /* this one waits for another */
void race_sleep(void); /* HLT with interrupts on: until one comes */

#ifndef RACES_THREADS
#define __atomic_load_n(p, o) (race_point(), __atomic_load_n(p, o))
#define __atomic_store_n(p, v, o) (race_point(), __atomic_store_n(p, v, o))
#define __atomic_exchange_n(p, v, o) (race_point(), __atomic_exchange_n(p, v, o))
#define __atomic_compare_exchange_n(p, e, v, w, s, f) (race_point(), __atomic_compare_exchange_n(p, e, v, w, s, f))
#define __atomic_fetch_add(p, v, o) (race_point(), __atomic_fetch_add(p, v, o))
#define __atomic_fetch_sub(p, v, o) (race_point(), __atomic_fetch_sub(p, v, o))
#define __atomic_fetch_or(p, v, o) (race_point(), __atomic_fetch_or(p, v, o))
#define __atomic_fetch_and(p, v, o) (race_point(), __atomic_fetch_and(p, v, o))
#define __atomic_add_fetch(p, v, o) (race_point(), __atomic_add_fetch(p, v, o))
#endif
#define __builtin_ia32_pause() race_wait()

#define cpu_relax cpu_relax_of_the_machine
#include "kernel/cpu/x86.h"
#undef cpu_relax
static inline void cpu_relax(void) { race_wait(); }

#define spin_pass spin_pass_of_host_tests
#include "kernel/core/spinlock.h"
#undef spin_pass
#include "kernel/cpu/percpu.h"
static inline void spin_pass(void) /* as spinlock.h has it */
{
    uint64_t epoch = __atomic_load_n(&spin_epoch, __ATOMIC_ACQUIRE);
    __atomic_store_n(&this_cpu()->epoch, epoch, __ATOMIC_RELEASE);
}

#define cpu_idle_wait cpu_idle_wait_of_the_machine
#define cpu_idle_poll cpu_idle_poll_of_the_machine
#include "kernel/cpu/idle.h"
#undef cpu_idle_wait
#undef cpu_idle_poll
static inline void cpu_idle_wait(void) /* as idle.h has it */
{
    __atomic_store_n(&this_cpu()->resting, true, __ATOMIC_RELEASE);
    race_sleep();
    cpu_awake();
}
static inline void cpu_idle_poll(void) {}

#ifndef RACES_THREADS
#include "kernel/core/string.h"
#define memcpy(d, s, n) (race_point(), memcpy(d, s, n))
#define memmove(d, s, n) (race_point(), memmove(d, s, n))
#endif
