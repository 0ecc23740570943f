/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Threads: a ready queue served round-robin, wait queues, deadlines in a list sorted by time. Everything
 * here runs with interrupts off, which is the lock against event handlers. There is no idle thread: the thread that
 * has to wait idles on its own stack until somebody is ready. */
#include "dom0/kernel/thread.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/cpu.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread_priv.h"
#include "dom0/kernel/time.h"
#include "dom0/kernel/time_priv.h"
#include "dom0/lib/string.h"

#define STACK_DEFAULT 16384U
#define SLICE_NS      1000000UL
#define PAGE_BYTES    4096U

struct thread {
    char name[24];
    uint64_t sp;
    struct thread *next;           /* in the ready queue or in a wait queue */
    struct waitq *waiting;         /* the wait queue it is in */
    struct thread *later, *sooner; /* deadline list */
    uint64_t deadline_ns;
    bool timed; /* in the deadline list */
    bool woken;
    bool preemptible;
    uint64_t overran_ns;   /* debug: ran too long, so long; 0: no */
    bool named;            /* and that was said once */
    uint64_t run_start_ns; /* CPU time (debug), see cpu_time */
    uint64_t slice_end_ns;
    void (*fn)(void *arg);
    void *arg;
    uint64_t stack_top;
    size_t stack_pages; /* 0: the boot stack */
};

/* A wake-up that found nobody is remembered in the empty queue (head NULL), so that one between a check and the
 * wait is not lost. */
#define WAKE_PENDING ((struct thread *)1)

static struct thread boot_thread = {.name = "boot"};
static struct thread *self = &boot_thread;
static struct waitq ready;
static struct thread *soonest; /* deadline list */
static struct thread *zombie;  /* left its stack for good; freed by the next thread */
static uint64_t new_thread_flags;
static bool check_times;

static void enqueue(struct waitq *q, struct thread *t)
{
    t->next = NULL;
    if (q->head == NULL) {
        q->head = t;
    } else {
        q->tail->next = t;
    }
    q->tail = t;
}

static struct thread *dequeue(struct waitq *q)
{
    struct thread *t = q->head;
    if (t != NULL) {
        q->head = t->next;
        q->tail = q->head == NULL ? NULL : q->tail;
    }
    return t;
}

static void remove_from(struct waitq *q, struct thread *t)
{
    struct thread *prev = NULL;
    for (struct thread *i = q->head; i != t; i = i->next) {
        prev = i;
    }
    if (prev == NULL) {
        q->head = t->next;
    } else {
        prev->next = t->next;
    }
    if (q->tail == t) {
        q->tail = prev;
    }
}

static void deadline_add(struct thread *t, uint64_t deadline_ns)
{
    struct thread *prev = NULL, *i = soonest;
    while (i != NULL && i->deadline_ns <= deadline_ns) {
        prev = i;
        i = i->later;
    }
    t->deadline_ns = deadline_ns;
    t->timed = true;
    t->sooner = prev;
    t->later = i;
    if (i != NULL) {
        i->sooner = t;
    }
    *(prev != NULL ? &prev->later : &soonest) = t;
}

static void deadline_remove(struct thread *t)
{
    if (!t->timed) {
        return;
    }
    t->timed = false;
    *(t->sooner != NULL ? &t->sooner->later : &soonest) = t->later;
    if (t->later != NULL) {
        t->later->sooner = t->sooner;
    }
}

static void make_ready(struct thread *t, bool woken)
{
    t->woken = woken;
    t->waiting = NULL;
    deadline_remove(t);
    enqueue(&ready, t);
}

static void expire(uint64_t now)
{
    while (soonest != NULL && soonest->deadline_ns <= now) {
        struct thread *t = soonest;
        if (t->waiting != NULL) {
            remove_from(t->waiting, t);
        }
        make_ready(t, false);
    }
}

static uint64_t next_deadline(void) { return soonest != NULL ? soonest->deadline_ns : WAIT_FOREVER; }

/* Time this CPU gave us, for the debug check: what the hypervisor took for others does not count. */
static uint64_t cpu_time(void) { return time_now_ns() - time_stolen_ns(); }

static void account_stop(void)
{
    if (check_times && !self->preemptible && !self->named && cpu_time() - self->run_start_ns > SLICE_NS) {
        self->overran_ns = cpu_time() - self->run_start_ns;
    }
}

static void account_start(void)
{
    if (check_times) {
        self->run_start_ns = cpu_time();
    }
    if (self->preemptible) {
        uint64_t end = time_now_ns() + SLICE_NS;
        self->slice_end_ns = end;
        time_timer_set(next_deadline() < end ? next_deadline() : end);
    }
}

/* After SELF changed, on the new thread's stack. */
static void finish_switch(void)
{
    struct thread *dead = zombie;
    zombie = NULL;
    if (dead != NULL && dead->stack_pages != 0) {
        stack_free(dead->stack_top, dead->stack_pages);
        heap_free(dead);
    }
    account_start();
}

