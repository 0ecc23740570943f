/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] tiny: says one line and waits for ever with interrupts on.
 * Why: something small to create, pause and destroy. Expected: "tiny: up" in the log, state b. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    say("tiny: up");
    for (;;)
        __asm__ volatile("sti; hlt");
}
