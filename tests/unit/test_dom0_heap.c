/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Dom0's heap and pages on a piece of host memory: random use against a shadow, exact counts, and the mistakes that
 * must be noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/kernel/fatal.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/heap_priv.h"
#include "dom0/kernel/page.h"

#define RAM_PAGES 2048UL
#define BASE 0x40000000UL
#define USED_PAGES 16UL
#define BLOCKS 300

static unsigned char *ram;
static jmp_buf on_fatal;
static char fatal_text[200];

void fatal(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fatal_text, sizeof(fatal_text), fmt, ap);
    va_end(ap);
    longjmp(on_fatal, 1);
}

#define MUST_DIE(call, words) \
    do { \
        if (setjmp(on_fatal) == 0) { \
            call; \
            fail_msg("went on after " #call); \
        } \
        assert_non_null(strstr(fatal_text, words)); \
    } while (0)

static void unexpected(void)
{
    if (setjmp(on_fatal) != 0) {
        fail_msg("%s", fatal_text);
    }
}

static struct { unsigned char *p; size_t size; unsigned char fill; } blocks[BLOCKS];

static void check(int i)
{
    for (size_t k = 0; k < blocks[i].size; k++) {
        assert_int_equal(blocks[i].p[k], blocks[i].fill);
    }
}

static void fill(int i, unsigned char *p, size_t size)
{
    blocks[i].p = p;
    blocks[i].size = size;
    blocks[i].fill = (unsigned char)(rand() | 1);
    memset(p, blocks[i].fill, size);
}

static size_t random_size(void) { return (size_t)rand() % (rand() % 50 == 0 ? 300000 : rand() % 5 == 0 ? 5000 : 100); }

static void resize(int i)
{
    size_t size = random_size();
    size_t keep = size < blocks[i].size ? size : blocks[i].size;
    unsigned char *p = heap_realloc(blocks[i].p, size);
    if (p == NULL) {
        return;
    }
    for (size_t k = 0; k < keep; k++) {
        assert_int_equal(p[k], blocks[i].fill);
    }
    for (size_t k = keep; k < size; k++) {
        assert_int_equal(p[k], 0);
    }
    fill(i, p, size);
}

static void test_random(void **state)
{
    (void)state;
    unexpected();
    srand(4);
    size_t free_before = page_free_count(), used = heap_used();
    unsigned refused = 0;
    for (int round = 0; round < 60000; round++) {
        int i = rand() % BLOCKS;
        if (blocks[i].p == NULL) {
            size_t size = random_size();
            unsigned char *p = heap_alloc(size);
            refused += p == NULL;
            if (p != NULL) {
                assert_int_equal((uintptr_t)p % 16, 0);
                for (size_t k = 0; k < size; k++) {
                    assert_int_equal(p[k], 0);
                }
                fill(i, p, size);
                used += size;
            }
        } else if (rand() % 4 == 0) {
            used -= blocks[i].size;
            check(i);
            resize(i);
            used += blocks[i].size;
        } else {
            check(i);
            used -= blocks[i].size;
            heap_free(blocks[i].p);
            blocks[i].p = NULL;
        }
        assert_int_equal(heap_used(), used);
    }
    for (int i = 0; i < BLOCKS; i++) {
        heap_free(blocks[i].p);
        blocks[i].p = NULL;
    }
    assert_int_equal(heap_used(), 0);
    assert_true(free_before - page_free_count() <= 32); /* at most one arena stays */
}

static void test_exhaustion(void **state)
{
    (void)state;
    unexpected();
    static void *all[4096];
    size_t n = 0;
    while (n < 4096 && (all[n] = heap_alloc(20000)) != NULL) {
        n++;
    }
    assert_true(n > 300 && n < 4096);
    assert_null(page_alloc(200, NULL));
    assert_null(heap_alloc(SIZE_MAX));
    assert_null(heap_alloc(1UL << 31));
    while (n != 0) {
        heap_free(all[--n]);
    }
    assert_int_equal(heap_used(), 0);
    heap_free(NULL);
    char *s = heap_strdup("copy");
    assert_string_equal(s, "copy");
    assert_int_equal(heap_used(), 5);
    heap_free(s);
}

static void test_pages(void **state)
{
    (void)state;
    unexpected();
    uint64_t phys = 0;
    unsigned char *p = page_alloc(3, &phys);
    assert_non_null(p);
    assert_int_equal(phys % PAGE_SIZE, 0);
    assert_true(phys >= BASE + USED_PAGES * PAGE_SIZE && phys < BASE + RAM_PAGES * PAGE_SIZE);
    assert_ptr_equal(p, ram + (phys - BASE));
    assert_int_equal(heap_used(), 3 * PAGE_SIZE);
    for (size_t i = 0; i < 3 * PAGE_SIZE; i++) {
        assert_int_equal(p[i], 0);
    }
    memset(p, 0xff, 3 * PAGE_SIZE);
    page_free(p, 3);
    assert_int_equal(heap_used(), 0);
    size_t before = page_free_count();
    page_reserve(BASE + 1000 * PAGE_SIZE + 5, PAGE_SIZE); /* touches two pages */
    assert_int_equal(page_free_count(), before - 2);
    page_reserve(0, BASE);
    page_reserve(BASE + RAM_PAGES * PAGE_SIZE, UINT64_MAX);
    assert_int_equal(page_free_count(), before - 2);
    page_give(page_view(BASE + 1000 * PAGE_SIZE), 2);
    MUST_DIE(page_free(p, 3), "not taken");
}

static void test_mistakes(void **state)
{
    (void)state;
    unsigned char *volatile a = heap_alloc(24);
    unsigned char *volatile b = heap_alloc(24);
    MUST_DIE(heap_free(a + 16), "not an allocated block");
    MUST_DIE(heap_free(a + 1), "not an allocated block");
    a[24 + 8] ^= 1; /* behind the padding */
    MUST_DIE(heap_free(a), "beyond its end");
    a[24 + 8] ^= 1;
    unexpected();
    heap_free(a);
    MUST_DIE(heap_free(a), "freed twice");
    unexpected();
    heap_free(b);
    assert_int_equal(heap_used(), 0);
}

static void test_use_after_free(void **state)
{
    (void)state;
    unexpected();
    unsigned char *volatile a = heap_alloc(200);
    unsigned char *volatile keep = heap_alloc(16);
    heap_free(a);
    a[100] = 1;
    MUST_DIE(heap_alloc(200), "was written to");
    a[100] = 0xdb;
    unexpected();
    heap_free(keep);
}

static int setup(void **state)
{
    (void)state;
    ram = aligned_alloc(PAGE_SIZE, RAM_PAGES * PAGE_SIZE);
    memset(ram, 0xee, RAM_PAGES * PAGE_SIZE);
    heap_set_check(true);
    bool too_small = page_init(BASE, BASE + PAGE_SIZE, BASE + 2 * PAGE_SIZE, ram);
    bool ok = page_init(BASE, BASE + USED_PAGES * PAGE_SIZE, BASE + RAM_PAGES * PAGE_SIZE, ram);
    return !too_small && ok && page_free_count() == RAM_PAGES - USED_PAGES - 1 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(ram);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),    cmocka_unit_test(test_random),         cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_use_after_free),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
