/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] regress-0003: arms the shortest periodic APIC timer, masked, and waits for ever.
 * Why: each expiry interrupted the host, although nobody could notice it; twelve such guests stopped Dom0 for good.
 * Expected: any number of them costs the others nothing; Dom0 answers. */
#include "tests/guest/lib/guest.h"

static void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    write_msr(0x80f, 0x1ff);   /* SVR: enabled */
    write_msr(0x83e, 0xb);     /* divide by 1 */
    write_msr(0x832, 0x30040); /* LVT timer: periodic, masked */
    write_msr(0x838, 1);       /* initial count */
    say("regress-0003: armed");
    for (;;)
        __asm__ volatile("sti; hlt");
}
