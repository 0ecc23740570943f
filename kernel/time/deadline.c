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
    struct deadline *firing; /* whose `fire` runs now; atomic */
    struct deadline_heap heap;
} queues[MAX_CPUS];

void deadline_init(void)
{
    for (uint32_t i = 0; i < MAX_CPUS; i++)
        queues[i].armed = UINT64_MAX;
    irq_set_system(VECTOR_TIMER, deadline_run);
}

static void arm(struct queue *q, uint64_t tsc)
{
    q->armed = tsc;
    lapic_timer_arm(tsc);
}

/* Another CPU may have taken D off its queue already and be in its `fire`: that is over when this returns. */
static void wait_fired(const struct deadline *d)
{
    uint32_t cpu = __atomic_load_n(&d->cpu, __ATOMIC_RELAXED);
    while (cpu != cpu_id() && __atomic_load_n(&queues[cpu].firing, __ATOMIC_ACQUIRE) == d) { /* pairs with deadline_run */
        spin_pass();
        cpu_relax();
    }
}

/* Takes D off the queue it is on; false: it was on none, or fires just now. */
static bool take_off(struct deadline *d)
{
    while (__atomic_load_n(&d->slot, __ATOMIC_ACQUIRE) != 0) { /* again if it moved to another CPU meanwhile */
        uint32_t cpu = __atomic_load_n(&d->cpu, __ATOMIC_RELAXED);
        struct queue *q = &queues[cpu];
        SPIN_GUARD(&q->lock);
        if (d->slot == 0 || d->cpu != cpu)
            continue;
        heap_remove(&q->heap, d);
        return true;
    }
    return false;
}

void deadline_cancel(struct deadline *d)
{
    do {
        (void)take_off(d);
        wait_fired(d);
    } while (__atomic_load_n(&d->slot, __ATOMIC_RELAXED) != 0); /* its `fire` has set it again */
}

void deadline_bring(struct deadline *d)
{
    if (d->cpu == cpu_id())
        return;
    if (take_off(d))
        deadline_set(d, d->tsc);
    else
        wait_fired(d);
}

void deadline_set(struct deadline *d, uint64_t tsc)
{
    if (d->cpu != cpu_id())
        deadline_cancel(d);
    struct queue *q = &queues[cpu_id()];
    SPIN_GUARD(&q->lock);
    bool stays = d->slot != 0 && d->child == NULL && tsc >= d->tsc; /* later than all above it still: as a timer that is armed anew and anew */
    if (d->slot != 0 && !stays) /* on this queue, where it fires on this CPU alone */
        heap_remove(&q->heap, d);
    d->tsc = tsc;
    d->cpu = cpu_id();
    if (!stays)
        heap_insert(&q->heap, d);
    if (tsc < q->armed)
        arm(q, tsc);
}

/* Takes the earliest off if it is due; NULL: none is, and the hardware is armed for the next. */
static struct deadline *take_due(struct queue *q, bool may_fire)
{
    SPIN_GUARD(&q->lock);
    struct deadline *d = q->heap.first;
    if (d != NULL && may_fire && d->tsc <= rdtsc()) {
        __atomic_store_n(&q->firing, d, __ATOMIC_RELAXED); /* before it is off the queue: who finds it so looks here */
        heap_remove(&q->heap, d);
        return d;
    }
    uint64_t next = d != NULL ? d->tsc : UINT64_MAX;
    if (next != UINT64_MAX || q->armed != UINT64_MAX)
        arm(q, next); /* also when it is the same: the timer has fired, or fired early */
    return NULL;
}

void deadline_run(void)
{
    struct queue *q = &queues[cpu_id()];
    struct deadline *d;
    for (unsigned fired = 0; (d = take_due(q, fired < FIRE_LIMIT)) != NULL; fired++) {
        d->fire(d);
        __atomic_store_n(&q->firing, NULL, __ATOMIC_RELEASE);
    }
}
