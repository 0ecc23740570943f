/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Thread stacks: slots in a range of addresses of their own, each with its lowest page never mapped. */
#include "dom0/kernel/page.h"
#include "dom0/kernel/paging.h"
#include "dom0/kernel/range.h"
#include "dom0/kernel/thread_priv.h"

#define SLOTS      256U
#define SLOT_PAGES 32U /* guard page included */

static uint64_t slot_bits[SLOTS / 64];
static struct range slots;

static void unmap_pages(uint64_t bottom, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        uint64_t phys;
        if (paging_lookup((const void *)(bottom + i * PAGE_SIZE), &phys)) {
            paging_unmap(bottom + i * PAGE_SIZE, PAGE_SIZE);
            page_give(page_view(phys), 1);
        }
    }
}

static bool map_pages(uint64_t bottom, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        void *page = page_take(1);
        if (page == NULL) {
            return false;
        }
        if (!paging_map(bottom + i * PAGE_SIZE, page_phys(page), PAGE_SIZE, PAGING_WRITE)) {
            page_give(page, 1);
            return false;
        }
    }
    return true;
}

bool stack_alloc(size_t pages, uint64_t *top)
{
    if (slots.count == 0) {
        range_init(&slots, slot_bits, SLOTS);
    }
    size_t slot = pages != 0 && pages < SLOT_PAGES ? range_take(&slots, 1, 1, 0) : RANGE_NONE;
    if (slot == RANGE_NONE) {
        return false;
    }
    uint64_t bottom = STACK_BASE + (slot * SLOT_PAGES + SLOT_PAGES - pages) * PAGE_SIZE;
    if (!map_pages(bottom, pages)) {
        unmap_pages(bottom, pages);
        range_give(&slots, slot, 1);
        return false;
    }
    *top = bottom + pages * PAGE_SIZE;
    return true;
}

void stack_free(uint64_t top, size_t pages)
{
    unmap_pages(top - pages * PAGE_SIZE, pages);
    range_give(&slots, (top - STACK_BASE) / PAGE_SIZE / SLOT_PAGES - 1, 1);
}
