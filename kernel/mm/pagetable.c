/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Root's own map. map_lock guards all tables; it comes before frame.c's lock. */
#include "kernel/mm/pagetable.h"

#include "boot/boot_info.h"
#include "kernel/core/panic.h"
#include "kernel/core/spinlock.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable_priv.h"

#define ENTRIES 512U
#define EARLY_TABLES 15U /* image and its unit 4, windows 4, root map 2, frame table 1 + at most 2, MMIO from frames */
#define IMAGE_MAX_UNITS 2U
#define WINDOW_PAGES_PER_CPU 32U
#define VA_MASK ((1UL << 48) - 1)

_Static_assert(offsetof(struct boot_info, root_size) == 48, "boot/entry.asm reads it");

extern const struct boot_info boot_info;
extern char image_start[], text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[], image_end[];
extern char boot_stack_guard[];
extern uint64_t boot_pml4[];

static struct spinlock map_lock;
static uint64_t early_tables[EARLY_TABLES][ENTRIES] __attribute__((aligned(4096)));
static unsigned early_used;
static uint64_t mmio_next = ROOT_MMIO_BASE;

hpa_t pagetable_image_pa(const void *va) { return hpa((uint64_t)va - ROOT_IMAGE_BASE + boot_info.root_base); }
uint64_t pagetable_cr3(void) { return pagetable_image_pa(boot_pml4).v; }

/* The entry of LEVEL (4..1) on the way to VA, seen through the recursive slot. Readable only when the level above is present. */
static volatile uint64_t *entry_at(unsigned level, uint64_t va)
{
    uint64_t base = 0xffffUL << 48;
    for (unsigned i = 0, shift = 39; i < level; i++, shift -= 9)
        base |= (uint64_t)PAGETABLE_RECURSIVE_SLOT << shift;
    uint64_t index = (va & VA_MASK) >> (PAGE_SHIFT + 9 * (level - 1));
    return (volatile uint64_t *)(base | index << 3);
}

/* A zeroed frame for a table; 0: none. Static ones first: they serve until the allocator is up. */
static uint64_t new_table(void)
{
    if (early_used < EARLY_TABLES)
        return pagetable_image_pa(early_tables[early_used++]).v;
    hfn_t f;
    return frame_take(FRAME_ORDER_4K, FRAME_OWNER_ROOT, FRAME_PAGE_TABLE, &f) == STATUS_OK ? hpa_of_hfn(f).v : 0;
}

/* Makes all tables above LEVEL present on the way to VA. */
static enum status make_tables(uint64_t va, unsigned level)
{
    for (unsigned l = 4; l > level; l--) {
        volatile uint64_t *e = entry_at(l, va);
        if ((*e & PTE_P) != 0)
            continue;
        uint64_t table = new_table();
        if (table == 0)
            return STATUS_NO_MEMORY;
        *e = table | PTE_TABLE;
    }
    return STATUS_OK;
}

/* Are the entries for VA above LEVEL present? */
static bool tables_present(uint64_t va, unsigned level)
{
    for (unsigned l = 4; l > level; l--)
        if ((*entry_at(l, va) & PTE_P) == 0)
            return false;
    return true;
}

static uint64_t image_page_bits(uint64_t va)
{
    if (va >= (uint64_t)text_start && va < (uint64_t)text_end)
        return PTE_CODE;
    if (va >= (uint64_t)rodata_start && va < (uint64_t)rodata_end)
        return PTE_RODATA;
    if (va >= (uint64_t)data_start && va < (uint64_t)data_end && va != (uint64_t)boot_stack_guard)
        return PTE_DATA;
    return 0; /* the guard page; behind the image's end */
}

/* Replaces the large pages of the image by 4 KiB ones with each segment's rights. */
static void split_image(void)
{
    unsigned units = (unsigned)(((uint64_t)image_end - ROOT_IMAGE_BASE + LARGE_PAGE_SIZE - 1) / LARGE_PAGE_SIZE);
    ASSERT(units <= IMAGE_MAX_UNITS);
    for (unsigned u = 0; u < units; u++) {
        uint64_t va = ROOT_IMAGE_BASE + u * LARGE_PAGE_SIZE;
        uint64_t *table = early_tables[early_used++];
        for (unsigned i = 0; i < ENTRIES; i++) {
            uint64_t page = va + i * PAGE_SIZE;
            uint64_t bits = image_page_bits(page);
            table[i] = bits != 0 ? pagetable_image_pa((void *)page).v | bits : 0;
        }
        *entry_at(2, va) = pagetable_image_pa(table).v | PTE_TABLE;
    }
    for (uint64_t va = ROOT_IMAGE_BASE + units * LARGE_PAGE_SIZE; (*entry_at(2, va) & PTE_P) != 0; va += LARGE_PAGE_SIZE)
        *entry_at(2, va) = 0;
}

