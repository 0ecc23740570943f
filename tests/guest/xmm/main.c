/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] xmm: keeps a number of its own in XMM registers while another guest that does the same shares the CPU with it, and looks whether it
 * is still there after each stretch.
 * Why: FPU state is switched between guests that both have some. Expected: "xmm: kept", then it powers off. */
#include "tests/guest/lib/guest.h"

#define STRETCHES 400U
#define LOOPS     100000UL

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

void guest_main(const void *start_info)
{
    (void)start_info;
    uint64_t mine = rdtsc() | 1, a = 0, b = 0;
    traps_on();
    __asm__ volatile("mov %%cr4, %%rax; or $0x600, %%eax; mov %%rax, %%cr4" : : : "rax"); /* OSFXSR, OSXMMEXCPT */
    __asm__ volatile("movq %0, %%xmm0; movq %1, %%xmm15; fninit; fldpi" : : "r"(mine), "r"(~mine));
    for (unsigned i = 0; i < STRETCHES; i++) {
        for (uint64_t n = LOOPS; n != 0; n--)
            __asm__ volatile("");
        __asm__ volatile("movq %%xmm0, %0; movq %%xmm15, %1" : "=r"(a), "=r"(b));
        if (a != mine || b != ~mine) {
            say("xmm: lost after %u: %lx and %lx instead of %lx and %lx", i, a, b, mine, ~mine);
            shut_down(3);
        }
    }
    say("xmm: kept");
    shut_down(0);
}
