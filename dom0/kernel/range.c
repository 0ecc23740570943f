/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Bit-per-slot allocator: next fit, skipping full words at once. */
#include "dom0/kernel/range.h"

#include "dom0/lib/string.h"

/* Mask of the slots [first, end) that lie in the word of FIRST; *NEXT: the first slot of the next word, or END. */
static uint64_t word_mask(size_t first, size_t end, size_t *next)
{
    size_t word_end = first / 64 * 64 + 64;
    size_t n = (end < word_end ? end : word_end) - first;
    *next = first + n;
    return (n == 64 ? ~0UL : (1UL << n) - 1) << (first % 64);
}

/* The first slot at or after I with the wanted state, or END. */
static size_t find(const struct range *r, size_t i, size_t end, bool want_taken)
{
    while (i < end) {
        size_t next;
        uint64_t mask = word_mask(i, end, &next);
        uint64_t hits = (want_taken ? r->bits[i / 64] : ~r->bits[i / 64]) & mask;
        if (hits != 0) {
            return i / 64 * 64 + (size_t)__builtin_ctzl(hits);
        }
        i = next;
    }
    return end;
}

/* Without POPCNT, which not every model has. */
static size_t count_ones(uint64_t v)
{
    v -= v >> 1 & 0x5555555555555555UL;
    v = (v & 0x3333333333333333UL) + (v >> 2 & 0x3333333333333333UL);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fUL;
    return (v * 0x0101010101010101UL) >> 56;
}

static void mark(struct range *r, size_t first, size_t end, bool take)
{
    while (first < end) {
        uint64_t *word = &r->bits[first / 64];
        size_t next;
        uint64_t mask = word_mask(first, end, &next);
        uint64_t change = (take ? ~*word : *word) & mask;
        size_t n = count_ones(change);
        *word ^= change;
        r->free = take ? r->free - n : r->free + n;
        first = next;
    }
}

void range_init(struct range *r, uint64_t *bits, size_t count)
{
    *r = (struct range){.bits = bits, .count = count, .free = count};
    memset(bits, 0, range_words(count) * sizeof(*bits));
}

/* A fitting place that begins in [FROM, TO). */
static size_t search(const struct range *r, size_t from, size_t to, size_t n, size_t align, size_t offset)
{
    size_t i = from;
    while (i < to) {
        i = find(r, i, to, false);
        i += (offset - i) & (align - 1);
        if (i >= to || n > r->count - i) {
            return RANGE_NONE;
        }
        size_t blocked = find(r, i, i + n, true);
        if (blocked == i + n) {
            return i;
        }
        i = blocked + 1;
    }
    return RANGE_NONE;
}

size_t range_take(struct range *r, size_t n, size_t align, size_t offset)
{
    if (n == 0 || n > r->free || align == 0 || (align & (align - 1)) != 0 || offset >= align) {
        return RANGE_NONE;
    }
    size_t at = search(r, r->hint, r->count, n, align, offset);
    if (at == RANGE_NONE) {
        at = search(r, 0, r->hint, n, align, offset);
    }
    if (at != RANGE_NONE) {
        mark(r, at, at + n, true);
        r->hint = at + n < r->count ? at + n : 0;
    }
    return at;
}

void range_reserve(struct range *r, size_t first, size_t n)
{
    if (first < r->count) {
        mark(r, first, n < r->count - first ? first + n : r->count, true);
    }
}

bool range_give(struct range *r, size_t first, size_t n)
{
    if (first >= r->count || n > r->count - first || find(r, first, first + n, false) != first + n) {
        return false;
    }
    mark(r, first, first + n, false);
    if (first < r->hint) {
        r->hint = first; /* low addresses first keeps large runs whole */
    }
    return true;
}
