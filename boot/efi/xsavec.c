/* SPDX-License-Identifier: Apache-2.0
 * [FW] Does XSAVEC save to where XRSTOR and the SDM expect it? An operating system that finds it trusts its processes'
 * registers to it; where it does not (Bochs 2.7: all that lies behind SSE) they lose them now and then. SDM vol 1, "Managing
 * State Using the XSAVE Feature Set". */
#include "boot/efi/lib.h"
#include "boot/efi/preflight.h"

#define CR4_OSXSAVE (1UL << 18)
#define MXCSR       24U
#define HEADER      512U
#define EXTENDED    576U
#define AREA_BYTES  4096U /* enough for what is on offer */

struct area { uint8_t bytes[AREA_BYTES]; } __attribute__((aligned(64)));

static void set_xcr0(uint64_t value) { __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory"); }

static void restore(const struct area *a)
{
    __asm__ volatile("xrstor64 (%0)"
                     :
                     : "r"(a), "a"(~0U), "d"(~0U)
                     : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                       "xmm14", "xmm15");
}

static uint64_t get_xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* A component of SIZE bytes, loaded from AT in the standard form, with all others in their initial state: does XSAVEC store
 * it at COMPACT? */
static bool stores(unsigned component, uint32_t at, uint32_t compact, uint32_t size)
{
    static struct area in, out;

    memset(&in, 0, sizeof(in));
    memset(&out, 0, sizeof(out));
    __asm__ volatile("stmxcsr %0" : "=m"(in.bytes[MXCSR]));
    *(uint64_t *)(void *)(in.bytes + HEADER) = 1UL << component;
    for (uint32_t i = 0; i < size; i++) {
        in.bytes[at + i] = (uint8_t)(i * 7 + component);
    }
    restore(&in);
    __asm__ volatile("xsavec64 (%0)" : : "r"(&out), "a"(~0U), "d"(~0U) : "memory");
    return memcmp(in.bytes + at, out.bytes + compact, size) == 0;
}

static bool try_components(uint64_t offer)
{
    uint32_t compact = EXTENDED;

    for (unsigned i = 2; i < 64; i++) {
        struct boot_cpuid_leaf part = (offer >> i & 1) != 0 ? preflight_cpuid(0xd, i) : (struct boot_cpuid_leaf){0};
        compact += (part.ecx & 2) != 0 ? -compact & 63 : 0; /* aligned to 64 */
        if (part.eax != 0 && !stores(i, part.ebx, compact, part.eax)) {
            return false;
        }
        compact += part.eax;
    }
    return true;
}

/* The firmware's registers and modes are as before afterwards; it takes no interrupt meanwhile. */
bool preflight_xsavec(uint64_t offer)
{
    static struct area legacy;
    uint64_t cr4, flags;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("fxsave64 (%0)" : : "r"(&legacy) : "memory");
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE) : "memory");
    uint64_t xcr0 = get_xcr0();
    set_xcr0(offer);
    bool works = try_components(offer);
    set_xcr0(xcr0);
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
    __asm__ volatile("fxrstor64 (%0)" : : "r"(&legacy) : "memory");
    __asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
    return works;
}
