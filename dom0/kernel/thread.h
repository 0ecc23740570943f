/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Cooperative threads. Only the marked sections of a thread may be preempted (thread_preemptible): pure
 * computation on own buffers, such as decompression. Interrupt handlers (event upcalls) only set flags and wake. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread;
struct waitq { struct thread *head, *tail; };

#define WAIT_FOREVER (~0UL)

/* Starts FN(ARG) on its own stack (16 KiB with a guard page, or STACK bytes if not 0). NULL: no memory. */
struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, size_t stack);
void thread_exit(void) __attribute__((noreturn));
void thread_yield(void);
void thread_sleep_ns(uint64_t ns);
struct thread *thread_self(void);
const char *thread_name(const struct thread *t);
/* Sleeps until woken or until the absolute system time DEADLINE_NS (WAIT_FOREVER: none). true: woken; false: timed
 * out. Spurious wake-ups happen: re-check. */
bool waitq_wait(struct waitq *q, uint64_t deadline_ns);
void waitq_wake(struct waitq *q);     /* one; also from event handlers */
void waitq_wake_all(struct waitq *q);
/* Between on and off this thread may be switched away by the timer (1 ms) when another is ready. Only for code that
 * touches nothing shared. */
void thread_preemptible(bool on);

struct mutex { struct thread *owner; struct waitq waiters; };
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
