/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The heap: arenas of pages cut into blocks with boundary tags, free blocks in lists by size. Every header
 * carries a mark, so that an overrun or a second free stops Dom0 at once instead of later. A request larger than an
 * arena gets an arena of its own; an empty arena goes back to the pages. */
#include "dom0/kernel/heap.h"

#include "dom0/kernel/fatal.h"
#include "dom0/kernel/heap_priv.h"
#include "dom0/kernel/page.h"
#include "dom0/lib/string.h"

#define UNIT        16UL
#define ARENA_PAGES 32UL
#define MARK_USED   0x48454150U
#define MARK_FREE   0x46524545U
#define MARK_EDGE   0x45444745U
#define POISON      0xdb
#define LISTS       24U
#define REQUEST_MAX (1UL << 31)

struct block { /* header; sizes in units, header included */
    uint32_t mark;   /* first: an overrun of the block before hits it first */
    uint32_t before; /* size of the block before it; 0: the first */
    uint32_t units;
    uint32_t requested;
};
_Static_assert(sizeof(struct block) == UNIT, "the payload stays aligned");

struct free_block {
    struct block head;
    struct free_block *next, *prev;
};

static struct {
    struct free_block *lists[LISTS]; /* list i: 2^i to 2^(i+1)-1 units */
    size_t used;                     /* bytes requested and not freed */
    size_t arenas;
    bool check; /* poison what is free */
} heap;

void heap_set_check(bool on) { heap.check = on; } /* before the first allocation */

static unsigned list_of(uint32_t units)
{
    unsigned i = 31U - (unsigned)__builtin_clz(units);
    return i < LISTS ? i : LISTS - 1;
}

static struct block *after(struct block *b) { return b + b->units; }
static void *payload(struct block *b) { return b + 1; }
static size_t payload_bytes(const struct block *b) { return (b->units - 1) * UNIT; }

static void list_add(struct block *b)
{
    struct free_block *f = (struct free_block *)(void *)b;
    struct free_block **list = &heap.lists[list_of(b->units)];
    b->mark = MARK_FREE;
    f->prev = NULL;
    f->next = *list;
    if (f->next != NULL) {
        f->next->prev = f;
    }
    *list = f;
}

static void list_remove(struct block *b)
{
    struct free_block *f = (struct free_block *)(void *)b;
    if (f->prev != NULL) {
        f->prev->next = f->next;
    } else {
        heap.lists[list_of(b->units)] = f->next;
    }
    if (f->next != NULL) {
        f->next->prev = f->prev;
    }
}

/* The payload behind the two links. */
static void poison(struct block *b)
{
    if (heap.check) {
        memset((unsigned char *)payload(b) + UNIT, POISON, payload_bytes(b) - UNIT);
    }
}

static void poison_verify(struct block *b)
{
    const unsigned char *p = (const unsigned char *)payload(b) + UNIT;
    for (size_t i = 0; heap.check && i < payload_bytes(b) - UNIT; i++) {
        if (p[i] != POISON) {
            fatal("heap: freed memory at %p was written to", (const void *)(p + i));
        }
    }
}

/* An arena of PAGES: one free block and an edge that is never free. */
static struct block *arena_new(size_t pages)
{
    struct block *b = page_take(pages);
    if (b == NULL) {
        return NULL;
    }
    heap.arenas++;
    *b = (struct block){.units = (uint32_t)(pages * PAGE_SIZE / UNIT - 1)};
    *after(b) = (struct block){.units = 1, .before = b->units, .mark = MARK_EDGE};
    poison(b);
    return b;
}

static struct block *find_free(uint32_t units)
{
    for (unsigned i = list_of(units); i < LISTS; i++) {
        for (struct free_block *f = heap.lists[i]; f != NULL; f = f->next) {
            if (f->head.mark != MARK_FREE) {
                fatal("heap: free list damaged at %p", (void *)f);
            }
            if (f->head.units >= units) {
                list_remove(&f->head);
                return &f->head;
            }
        }
    }
    return NULL;
}

