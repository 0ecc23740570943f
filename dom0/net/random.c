/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] RDRAND where the CPU has it; mixed with the low bits of the time stamp counter, which are all there is without it. */
#include "dom0/net/random.h"

#include <stdbool.h>

#define CPUID_RDRAND (1U << 30) /* leaf 1, ECX */
#define TRIES        10U        /* SDM vol 1, 7.3.17.1 */

static bool has_rdrand(void)
{
    uint32_t a = 1, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c & CPUID_RDRAND) != 0;
}

static uint64_t hardware(void)
{
    uint64_t value = 0;
    bool ok = false;
    for (unsigned i = 0; i < TRIES && !ok; i++)
        __asm__ volatile("rdrand %0" : "=r"(value), "=@ccc"(ok));
    return ok ? value : 0;
}

static uint64_t tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Every bit of the state reaches every bit of the result (the finalizer of MurmurHash3, by another name SplitMix64). */
uint32_t net_random(void)
{
    static uint64_t state;
    static int known; /* 0: not asked yet; 1: RDRAND; -1: none */
    if (known == 0)
        known = has_rdrand() ? 1 : -1;
    state += 0x9e3779b97f4a7c15UL ^ tsc();
    state ^= known > 0 ? hardware() : 0;
    uint64_t z = state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return (uint32_t)((z ^ z >> 31) >> 32);
}
