/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] TSC ticks and nanoseconds. 128-bit products; no 128-bit division (that would need a runtime library). */
#include "kernel/time/scale.h"

struct scale scale_of_khz(uint64_t khz)
{
    /* ns per tick = 10^6 / khz = mul * 2^(shift - 32); shift is the one that brings mul into [2^31, 2^32). */
    struct scale s = {0, 0};
    uint64_t num = 1000000;
    while (num < khz) { /* less than 1 ns per tick: shift right */
        num <<= 1;
        s.shift--;
    }
    while (num >= 2 * khz) {
        khz <<= 1;
        s.shift++;
    }
    /* 1 <= num / khz < 2: mul = num / khz * 2^31, and one more shift makes up for the 31. */
    s.mul = (uint32_t)((num << 31) / khz);
    s.shift++;
    return s;
}

uint64_t scale_ns_of_ticks(const struct scale *s, uint64_t ticks)
{
    uint64_t shifted = s->shift >= 0 ? ticks << s->shift : ticks >> -s->shift;
    return (uint64_t)((unsigned __int128)shifted * s->mul >> 32);
}

/* ceil(V / D) for a 96-bit V by schoolbook in base 2^32; saturates. */
static uint64_t divide_up(unsigned __int128 v, uint32_t d)
{
    uint64_t rem = 0;
    unsigned __int128 q = 0;
    for (int limb = 3; limb >= 0; limb--) {
        rem = rem << 32 | (uint32_t)(v >> (32 * limb));
        q = q << 32 | rem / d;
        rem %= d;
    }
    if (rem != 0)
        q++;
    return q >> 64 != 0 ? UINT64_MAX : (uint64_t)q;
}

uint64_t scale_ticks_of_ns(const struct scale *s, uint64_t ns)
{
    uint64_t shifted = divide_up((unsigned __int128)ns << 32, s->mul);
    if (s->shift >= 0) {
        uint64_t up = (1UL << s->shift) - 1;
        return shifted == UINT64_MAX ? shifted : (shifted >> s->shift) + ((shifted & up) != 0 ? 1 : 0);
    }
    return shifted > UINT64_MAX >> -s->shift ? UINT64_MAX : shifted << -s->shift;
}
