/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The scheduler: fairness, preemption at wake-up, holds, books that add up, wakes that are not lost. */
#include "domain_fakes.h"

static struct sched_unit a, b, c;

static int setup(void **state)
{
    (void)state;
    fake_machine();
    sched_unit_init(&a, 0, false);
    sched_unit_init(&b, 0, false);
    sched_unit_init(&c, 0, false);
    return 0;
}

static uint64_t sum(struct sched_unit *u)
{
    struct sched_times t = sched_times(u);
    return t.time_ns[0] + t.time_ns[1] + t.time_ns[2] + t.time_ns[3];
}

/* Runs NS nanoseconds in slices of 1 ms; returns nothing but the books. */
static void run(uint64_t ns)
{
    struct sched_unit *now = sched_pick(0, NULL);
    for (uint64_t i = 0; i < ns; i += 1000000) {
        fake_time(fake_ns + 1000000);
        if (fake_cpu.need_resched)
            now = sched_pick(0, now);
    }
    if (now) {
        sched_hold(now, SCHED_HOLD_PAUSED);
        sched_pick(0, now);
        sched_unhold(now, SCHED_HOLD_PAUSED);
    }
}

static void equal_shares(void **state)
{
    (void)state;
    sched_up(&a);
    sched_up(&b);
    sched_up(&c);
    run(3000000000UL);
    for (struct sched_unit *u = &a;; u = u == &a ? &b : &c) {
        assert_in_range(u->time_ns[SCHED_TIME_RUNNING], 950000000UL, 1050000000UL);
        if (u == &c)
            break;
    }
}

static void sleeper_preempts_but_gains_no_credit(void **state)
{
    (void)state;
    sched_up(&a);
    assert_ptr_equal(sched_pick(0, NULL), &a);
    sched_up(&b);
    assert_ptr_equal(sched_pick(0, &a), &b);
    sched_block(&b);
    assert_true(fake_cpu.need_resched);
    assert_ptr_equal(sched_pick(0, &b), &a);
    fake_ns += 60000000000UL; /* b sleeps for a minute */
    sched_wake(&b);
    assert_true(fake_cpu.need_resched);
    assert_ptr_equal(sched_pick(0, &a), &b);
    assert_true(a.vruntime_ns - b.vruntime_ns <= SCHED_SLICE_NS); /* not a minute's worth */
}

static void boosted_one_goes_first(void **state)
{
    (void)state;
    sched_unit_init(&b, 0, true);
    sched_up(&b);
    assert_ptr_equal(sched_pick(0, NULL), &b);
    sched_block(&b);
    sched_up(&a);
    assert_ptr_equal(sched_pick(0, &b), &a);
    fake_ns += 20000;
    sched_wake(&b);
    assert_true(fake_cpu.need_resched);
    assert_ptr_equal(sched_pick(0, &a), &b);
}

static void holds(void **state)
{
    (void)state;
    sched_hold(&a, SCHED_HOLD_PAUSED);
    sched_up(&a);
    assert_ptr_equal(sched_pick(0, NULL), NULL);
    sched_hold(&a, SCHED_HOLD_SHUTDOWN);
    sched_unhold(&a, SCHED_HOLD_PAUSED);
    assert_ptr_equal(sched_pick(0, NULL), NULL);
    sched_unhold(&a, SCHED_HOLD_SHUTDOWN);
    assert_ptr_equal(sched_pick(0, NULL), &a);
    fake_cpu.need_resched = false;
    sched_hold(&a, SCHED_HOLD_PAUSED); /* the one that runs */
    assert_true(fake_cpu.need_resched);
    assert_ptr_equal(sched_pick(0, &a), NULL);
    sched_block(&a); /* only a running unit blocks */
    assert_int_equal(a.state, VCPU_RUNNABLE);
    sched_unhold(&a, SCHED_HOLD_PAUSED);
    assert_ptr_equal(sched_pick(0, NULL), &a);
    sched_block(&a);
    sched_hold(&a, SCHED_HOLD_PAUSED);
    sched_wake(&a); /* a wake while held is not lost */
    sched_unhold(&a, SCHED_HOLD_PAUSED);
    assert_ptr_equal(sched_pick(0, &a), &a);
}

static void wake_before_the_pick(void **state)
{
    (void)state;
    sched_up(&a);
    assert_ptr_equal(sched_pick(0, NULL), &a);
    sched_block(&a);
    sched_wake(&a);
    char why[80];
    assert_true(sched_check(0, why, sizeof(why)) || a.queued); /* queued and still loaded */
    assert_ptr_equal(sched_pick(0, &a), &a);
    assert_int_equal(a.state, VCPU_RUNNING);
    assert_false(a.queued);
}

static void books_add_up(void **state)
{
    (void)state;
    uint64_t start = fake_ns;
    sched_unit_init(&a, 0, false);
    fake_ns += 5;
    sched_up(&a); /* 5 offline */
    fake_ns += 7;
    assert_ptr_equal(sched_pick(0, NULL), &a); /* 7 runnable */
    fake_ns += 11;
    sched_block(&a); /* 11 running */
    fake_ns += 13;
    sched_wake(&a); /* 13 blocked */
    sched_down(&a);
    struct sched_times t = sched_times(&a);
    assert_int_equal(t.time_ns[SCHED_TIME_OFFLINE], 5);
    assert_int_equal(t.time_ns[SCHED_TIME_RUNNABLE], 7);
    assert_int_equal(t.time_ns[SCHED_TIME_RUNNING], 11);
    assert_int_equal(t.time_ns[SCHED_TIME_BLOCKED], 13);
    assert_int_equal(sum(&a), fake_ns - start);
    assert_int_equal(t.state, SCHED_TIME_OFFLINE);
    sched_pick(0, &a);
}

static void nobody_starves(void **state)
{
    (void)state;
    sched_up(&a);
    sched_up(&b);
    struct sched_unit *now = sched_pick(0, NULL);
    int turns[2] = {0};
    for (int i = 0; i < 1000; i++) { /* give_way is always answered by the other one */
        turns[now == &b]++;
        fake_ns += 1000;
        sched_give_way(now);
        struct sched_unit *next = sched_pick(0, now);
        assert_ptr_not_equal(next, now);
        now = next;
        char why[80];
        assert_true(sched_check(0, why, sizeof(why)));
    }
    assert_int_equal(turns[0], turns[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equal_shares, setup), cmocka_unit_test_setup(sleeper_preempts_but_gains_no_credit, setup),
        cmocka_unit_test_setup(boosted_one_goes_first, setup), cmocka_unit_test_setup(holds, setup), cmocka_unit_test_setup(wake_before_the_pick, setup),
        cmocka_unit_test_setup(books_add_up, setup), cmocka_unit_test_setup(nobody_starves, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
