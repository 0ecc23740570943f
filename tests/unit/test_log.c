/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The log ring and the trace ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/core/log.h"
#include "kernel/core/trace.h"

static char sunk[1024];
static size_t sunk_len;
static uint64_t now;

uint32_t trace_cpu(void) { return 0; }
static uint64_t clock_fake(void) { return now; }
static void sink(const char *text, size_t len)
{
    memcpy(sunk, text, len);
    sunk_len = len;
    sunk[len] = '\0';
}

static void test_lines(void **state)
{
    (void)state;
    log_set_sink(sink);
    log_info("boot %d", 1);
    assert_string_equal(sunk, "(CBL) [0.000000] boot 1\n");
    now = 12345678901UL;
    log_set_clock(clock_fake);
    log_warn("%s", "later");
    assert_string_equal(sunk, "(CBL) [12.345678] later\n");
    log_guest(7, "bad %x", 0xabU);
    assert_string_equal(sunk, "(CBL) [12.345678] d7 bad ab\n");
    sunk_len = 0;
    log_debug("not at this level");
    assert_int_equal(sunk_len, 0);
    log_set_level(LOG_ERROR);
    log_guest(7, "nor this");
    assert_int_equal(sunk_len, 0);
    log_set_level(LOG_DEBUG);
    log_debug("now");
    assert_true(sunk_len > 0);
}

static void test_long_line_is_cut(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'x', sizeof(text));
    text[599] = '\0';
    log_info("%s", text);
    assert_true(sunk_len < 330);
    assert_int_equal(sunk[sunk_len - 1], '\n');
    assert_int_equal(sunk[sunk_len - 2], 'x');
}

static void test_ring(void **state)
{
    (void)state;
    uint64_t pos = 0;
    char buf[4096];
    while (log_read(&pos, buf, sizeof(buf)) != 0)
        ;
    assert_int_equal(log_read(&pos, buf, sizeof(buf)), 0);
    log_info("one");
    size_t n = log_read(&pos, buf, sizeof(buf));
    assert_memory_equal(buf + n - 4, "one\n", 4);
    for (unsigned i = 0; i < 5000; i++)
        log_info("line %u", i);
    uint64_t old = pos; /* overwritten by now */
    n = log_read(&pos, buf, sizeof(buf));
    assert_int_equal(n, sizeof(buf));
    assert_true(pos - n > old);
    uint64_t total = n;
    while ((n = log_read(&pos, buf, sizeof(buf))) != 0)
        total += n;
    assert_int_equal(total, 65536);
    uint64_t future = ~0UL; /* a position that never was */
    assert_true(log_read(&future, buf, sizeof(buf)) > 0);
}

static void test_trace(void **state)
{
    (void)state;
    struct trace_ring *ring = trace_rings[0];
    trace(TRACE_EXIT, 1, 2);
    trace(TRACE_IRQ, 3, 4);
    const struct trace_record *r = ring->records;
    assert_int_equal(ring->next, 2);
    assert_true(r[0].a == 1 && r[0].b == 2 && r[1].kind_cpu == TRACE_IRQ && r[1].tsc >= r[0].tsc && r[0].tsc != 0);
    for (uint64_t i = 0; i < 1000; i++)
        trace(TRACE_DOMAIN, i, 0);
    assert_int_equal(ring->next, 1002); /* the newest are kept: the last one is before where the next goes */
    assert_int_equal(r[(ring->next - 1) % TRACE_RECORDS].a, 999);
    assert_int_equal(r[ring->next % TRACE_RECORDS].a, 1000 - TRACE_RECORDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
