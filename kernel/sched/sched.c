/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The fair scheduler. Each run queue's lock guards its units; a unit belongs to the queue of u->cpu. */
#include "kernel/sched/sched.h"

#include "kernel/core/printf.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/string.h"
#include "kernel/cpu/percpu.h"
#include "kernel/smp/smp.h"
#include "kernel/time/clock.h"
#include "kernel/time/deadline.h"

#define WAKE_GRANULARITY_NS 1000000UL /* a woken unit preempts when it is this far behind */

struct runqueue {
    struct spinlock lock;
    struct sched_unit *head;    /* ascending vruntime */
    struct sched_unit *running;
    uint64_t min_vruntime_ns;   /* never goes back: where newcomers start */
    bool slice_armed;
    struct deadline slice;
};

static struct runqueue runqueues[MAX_CPUS];

static enum sched_runstate runstate_of(const struct sched_unit *u)
{
    if (u->state == VCPU_RUNNING)
        return SCHED_TIME_RUNNING;
    if (u->state == VCPU_BLOCKED)
        return SCHED_TIME_BLOCKED;
    return u->state == VCPU_RUNNABLE && u->hold == 0 ? SCHED_TIME_RUNNABLE : SCHED_TIME_OFFLINE;
}

/* Books the time since the last change under the state that now ends. */
static void account(struct runqueue *rq, struct sched_unit *u)
{
    uint64_t now = clock_now_ns();
    uint64_t delta = now > u->since_ns ? now - u->since_ns : 0;
    enum sched_runstate r = runstate_of(u);
    u->time_ns[r] += delta;
    u->since_ns = now;
    if (r != SCHED_TIME_RUNNING)
        return;
    u->vruntime_ns += delta;
    uint64_t low = rq->head && rq->head->vruntime_ns < u->vruntime_ns ? rq->head->vruntime_ns : u->vruntime_ns;
    rq->min_vruntime_ns = MAX(rq->min_vruntime_ns, low);
}

static void enqueue(struct runqueue *rq, struct sched_unit *u)
{
    struct sched_unit **p = &rq->head;
    while (*p && (*p)->vruntime_ns <= u->vruntime_ns)
        p = &(*p)->next;
    u->next = *p;
    *p = u;
    u->queued = true;
}

static void dequeue(struct runqueue *rq, struct sched_unit *u)
{
    struct sched_unit **p = &rq->head;
    while (*p != u)
        p = &(*p)->next;
    *p = u->next;
    u->next = NULL;
    u->queued = false;
}

static void slice_end(struct deadline *self)
{
    struct runqueue *rq = CONTAINER_OF(self, struct runqueue, slice);
    rq->slice_armed = false;
    cpu_get((uint32_t)(rq - runqueues))->need_resched = true;
}

static void arm_slice(struct runqueue *rq)
{
    if (rq->slice_armed)
        return;
    rq->slice_armed = true;
    deadline_set(&rq->slice, clock_tsc_of_ns(clock_now_ns() + SCHED_SLICE_NS));
}

/* A unit became able to run: queue it; preempt when it has had clearly less than the one that runs. */
static void make_ready(struct runqueue *rq, struct sched_unit *u)
{
    struct sched_unit *cur = rq->running;
    if (cur && cur->state == VCPU_RUNNING)
        account(rq, cur); /* min_vruntime up to now */
    uint64_t credit = u->boost ? SCHED_SLICE_NS : SCHED_SLICE_NS / 2;
    uint64_t floor = rq->min_vruntime_ns > credit ? rq->min_vruntime_ns - credit : 0;
    u->vruntime_ns = MAX(u->vruntime_ns, floor);
    enqueue(rq, u);
    uint64_t margin = u->boost ? 0 : WAKE_GRANULARITY_NS;
    if (!cur || cur->vruntime_ns > u->vruntime_ns + margin)
        smp_kick(u->cpu);
    else
        arm_slice(rq);
}

/* Moves U to STATE and HOLD, keeping books and queue right. The unit that runs stays rq->running until the next pick. */
static void transition(struct runqueue *rq, struct sched_unit *u, enum vcpu_state state, uint32_t hold)
{
    account(rq, u);
    bool was_running = u->state == VCPU_RUNNING;
    u->state = state;
    u->hold = hold;
    bool ready = state == VCPU_RUNNABLE && hold == 0;
    if (u->queued && !ready)
        dequeue(rq, u);
    else if (!u->queued && ready)
        make_ready(rq, u);
    if (was_running && state != VCPU_RUNNING)
        smp_kick(u->cpu);
}

