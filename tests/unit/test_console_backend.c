/* SPDX-License-Identifier: Apache-2.0
 * [HOST] dom0/backend/console_backend.c: guests that write impossible indices, that end at any moment, and what is
 * left of them. Threads are faked: the server runs until it would wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/backend/console_backend.h"
#include "dom0/backend/guest_ring.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"

#define PORTS 64U

static struct {
    void (*server)(void *arg);
    jmp_buf idle;
    event_handler fn[PORTS];
    void *arg[PORTS];
    unsigned open, sent, notices, blocks, refuse;
    uint64_t now;
    uint16_t forget_on_notice; /* another thread runs while a notice is printed */
} m;

static struct xencons_interface rings[PORTS];

void *heap_alloc(size_t size) { m.blocks++; return calloc(1, size); }
void heap_free(void *p) { m.blocks -= p != NULL; free(p); }
uint64_t time_now_ns(void) { return m.now; }
void thread_yield(void) {}
struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, size_t stack)
{
    (void)name; (void)arg; (void)stack;
    m.server = fn;
    return (struct thread *)&m;
}
bool waitq_wait(struct waitq *q, uint64_t deadline_ns)
{
    (void)q;
    assert_true(deadline_ns == WAIT_FOREVER);
    longjmp(m.idle, 1);
}
void waitq_wake(struct waitq *q) { (void)q; }
void waitq_wake_all(struct waitq *q) { (void)q; }
void console_notice(const char *fmt, ...)
{
    (void)fmt;
    m.notices++;
    if (m.forget_on_notice != 0)
        guest_console_forget(m.forget_on_notice);
}
int event_bind_interdomain(uint16_t remote, uint32_t remote_port, event_handler fn, void *arg)
{
    assert_int_equal(remote_port, 9);
    if (m.refuse != 0)
        return -28;
    m.fn[remote] = fn;
    m.arg[remote] = arg;
    m.open++;
    return remote;
}
void event_close(uint32_t port)
{
    assert_non_null(m.fn[port]);
    m.fn[port] = NULL;
    m.open--;
}
void event_send(uint32_t port) { assert_non_null(m.fn[port]); m.sent++; }

static void serve(void)
{
    if (setjmp(m.idle) == 0)
        m.server(NULL);
}

static void add(uint16_t id)
{
    memset(&rings[id], 0, sizeof rings[id]);
    assert_true(guest_console_add(id, &rings[id], 9));
    serve();
}

static void says(uint16_t id, const char *text)
{
    for (; *text != '\0'; text++)
        rings[id].out[MASK_XENCONS_IDX(rings[id].out_prod++, rings[id].out)] = *text;
    m.fn[id](id, m.arg[id]);
}

static void test_output_is_kept(void **state)
{
    char buf[64];
    uint64_t pos = 0;
    (void)state;
    add(1);
    says(1, "hello");
    serve();
    assert_int_equal(rings[1].out_cons, 5);
    says(1, " last words"); /* nobody serves them any more, but the stop takes them */
    guest_console_stop(1);
    assert_false(guest_console_live(1));
    assert_int_equal(guest_console_read(1, &pos, buf, sizeof buf), 16);
    assert_memory_equal(buf, "hello last words", 16);
    assert_int_equal(guest_console_input(1, "x", 1), 0);
    guest_console_stop(1);
    guest_console_forget(1);
    guest_console_forget(1);
    assert_int_equal(m.open + m.blocks, 0);
}

/* What `console -n` begins with. */
static void test_last_lines(void **state)
{
    (void)state;
    assert_int_equal(guest_console_tail(1, 5), 0); /* nobody */
    add(1);
    assert_int_equal(guest_console_tail(1, 5), 0);
    says(1, "one\ntwo\nthr");
    serve();
    assert_int_equal(guest_console_tail(1, 0), 11);
    assert_int_equal(guest_console_tail(1, 1), 8);
    assert_int_equal(guest_console_tail(1, 2), 4);
    assert_int_equal(guest_console_tail(1, 3), 0);
    assert_int_equal(guest_console_tail(1, UINT64_MAX), 0);
    says(1, "ee\n");
    serve();
    assert_int_equal(guest_console_tail(1, 1), 8);
    for (unsigned i = 0; i < SCROLLBACK_BYTES / 64; i++) { /* the first lines are gone */
        says(1, "123456789012345678901234567890123456789012345678901234567890123\n");
        serve();
    }
    assert_int_equal(guest_console_tail(1, 1), 14 + SCROLLBACK_BYTES - 64);
    assert_int_equal(guest_console_tail(1, UINT64_MAX), 14);
    guest_console_forget(1);
}

/* A burst larger than the ring has room for, in one wake-up. */
static void test_full_ring(void **state)
{
    char buf[4096];
    uint64_t pos = 0;
    (void)state;
    add(1);
    memset(rings[1].out, 'z', sizeof rings[1].out);
    rings[1].out_prod += sizeof rings[1].out;
    m.fn[1](1, m.arg[1]);
    serve();
    assert_int_equal(guest_console_read(1, &pos, buf, sizeof buf), sizeof rings[1].out);
    guest_console_forget(1);
    assert_int_equal(m.open + m.blocks, 0);
}

static void test_refused_port_leaves_nothing(void **state)
{
    (void)state;
    m.refuse = 1;
    assert_false(guest_console_add(1, &rings[1], 9));
    m.refuse = 0;
    assert_false(guest_console_present(1));
    assert_int_equal(m.open + m.blocks, 0);
}

/* Many guests break their rings at once: each is cut off, a few are named. */
static void test_broken_rings(void **state)
{
    (void)state;
    m.now = 1000000000000UL;
    m.notices = 0;
    for (uint16_t id = 1; id <= 40; id++) {
        add(id);
        rings[id].out_prod = rings[id].out_cons + sizeof rings[id].out + id;
        m.fn[id](id, m.arg[id]);
    }
    serve();
    for (uint16_t id = 1; id <= 40; id++) {
        assert_true(guest_console_present(id));
        assert_false(guest_console_live(id));
    }
    assert_int_equal(m.notices, 5);
    assert_int_equal(m.open, 0);
    add(41);
    rings[41].in_prod = 2000; /* and by input */
    assert_int_equal(guest_console_input(41, "x", 1), 0);
    assert_false(guest_console_live(41));
    for (uint16_t id = 1; id <= 41; id++)
        guest_console_forget(id);
    assert_int_equal(m.open + m.blocks, 0);
}

/* The manager takes the domain away while the notice about its ring is being printed. */
static void test_gone_while_printing(void **state)
{
    (void)state;
    m.now += 1000000000000UL;
    m.notices = 0;
    add(1);
    add(2);
    m.forget_on_notice = 1;
    rings[1].out_prod = 0x80000000U;
    m.fn[1](1, m.arg[1]);
    says(2, "fine");
    serve();
    m.forget_on_notice = 0;
    assert_int_equal(m.notices, 1);
    assert_false(guest_console_present(1));
    assert_int_equal(rings[2].out_cons, 4);
    guest_console_forget(2);
    assert_int_equal(m.open + m.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_is_kept), cmocka_unit_test(test_full_ring), cmocka_unit_test(test_last_lines),
        cmocka_unit_test(test_refused_port_leaves_nothing), cmocka_unit_test(test_broken_rings),
        cmocka_unit_test(test_gone_while_printing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
