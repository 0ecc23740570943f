/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The pages of Dom0's RAM above its image: who has which. */
#include "dom0/kernel/page.h"

#include "dom0/kernel/fatal.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/range.h"
#include "dom0/lib/string.h"

static struct {
    struct range range;
    uint64_t base;
    unsigned char *view;
    size_t handed_out; /* pages, by page_alloc */
    size_t managed;    /* bytes above the image at the start */
} ram;

bool page_init(uint64_t base, uint64_t used, uint64_t end, void *view)
{
    if (base % PAGE_SIZE != 0 || used % PAGE_SIZE != 0 || used < base || end <= used) {
        return false;
    }
    size_t pages = (end - base) / PAGE_SIZE, used_pages = (used - base) / PAGE_SIZE;
    size_t map_pages = (range_words(pages) * sizeof(uint64_t) + PAGE_SIZE - 1) / PAGE_SIZE;
    if (used_pages + map_pages >= pages) {
        return false;
    }
    ram.base = base;
    ram.view = view;
    ram.handed_out = 0;
    ram.managed = (pages - used_pages) * PAGE_SIZE;
    range_init(&ram.range, (uint64_t *)(void *)(ram.view + (used - base)), pages);
    range_reserve(&ram.range, 0, used_pages + map_pages);
    return true;
}

void page_reserve(uint64_t base, uint64_t size)
{
    uint64_t ram_end = ram.base + ram.range.count * PAGE_SIZE;
    uint64_t end = base + size < base ? UINT64_MAX : base + size;
    if (size == 0 || end <= ram.base || base >= ram_end) {
        return;
    }
    size_t first = base > ram.base ? (base - ram.base) / PAGE_SIZE : 0;
    size_t last = ((end < ram_end ? end : ram_end) - ram.base + PAGE_SIZE - 1) / PAGE_SIZE;
    range_reserve(&ram.range, first, last - first);
}

void *page_take(size_t n)
{
    size_t at = range_take(&ram.range, n, 1, 0);
    return at == RANGE_NONE ? NULL : ram.view + at * PAGE_SIZE;
}

void page_give(void *p, size_t n)
{
    size_t offset = (size_t)((unsigned char *)p - ram.view);
    if (offset % PAGE_SIZE != 0 || !range_give(&ram.range, offset / PAGE_SIZE, n)) {
        fatal("page_give: %zu pages at %p were not taken", n, p);
    }
}

uint64_t page_phys(const void *p) { return ram.base + (uint64_t)((const unsigned char *)p - ram.view); }
void *page_view(uint64_t phys) { return ram.view + (phys - ram.base); }
size_t page_free_count(void) { return ram.range.free; }
size_t page_handed_out(void) { return ram.handed_out * PAGE_SIZE; }
size_t page_total_bytes(void) { return ram.managed; }

void *page_alloc(size_t pages, uint64_t *phys)
{
    void *p = page_take(pages);
    if (p == NULL) {
        return NULL;
    }
    memset(p, 0, pages * PAGE_SIZE);
    ram.handed_out += pages;
    if (phys != NULL) {
        *phys = page_phys(p);
    }
    return p;
}

void page_free(void *p, size_t pages)
{
    if (p != NULL) {
        page_give(p, pages);
        ram.handed_out -= pages;
    }
}
