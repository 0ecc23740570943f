/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Under Dom0's scheduler (dom0/kernel/thread.c) on the host: contexts instead of cpu_switch, interrupts that are a mark. The test has
 * the clock and what happens when everybody waits (time_wait_until). Included once, by the test's own file. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sanitizer/common_interface_defs.h>
#include <ucontext.h>

#include "dom0/kernel/cpu.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/thread_priv.h"

#define CONTEXTS 64
#define STACK_BYTES 262144U /* contexts run on stacks of their own: sanitizers need more than 16 KiB */

static bool irq_on = true;
static int stacks_live;
static struct { ucontext_t context; uint64_t sp, first; unsigned char *stack; void *fake; const void *bottom; size_t size; } contexts[CONTEXTS];
static int current, left; /* LEFT: whom the current one was switched to from */

void cpu_thread_start(void) {}

uint64_t cpu_irq_save(void)
{
    bool was = irq_on;
    irq_on = false;
    return was ? 0x200 : 0;
}

void cpu_irq_restore(uint64_t flags) { irq_on |= (flags & 0x200) != 0; }

bool stack_alloc(size_t pages, uint64_t *top)
{
    stacks_live++;
    *top = (uint64_t)aligned_alloc(16, pages * 4096) + pages * 4096;
    return true;
}

void stack_free(uint64_t top, size_t pages)
{
    stacks_live--;
    for (int i = 0; i < CONTEXTS; i++)
        if (contexts[i].first < top && contexts[i].first >= top - pages * 4096)
            contexts[i].sp = contexts[i].first = 0; /* of a thread that ended */
    free((void *)(top - pages * 4096));
}

/* The sanitizer is told which stack it is on. */
static void arrived(void) { __sanitizer_finish_switch_fiber(contexts[current].fake, &contexts[left].bottom, &contexts[left].size); }

static void context_begin(void)
{
    arrived();
    thread_begin();
}

/* A thread's stack pointer names its context. One that is not known yet belongs to a new thread. */
void cpu_switch(uint64_t *save, uint64_t load)
{
    assert_false(irq_on);
    static uint64_t next_name = 1; /* no stack is there */
    int to = 0;
    while (to < CONTEXTS && contexts[to].sp != load) {
        to++;
    }
    if (to == CONTEXTS) {
        const uint64_t *frame = (const uint64_t *)load;
        assert_true(frame[6] == (uint64_t)cpu_thread_start);
        for (to = 1; contexts[to].sp != 0 || to == current; to++) {
        }
        getcontext(&contexts[to].context);
        free(contexts[to].stack);
        contexts[to].stack = malloc(STACK_BYTES);
        contexts[to].first = load;
        contexts[to].bottom = contexts[to].stack;
        contexts[to].size = STACK_BYTES;
        contexts[to].fake = NULL;
        contexts[to].context.uc_stack.ss_sp = contexts[to].stack;
        contexts[to].context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&contexts[to].context, context_begin, 0);
    }
    int from = left = current;
    contexts[from].sp = *save = next_name++;
    contexts[to].sp = 0;
    current = to;
    __sanitizer_start_switch_fiber(&contexts[from].fake, contexts[to].bottom, contexts[to].size);
    swapcontext(&contexts[from].context, &contexts[to].context);
    arrived();
}
