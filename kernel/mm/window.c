/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Per-CPU windows. No lock: each CPU uses its own slots, with interrupts off. */
#include "kernel/mm/window.h"

#include "kernel/core/string.h"
#include "kernel/mm/pagetable.h"

#define SCRUB_SLOT WINDOW_SLOTS /* its own page, so that scrubbing evicts nobody */
#define TAG_FRAME (~0UL)        /* named by its frame number; no EPT's generation */
#define TAG_OLD (~1UL)          /* open, but not to be found: it would be evicted too soon */

struct windows windows[MAX_CPUS];

/* Slots are filled in turn: the next loses the oldest. One that will be lost within WINDOW_LASTS turns is not found any more. */
void *window_enter(uint64_t tag, uint64_t number, hfn_t f)
{
    struct windows *w = &windows[cpu_id()];
    uint32_t i = w->next, old = (i + WINDOW_LASTS) % WINDOW_SLOTS;
    w->next = (i + 1) % WINDOW_SLOTS;
    w->opened++;
    if (w->slots[old].tag != 0)
        w->slots[old].tag = TAG_OLD;
    w->slots[i] = (struct window_slot){tag, number, pagetable_set_window(cpu_id(), i, f)};
    *window_hint(w, tag, number) = (uint8_t)i;
    return w->slots[i].va;
}

void *window_open(hfn_t f)
{
    void *p = window_find(TAG_FRAME, f.v);
    return p ? p : window_enter(TAG_FRAME, f.v, f);
}

void window_flush(void)
{
    struct windows *w = &windows[cpu_id()];
    w->next = 0;
    w->opened += WINDOW_LASTS;
    for (uint32_t i = 0; i < WINDOW_SLOTS && w->slots[i].tag != 0; i++) { /* they were filled in order */
        w->slots[i] = (struct window_slot){0};
        pagetable_set_window(cpu_id(), i, HFN_INVALID);
    }
}

void window_scrub(hfn_t f) { memset(pagetable_set_window(cpu_id(), SCRUB_SLOT, f), 0, PAGE_SIZE); }
