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
#define CAP_PERIOD_NS 100000000UL

struct runqueue {
    struct spinlock lock;
    struct sched_unit *head;    /* ascending vruntime */
    struct sched_unit *running;
    uint32_t running_weight;
    uint64_t load;              /* the weights of those on the queue, and of the one that runs */
    uint64_t min_vruntime_ns;   /* never goes back: where newcomers start */
    uint64_t busy_ns;
    uint64_t alarm_ns;          /* when `alarm` fires; 0: it is not set */
    bool slice_over;            /* it fired since the last pick */
    struct deadline alarm;
};

static struct runqueue runqueues[MAX_CPUS];

static bool allowed(const struct sched_unit *u, uint32_t cpu) { return u->affinity >> cpu & 1; }
static bool ready(const struct sched_unit *u) { return u->state == VCPU_RUNNABLE && u->hold == 0; }

/* The queue that U belongs to, locked. */
static struct runqueue *lock_queue(struct sched_unit *u)
{
    for (;;) {
        uint32_t cpu = __atomic_load_n(&u->cpu, __ATOMIC_RELAXED);
        spin_lock(&runqueues[cpu].lock);
        if (__atomic_load_n(&u->cpu, __ATOMIC_ACQUIRE) == cpu) /* pairs with move: what was done under the lock before is there */
            return &runqueues[cpu];
        spin_unlock(&runqueues[cpu].lock); /* it moved meanwhile */
    }
}

static enum sched_runstate runstate_of(const struct sched_unit *u)
{
    if (u->state == VCPU_RUNNING)
        return SCHED_TIME_RUNNING;
    if (u->state == VCPU_BLOCKED)
        return SCHED_TIME_BLOCKED;
    return ready(u) ? SCHED_TIME_RUNNABLE : SCHED_TIME_OFFLINE;
}

/* Books the time since the last change under the state that now ends. */
static void account(struct runqueue *rq, struct sched_unit *u, uint64_t now)
{
    uint64_t delta = now > u->since_ns ? now - u->since_ns : 0;
    enum sched_runstate r = runstate_of(u);
    u->time_ns[r] += delta;
    u->since_ns += delta;
    if (r != SCHED_TIME_RUNNING)
        return;
    rq->busy_ns += delta;
    if (u->group->cap)
        __atomic_fetch_add(&u->group->used_ns, delta, __ATOMIC_RELAXED);
    u->vruntime_ns += delta * SCHED_WEIGHT_DEFAULT / u->group->weight;
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
    u->queued = u->group->weight;
    rq->load += u->queued;
}

static void dequeue(struct runqueue *rq, struct sched_unit *u)
{
    struct sched_unit **p = &rq->head;
    while (*p != u)
        p = &(*p)->next;
    *p = u->next;
    u->next = NULL;
    rq->load -= u->queued;
    u->queued = 0;
}

static void alarm_due(struct deadline *self)
{
    struct runqueue *rq = CONTAINER_OF(self, struct runqueue, alarm);
    rq->alarm_ns = 0;
    rq->slice_over = true;
    cpu_get((uint32_t)(rq - runqueues))->need_resched = true; /* it was set on that CPU */
}

static void set_running(struct runqueue *rq, struct sched_unit *u)
{
    rq->load -= rq->running_weight;
    rq->running = u;
    rq->running_weight = u ? u->group->weight : 0;
    rq->load += rq->running_weight;
}

/* This CPU picks again in NS or earlier. */
static void arm(struct runqueue *rq, uint64_t now, uint64_t ns)
{
    uint64_t due = now + ns;
    if (rq->alarm_ns != 0 && rq->alarm_ns <= due)
        return;
    rq->alarm_ns = due;
    deadline_set(&rq->alarm, clock_tsc_of_ns(due));
}

/* May G's units run at NOW? *NS: for how long at most, or in how long they may. Two CPUs that begin a period at once lose no more than one
 * of their slices. */
