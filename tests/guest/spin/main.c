/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] spin: computes for ever and never exits by itself.
 * Why: only preemption gives the CPU to others. Expected: Dom0 stays responsive; destroy ends it in state r. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    (void)start_info;
    say("spin: up");
    for (;;)
        __asm__ volatile("" : : : "memory");
}
