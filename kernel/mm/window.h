/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Per-CPU windows on frames that root does not own. They stay open, under the name that they were given, so that the next use costs a
 * look: a frame's number, or a page of a guest under the generation of its EPT (ept/flush.h), which spares the way through that EPT too.
 * A pointer stays valid until this CPU opens WINDOW_LASTS others or calls window_flush (`opened` tells), and passes an epoch: after that what is
 * behind it may be somebody else's, unless the generation under which it was found is still its EPT's. */
#pragma once

#include "kernel/core/addr.h"
#include "kernel/cpu/percpu.h"

#define WINDOW_SLOTS 31U
#define WINDOW_LASTS 8U
#define WINDOW_HINTS 1024U /* a few dozen names at a time: they seldom share one */

struct window_slot { uint64_t tag, number; char *va; }; /* tag 0: empty */
struct windows {
    uint64_t opened; /* how many; closing all counts as WINDOW_LASTS */
    uint32_t next;
    uint8_t hint[WINDOW_HINTS]; /* where a name was last; the slot says whether it still is */
    struct window_slot slots[WINDOW_SLOTS];
};
extern struct windows windows[MAX_CPUS]; /* of window.c */

static inline uint8_t *window_hint(struct windows *w, uint64_t tag, uint64_t number) { return &w->hint[(number ^ tag * 5) % WINDOW_HINTS]; }

/* The page that window_enter was given as NUMBER under TAG, if its window is still there; NULL: it is not. */
static inline void *window_find(uint64_t tag, uint64_t number)
{
    struct windows *w = &windows[cpu_id()];
    const struct window_slot *s = &w->slots[*window_hint(w, tag, number)];
    return s->number == number && s->tag == tag ? s->va : NULL;
}
/* A window on F under that name. TAG is neither 0 nor one of the last two numbers. */
void *window_enter(uint64_t tag, uint64_t number, hfn_t f);
/* A pointer to the 4 KiB frame F, RW NX, write-back. Never fails for RAM frames or firmware table ranges. */
void *window_open(hfn_t f);
/* Closes all windows of this CPU. */
void window_flush(void);
/* Zeroes the frame F, which nobody uses. */
void window_scrub(hfn_t f);