static bool under_cap(struct sched_group *g, uint64_t now, uint64_t *ns)
{
    *ns = SCHED_SLICE_NS;
    if (g->cap == 0)
        return true;
    uint64_t budget = CAP_PERIOD_NS / 100 * g->cap;
    uint64_t used = __atomic_load_n(&g->used_ns, __ATOMIC_RELAXED), passed = now > g->period_ns ? now - g->period_ns : 0; /* another CPU may just have begun one */
    if (passed >= CAP_PERIOD_NS) {
        used -= MIN(used, passed / CAP_PERIOD_NS * budget); /* what was too much is paid back */
        __atomic_store_n(&g->used_ns, used, __ATOMIC_RELAXED);
        g->period_ns = now - passed % CAP_PERIOD_NS;
        passed %= CAP_PERIOD_NS;
    }
    *ns = used < budget ? MIN(budget - used, SCHED_SLICE_NS) : CAP_PERIOD_NS - passed;
    return used < budget;
}

static bool idle(uint32_t cpu) { return !runqueues[cpu].running && !runqueues[cpu].head; }

/* Where U shall wait for its turn: where it was, unless that is not allowed, or busy while another is idle. What it sees of other queues is a
 * hint. */
static uint32_t choose_cpu(const struct sched_unit *u)
{
    bool may_stay = allowed(u, u->cpu);
    uint32_t best = u->cpu;
    if (u->on_cpu || (may_stay && idle(u->cpu)))
        return best;
    for (uint32_t i = 0; i < cpu_count(); i++) {
        if (!allowed(u, i))
            continue;
        if (idle(i))
            return i;
        if (!may_stay && (!allowed(u, best) || runqueues[i].load < runqueues[best].load))
            best = i;
    }
    return best;
}

/* U, on no queue, belongs to CPU from now on, as far behind or ahead of the others there as it was here. RQ's lock is held. */
static void move(struct runqueue *rq, struct sched_unit *u, uint32_t cpu)
{
    uint64_t there = u->vruntime_ns + runqueues[cpu].min_vruntime_ns;
    u->vruntime_ns = there > rq->min_vruntime_ns ? there - rq->min_vruntime_ns : 0;
    __atomic_store_n(&u->cpu, cpu, __ATOMIC_RELEASE);
}

/* A unit became able to run: queue it; preempt when it has had clearly less than the one that runs. */
static void make_ready(struct runqueue *rq, struct sched_unit *u, uint64_t now)
{
    struct sched_unit *cur = rq->running;
    if (cur && cur->state == VCPU_RUNNING)
        account(rq, cur, now); /* min_vruntime up to now */
    uint64_t credit = u->boost ? SCHED_SLICE_NS : SCHED_SLICE_NS / 2;
    uint64_t floor = rq->min_vruntime_ns > credit ? rq->min_vruntime_ns - credit : 0;
    u->vruntime_ns = MAX(u->vruntime_ns, floor);
    enqueue(rq, u);
    uint64_t margin = u->boost ? 0 : WAKE_GRANULARITY_NS;
    if (!cur || cur->vruntime_ns > u->vruntime_ns + margin || (u->cpu != cpu_id() && rq->alarm_ns == 0))
        smp_kick(u->cpu);
    else if (u->cpu == cpu_id())
        arm(rq, now, SCHED_SLICE_NS);
}

/* Moves U to STATE and HOLD, keeping books and queue right. The unit that runs stays rq->running until the next pick. True: U shall wait on
 * another CPU, and belongs there now: call place. */
static bool transition(struct runqueue *rq, struct sched_unit *u, enum vcpu_state state, uint32_t hold, bool choose)
{
    uint64_t now = clock_now_ns();
    account(rq, u, now);
    bool was_running = u->state == VCPU_RUNNING;
    u->state = state;
    u->hold = hold;
    if ((was_running && state != VCPU_RUNNING) || (u->on_cpu && sched_must_leave(u)))
        smp_kick(u->cpu);
    if (u->queued && !ready(u))
        dequeue(rq, u);
    if (u->queued || !ready(u))
        return false;
    uint32_t cpu = choose ? choose_cpu(u) : u->cpu;
    bool stays = cpu == u->cpu;
    if (stays)
        make_ready(rq, u, now);
    else
        move(rq, u, cpu);
    return !stays;
}

