/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Flush epochs: a frame taken out of an EPT (or a freed table) is reused only after every CPU that may hold a
 * stale translation has invalidated it. flush_defer_free hands frames to quarantine; flush_sync makes the promise true now. */
#pragma once

#include "ept/ept.h"

/* Notes that E changed: every CPU executes INVEPT for it before its next entry with it. */
void flush_mark(struct ept *e);
/* On this CPU, before entry with E: INVEPT if marked. */
void flush_marked(struct ept *e);
static inline void flush_before_entry(struct ept *e)
{
    if (__atomic_load_n(&e->cpus_dirty[0], __ATOMIC_ACQUIRE) != 0)
        flush_marked(e);
}
/* Puts 2^ORDER frames that E led to (reference count 1) into quarantine; they return to the allocator when all CPUs
 * have passed the epoch. */
void flush_defer_free(struct ept *e, hfn_t first, unsigned order);
/* If E changed since the last time: waits until no CPU uses old entries (kicks them; bounded), and releases quarantine. Call before returning
 * from a hypercall that removed mappings. E's lock need not be held. */
void flush_sync(struct ept *e);