/* Gives the CPU to the next ready thread; waits for one. SELF is in some queue (or dead). */
static void schedule(void)
{
    account_stop();
    for (;;) {
        expire(time_now_ns());
        if (ready.head != NULL) {
            break;
        }
        time_wait_until(next_deadline());
    }
    struct thread *from = self, *to = dequeue(&ready);
    if (to != from) {
        self = to;
        cpu_switch(&from->sp, to->sp);
    }
    finish_switch();
}

/* Interrupts back to what they were; what the debug check found is said by the thread itself, outside the scheduler. */
static void leave(uint64_t flags)
{
    cpu_irq_restore(flags);
    if (self->overran_ns != 0) {
        uint64_t us = self->overran_ns / 1000;
        self->overran_ns = 0;
        self->named = true;
        console_notice("thread %s ran for %lu us without yielding (1000 are allowed)", self->name, us);
    }
}

void thread_init(uint64_t irq_flags, bool check)
{
    new_thread_flags = irq_flags;
    check_times = check;
    account_start();
}

void thread_begin(void)
{
    finish_switch();
    cpu_irq_restore(new_thread_flags);
    self->fn(self->arg);
    thread_exit();
}

struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, size_t stack)
{
    struct thread *t = heap_alloc(sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    strlcpy(t->name, name, sizeof(t->name));
    t->fn = fn;
    t->arg = arg;
    t->stack_pages = ((stack != 0 ? stack : STACK_DEFAULT) + PAGE_BYTES - 1) / PAGE_BYTES;
    if (!stack_alloc(t->stack_pages, &t->stack_top)) {
        heap_free(t);
        return NULL;
    }
    /* as cpu_switch leaves it: six registers, then the return address */
    uint64_t *frame = (uint64_t *)t->stack_top - 7;
    memset(frame, 0, 6 * sizeof(*frame));
    frame[6] = (uint64_t)cpu_thread_start;
    t->sp = (uint64_t)frame;
    uint64_t flags = cpu_irq_save();
    enqueue(&ready, t);
    cpu_irq_restore(flags);
    return t;
}

void thread_exit(void)
{
    cpu_irq_save();
    zombie = self;
    schedule();
    __builtin_unreachable();
}

void thread_yield(void)
{
    uint64_t flags = cpu_irq_save();
    enqueue(&ready, self);
    schedule();
    leave(flags);
}

void thread_sleep_ns(uint64_t ns)
{
    struct waitq nobody = {};
    uint64_t now = time_now_ns();
    waitq_wait(&nobody, ns < WAIT_FOREVER - now ? now + ns : WAIT_FOREVER);
}

struct thread *thread_self(void) { return self; }
const char *thread_name(const struct thread *t) { return t->name; }

bool waitq_wait(struct waitq *q, uint64_t deadline_ns)
{
    uint64_t flags = cpu_irq_save();
    if (q->head == NULL && q->tail == WAKE_PENDING) {
        q->tail = NULL;
        cpu_irq_restore(flags);
        return true;
    }
    enqueue(q, self);
    self->waiting = q;
    if (deadline_ns != WAIT_FOREVER) {
        deadline_add(self, deadline_ns);
    }
    schedule();
    bool woken = self->woken;
    leave(flags);
    return woken;
}

void waitq_wake(struct waitq *q)
{
    uint64_t flags = cpu_irq_save();
    struct thread *t = dequeue(q);
    if (t != NULL) {
        make_ready(t, true);
    } else {
        q->tail = WAKE_PENDING;
    }
    cpu_irq_restore(flags);
}

void waitq_wake_all(struct waitq *q)
{
    uint64_t flags = cpu_irq_save();
    do {
        waitq_wake(q);
    } while (q->head != NULL);
    cpu_irq_restore(flags);
}

void thread_preemptible(bool on)
{
    uint64_t flags = cpu_irq_save();
    account_stop();
    self->preemptible = on;
    account_start();
    leave(flags);
}

void thread_timer_event(void) { expire(time_now_ns()); }

void thread_preempt(void)
{
    if (!self->preemptible) {
        return;
    }
    uint64_t now = time_now_ns();
    if (ready.head != NULL && now >= self->slice_end_ns) {
        enqueue(&ready, self);
        schedule();
        return;
    }
    uint64_t next = next_deadline();
    if (ready.head != NULL && self->slice_end_ns < next) {
        next = self->slice_end_ns;
    }
    time_timer_set(next);
}

bool thread_in_guard(uint64_t address)
{
    uint64_t bottom = self->stack_top - self->stack_pages * PAGE_BYTES;
    return self->stack_pages != 0 && address < bottom && address >= bottom - PAGE_BYTES;
}

void mutex_lock(struct mutex *m)
{
    while (m->owner != NULL) {
        waitq_wait(&m->waiters, WAIT_FOREVER);
    }
    m->owner = self;
}

void mutex_unlock(struct mutex *m)
{
    m->owner = NULL;
    if (m->waiters.head != NULL) {
        waitq_wake(&m->waiters);
    }
}
