/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] reboot: SCHEDOP_shutdown with reason reboot after a second of its life.
 * Expected: the manager starts it again under a new domain id, until destroyed. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    (void)start_info;
    say("reboot: going");
    shut_down(1);
}
