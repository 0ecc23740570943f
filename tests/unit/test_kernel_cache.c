/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Unpacked kernels that are kept: found again only when every packed byte is equal, the oldest goes first, all
 * goes when memory is short, and nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dom0/builder/kernel_cache.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread.h"

#define MIB (1ULL << 20)

static uint64_t host_free;
static unsigned heap_blocks, yields;
static long info_result;

/* A loan of the host's memory, with its length in front of it. */
void *memory_borrow(size_t bytes)
{
    if (bytes > host_free) {
        return NULL;
    }
    host_free -= bytes;
    size_t *p = malloc(bytes + 16);
    *p = bytes;
    return (uint8_t *)p + 16;
}
void memory_return(void *p, size_t bytes)
{
    if (p != NULL) {
        size_t *real = (size_t *)(void *)((uint8_t *)p - 16);
        assert_int_equal(*real, bytes);
        host_free += bytes;
        free(real);
    }
}
void *heap_alloc(size_t size)
{
    heap_blocks++;
    return calloc(1, size);
}
void heap_free(void *p)
{
    heap_blocks -= p != NULL;
    free(p);
}
void thread_yield(void) { yields++; }
long hypercall3(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    (void)nr;
    (void)c;
    assert_int_equal(a, CTL_HOST_INFO);
    ((struct cbl_host_info *)b)->mem_free_bytes = host_free;
    return info_result;
}

static uint8_t packed[8][300000];

/* Unpacks kernel number I to LEN bytes, as a create does. Was it kept? */
static bool create(unsigned i, uint64_t len, bool works)
{
    const uint8_t *known = kernel_cache_find(packed[i], sizeof(packed[i]), len);
    if (known != NULL) {
        assert_int_equal(known[0], i);
        assert_int_equal(known[len - 1], i);
        return true;
    }
    uint8_t *whole = kernel_cache_room(len);
    if (whole != NULL) {
        memset(whole, (int)i, len + 1);
        kernel_cache_keep(whole, len, packed[i], sizeof(packed[i]), works);
    }
    return false;
}

static struct kernel_cache_figures now(void)
{
    struct kernel_cache_figures f;
    kernel_cache_figures(&f);
    return f;
}

static uint64_t all;
static int start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        memset(packed[i], 'p', sizeof(packed[i]));
        packed[i][37 * i] = 'q';
    }
    all = host_free = 400 * MIB;
    info_result = 0;
    return 0;
}
static int end(void **state)
{
    (void)state;
    kernel_cache_drop();
    assert_false(kernel_cache_drop());
    assert_int_equal(host_free, all);
    assert_int_equal(heap_blocks, 0);
    assert_int_equal(now().kernels, 0);
    return 0;
}

static void found_again(void **state)
{
    (void)state;
    uint64_t used = now().used;
    assert_false(create(1, 5 * MIB, true));
    assert_true(create(1, 5 * MIB, true));
    assert_true(create(1, 5 * MIB, true));
    assert_int_equal(now().used, used + 2);
    assert_int_equal(now().kernels, 1);
    assert_int_equal(now().bytes, 5 * MIB + 1 + sizeof(packed[1]));
    assert_int_equal(host_free, all - now().bytes);
    assert_false(create(2, 5 * MIB, true));
    assert_true(create(1, 5 * MIB, true));
    assert_true(create(2, 5 * MIB, true));
    assert_true(yields > 0);
}

static void another_kernel_is_never_taken(void **state)
{
    (void)state;
    assert_false(create(1, 100, true));
    for (size_t at = 0; at < sizeof(packed[1]); at += 9973) { /* any byte of it */
        packed[1][at] ^= 1;
        assert_null(kernel_cache_find(packed[1], sizeof(packed[1]), 100));
        packed[1][at] ^= 1;
    }
    packed[1][sizeof(packed[1]) - 1] ^= 1;
    assert_null(kernel_cache_find(packed[1], sizeof(packed[1]), 100));
    packed[1][sizeof(packed[1]) - 1] ^= 1;
    assert_null(kernel_cache_find(packed[1], sizeof(packed[1]) - 1, 100));
    assert_null(kernel_cache_find(packed[1], sizeof(packed[1]), 101));
    assert_true(create(1, 100, true));
}

static void a_failed_one_is_not_kept(void **state)
{
    (void)state;
    assert_false(create(1, 5 * MIB, false));
    assert_int_equal(host_free, all);
    assert_false(create(1, 5 * MIB, true));
}

static void the_oldest_goes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_false(create(i, MIB, true));
    }
    assert_true(create(0, MIB, true));
    assert_false(create(4, MIB, true)); /* in place of 1 */
    assert_int_equal(now().kernels, 4);
    assert_true(create(0, MIB, true));
    assert_true(create(2, MIB, true));
    assert_true(create(3, MIB, true));
    assert_true(create(4, MIB, true));
    assert_false(create(1, MIB, true));
}

static void memory_gets_short(void **state)
{
    (void)state;
    assert_false(create(1, 100 * MIB, true));
    assert_false(create(2, 100 * MIB, true));
    /* Not more than 256 MiB in all. */
    assert_false(create(3, 100 * MIB, true));
    assert_int_equal(now().kernels, 2);
    assert_null(kernel_cache_find(packed[1], sizeof(packed[1]), 100 * MIB));
    assert_null(kernel_cache_room(300 * MIB));
    assert_int_equal(now().kernels, 0);
    /* 64 MiB stay free. */
    host_free = all = 80 * MIB;
    assert_false(create(1, 10 * MIB, true));
    assert_int_equal(now().kernels, 1);
    assert_false(create(2, 10 * MIB, true));
    assert_int_equal(now().kernels, 1);
    assert_true(create(2, 10 * MIB, true));
    assert_false(create(3, 17 * MIB, true));
    assert_int_equal(now().kernels, 0);
    /* Enough for the unpacked bytes and not for the packed ones. */
    host_free = all = 74 * MIB + 1;
    assert_false(create(1, 10 * MIB, true));
    assert_int_equal(now().kernels, 0);
    info_result = -1;
    assert_null(kernel_cache_room(1));
    info_result = 0;
    /* Who borrows gets what is kept. */
    host_free = all = 100 * MIB;
    assert_false(create(1, 10 * MIB, true));
    assert_false(create(2, 10 * MIB, true));
    void *p = kernel_cache_borrow(85 * MIB);
    assert_non_null(p);
    assert_int_equal(now().kernels, 1);
    memory_return(p, 85 * MIB);
    assert_true(create(2, 10 * MIB, true));
    assert_null(kernel_cache_borrow(101 * MIB));
    assert_int_equal(now().kernels, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(found_again, start, end),
        cmocka_unit_test_setup_teardown(another_kernel_is_never_taken, start, end),
        cmocka_unit_test_setup_teardown(a_failed_one_is_not_kept, start, end),
        cmocka_unit_test_setup_teardown(the_oldest_goes, start, end),
        cmocka_unit_test_setup_teardown(memory_gets_short, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
