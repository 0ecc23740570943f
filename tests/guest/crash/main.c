/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] crash: SCHEDOP_shutdown with reason crash.
 * Expected: kept in state c until the operator destroys it. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    (void)start_info;
    say("crash: going");
    shut_down(3);
}
