/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] regress-0005: thousands of INS and OUTS, each refused with #GP.
 * Why: each wrote a line into the hypervisor's log, past the domain's token bucket: one guest filled the log and the console, and the lines of all
 * others were lost. Expected: no line per access; the last one below appears. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    char buf[8] = {0};
    (void)start_info;
    traps_on();
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t vec, at = (uint64_t)buf, n = 8;
        TRY(vec, "rep insb", : "+D"(at), "+c"(n) : "d"(0x3f8) : "r11", "memory");
        check(vec == 13 && n == 8, "rep insb gives %lu", vec);
        at = (uint64_t)buf;
        TRY(vec, "rep outsb", : "+S"(at), "+c"(n) : "d"(0x3f8) : "r11", "memory");
        check(vec == 13 && n == 8, "rep outsb gives %lu", vec);
    }
    summary("regress-0005");
}
