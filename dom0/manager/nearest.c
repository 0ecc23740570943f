/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Edit distance between names (optimal string alignment). Pure. */
#include "dom0/manager/nearest.h"

#include "dom0/lib/string.h"

#define FAR 1000U

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

unsigned nearest_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    unsigned rows[3][NEAREST_MAX_LEN + 1];
    if (la > NEAREST_MAX_LEN || lb > NEAREST_MAX_LEN)
        return FAR;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *now = rows[i % 3], *prev = rows[(i + 2) % 3], *prev2 = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned differs = lower(a[i - 1]) != lower(b[j - 1]);
            now[j] = min3(prev[j] + 1, now[j - 1] + 1, prev[j - 1] + differs);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]) &&
                prev2[j - 2] + 1 < now[j])
                now[j] = prev2[j - 2] + 1;
        }
    }
    return rows[la % 3][lb];
}

void nearest_begin(struct nearest *n, const char *word)
{
    n->word = word;
    n->best = NULL;
    n->distance = FAR;
}

void nearest_offer(struct nearest *n, const char *name)
{
    size_t len = strlen(n->word), other = strlen(name), apart = len > other ? len - other : other - len;
    if (apart > len / 3 + 1 || apart >= n->distance) /* so many letters must come or go at least */
        return;
    unsigned d = nearest_distance(n->word, name);
    if (d < n->distance) {
        n->distance = d;
        n->best = name;
    }
}

const char *nearest_result(const struct nearest *n)
{
    size_t len = strlen(n->word);
    unsigned limit = (unsigned)(len < 3 ? 1 : len / 3 + 1);
    return n->best != NULL && n->distance <= limit && n->distance < strlen(n->best) ? n->best : NULL;
}
