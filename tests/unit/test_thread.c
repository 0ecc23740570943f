/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Dom0's scheduler with host contexts instead of cpu_switch and a clock that moves only when everybody waits: order,
 * deadlines, wake-ups that nobody waits for yet, preemption, the time check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/kernel/time_priv.h"
#include "thread_model.h"

#define MS 1000000UL

/* ---- fakes ---- */
static uint64_t now, stolen, timer;
static int blocks_live;
static char notice[200];
static int notices;
static void (*interrupt)(void); /* happens at the next wait */

uint64_t time_now_ns(void) { return now; }
uint64_t time_stolen_ns(void) { return stolen; }
void time_timer_set(uint64_t deadline_ns) { timer = deadline_ns != WAIT_FOREVER ? deadline_ns : timer; }
void *heap_alloc(size_t size) { return blocks_live++, calloc(1, size); }
void heap_free(void *p) { blocks_live--, free(p); }

size_t strlcpy(char *dst, const char *src, size_t size) { return (size_t)snprintf(dst, size, "%s", src); }

void console_notice(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(notice, sizeof(notice), fmt, ap);
    va_end(ap);
    notices++;
}

void time_wait_until(uint64_t deadline_ns)
{
    assert_false(irq_on);
    if (interrupt != NULL) {
        void (*fn)(void) = interrupt;
        interrupt = NULL;
        fn();
        return;
    }
    assert_true(deadline_ns != WAIT_FOREVER); /* all wait for nothing */
    now = deadline_ns > now ? deadline_ns : now;
}

/* ---- tests ---- */
static char trail[200];

static void mark(const char *what) { strncat(trail, what, sizeof(trail) - strlen(trail) - 1); }

static void start(void)
{
    trail[0] = '\0';
    notices = 0;
    irq_on = true;
}

static void rounds(void *arg)
{
    for (int i = 0; i < 3; i++) {
        mark(arg);
        thread_yield();
    }
}

static void test_round_robin(void **state)
{
    (void)state;
    start();
    assert_non_null(thread_create("a", rounds, "a", 0));
    assert_non_null(thread_create("b", rounds, "b", 0));
    assert_non_null(thread_create("c", rounds, "c", 0));
    for (int i = 0; i < 5; i++) {
        thread_yield();
        mark(".");
    }
    assert_string_equal(trail, "abc.abc.abc...");
    assert_int_equal(stacks_live, 0);
    assert_int_equal(blocks_live, 0);
    assert_true(irq_on);
    assert_string_equal(thread_name(thread_self()), "boot");
}

static void sleeper(void *arg)
{
    uint64_t ms = (uint64_t)arg, begun = now;
    thread_sleep_ns(ms * MS);
    char text[8];
    snprintf(text, sizeof(text), "%lu ", ms);
    mark(text);
    assert_int_equal(now, begun + ms * MS);
}

static void test_deadlines(void **state)
{
    (void)state;
    start();
    uint64_t begun = now;
    static const uint64_t order[] = {30, 10, 50, 20, 40, 10};
    for (size_t i = 0; i < 6; i++) {
        thread_create("sleeper", sleeper, (void *)order[i], 0);
    }
    thread_sleep_ns(60 * MS);
    assert_string_equal(trail, "10 10 20 30 40 50 ");
    assert_int_equal(now, begun + 60 * MS);
    assert_int_equal(stacks_live, 0);
}

static struct waitq queue;

static void waiter(void *arg)
{
    bool woken = waitq_wait(&queue, (uint64_t)arg);
    mark(woken ? "w" : "t");
}

static void wake_from_interrupt(void) { waitq_wake(&queue); }

static void test_wait_and_wake(void **state)
{
    (void)state;
    start();
    uint64_t soon = now + 5 * MS;
    thread_create("1", waiter, (void *)WAIT_FOREVER, 0);
    thread_create("2", waiter, (void *)soon, 0);
    thread_create("3", waiter, (void *)WAIT_FOREVER, 0);
    thread_sleep_ns(10 * MS); /* the one in the middle times out */
    assert_string_equal(trail, "t");
    interrupt = wake_from_interrupt; /* the first of the two */
    thread_sleep_ns(MS);
    assert_string_equal(trail, "tw");
    waitq_wake_all(&queue);
    thread_yield();
    assert_string_equal(trail, "tww");
    assert_null(queue.head);
    soon = now + 5 * MS;
    thread_create("4", waiter, (void *)WAIT_FOREVER, 0);
    thread_create("5", waiter, (void *)soon, 0);
    thread_sleep_ns(10 * MS); /* the last one times out; the next comes behind the one that is left */
    thread_create("6", waiter, (void *)WAIT_FOREVER, 0);
    thread_yield();
    waitq_wake_all(&queue);
    thread_yield();
    assert_string_equal(trail, "twwtww");
}

