/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Who owns which slot of a range: one bit per slot. Serves RAM pages, scratch frames and stack slots. Pure;
 * no lock (cooperative threads). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_NONE SIZE_MAX

struct range {
    uint64_t *bits; /* 1: taken */
    size_t count;
    size_t free;
    size_t hint; /* where the next search begins */
};

static inline size_t range_words(size_t count) { return (count + 63) / 64; }

/* All COUNT slots free; BITS: range_words(COUNT) words, need not be zero. */
void range_init(struct range *r, uint64_t *bits, size_t count);
/* N slots in a row whose first is congruent to OFFSET modulo ALIGN (a power of two, OFFSET < ALIGN). RANGE_NONE: no
 * such place. */
size_t range_take(struct range *r, size_t n, size_t align, size_t offset);
/* Marks [FIRST, FIRST + N) taken, whatever it was; parts outside the range are ignored. */
void range_reserve(struct range *r, size_t first, size_t n);
/* Gives back what range_take gave (or a part). false: it was not taken, nothing changed. */
bool range_give(struct range *r, size_t first, size_t n);
