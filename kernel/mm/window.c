/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Per-CPU windows. No lock: each CPU uses its own slots, with interrupts off. */
#include "kernel/mm/window.h"

#include "kernel/core/string.h"
#include "kernel/cpu/percpu.h"
#include "kernel/mm/pagetable.h"

#define SCRUB_SLOT WINDOW_SLOTS /* its own page, so that scrubbing evicts nobody */

struct windows {
    uint64_t uses;                /* counts opens */
    uint64_t frame[WINDOW_SLOTS]; /* hfn + 1; 0: empty */
    uint64_t used[WINDOW_SLOTS];  /* value of uses at the last open */
    void *va[WINDOW_SLOTS];
};
static struct windows windows[MAX_CPUS];

/* A frame that has no slot gets the one unused for longest: 16 other opens pass before a pointer goes bad. */
void *window_open(hfn_t f)
{
    uint32_t cpu = cpu_id();
    struct windows *w = &windows[cpu];
    unsigned slot = 0;
    for (unsigned i = 0; i < WINDOW_SLOTS; i++) {
        if (w->frame[i] == f.v + 1) {
            w->used[i] = ++w->uses;
            return w->va[i];
        }
        if (w->used[i] < w->used[slot])
            slot = i;
    }
    w->used[slot] = ++w->uses;
    w->frame[slot] = f.v + 1;
    w->va[slot] = pagetable_set_window(cpu, slot, f);
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
