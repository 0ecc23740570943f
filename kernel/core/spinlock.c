/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Ticket spinlocks: first come, first served. */
#include "kernel/core/spinlock.h"

uint64_t spin_epoch;

void spin_lock(struct spinlock *lock)
{
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    /* Acquire: pairs with the release in spin_unlock. */
    while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket) {
        spin_pass();
        __builtin_ia32_pause();
    }
}

void spin_unlock(struct spinlock *lock)
{
    /* Only the holder writes owner, so a plain read of it is enough. Release: pairs with the acquire in spin_lock. */
    __atomic_store_n(&lock->owner, lock->owner + 1, __ATOMIC_RELEASE);
}
