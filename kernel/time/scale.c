/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] TSC ticks and nanoseconds. 128-bit products; no 128-bit division (that would need a runtime library). */
#include "kernel/time/scale.h"

uint64_t scale_ns_of_ticks(const struct boot_clock *s, uint64_t ticks)
{
    uint64_t shifted = s->shift >= 0 ? ticks << s->shift : ticks >> -s->shift;
    return (uint64_t)((unsigned __int128)shifted * s->mul >> 32);
}

uint64_t scale_ticks_of_ns(const struct boot_clock *s, uint64_t ns)
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
