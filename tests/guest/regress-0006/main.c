/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] regress-0006: user mode executes XSETBV.
 * Why: Bochs leaves the guest for XSETBV before it looks at the privilege level; the handler believed that the CPU had, so that user mode could
 * change XCR0 under its kernel. Expected: #GP, XCR0 as it was. Nothing to see on a CPU without XSAVE. */
#include "tests/guest/lib/guest.h"

void guest_main(const void *start_info)
{
    uint64_t cr4;
    uint32_t a = 1, b, c = 0, d;
    (void)start_info;
    traps_on();
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((c >> 26 & 1) != 0) {
        __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
        __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 1UL << 18));
        for (enum mode mode = USER64; mode < MODES; mode += USER32 - USER64) {
            struct run r = {.rax = 3};
            uint64_t vec = run_bytes(mode, "\x0f\x01\xd1", 3, &r);
            check(vec == 13, "XSETBV in mode %u gives %lu", mode, vec);
        }
        __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
        check(a == 1 && d == 0, "XCR0 is %x", a);
    }
    summary("regress-0006");
}
