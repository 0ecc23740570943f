/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Who runs next. Works on struct sched_unit, which is embedded in struct vcpu, so that it knows nothing of domains.
 * One run queue per CPU, ordered by running time over weight (vruntime); its lock guards all fields of the units that belong to that CPU,
 * and no two are held at once. A unit is on the queue exactly when it is runnable, nothing holds it and it does not run. */
#pragma once

#include "kernel/core/types.h"

#define SCHED_SLICE_NS 10000000UL
#define SCHED_WEIGHT_DEFAULT 256U
#define SCHED_WEIGHT_MAX 65535U

enum vcpu_state { VCPU_DOWN, VCPU_RUNNABLE, VCPU_RUNNING, VCPU_BLOCKED };

/* Xen's runstates: what the time of a unit is booked under. */
enum sched_runstate { SCHED_TIME_RUNNING = 0, SCHED_TIME_RUNNABLE = 1, SCHED_TIME_BLOCKED = 2, SCHED_TIME_OFFLINE = 3 };

/* Reasons why a unit may not run, whatever its state. */
#define SCHED_HOLD_PAUSED 1U
#define SCHED_HOLD_SHUTDOWN 2U
#define SCHED_HOLD_DYING 4U

struct sched_group {           /* the units of one domain */
    uint32_t weight;           /* of each of them: 1..SCHED_WEIGHT_MAX */
    uint32_t cap;              /* percent of one CPU for all together; 0: none */
    uint64_t period_ns;        /* when the period began in which the cap counts; this and the next are atomic */
    uint64_t used_ns;          /* running time in it, and what was too much before */
};

struct sched_unit {
    struct sched_unit *next;   /* on the run queue */
    struct sched_group *group;
    enum vcpu_state state;
    uint32_t cpu;              /* whose queue it belongs to */
    uint32_t hold;             /* SCHED_HOLD_* */
    uint32_t queued;           /* its weight when it was put on the queue; 0: it is not there */
    bool boost;                /* Dom0: goes first when it wakes */
    bool on_cpu;               /* its state is loaded on `cpu`, or about to be: it cannot move; atomic */
    uint64_t affinity;         /* bit N: CPU N is allowed */
    uint64_t vruntime_ns;
    uint64_t since_ns;         /* system time of the last change of runstate */
    uint64_t time_ns[4];       /* by enum sched_runstate, up to since_ns */
};

/* time_ns: up to since_ns. */
struct sched_times { enum sched_runstate state; uint64_t since_ns; uint64_t time_ns[4]; };

/* The run queue of CPU. */
void sched_init_cpu(uint32_t cpu);
/* A unit of GROUP that is down, on CPU, allowed on all. */
void sched_unit_init(struct sched_unit *u, struct sched_group *group, uint32_t cpu, bool boost);
/* The CPUs that U may run on; at least one of them exists. */
void sched_set_affinity(struct sched_unit *u, uint64_t affinity);
/* Must U's state leave this CPU, where it is loaded: held, down, or not allowed here? Then the run loop unloads it and calls sched_leave. */
bool sched_must_leave(const struct sched_unit *u);
void sched_leave(struct sched_unit *u);
/* DOWN -> runnable, and back from any state. */
void sched_up(struct sched_unit *u);
void sched_down(struct sched_unit *u);
/* RUNNING -> BLOCKED; the caller then checks once more what it waits for, and wakes it if that came meanwhile. */
void sched_block(struct sched_unit *u);
/* BLOCKED -> runnable; a unit that runs on another CPU is made to leave its guest. Any context. */
void sched_wake(struct sched_unit *u);
/* Holds count by reason: a unit runs only while HOLD is empty. */
void sched_hold(struct sched_unit *u, uint32_t reason);
void sched_unhold(struct sched_unit *u, uint32_t reason);
/* Lets others of this CPU go first once. */
void sched_give_way(struct sched_unit *u);
/* Who runs on CPU from now on (state RUNNING, on_cpu), NULL: nobody wants to. PREV, if it still runs, goes back to the queue. The caller
 * has cleared need_resched, and picks again if it is set afterwards. An idle CPU takes a unit that waits elsewhere; at the end of a slice one that waits here goes where there is less to do. */
struct sched_unit *sched_pick(uint32_t cpu, struct sched_unit *prev);
/* Its books: state, since when, and the times of all that came before. */
struct sched_times sched_times(struct sched_unit *u);
/* How long CPU has run units, up to their last change. */
uint64_t sched_busy_ns(uint32_t cpu);
/* Calls FN for each queued unit of CPU, in order: for dumps. */
void sched_walk(uint32_t cpu, void (*fn)(struct sched_unit *u, void *ctx), void *ctx);
/* For audit: queue order, states and holds agree. */
bool sched_check(uint32_t cpu, char *why, size_t len);
