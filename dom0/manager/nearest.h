/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] "Did you mean …": the known name that is nearest to a mistyped one. Pure. */
#pragma once

#include <stddef.h>

#define NEAREST_MAX_LEN 64U

/* How many single-letter changes (insert, delete, replace, swap of neighbours) make A into B; letter case does not
 * count. Names longer than NEAREST_MAX_LEN are infinitely far away (1000). */
unsigned nearest_distance(const char *a, const char *b);

/* Search over names given one by one: nearest_begin, nearest_offer for each, then nearest_result. */
struct nearest {
    const char *word;
    const char *best;
    unsigned distance;
};
void nearest_begin(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *name); /* NAME must live until the result was used */
/* NULL: none is near enough to be meant (more than a third of the word differs). */
const char *nearest_result(const struct nearest *n);
