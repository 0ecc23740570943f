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

uint64_t scale_ticks_of_ns(const struct scale *s, uint64_t ns)
{
    uint64_t high = ns / s->mul; /* (ns << 32) / mul, digit by digit in base 2^32 */
    uint64_t rest = (ns % s->mul) << 32;
    if (high >= UINT32_MAX)
        return UINT64_MAX;
    uint64_t shifted = (high << 32 | rest / s->mul) + (rest % s->mul != 0 ? 1 : 0);
    if (s->shift < 0)
        return shifted > UINT64_MAX >> -s->shift ? UINT64_MAX : shifted << -s->shift;
    uint64_t up = (1UL << s->shift) - 1;
    return (shifted >> s->shift) + ((shifted & up) != 0 ? 1 : 0);
}
