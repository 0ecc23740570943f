/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Ticket spinlocks. Root runs with interrupts off except in idle, so there is no irqsave form.
 * Lock order is in docs/locking.md. */
#pragma once

#include "kernel/core/types.h"

struct spinlock { uint32_t next; uint32_t owner; };

/* The flush epoch that is wanted (ept/flush.c). A CPU that waits for a lock holds no translation that it looked up without one, so it passes
 * the epoch; so does one that comes round the run loop. */
extern uint64_t spin_epoch;
#ifdef CORBEL_HOST_TEST
static inline void spin_pass(void) {}
#else
/* struct cpu's epoch, through GS (kernel/cpu/percpu.c pins the offset): core lies below cpu. Release: what this CPU looked at is behind it. */
static inline void spin_pass(void)
{
    uint64_t epoch = __atomic_load_n(&spin_epoch, __ATOMIC_ACQUIRE);
    __asm__ volatile("movq %0, %%gs:16" : : "r"(epoch) : "memory");
}
#endif

void spin_lock(struct spinlock *lock);   /* acquire pairs with spin_unlock's release */
void spin_unlock(struct spinlock *lock);

/* SPIN_GUARD(&lock); holds the lock until the end of the block, on every way out. */
static inline struct spinlock *spin_guard_take(struct spinlock *lock)
{
    spin_lock(lock);
    return lock;
}
static inline void spin_guard_drop(struct spinlock **lock) { spin_unlock(*lock); }
#define SPIN_GUARD(lock) struct spinlock *spin_guard __attribute__((cleanup(spin_guard_drop), unused)) = spin_guard_take(lock)
