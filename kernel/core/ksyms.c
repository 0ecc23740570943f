/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Lookup in the symbol table: u32 count, count x {u32 address - image start, u32 name offset}, names; sorted by address. */
#include "kernel/core/ksyms.h"

struct ksym {
    uint32_t addr;
    uint32_t name;
};
extern const uint32_t ksyms_table[];
extern const char image_start[], text_end[];

const char *ksyms_lookup(uint64_t addr, uint64_t *offset)
{
    *offset = 0;
    uint32_t count = ksyms_table[0];
    const struct ksym *syms = (const struct ksym *)(const void *)&ksyms_table[1];
    uint64_t rel = addr - (uint64_t)image_start;
    if (addr < (uint64_t)image_start || addr >= (uint64_t)text_end || count == 0 || syms[0].addr > rel)
        return "?";
    uint32_t lo = 0, hi = count; /* syms[lo].addr <= rel < syms[hi].addr */
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (syms[mid].addr <= rel)
            lo = mid;
        else
            hi = mid;
    }
    *offset = rel - syms[lo].addr;
    return (const char *)&syms[count] + syms[lo].name;
}
