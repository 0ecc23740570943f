/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] chatty: floods the hypervisor's log for ever.
 * Why: the log's token bucket must keep the machine usable. Expected: Dom0 answers; a suppression note in the log. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    (void)start_info;
    for (uint64_t i = 0;; i++)
        say("chatty: line %lu of a flood that nobody asked for", i);
}
