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

/* The slot that holds KEY, else the one unused for longest: 16 other opens pass before a pointer goes bad. */
static unsigned find_slot(const struct windows *w, uint64_t key, bool *hit)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < WINDOW_SLOTS; i++) {
        if (w->frame[i] == key) {
            *hit = true;
            return i;
        }
        if (w->used[i] < w->used[oldest])
            oldest = i;
    }
    *hit = false;
    return oldest;
}

void *window_open(hfn_t f)
{
    uint32_t cpu = cpu_id();
    struct windows *w = &windows[cpu];
    bool hit;
    unsigned slot = find_slot(w, f.v + 1, &hit);
    w->used[slot] = ++w->uses;
    if (hit)
        return w->va[slot];
    w->va[slot] = pagetable_set_window(cpu, slot, f);
    w->frame[slot] = f.v + 1;
    return w->va[slot];
}

void window_flush(void)
{
    uint32_t cpu = cpu_id();
    struct windows *w = &windows[cpu];
    for (unsigned i = 0; i < WINDOW_SLOTS; i++) {
        if (w->frame[i] == 0)
            continue;
        pagetable_set_window(cpu, i, HFN_INVALID);
        w->frame[i] = 0;
        w->used[i] = 0;
    }
}

void window_scrub(hfn_t f) { memset(pagetable_set_window(cpu_id(), SCRUB_SLOT, f), 0, PAGE_SIZE); }