static size_t arena_pages_for(uint32_t units)
{
    size_t pages = ((size_t)units + 1 + PAGE_SIZE / UNIT - 1) / (PAGE_SIZE / UNIT);
    return pages > ARENA_PAGES ? pages : ARENA_PAGES;
}

/* Cuts what is beyond UNITS off B into a free block, if it is worth one. */
static void split(struct block *b, uint32_t units)
{
    if (b->units < units + 2) {
        return;
    }
    struct block *rest = b + units;
    *rest = (struct block){.units = b->units - units, .before = units};
    b->units = units;
    after(rest)->before = rest->units;
    poison(rest);
    list_add(rest);
}

static uint32_t units_for(size_t size)
{
    size_t units = (size + UNIT - 1) / UNIT + 1;
    return units < 2 ? 2 : (uint32_t)units; /* a free block needs room for its links */
}

void *heap_alloc(size_t size)
{
    if (size > REQUEST_MAX) {
        return NULL;
    }
    uint32_t units = units_for(size);
    struct block *b = find_free(units);
    if (b == NULL) {
        b = arena_new(arena_pages_for(units));
    }
    if (b == NULL) {
        return NULL;
    }
    poison_verify(b);
    split(b, units);
    b->mark = MARK_USED;
    b->requested = (uint32_t)size;
    heap.used += size;
    memset(payload(b), 0, payload_bytes(b));
    return payload(b);
}

static struct block *block_of(void *p)
{
    struct block *b = (struct block *)p - 1;
    if ((uintptr_t)p % UNIT != 0 || b->mark != MARK_USED) {
        fatal("heap: %p is not an allocated block (freed twice?)", p);
    }
    struct block *next = after(b);
    if (next->before != b->units || (next->mark != MARK_USED && next->mark != MARK_FREE && next->mark != MARK_EDGE)) {
        fatal("heap: the block at %p (%u bytes) was written beyond its end", p, b->requested);
    }
    return b;
}

static struct block *merge(struct block *b)
{
    struct block *next = after(b);
    if (next->mark == MARK_FREE) {
        list_remove(next);
        b->units += next->units;
    }
    if (b->before != 0) {
        struct block *prev = b - b->before;
        if (prev->mark == MARK_FREE) {
            list_remove(prev);
            prev->units += b->units;
            b->mark = 0;
            b = prev;
        }
    }
    after(b)->before = b->units;
    return b;
}

void heap_free(void *p)
{
    if (p == NULL) {
        return;
    }
    struct block *b = block_of(p);
    heap.used -= b->requested;
    b->mark = 0;
    b = merge(b);
    bool whole = b->before == 0 && after(b)->mark == MARK_EDGE;
    if (whole && (heap.arenas > 1 || b->units >= ARENA_PAGES * PAGE_SIZE / UNIT)) { /* one small arena stays */
        heap.arenas--;
        page_give(b, ((size_t)b->units + 1) * UNIT / PAGE_SIZE);
        return;
    }
    poison(b);
    list_add(b);
}

void *heap_realloc(void *p, size_t size)
{
    if (p == NULL) {
        return heap_alloc(size);
    }
    struct block *b = block_of(p);
    size_t old = b->requested;
    if (size <= payload_bytes(b) && size >= payload_bytes(b) / 2) { /* fits, and does not waste much */
        heap.used = heap.used - old + size;
        b->requested = (uint32_t)size;
        if (size < old) {
            memset((unsigned char *)p + size, 0, old - size); /* so that growing again finds zeros */
        }
        return p;
    }
    void *fresh = heap_alloc(size);
    if (fresh != NULL) {
        memcpy(fresh, p, old < size ? old : size);
        heap_free(p);
    }
    return fresh;
}

char *heap_strdup(const char *s)
{
    size_t len = strlen(s) + 1;
    char *copy = heap_alloc(len);
    return copy != NULL ? memcpy(copy, s, len) : NULL;
}

size_t heap_used(void) { return heap.used + page_handed_out(); }
size_t heap_total(void) { return page_total_bytes(); }
