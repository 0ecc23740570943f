/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] poweroff: halts with interrupts off at once.
 * Why: this is how a PVH guest powers off. Expected: the domain ends as powered off. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    (void)start_info;
    say("poweroff: going");
}
