/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The scheduler: fairness, preemption at wake-up, holds, books that add up, wakes that are not lost. */
#include "domain_fakes.h"

static struct sched_group ga, gb, gc;
static struct sched_unit a, b, c;

static int setup(void **state)
{
    (void)state;
    fake_machine();
    memset(fake_deadlines, 0, sizeof(fake_deadlines));
    ga = gb = gc = (struct sched_group){.weight = SCHED_WEIGHT_DEFAULT};
    sched_unit_init(&a, &ga, 0, false);
    sched_unit_init(&b, &gb, 0, false);
    sched_unit_init(&c, &gc, 0, false);
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
    struct sched_unit *now = fake_pick(0, NULL);
    for (uint64_t i = 0; i < ns; i += 1000000) {
        fake_time(fake_ns + 1000000);
        if (fake_cpu.need_resched)
            now = fake_pick(0, now);
    }
    if (now) {
        sched_hold(now, SCHED_HOLD_PAUSED);
        fake_pick(0, now);
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
    assert_ptr_equal(fake_pick(0, NULL), &a);
    sched_up(&b);
    assert_ptr_equal(fake_pick(0, &a), &b);
    sched_block(&b);
    assert_true(fake_cpu.need_resched);
    assert_ptr_equal(fake_pick(0, &b), &a);
    fake_ns += 60000000000UL; /* b sleeps for a minute */
    sched_wake(&b);
    assert_true(fake_cpu.need_resched);
    assert_ptr_equal(fake_pick(0, &a), &b);
    assert_true(a.vruntime_ns - b.vruntime_ns <= SCHED_SLICE_NS); /* not a minute's worth */
}

static void boosted_one_goes_first(void **state)
{
    (void)state;
    sched_unit_init(&b, &gb, 0, true);
    sched_up(&b);
    assert_ptr_equal(fake_pick(0, NULL), &b);
    sched_block(&b);
    sched_up(&a);
    assert_ptr_equal(fake_pick(0, &b), &a);
    fake_ns += 20000;
    sched_wake(&b);
    assert_true(fake_cpu.need_resched);
    assert_ptr_equal(fake_pick(0, &a), &b);
}

static void holds(void **state)
{
    (void)state;
    sched_hold(&a, SCHED_HOLD_PAUSED);
    sched_up(&a);
    assert_ptr_equal(fake_pick(0, NULL), NULL);
    sched_hold(&a, SCHED_HOLD_SHUTDOWN);
    sched_unhold(&a, SCHED_HOLD_PAUSED);
    assert_ptr_equal(fake_pick(0, NULL), NULL);
    sched_unhold(&a, SCHED_HOLD_SHUTDOWN);
    assert_ptr_equal(fake_pick(0, NULL), &a);
    fake_cpu.need_resched = false;
    sched_hold(&a, SCHED_HOLD_PAUSED); /* the one that runs */
    assert_true(fake_cpu.need_resched);
    assert_ptr_equal(fake_pick(0, &a), NULL);
    sched_block(&a); /* only a running unit blocks */
    assert_int_equal(a.state, VCPU_RUNNABLE);
    sched_unhold(&a, SCHED_HOLD_PAUSED);
    assert_ptr_equal(fake_pick(0, NULL), &a);
    sched_block(&a);
    sched_hold(&a, SCHED_HOLD_PAUSED);
    sched_wake(&a); /* a wake while held is not lost */
    sched_unhold(&a, SCHED_HOLD_PAUSED);
    assert_ptr_equal(fake_pick(0, &a), &a);
}

static void wake_before_the_pick(void **state)
{
    (void)state;
    sched_up(&a);
    assert_ptr_equal(fake_pick(0, NULL), &a);
    sched_block(&a);
    sched_wake(&a);
    char why[80];
    assert_true(sched_check(0, why, sizeof(why)) || a.queued); /* queued and still loaded */
    assert_ptr_equal(fake_pick(0, &a), &a);
    assert_int_equal(a.state, VCPU_RUNNING);
    assert_false(a.queued);
}

static void books_add_up(void **state)
{
    (void)state;
    uint64_t start = fake_ns;
    sched_unit_init(&a, &ga, 0, false);
    fake_ns += 5;
    sched_up(&a); /* 5 offline */
    fake_ns += 7;
    assert_ptr_equal(fake_pick(0, NULL), &a); /* 7 runnable */
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
    fake_pick(0, &a);
}

static void nobody_starves(void **state)
{
    (void)state;
    sched_up(&a);
    sched_up(&b);
    struct sched_unit *now = fake_pick(0, NULL);
    int turns[2] = {0};
    for (int i = 0; i < 1000; i++) { /* give_way is always answered by the other one */
        turns[now == &b]++;
        fake_ns += 1000;
        sched_give_way(now);
        struct sched_unit *next = fake_pick(0, now);
        assert_ptr_not_equal(next, now);
        now = next;
        char why[80];
        assert_true(sched_check(0, why, sizeof(why)));
    }
    assert_int_equal(turns[0], turns[1]);
}

/* ---- several CPUs --------------------------------------------------------------------------------- */
static struct sched_unit *on[FAKE_CPUS];

/* One round of every CPU's run loop. */
static void rounds(void)
{
    for (uint32_t i = 0; i < fake_nr_cpus; i++) {
        struct sched_unit *prev = on[i];
        fake_be(i);
        if (!fake_cpus[i].need_resched)
            continue;
        if (prev && sched_must_leave(prev)) {
            on[i] = NULL;
            sched_leave(prev);
            prev = NULL;
        }
        struct sched_unit *next = fake_pick(i, prev);
        if (next && prev && next != prev)
            prev->on_cpu = false;
        on[i] = next ? next : prev;
    }
    fake_be(0);
}

/* NS nanoseconds on all CPUs, in steps of 1 ms. */
static void run_all(uint64_t ns)
{
    for (uint64_t i = 0; i < ns; i += 1000000) {
        rounds();
        fake_time(fake_ns + 1000000);
    }
    for (struct sched_unit *u = &a;; u = u == &a ? &b : &c) { /* the books up to now */
        sched_set_affinity(u, u->affinity);
        if (u == &c)
            break;
    }
}

static int setup_two(void **state)
{
    setup(state);
    fake_nr_cpus = 2;
    memset(on, 0, sizeof(on));
    fake_cpus[0].need_resched = fake_cpus[1].need_resched = true;
    return 0;
}

static uint64_t ran(const struct sched_unit *u) { return u->time_ns[SCHED_TIME_RUNNING]; }

static void weights_divide_a_cpu(void **state)
{
    (void)state;
    memset(on, 0, sizeof(on));
    gb.weight = 2 * SCHED_WEIGHT_DEFAULT;
    gc.weight = 5 * SCHED_WEIGHT_DEFAULT;
    sched_up(&a);
    sched_up(&b);
    sched_up(&c);
    fake_cpu.need_resched = true;
    run_all(8000000000UL);
    assert_in_range(ran(&a), 950000000UL, 1050000000UL);
    assert_in_range(ran(&b), 1900000000UL, 2100000000UL);
    assert_in_range(ran(&c), 4750000000UL, 5250000000UL);
}

static void a_cap_limits_the_group_also_when_nobody_else_wants(void **state)
{
    (void)state;
    memset(on, 0, sizeof(on));
    ga.cap = 30;
    sched_up(&a);
    fake_cpu.need_resched = true;
    run_all(10000000000UL);
    assert_in_range(ran(&a), 2900000000UL, 3100000000UL);
    assert_int_equal(sum(&a), 10000000000UL);
}

/* A group that used up many periods' worth at once, as one with many units does on many CPUs, pays for all of them. */
static void a_cap_remembers_more_than_one_period(void **state)
{
    (void)state;
    memset(on, 0, sizeof(on));
    ga.cap = 10;
    ga.period_ns = fake_ns;
    ga.used_ns = 100000000UL; /* ten times its budget of 10 ms */
    fake_time(fake_ns + 500000000UL);
    sched_up(&a);
    fake_cpu.need_resched = true;
    run_all(400000000UL);
    assert_int_equal(ran(&a), 0);
    run_all(400000000UL);
    assert_in_range(ran(&a), 20000000UL, 50000000UL);
}

/* What sets the flag while a CPU picks makes it pick again: who finds it set sends no interrupt. */
static void a_kick_during_the_pick_stays(void **state)
{
    (void)state;
    sched_up(&a);
    fake_cpus[0].need_resched = true;
    assert_ptr_equal(sched_pick(0, NULL), &a);
    assert_true(fake_cpus[0].need_resched);
}

static void two_cpus_are_shared_fairly_by_three(void **state)
{
    (void)state;
    sched_up(&a);
    sched_up(&b);
    sched_up(&c);
    run_all(6000000000UL);
    assert_in_range(ran(&a), 3800000000UL, 4200000000UL);
    assert_in_range(ran(&b), 3800000000UL, 4200000000UL);
    assert_in_range(ran(&c), 3800000000UL, 4200000000UL);
    assert_int_equal(ran(&a) + ran(&b) + ran(&c), 12000000000UL); /* no CPU stood idle */
    assert_int_equal(sched_busy_ns(0) + sched_busy_ns(1), 12000000000UL);
}

static void a_woken_one_goes_where_it_is_idle(void **state)
{
    (void)state;
    sched_up(&a);
    rounds();
    assert_int_equal(a.cpu, 0);
    sched_up(&b);
    assert_int_equal(b.cpu, 1);
    assert_true(fake_cpus[1].need_resched);
    rounds();
    assert_ptr_equal(on[1], &b);
}

static void an_idle_cpu_takes_who_waits_elsewhere(void **state)
{
    (void)state;
    sched_up(&a);
    rounds();
    sched_up(&b);
    rounds();
    sched_up(&c); /* waits for one of the two */
    assert_true(c.queued);
    fake_be(1);
    sched_block(&b);
    rounds();
    assert_true(on[0] == &c || on[1] == &c);
}

static void pinned_ones_stay_and_move_when_told(void **state)
{
    (void)state;
    sched_set_affinity(&a, 2);
    sched_set_affinity(&b, 2);
    sched_set_affinity(&c, 2);
    sched_up(&a);
    sched_up(&b);
    sched_up(&c);
    run_all(3000000000UL);
    assert_int_equal(sched_busy_ns(0), 0);
    assert_in_range(ran(&a), 950000000UL, 1050000000UL);
    struct sched_unit *runs = on[1];
    sched_set_affinity(runs, 1); /* the one that runs on the other CPU, which must let go of it first */
    assert_int_equal(runs->cpu, 1);
    rounds();
    rounds();
    assert_ptr_equal(on[0], runs);
    assert_int_equal(runs->cpu, 0);
    char why[80];
    assert_true(sched_check(0, why, sizeof(why)) && sched_check(1, why, sizeof(why)));
}

static void what_is_loaded_does_not_move(void **state)
{
    (void)state;
    sched_up(&a);
    rounds();
    sched_block(&a);
    rounds(); /* idle; a's state stays loaded on CPU 0 */
    assert_true(a.on_cpu);
    fake_be(1);
    sched_wake(&a);
    assert_int_equal(a.cpu, 0);
    rounds();
    assert_ptr_equal(on[0], &a);
    sched_hold(&a, SCHED_HOLD_DYING);
    rounds();
    assert_false(a.on_cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equal_shares, setup), cmocka_unit_test_setup(sleeper_preempts_but_gains_no_credit, setup),
        cmocka_unit_test_setup(boosted_one_goes_first, setup), cmocka_unit_test_setup(holds, setup), cmocka_unit_test_setup(wake_before_the_pick, setup),
        cmocka_unit_test_setup(books_add_up, setup), cmocka_unit_test_setup(nobody_starves, setup),
        cmocka_unit_test_setup(weights_divide_a_cpu, setup), cmocka_unit_test_setup(a_cap_limits_the_group_also_when_nobody_else_wants, setup),
        cmocka_unit_test_setup(a_cap_remembers_more_than_one_period, setup), cmocka_unit_test_setup(a_kick_during_the_pick_stays, setup),
        cmocka_unit_test_setup(two_cpus_are_shared_fairly_by_three, setup_two), cmocka_unit_test_setup(a_woken_one_goes_where_it_is_idle, setup_two),
        cmocka_unit_test_setup(an_idle_cpu_takes_who_waits_elsewhere, setup_two), cmocka_unit_test_setup(pinned_ones_stay_and_move_when_told, setup_two),
        cmocka_unit_test_setup(what_is_loaded_does_not_move, setup_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
