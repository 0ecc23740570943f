/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Per-CPU windows. No lock: each CPU uses its own slots, with interrupts off. */
#include "kernel/mm/window.h"

#include "kernel/core/string.h"
#include "kernel/cpu/percpu.h"
#include "kernel/mm/pagetable.h"

#define SCRUB_SLOT WINDOW_SLOTS /* its own page, so that scrubbing evicts nobody */
#define HINTS 64U

struct windows {
    uint64_t uses;                /* counts opens */
    uint64_t frame[WINDOW_SLOTS]; /* hfn + 1; 0: empty */
    uint64_t used[WINDOW_SLOTS];  /* value of uses at the last open */
    void *va[WINDOW_SLOTS];
    uint8_t hint[HINTS];          /* by frame number: where it was last */
};
static struct windows windows[MAX_CPUS];

/* A frame that has no slot gets the one unused for longest: 16 other opens pass before a pointer goes bad. */
void *window_open(hfn_t f)
{
    struct windows *w = &windows[cpu_id()];
    unsigned slot = w->hint[f.v % HINTS];
    for (unsigned i = 0; i < WINDOW_SLOTS && w->frame[slot] != f.v + 1 && w->used[slot] != 0; i++) /* they are filled in order */
        slot = w->frame[i] == f.v + 1 || w->used[i] < w->used[slot] ? i : slot;
    if (w->frame[slot] != f.v + 1)
        w->va[slot] = pagetable_set_window(cpu_id(), slot, f);
    w->frame[slot] = f.v + 1;
    w->used[slot] = ++w->uses;
    w->hint[f.v % HINTS] = (uint8_t)slot;
    return w->va[slot];
}

void window_flush(void)
{
    struct windows *w = &windows[cpu_id()];
    for (unsigned i = 0; i < WINDOW_SLOTS; i++)
        if (w->frame[i] != 0)
            pagetable_set_window(cpu_id(), i, HFN_INVALID);
    *w = (struct windows){0};
}

void window_scrub(hfn_t f) { memset(pagetable_set_window(cpu_id(), SCRUB_SLOT, f), 0, PAGE_SIZE); }