/* A wake-up between a check and the wait must not be lost, and counts once. */
static void test_early_wake(void **state)
{
    (void)state;
    start();
    queue = (struct waitq){};
    waitq_wake(&queue);
    waitq_wake(&queue);
    assert_true(waitq_wait(&queue, WAIT_FOREVER));
    assert_false(waitq_wait(&queue, now + MS));
    waitq_wake_all(&queue);
    assert_true(waitq_wait(&queue, WAIT_FOREVER));
    assert_false(waitq_wait(&queue, now));
}

static struct mutex lock;
static int inside;

static void locker(void *arg)
{
    for (int i = 0; i < 3; i++) {
        mutex_lock(&lock);
        assert_int_equal(inside++, 0);
        mark(arg);
        thread_yield();
        thread_sleep_ns(MS);
        inside--;
        mutex_unlock(&lock);
        thread_yield();
    }
}

static void test_mutex(void **state)
{
    (void)state;
    start();
    thread_create("x", locker, "x", 0);
    thread_create("y", locker, "y", 0);
    thread_sleep_ns(100 * MS);
    assert_string_equal(trail, "xyxyxy");
    assert_int_equal(stacks_live, 0);
    assert_null(lock.owner);
}

/* A timer interrupt on top of the running thread. */
static void tick(uint64_t ns)
{
    now += ns;
    irq_on = false;
    thread_timer_event();
    thread_preempt();
    irq_on = true;
}

static void other(void *arg)
{
    (void)arg;
    mark("o");
}

static void test_preemption(void **state)
{
    (void)state;
    start();
    thread_create("other", other, NULL, 0);
    tick(5 * MS); /* not in a section: never */
    assert_string_equal(trail, "");
    thread_preemptible(true);
    assert_int_equal(notices, 1); /* the time before the section counts */
    assert_int_equal(timer, now + MS);
    tick(MS / 2);
    assert_string_equal(trail, "");
    assert_int_equal(timer, now + MS / 2);
    tick(MS / 2);
    assert_string_equal(trail, "o");
    thread_create("sleeper", sleeper, (void *)3UL, 0);
    tick(MS);
    assert_int_equal(timer, now + MS); /* a fresh slice; then the sleeper's time is next */
    tick(MS);
    assert_int_equal(timer, now + 2 * MS);
    tick(2 * MS);
    assert_string_equal(trail, "o3 ");
    thread_preemptible(false);
    assert_int_equal(notices, 1);
}

static void hog(void *arg)
{
    now += (uint64_t)arg;
    thread_yield();
    now += (uint64_t)arg;
    thread_yield();
}

static void stolen_hog(void *arg)
{
    (void)arg;
    now += 5 * MS;
    stolen += 5 * MS;
    thread_yield();
}

static void test_time_check(void **state)
{
    (void)state;
    start();
    thread_create("polite", hog, (void *)(MS - 1), 0);
    thread_create("stolen", stolen_hog, NULL, 0);
    for (int i = 0; i < 4; i++) {
        thread_yield();
    }
    assert_int_equal(notices, 0);
    thread_create("greedy", hog, (void *)(2 * MS), 0);
    for (int i = 0; i < 4; i++) {
        thread_yield();
    }
    assert_int_equal(notices, 1); /* once for each thread */
    assert_non_null(strstr(notice, "greedy"));
}

static int setup(void **state)
{
    (void)state;
    now = 1000;
    thread_init(0x200, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < CONTEXTS; i++) {
        free(contexts[i].stack);
    }
    return stacks_live == 0 && blocks_live == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_robin), cmocka_unit_test(test_deadlines),  cmocka_unit_test(test_wait_and_wake),
        cmocka_unit_test(test_early_wake),  cmocka_unit_test(test_mutex),      cmocka_unit_test(test_preemption),
        cmocka_unit_test(test_time_check),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