void sched_init_cpu(uint32_t cpu)
{
    runqueues[cpu] = (struct runqueue){.slice = {.fire = slice_end}};
}

void sched_unit_init(struct sched_unit *u, uint32_t cpu, bool boost)
{
    *u = (struct sched_unit){.state = VCPU_DOWN, .cpu = cpu, .boost = boost, .since_ns = clock_now_ns()};
}

/* The one way from outside: U in one of the states FROM (bits) goes to TO; holds are added and taken away. */
static void change(struct sched_unit *u, unsigned from, enum vcpu_state to, uint32_t hold, uint32_t unhold)
{
    struct runqueue *rq = &runqueues[u->cpu];
    SPIN_GUARD(&rq->lock);
    if ((1U << u->state & from) || hold || unhold)
        transition(rq, u, 1U << u->state & from ? to : u->state, (u->hold | hold) & ~unhold);
}

#define IS(state) (1U << (state))

void sched_up(struct sched_unit *u) { change(u, IS(VCPU_DOWN), VCPU_RUNNABLE, 0, 0); }
void sched_down(struct sched_unit *u) { change(u, IS(VCPU_RUNNABLE) | IS(VCPU_RUNNING) | IS(VCPU_BLOCKED), VCPU_DOWN, 0, 0); }
void sched_block(struct sched_unit *u) { change(u, IS(VCPU_RUNNING), VCPU_BLOCKED, 0, 0); }
void sched_hold(struct sched_unit *u, uint32_t reason) { change(u, IS(VCPU_RUNNING), VCPU_RUNNABLE, reason, 0); }
void sched_unhold(struct sched_unit *u, uint32_t reason) { change(u, 0, VCPU_DOWN, 0, reason); }

void sched_wake(struct sched_unit *u)
{
    change(u, IS(VCPU_BLOCKED), VCPU_RUNNABLE, 0, 0);
    if (__atomic_load_n(&u->state, __ATOMIC_RELAXED) == VCPU_RUNNING && u->cpu != cpu_id())
        smp_kick(u->cpu); /* on this CPU it looks before it enters anyway */
}

void sched_give_way(struct sched_unit *u)
{
    struct runqueue *rq = &runqueues[u->cpu];
    SPIN_GUARD(&rq->lock);
    if (!rq->head)
        return;
    account(rq, u);
    u->vruntime_ns = MAX(u->vruntime_ns, rq->head->vruntime_ns + 1);
    smp_kick(u->cpu);
}

struct sched_unit *sched_pick(uint32_t cpu, struct sched_unit *prev)
{
    struct runqueue *rq = &runqueues[cpu];
    SPIN_GUARD(&rq->lock);
    cpu_get(cpu)->need_resched = false;
    if (prev && prev->state == VCPU_RUNNING) {
        account(rq, prev);
        prev->state = VCPU_RUNNABLE;
        enqueue(rq, prev);
    }
    struct sched_unit *next = rq->running = rq->head;
    if (!next)
        return NULL;
    dequeue(rq, next);
    account(rq, next);
    next->state = VCPU_RUNNING;
    rq->min_vruntime_ns = MAX(rq->min_vruntime_ns, next->vruntime_ns);
    if (rq->head)
        arm_slice(rq);
    return next;
}

struct sched_times sched_times(struct sched_unit *u)
{
    SPIN_GUARD(&runqueues[u->cpu].lock);
    struct sched_times t = {.state = runstate_of(u), .since_ns = u->since_ns};
    memcpy(t.time_ns, u->time_ns, sizeof(t.time_ns));
    return t;
}

void sched_walk(uint32_t cpu, void (*fn)(struct sched_unit *u, void *ctx), void *ctx)
{
    SPIN_GUARD(&runqueues[cpu].lock);
    for (struct sched_unit *u = runqueues[cpu].head; u; u = u->next)
        fn(u, ctx);
}

bool sched_check(uint32_t cpu, char *why, size_t len)
{
    SPIN_GUARD(&runqueues[cpu].lock);
    for (const struct sched_unit *u = runqueues[cpu].head; u; u = u->next) {
        bool ready = u->queued && u->state == VCPU_RUNNABLE && u->hold == 0 && u->cpu == cpu;
        if (ready && (!u->next || u->next->vruntime_ns >= u->vruntime_ns))
            continue;
        snprintf(why, len, "run queue of CPU %u: a unit on it is not ready or out of order", cpu);
        return false;
    }
    return true;
}