/* Puts U, which may just have changed its CPU, on the queue there if it still wants to run. */
static void place(struct sched_unit *u)
{
    struct runqueue *rq = lock_queue(u);
    (void)transition(rq, u, u->state, u->hold, false);
    spin_unlock(&rq->lock);
}

void sched_init_cpu(uint32_t cpu)
{
    runqueues[cpu] = (struct runqueue){.alarm = {.fire = alarm_due}};
}

void sched_unit_init(struct sched_unit *u, struct sched_group *group, uint32_t cpu, bool boost)
{
    *u = (struct sched_unit){.group = group, .state = VCPU_DOWN, .cpu = cpu, .boost = boost, .affinity = ~0UL, .since_ns = clock_now_ns()};
}

/* The one way from outside: U in one of the states FROM (bits) goes to TO; holds are added and taken away. */
static void change(struct sched_unit *u, unsigned from, enum vcpu_state to, uint32_t hold, uint32_t unhold)
{
    struct runqueue *rq = lock_queue(u);
    bool moved = false;
    if ((1U << u->state & from) || hold || unhold)
        moved = transition(rq, u, 1U << u->state & from ? to : u->state, (u->hold | hold) & ~unhold, true);
    spin_unlock(&rq->lock);
    if (moved)
        place(u);
}

#define IS(state) (1U << (state))

void sched_up(struct sched_unit *u) { change(u, IS(VCPU_DOWN), VCPU_RUNNABLE, 0, 0); }
void sched_down(struct sched_unit *u) { change(u, IS(VCPU_RUNNABLE) | IS(VCPU_RUNNING) | IS(VCPU_BLOCKED), VCPU_DOWN, 0, 0); }
void sched_block(struct sched_unit *u) { change(u, IS(VCPU_RUNNING), VCPU_BLOCKED, 0, 0); }
void sched_hold(struct sched_unit *u, uint32_t reason) { change(u, IS(VCPU_RUNNING), VCPU_RUNNABLE, reason, 0); }
void sched_unhold(struct sched_unit *u, uint32_t reason) { change(u, 0, VCPU_DOWN, 0, reason); }

void sched_wake(struct sched_unit *u)
{
    if (__atomic_load_n(&u->state, __ATOMIC_RELAXED) == VCPU_RUNNING && u->cpu == cpu_id())
        return; /* on this CPU it looks before it enters anyway */
    change(u, IS(VCPU_BLOCKED), VCPU_RUNNABLE, 0, 0); /* its lock also orders what the caller set before against a unit that blocks just now */
    if (__atomic_load_n(&u->state, __ATOMIC_RELAXED) == VCPU_RUNNING)
        smp_kick(u->cpu);
}

void sched_give_way(struct sched_unit *u)
{
    struct runqueue *rq = lock_queue(u);
    if (rq->head) {
        account(rq, u, clock_now_ns());
        u->vruntime_ns = MAX(u->vruntime_ns, rq->head->vruntime_ns + 1);
        smp_kick(u->cpu);
    }
    spin_unlock(&rq->lock);
}

void sched_set_affinity(struct sched_unit *u, uint64_t affinity)
{
    struct runqueue *rq = lock_queue(u);
    u->affinity = affinity;
    if (u->queued && !u->on_cpu && !allowed(u, u->cpu))
        dequeue(rq, u);
    bool moved = transition(rq, u, u->state, u->hold, true);
    spin_unlock(&rq->lock);
    if (moved)
        place(u);
}

bool sched_must_leave(const struct sched_unit *u) { return u->hold != 0 || u->state == VCPU_DOWN || !allowed(u, u->cpu); }

