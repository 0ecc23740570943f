/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] triple: raises an exception with an empty IDT.
 * Why: a triple fault stops that guest and nothing else. Expected: state c, reason in words. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    (void)start_info;
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none = {0, 0};
    say("triple: going");
    __asm__ volatile("lidt %0; int3" : : "m"(none));
}
