/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Control registers: what CPUID offers can be turned on, all else faults and changes nothing. */
#include "tests/guest/deny/deny.h"

static uint64_t read_cr0(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}

static uint64_t read_cr4(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}

static uint64_t try_cr0(uint64_t value)
{
    uint64_t vec;
    TRY(vec, "mov %0, %%cr0", : : "r"(value) : "r11", "memory");
    return vec;
}

static uint64_t try_cr4(uint64_t value)
{
    uint64_t vec;
    TRY(vec, "mov %0, %%cr4", : : "r"(value) : "r11", "memory");
    return vec;
}

/* Bits that depend on CPUID: leaf, register, bit there; the others are always there or never. */
static const struct { uint8_t bit; uint32_t leaf; uint8_t reg, feature; } cr4_bits[] = {
    {11, 7, 2, 2},  /* UMIP */
    {16, 7, 1, 0},  /* FSGSBASE */
    {17, 1, 2, 17}, /* PCIDE */
    {18, 1, 2, 26}, /* OSXSAVE */
    {20, 7, 1, 7},  /* SMEP */
    {21, 7, 1, 20}, /* SMAP */
};
#define CR4_ALWAYS 0x7bfUL /* VME PVI TSD DE PSE PAE, PGE PCE OSFXSR OSXMMEXCPT */

static bool cr4_offered(unsigned bit)
{
    for (unsigned i = 0; i < COUNT(cr4_bits); i++) {
        if (cr4_bits[i].bit == bit) {
            struct cpuid r = cpuid(cr4_bits[i].leaf, 0);
            const uint32_t regs[] = {r.eax, r.ebx, r.ecx, r.edx};
            return (regs[cr4_bits[i].reg] >> cr4_bits[i].feature & 1) != 0;
        }
    }
    return (CR4_ALWAYS >> bit & 1) != 0;
}

static void cr4(void)
{
    uint64_t before = read_cr4();
    for (unsigned bit = 0; bit < 64; bit++) {
        bool fault = !cr4_offered(bit) || bit == 5; /* PAE: cannot go in long mode */
        uint64_t vec = try_cr4(before ^ 1UL << bit);
        check(vec == (fault ? VECTOR_GP : NO_TRAP), "CR4 bit %u: vector %lu", bit, vec);
        check(read_cr4() == (fault ? before : before ^ 1UL << bit), "CR4 bit %u: reads %lx", bit, read_cr4());
        if (!fault)
            check(try_cr4(before) == NO_TRAP, "CR4 bit %u does not go back", bit);
    }
}

static void cr0(void)
{
    const uint64_t pe = 1, ne = 1UL << 5, nw = 1UL << 29, cd = 1UL << 30, pg = 1UL << 31;
    uint64_t before = read_cr0();
    const uint64_t good[] = {before ^ ne, before ^ cd, before ^ cd ^ nw, before ^ 1UL << 16, before ^ 2, before ^ 1UL << 18};
    /* Each of these changes a bit that is only shadowed, too: a fault must leave that as it was. */
    const uint64_t bad[] = {before ^ nw, before ^ pg, before ^ pe, before ^ cd ^ pe, before ^ cd ^ pg, before ^ ne ^ pe, before ^ 1UL << 32, before ^ cd ^ 1UL << 63,
                            before ^ nw ^ pe};
    for (unsigned i = 0; i < COUNT(good); i++) {
        check(try_cr0(good[i]) == NO_TRAP && read_cr0() == good[i], "CR0 %lx reads %lx", good[i], read_cr0());
        check(try_cr0(before) == NO_TRAP && read_cr0() == before, "CR0 does not go back from %lx", good[i]);
    }
    for (unsigned i = 0; i < COUNT(bad); i++) {
        uint64_t vec = try_cr0(bad[i]);
        check(vec == VECTOR_GP && read_cr0() == before, "CR0 %lx: vector %lu, reads %lx", bad[i], vec, read_cr0());
        (void)try_cr0(before);
    }
}

static uint64_t try_xsetbv(uint32_t index, uint64_t value)
{
    uint64_t vec;
    TRY(vec, "xsetbv", : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "r11", "memory");
    return vec;
}

static void xcr0(void)
{
    struct cpuid offer = cpuid(0xd, 0);
    if (offer.eax == 0) {
        check(!cr4_offered(18), "XSAVE without components");
        return;
    }
    check(try_cr4(read_cr4() | 1UL << 18) == NO_TRAP, "CR4.OSXSAVE");
    check((cpuid(1, 0).ecx >> 27 & 1) != 0, "cpuid 1 does not show OSXSAVE");
    for (unsigned bit = 0; bit < 64; bit++) {
        if (bit < 32 && (offer.eax >> bit & 1) != 0)
            continue;
        check(try_xsetbv(0, 3 | 1UL << bit) == VECTOR_GP, "XCR0 takes bit %u", bit);
    }
    check(try_xsetbv(0, 0) == VECTOR_GP && try_xsetbv(0, 2) == VECTOR_GP, "XCR0 goes without x87");
    check(try_xsetbv(0, 5) == VECTOR_GP, "XCR0: AVX without SSE");
    check((offer.eax & 0xe0) == 0 || try_xsetbv(0, 0x27) == VECTOR_GP, "XCR0: a third of AVX-512");
    for (uint32_t index = 1; index < 8; index++)
        check(try_xsetbv(index, 1) == VECTOR_GP, "XSETBV %u", index);
    check(try_xsetbv(0xffffffff, 1) == VECTOR_GP, "XSETBV at the end");
    check(try_xsetbv(0, offer.eax) == NO_TRAP && try_xsetbv(0, 1) == NO_TRAP, "XCR0 takes what is offered");
    struct run r = {.rax = 1};
    check(run_bytes(USER64, "\x0f\x01\xd1", 3, &r) == VECTOR_GP, "XSETBV from user mode");
    check(try_cr4(read_cr4() & ~(1UL << 18)) == NO_TRAP, "CR4.OSXSAVE does not go");
}

void deny_control_registers(void)
{
    uint64_t vec;
    cr0();
    cr4();
    xcr0();
    TRY(vec, "mov %0, %%cr8", : : "r"(16UL) : "r11", "memory");
    check(vec == VECTOR_GP, "CR8 16: vector %lu", vec);
    TRY(vec, "mov %0, %%cr3", : : "r"(1UL << 60) : "r11", "memory");
    check(vec == VECTOR_GP, "CR3 beyond the physical width: vector %lu", vec);
    TRY(vec, "mov %0, %%dr7", : : "r"(1UL << 40) : "r11", "memory");
    check(vec == VECTOR_GP, "DR7 bit 40: vector %lu", vec);
    TRY(vec, "mov %0, %%dr6", : : "r"(1UL << 40) : "r11", "memory");
    check(vec == VECTOR_GP, "DR6 bit 40: vector %lu", vec);
}
