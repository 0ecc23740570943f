/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Who runs next. Works on struct sched_unit, which is embedded in struct vcpu, so that it knows nothing of domains.
 * One run queue per CPU, ordered by running time (vruntime); its lock guards all fields of the units that belong to that CPU.
 * A unit is on the queue exactly when it is runnable and nothing holds it. */
#pragma once

#include "kernel/core/types.h"

#define SCHED_SLICE_NS 10000000UL

enum vcpu_state { VCPU_DOWN, VCPU_RUNNABLE, VCPU_RUNNING, VCPU_BLOCKED };

/* Xen's runstates: what the time of a unit is booked under. */
enum sched_runstate { SCHED_TIME_RUNNING = 0, SCHED_TIME_RUNNABLE = 1, SCHED_TIME_BLOCKED = 2, SCHED_TIME_OFFLINE = 3 };

/* Reasons why a unit may not run, whatever its state. */
#define SCHED_HOLD_PAUSED 1U
#define SCHED_HOLD_SHUTDOWN 2U
#define SCHED_HOLD_DYING 4U

struct sched_unit {
    struct sched_unit *next;   /* on the run queue */
    enum vcpu_state state;
    uint32_t cpu;
    uint32_t hold;             /* SCHED_HOLD_* */
    bool queued;
    bool boost;                /* Dom0: goes first when it wakes */
    uint64_t vruntime_ns;
    uint64_t since_ns;         /* system time of the last change of runstate */
    uint64_t time_ns[4];       /* by enum sched_runstate, up to since_ns */
};

/* time_ns: up to since_ns. */
struct sched_times { enum sched_runstate state; uint64_t since_ns; uint64_t time_ns[4]; };

/* The run queue of CPU. */
void sched_init_cpu(uint32_t cpu);
/* A unit that is down, on CPU. */
void sched_unit_init(struct sched_unit *u, uint32_t cpu, bool boost);
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
/* Who runs on CPU from now on (state RUNNING), NULL: nobody wants to. PREV, if it still runs, goes back to the queue. Clears the CPU's need_resched. */
struct sched_unit *sched_pick(uint32_t cpu, struct sched_unit *prev);
/* Its books: state, since when, and the times of all that came before. */
struct sched_times sched_times(struct sched_unit *u);
/* Calls FN for each queued unit of CPU, in order: for dumps. */
void sched_walk(uint32_t cpu, void (*fn)(struct sched_unit *u, void *ctx), void *ctx);
/* For audit: queue order, states and holds agree. */
bool sched_check(uint32_t cpu, char *why, size_t len);