void pagetable_init(void)
{
    split_image();
    for (unsigned i = 0; i < ENTRIES / 2; i++)
        boot_pml4[i] = 0; /* entry.asm's identity map */
    for (uint64_t at = 0; at < MAX_CPUS * WINDOW_PAGES_PER_CPU * PAGE_SIZE; at += LARGE_PAGE_SIZE)
        ASSERT(make_tables(ROOT_WINDOW_BASE + at, 1) == STATUS_OK);
    /* The rest of the image's last 2 MiB unit becomes root's first free frames: give them their table at root_va() now. */
    uint64_t tail = pagetable_image_pa(image_end).v - 1;
    ASSERT(make_tables(ROOT_MAP_BASE + tail, 1) == STATUS_OK);
    write_cr3(pagetable_cr3());
}

void pagetable_map_frame_table(unsigned chunk, hpa_t a)
{
    uint64_t va = ROOT_FRAME_TABLE + chunk * LARGE_PAGE_SIZE;
    ASSERT(make_tables(va, 2) == STATUS_OK);
    *entry_at(2, va) = a.v | PTE_DATA | PTE_PS;
}

bool pagetable_root_unit_mapped(hfn_t f) { return tables_present(ROOT_MAP_BASE + hpa_of_hfn(f).v, 1); }

static enum status map_pages(uint64_t va, uint64_t pa, uint64_t pages, uint64_t bits)
{
    enum status status = STATUS_OK;
    SPIN_GUARD(&map_lock);
    for (uint64_t i = 0; i < pages && status == STATUS_OK; i++) {
        status = make_tables(va + i * PAGE_SIZE, 1);
        if (status == STATUS_OK)
            *entry_at(1, va + i * PAGE_SIZE) = (pa + i * PAGE_SIZE) | bits;
    }
    return status;
}

enum status pagetable_map_root(hfn_t first, unsigned order)
{
    return map_pages(ROOT_MAP_BASE + hpa_of_hfn(first).v, hpa_of_hfn(first).v, 1UL << order, PTE_DATA);
}

void pagetable_unmap_root(hfn_t first, unsigned order)
{
    SPIN_GUARD(&map_lock);
    for (uint64_t i = 0; i < 1UL << order; i++) {
        uint64_t va = ROOT_MAP_BASE + hpa_of_hfn(hfn_add(first, i)).v;
        if (tables_present(va, 0)) {
            *entry_at(1, va) = 0;
            invlpg((void *)va);
        }
    }
}

void *pagetable_set_window(uint32_t cpu, unsigned slot, hfn_t f)
{
    uint64_t va = ROOT_WINDOW_BASE + (cpu * WINDOW_PAGES_PER_CPU + slot) * PAGE_SIZE;
    *entry_at(1, va) = hfn_valid(f) ? hpa_of_hfn(f).v | PTE_DATA : 0;
    invlpg((void *)va);
    return (void *)va;
}

enum status pagetable_map_mmio(hpa_t a, size_t size, void **out)
{
    uint64_t first = a.v & ~(PAGE_SIZE - 1);
    uint64_t pages = (a.v - first + size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    if (size == 0 || (a.v + size - 1) >> 52 != 0 || a.v + size < a.v)
        return STATUS_INVALID;
    /* The cursor moves on also after a failure: what was mapped stays, unused. */
    uint64_t va = __atomic_fetch_add(&mmio_next, pages * PAGE_SIZE, __ATOMIC_RELAXED);
    *out = (void *)(va + (a.v - first));
    return map_pages(va, first, pages, PTE_DATA | PTE_PCD | PTE_PWT);
}

static uint64_t read_entry(unsigned level, uint64_t va) { return *entry_at(level, va); }

bool pagetable_check_wx(uint64_t *bad_va) { return wxcheck_walk(read_entry, bad_va); }
