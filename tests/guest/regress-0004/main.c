/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] regress-0004: sends itself an interrupt with a vector that does not exist (below 16).
 * Why: with virtual-interrupt delivery this leaves the guest for a reason that had no row, and the domain was killed.
 * Expected: nothing is delivered, the guest goes on and powers off. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    uint64_t vec;
    TRY(vec, "wrmsr", : : "c"(0x83f), "a"(5), "d"(0) : "r11", "memory");
    check(vec == NO_TRAP || vec == 13, "SELF_IPI with vector 5 gives %lu", vec);
    summary("regress-0004");
}
