/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] Pure: see memtype.h. */
#include "boot/efi/memtype.h"

#define PAGE             4096UL
#define LARGE_ORDER      9U
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
    return (mask & VARIABLE_VALID) == 0 ? 0 : mask & ((1UL << m->phys_bits) - 1) & ~(PAGE - 1);
}

/* SDM "MTRR Precedences": where variable ranges overlap UC wins, WT with WB is WT: the lower number. Other overlaps are
 * undefined. */
unsigned memtype_of_frame(const struct mtrr_state *m, uint64_t f)
{
    uint64_t a = f * PAGE;
    if ((m->def_type & DEF_ENABLE) == 0) {
        return MEMTYPE_UC;
    }
    if (a < 0x100000 && fixed_active(m)) {
        return fixed_type(m, a);
    }
    unsigned type = ~0U;
    for (unsigned i = 0; i < MEMTYPE_MAX_VARIABLE; i++) {
        uint64_t mask = variable_mask(m, i);
        if (mask != 0 && (a & mask) == (m->variable[i].base & mask)) {
            type = type < (m->variable[i].base & 0xff) ? type : (unsigned)(m->variable[i].base & 0xff);
        }
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

bool memtype_of_range(const struct mtrr_state *m, uint64_t f, unsigned order, unsigned *type)
{
    uint64_t a = f * PAGE;
    uint64_t size = PAGE << order;
    *type = memtype_of_frame(m, f);
    if ((m->def_type & DEF_ENABLE) == 0) {
        return true;
    }
    for (unsigned i = 0; i < MEMTYPE_MAX_VARIABLE; i++) {
        if (!variable_uniform(m, i, a, size)) {
            return false;
        }
    }
    if (a >= 0x100000 || !fixed_active(m)) {
        return true;
    }
    for (uint64_t at = a; at < a + size && at <= 0x100000; at += PAGE) {
        if (memtype_of_frame(m, at / PAGE) != *type) {
            return false;
        }
    }
    return true;
}

bool memtype_keep_write_back(const struct mtrr_state *m, struct handoff_ranges *ranges)
{
    uint64_t f = 0;

    if ((m->def_type & DEF_ENABLE) == 0) { /* all alike, and nothing to choose from */
        return true;
    }
    for (uint32_t i = 0; i < ranges->count; i++) {
        uint64_t end = (ranges->r[i].base + ranges->r[i].size) / PAGE;
        uint64_t first = ranges->r[i].base / PAGE;
        uint64_t step;
        if (ranges->r[i].type != BOOT_RANGE_FREE) {
            continue;
        }
        for (f = f > first ? f : first; f < end; f += step) {
            unsigned type;
            step = 1UL << LARGE_ORDER;
            if (f % step != 0 || end - f < step || !memtype_of_range(m, f, LARGE_ORDER, &type)) {
                step = 1;
                type = memtype_of_frame(m, f);
            }
            if (type != MEMTYPE_WB) {
                if (!handoff_paint(ranges, f * PAGE, step * PAGE, BOOT_RANGE_RESERVED)) {
                    return false;
                }
                f += step;
                i = ~0U; /* the list is another one now: from its start, behind F */
                break;
            }
        }
    }
    return true;
}
