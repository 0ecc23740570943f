/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Deadlines: per CPU a heap and one hardware timer. A queue's lock guards its heap and the slot and cpu of its entries. The
 * hardware is armed for the earliest known when it changes to an earlier one; when that one is cancelled the timer may fire for
 * nothing once, which is cheaper than writing it each time. */
#include "kernel/time/deadline.h"

#include "kernel/core/spinlock.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/platform/irq.h"
#include "kernel/platform/lapic.h"
#include "kernel/time/heap.h"

#define FIRE_LIMIT 64U /* per deadline_run: a deadline that keeps setting itself into the past does not hold the CPU */

static struct queue {
    struct spinlock lock;
    uint64_t armed; /* host TSC the hardware is set to; UINT64_MAX: not armed */
    struct deadline_heap heap;
} queues[MAX_CPUS];

void deadline_init(void)
{
    queues[0].armed = UINT64_MAX;
    irq_set_system(VECTOR_TIMER, deadline_run);
}

static void arm(struct queue *q, uint64_t tsc)
{
    q->armed = tsc;
    if (tsc == UINT64_MAX)
        lapic_timer_stop();
    else
        lapic_timer_arm(tsc);
}

void deadline_cancel(struct deadline *d)
{
    while (d->slot != 0) { /* again if it moved to another CPU meanwhile */
        uint32_t cpu = __atomic_load_n(&d->cpu, __ATOMIC_RELAXED);
        struct queue *q = &queues[cpu];
        spin_lock(&q->lock);
        if (d->slot != 0 && d->cpu == cpu)
            heap_remove(&q->heap, d);
        spin_unlock(&q->lock);
    }
}

void deadline_set(struct deadline *d, uint64_t tsc)
{
    deadline_cancel(d);
    uint32_t cpu = cpu_id();
    struct queue *q = &queues[cpu];
    spin_lock(&q->lock);
    d->tsc = tsc;
    d->cpu = cpu;
    heap_insert(&q->heap, d);
    if (tsc < q->armed)
        arm(q, tsc);
    spin_unlock(&q->lock);
}

/* Takes the earliest off if it is due; NULL: none is, and the hardware is armed for the next. */
static struct deadline *take_due(struct queue *q, bool may_fire)
{
    spin_lock(&q->lock);
    struct deadline *d = q->heap.first;
    if (d != NULL && may_fire && d->tsc <= rdtsc()) {
        heap_remove(&q->heap, d);
    } else {
        uint64_t next = d != NULL ? d->tsc : UINT64_MAX;
        if (next != UINT64_MAX || q->armed != UINT64_MAX)
            arm(q, next); /* also when it is the same: the timer has fired, or fired early */
        d = NULL;
    }
    spin_unlock(&q->lock);
    return d;
}

void deadline_run(void)
{
    struct queue *q = &queues[cpu_id()];
    for (unsigned fired = 0;; fired++) {
        struct deadline *d = take_due(q, fired < FIRE_LIMIT);
        if (d == NULL)
            return;
        d->fire(d);
    }
}

uint64_t deadline_next(void)
{
    const struct deadline *d = queues[cpu_id()].heap.first;
    return d != NULL ? d->tsc : UINT64_MAX;
}
