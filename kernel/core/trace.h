/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The flight recorder: per CPU a ring of records of four 64-bit words, written in a few instructions, its end printed by
 * panic. No lock: only a CPU itself writes its ring; a reader may see the newest record half done. */
#pragma once

#include "kernel/core/types.h"

#define TRACE_RECORDS 512U /* a power of two */
#define TRACE_MAX_CPUS 32U

enum trace_kind {
    TRACE_EXIT = 1,      /* a: exit reason, b: RIP or qualification */
    TRACE_HYPERCALL = 2, /* a: number, b: result or first argument */
    TRACE_SWITCH = 3,    /* a: domid << 32 | vcpu, b: before */
    TRACE_IRQ = 4,       /* a: vector */
    TRACE_DOMAIN = 6,    /* a: domid, b: new state */
    TRACE_KILL = 7,      /* a: domid */
};

struct trace_record {
    uint64_t tsc;
    uint64_t kind_cpu; /* kind | cpu << 32 */
    uint64_t a, b;
};

struct trace_ring {
    uint64_t next; /* records ever written */
    struct trace_record records[TRACE_RECORDS];
};

/* CPU 0's is there from the start; NULL: that CPU does not trace. */
extern struct trace_ring *trace_rings[TRACE_MAX_CPUS];

#ifdef CORBEL_HOST_TEST
uint32_t trace_cpu(void);
#else
/* The id in struct cpu, read through GS (kernel/cpu/percpu.c pins the offset): core lies below cpu. */
static inline uint32_t trace_cpu(void)
{
    uint32_t id;
    __asm__ volatile("movl %%gs:8, %0" : "=r"(id));
    return id;
}
#endif

static inline void trace(enum trace_kind kind, uint64_t a, uint64_t b)
{
    uint32_t cpu = trace_cpu();
    struct trace_ring *ring = trace_rings[cpu];
    if (ring == NULL)
        return;
    struct trace_record *r = &ring->records[ring->next++ % TRACE_RECORDS];
    *r = (struct trace_record){__builtin_ia32_rdtsc(), (uint64_t)kind | (uint64_t)cpu << 32, a, b};
}