void sched_leave(struct sched_unit *u)
{
    struct runqueue *rq = lock_queue(u);
    /* Release: all that unloading it wrote is there; pairs with the acquire of whoever waits for this, and with the lock of who loads it next. */
    __atomic_store_n(&u->on_cpu, false, __ATOMIC_RELEASE);
    if (rq->running == u)
        set_running(rq, NULL);
    if (u->queued)
        dequeue(rq, u);
    bool moved = transition(rq, u, u->state == VCPU_RUNNING ? VCPU_RUNNABLE : u->state, u->hold, true);
    spin_unlock(&rq->lock);
    if (moved)
        place(u);
}

/* Takes one unit that waits on FROM to CPU: the first that may go there, if FROM has then at least as much to do as CPU (IDLE: in any case). */
static bool take_over(uint32_t from, uint32_t cpu, bool is_idle)
{
    struct runqueue *rq = &runqueues[from];
    spin_lock(&rq->lock);
    struct sched_unit *u = rq->head;
    while (u && (u->on_cpu || !allowed(u, cpu) || (!is_idle && rq->load < runqueues[cpu].load + u->queued)))
        u = u->next;
    if (u) {
        account(rq, u, clock_now_ns());
        dequeue(rq, u);
        move(rq, u, cpu);
    }
    spin_unlock(&rq->lock);
    if (u)
        place(u);
    return u != NULL;
}

static void steal(uint32_t cpu)
{
    for (uint32_t i = 0; i < cpu_count(); i++) {
        if (i != cpu && __atomic_load_n(&runqueues[i].head, __ATOMIC_RELAXED) && take_over(i, cpu, true))
            return;
    }
}

static void give_away(uint32_t cpu)
{
    uint32_t least = cpu;
    for (uint32_t i = 0; i < cpu_count(); i++)
        least = runqueues[i].load < runqueues[least].load ? i : least;
    if (least != cpu)
        (void)take_over(cpu, least, false);
}

/* The first on the queue that its cap lets run. *NS: for how long; or, when there is none, in how long the first may. */
static struct sched_unit *first_allowed(struct runqueue *rq, uint64_t now, uint64_t *ns)
{
    uint64_t soonest = UINT64_MAX;
    struct sched_unit *u = rq->head;
    for (; u; u = u->next) {
        if (under_cap(u->group, now, ns))
            return u;
        soonest = MIN(soonest, *ns);
    }
    *ns = soonest;
    return NULL;
}

struct sched_unit *sched_pick(uint32_t cpu, struct sched_unit *prev)
{
    struct runqueue *rq = &runqueues[cpu];
    uint64_t ns;
    bool goes_on = prev && prev->state == VCPU_RUNNING;
    if (!goes_on && !rq->head)
        steal(cpu);
    else if (rq->slice_over && rq->head)
        give_away(cpu);
    SPIN_GUARD(&rq->lock);
    uint64_t now = clock_now_ns();
    rq->slice_over = false;
    if (prev && prev->state == VCPU_RUNNING) {
        account(rq, prev, now);
        prev->state = VCPU_RUNNABLE;
        enqueue(rq, prev);
    }
    struct sched_unit *next = first_allowed(rq, now, &ns);
    set_running(rq, next);
    if (next) {
        dequeue(rq, next);
        account(rq, next, now);
        next->state = VCPU_RUNNING;
        next->on_cpu = true;
        rq->min_vruntime_ns = MAX(rq->min_vruntime_ns, next->vruntime_ns);
    }
    if (rq->head || (next && next->group->cap))
        arm(rq, now, ns);
    return next;
}

struct sched_times sched_times(struct sched_unit *u)
{
    struct runqueue *rq = lock_queue(u);
    struct sched_times t = {.state = runstate_of(u), .since_ns = u->since_ns};
    memcpy(t.time_ns, u->time_ns, sizeof(t.time_ns));
    spin_unlock(&rq->lock);
    return t;
}

uint64_t sched_busy_ns(uint32_t cpu) { return runqueues[cpu].busy_ns; }

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
        if (u->queued && ready(u) && u->cpu == cpu && (!u->next || u->next->vruntime_ns >= u->vruntime_ns))
            continue;
        snprintf(why, len, "run queue of CPU %u: a unit on it is not ready or out of order", cpu);
        return false;
    }
    return true;
}
