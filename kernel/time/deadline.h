/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Per-CPU queue of deadlines in TSC ticks, behind one hardware timer (TSC deadline or APIC one-shot). */
#pragma once

#include "kernel/core/types.h"

struct deadline { /* zeroed: not queued */
    uint64_t tsc;                       /* due at this host TSC value */
    void (*fire)(struct deadline *self); /* runs in root on the owning CPU with no lock held; may set it again */
    uint32_t cpu;                       /* owning CPU while queued */
    uint32_t slot;                      /* 0: not queued */
    struct deadline *child, *next, *prev; /* heap.c's: first child, right sibling, left sibling or (of a first child) parent */
};

/* Takes VECTOR_TIMER. Precondition: irq_init, clock_init. */
void deadline_init(void);
/* Queues D on this CPU for TSC (re-queues if queued; nobody else sets or brings it meanwhile). A past value fires at the next deadline_run. */
void deadline_set(struct deadline *d, uint64_t tsc);
/* Removes D; harmless when it is not queued. When it returns, D's fire does not run on another CPU either: it must need no lock that the
 * caller holds. */
void deadline_cancel(struct deadline *d);
/* Moves D, if it is queued, to this CPU, so that it fires where its owner runs. */
void deadline_bring(struct deadline *d);
/* Fires all due deadlines of this CPU and re-arms the hardware. Called on the timer interrupt. */
void deadline_run(void);
