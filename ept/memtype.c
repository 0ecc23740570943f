/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Pure: see memtype.h. */
#include "ept/memtype.h"

#include "ept/walk.h"

#define DEF_ENABLE (1UL << 11)
#define DEF_FIXED_ENABLE (1UL << 10)
#define CAP_FIXED (1UL << 8)
#define VARIABLE_VALID (1UL << 11)

static bool fixed_active(const struct mtrr_state *m)
{
    return (m->cap & CAP_FIXED) != 0 && (m->def_type & DEF_FIXED_ENABLE) != 0;
}

/* Fixed ranges cover the first megabyte: 8 of 64 KiB, 16 of 16 KiB, 64 of 4 KiB. */
static unsigned fixed_type(const struct mtrr_state *m, uint64_t a)
{
    unsigned unit = a < 0x80000 ? (unsigned)(a >> 16) : a < 0xc0000 ? 8 + (unsigned)((a - 0x80000) >> 14)
                                                                   : 24 + (unsigned)((a - 0xc0000) >> 12);
    return (unsigned)(m->fixed[unit / 8] >> (unit % 8 * 8)) & 0xff;
}

/* The address bits that variable range I compares; 0 where the range is off. */
static uint64_t variable_mask(const struct mtrr_state *m, unsigned i)
{
    uint64_t mask = m->variable[i].mask;
    return (mask & VARIABLE_VALID) == 0 ? 0 : mask & ((1UL << m->phys_bits) - 1) & ~(PAGE_SIZE - 1);
}

/* SDM "MTRR Precedences": where variable ranges overlap UC wins, WT with WB is WT: the lower number. Other overlaps are
 * undefined. */
unsigned memtype_of_frame(const struct mtrr_state *m, hfn_t f)
{
    uint64_t a = hpa_of_hfn(f).v;
    if ((m->def_type & DEF_ENABLE) == 0)
        return EPT_MEMTYPE_UC;
    if (a < 0x100000 && fixed_active(m))
        return fixed_type(m, a);
    unsigned type = ~0U;
    for (unsigned i = 0; i < MEMTYPE_MAX_VARIABLE; i++) {
        uint64_t mask = variable_mask(m, i);
        if (mask != 0 && (a & mask) == (m->variable[i].base & mask))
            type = MIN(type, (unsigned)(m->variable[i].base & 0xff));
    }
    return type != ~0U ? type : (unsigned)(m->def_type & 0xff);
}

/* Does variable range I treat all of [A, +SIZE) alike? It does when it compares no bit below SIZE, or matches nowhere. */
static bool variable_uniform(const struct mtrr_state *m, unsigned i, uint64_t a, uint64_t size)
{
    uint64_t mask = variable_mask(m, i);
    uint64_t high = mask & ~(size - 1);
    return mask == high || (a & high) != (m->variable[i].base & high);
}

bool memtype_of_range(const struct mtrr_state *m, hfn_t f, unsigned order, unsigned *type)
{
    uint64_t a = hpa_of_hfn(f).v;
    uint64_t size = PAGE_SIZE << order;
    *type = memtype_of_frame(m, f);
    if ((m->def_type & DEF_ENABLE) == 0)
        return true;
    for (unsigned i = 0; i < MEMTYPE_MAX_VARIABLE; i++) {
        if (!variable_uniform(m, i, a, size))
            return false;
    }
    if (a >= 0x100000 || !fixed_active(m))
        return true;
    for (uint64_t at = a; at < a + size && at <= 0x100000; at += PAGE_SIZE) {
        if (memtype_of_frame(m, hfn_of_hpa(hpa(at))) != *type)
            return false;
    }
    return true;
}
