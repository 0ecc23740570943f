/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Four-level page tables with 4 KiB and 2 MiB leaves. Tables are pages of Dom0's RAM, reached through the
 * direct map. Intel SDM volume 3A, "4-Level Paging". */
#include "dom0/kernel/paging.h"

#include <stddef.h>

#include "dom0/kernel/page.h"
#include "dom0/lib/string.h"

#define PTE_PRESENT       1UL
#define PTE_WRITE         2UL
#define PTE_WRITE_THROUGH 8UL
#define PTE_NO_CACHE      0x10UL
#define PTE_LARGE         0x80UL
#define PTE_NX            (1UL << 63)
#define PTE_ADDRESS       0x000ffffffffff000UL
#define LARGE_SIZE        0x200000UL
#define ENTRIES           512U

extern unsigned char boot_tables[]; /* entry.asm: 8 pages */
#define BOOT_TABLE_PAGES 8U

static uint64_t *root;

static unsigned index_of(uint64_t va, unsigned level) { return (unsigned)(va >> (12 + 9 * level)) & (ENTRIES - 1); }
static uint64_t *table_at(uint64_t entry) { return page_view(entry & PTE_ADDRESS); }
static void flush(uint64_t va) { __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory"); }

static uint64_t *table_new(void)
{
    uint64_t *t = page_take(1);
    if (t != NULL) {
        memset(t, 0, PAGE_SIZE);
    }
    return t;
}

/* The entry for VA in the table of LEVEL (0: 4 KiB leaves, 1: 2 MiB leaves); with CREATE the tables above are made.
 * NULL: no such table, or no memory, or a large page covers VA. */
static uint64_t *entry_at(uint64_t va, unsigned level, bool create)
{
    uint64_t *table = root;
    for (unsigned l = 3; l > level; l--) {
        uint64_t *e = &table[index_of(va, l)];
        if ((*e & PTE_PRESENT) == 0) {
            uint64_t *fresh = create ? table_new() : NULL;
            if (fresh == NULL) {
                return NULL;
            }
            *e = page_phys(fresh) | PTE_PRESENT | PTE_WRITE;
        }
        if ((*e & PTE_LARGE) != 0) {
            return NULL;
        }
        table = table_at(*e);
    }
    return &table[index_of(va, level)];
}

static uint64_t bits_of(enum paging_flags flags)
{
    uint64_t bits = PTE_PRESENT;
    bits |= (flags & PAGING_WRITE) != 0 ? PTE_WRITE : 0;
    bits |= (flags & PAGING_EXECUTE) != 0 ? 0 : PTE_NX;
    /* PAT entry 3 is uncached in the power-on value, which nobody here changes. */
    bits |= (flags & PAGING_UNCACHED) != 0 ? PTE_NO_CACHE | PTE_WRITE_THROUGH : 0;
    return bits;
}

/* A 2 MiB leaf goes where an empty table of earlier 4 KiB leaves may still hang. */
static bool map_large(uint64_t va, uint64_t phys, uint64_t bits)
{
    uint64_t *e = entry_at(va, 1, true);
    if (e == NULL) {
        return false;
    }
    uint64_t *old = (*e & PTE_PRESENT) != 0 && (*e & PTE_LARGE) == 0 ? table_at(*e) : NULL;
    *e = phys | bits | PTE_LARGE;
    if (old != NULL) {
        /* also drops the cached table entry, SDM volume 3A, "Invalidation of TLBs and Paging-Structure Caches" */
        flush(va);
        page_give(old, 1);
    }
    return true;
}

static bool map_small(uint64_t va, uint64_t phys, uint64_t bits)
{
    uint64_t *e = entry_at(va, 0, true);
    if (e == NULL) {
        return false;
    }
    *e = phys | bits;
    return true;
}

bool paging_map(uint64_t va, uint64_t phys, uint64_t bytes, enum paging_flags flags)
{
    uint64_t bits = bits_of(flags);
    for (uint64_t done = 0; done < bytes;) {
        bool large = ((va + done) | (phys + done)) % LARGE_SIZE == 0 && bytes - done >= LARGE_SIZE;
        bool ok = large ? map_large(va + done, phys + done, bits) : map_small(va + done, phys + done, bits);
        if (!ok) {
            paging_unmap(va, done);
            return false;
        }
        done += large ? LARGE_SIZE : PAGE_SIZE;
    }
    return true;
}

void paging_unmap(uint64_t va, uint64_t bytes)
{
    for (uint64_t end = va + bytes; va < end;) {
        uint64_t *e = entry_at(va, 1, false);
        if (e == NULL || (*e & PTE_PRESENT) == 0) {
            va = (va + LARGE_SIZE) & ~(LARGE_SIZE - 1);
            continue;
        }
        bool large = (*e & PTE_LARGE) != 0;
        if (!large) {
            e = &table_at(*e)[index_of(va, 0)];
        }
        if ((*e & PTE_PRESENT) != 0) {
            *e = 0;
            flush(va);
        }
        va += large ? LARGE_SIZE : PAGE_SIZE;
    }
}

bool paging_lookup(const void *va, uint64_t *phys)
{
    uint64_t address = (uint64_t)va;
    uint64_t *e = root != NULL ? entry_at(address, 1, false) : NULL;
    if (e == NULL || (*e & PTE_PRESENT) == 0) {
        return false;
    }
    if ((*e & PTE_LARGE) != 0) {
        *phys = (*e & PTE_ADDRESS & ~(LARGE_SIZE - 1)) | (address & (LARGE_SIZE - 1));
        return true;
    }
    e = &table_at(*e)[index_of(address, 0)];
    *phys = (*e & PTE_ADDRESS) | (address & (PAGE_SIZE - 1));
    return (*e & PTE_PRESENT) != 0;
}

/* [FROM, TO) of the image, by its linked addresses. */
static bool map_image_part(uint64_t base, const unsigned char *from, const unsigned char *to, enum paging_flags flags)
{
    return paging_map((uint64_t)from, base + (uint64_t)(from - image_start), (uint64_t)(to - from), flags);
}

static bool map_everything(uint64_t base, uint64_t ram_base, uint64_t ram_end)
{
    uint64_t constant_end = base + (uint64_t)(rodata_end - image_start);
    return map_image_part(base, image_start, text_end, PAGING_EXECUTE) &&
           map_image_part(base, text_end, rodata_end, PAGING_READ) &&
           map_image_part(base, rodata_end, image_end, PAGING_WRITE) &&
           paging_map(DIRECT_BASE + ram_base, ram_base, base - ram_base, PAGING_WRITE) &&
           paging_map(DIRECT_BASE + base, base, constant_end - base, PAGING_READ) &&
           paging_map(DIRECT_BASE + constant_end, constant_end, ram_end - constant_end, PAGING_WRITE);
}

bool paging_init(uint64_t base, uint64_t ram_base, uint64_t ram_end)
{
    root = table_new();
    if (root == NULL || !map_everything(base, ram_base, ram_end)) {
        return false;
    }
    __asm__ volatile("mov %0, %%cr3" : : "r"(page_phys(root)) : "memory");
    page_give(page_view(base + (uint64_t)(boot_tables - image_start)), BOOT_TABLE_PAGES);
    return true;
}
