/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The thread that serves a network card, with a card that works, is silent, hangs, breaks, or is pulled out. Time moves when the thread waits. */
#define _GNU_SOURCE
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>
#include <ucontext.h>

#include <cmocka.h>

#include "dom0/kernel/cpu.h"
#include "drivers/netdev.h"

static uint64_t now, stop_at;
static ucontext_t script, thread; /* the card's thread has a stack of its own, and stands still while the test looks */
static char stack[256 * 1024];
static bool thread_runs;
static void (*serve)(void *);
static struct pci_device pci;
static struct netdev n;
static bool master, no_irq_here, no_thread;
static void (*upcall)(uint32_t, void *);
static uint32_t done_calls, line_off;

static struct {
    uint32_t waiting;                 /* frames that the card has for us */
    bool enabled, silent, gone, no_start, no_sending, link;
    uint32_t starts, stops, enables;
    enum netdev_fault faults[8];      /* told by so many polls from now on */
    uint32_t fault_count;
    uint64_t next_frame_ns, every_ns; /* 0: none come by themselves */
} dev;
static uint32_t frames_in, turns_over, busy_polls;

uint64_t time_now_ns(void) { return now; }
static void frames_come(void)
{
    while (dev.every_ns != 0 && now >= dev.next_frame_ns) {
        dev.waiting++;
        dev.next_frame_ns += dev.every_ns;
    }
}
static void time_to(uint64_t until)
{
    now = until;
    if (now >= stop_at)
        swapcontext(&thread, &script);
    frames_come();
}
void thread_sleep_ns(uint64_t ns) { time_to(now + ns); }
/* An interrupt arrives as soon as it may. */
bool waitq_wait(struct waitq *q, uint64_t deadline)
{
    assert_true(q == &n.wait && n.armed && dev.enabled && deadline != WAIT_FOREVER);
    frames_come();
    if (dev.every_ns != 0 && dev.next_frame_ns < deadline && !dev.silent) {
        time_to(dev.next_frame_ns);
        upcall(1, &n);
        return true;
    }
    if (dev.waiting != 0 && !dev.silent) {
        upcall(1, &n);
        return true;
    }
    time_to(deadline > now ? deadline : now);
    return false;
}
static uint32_t wakes;
void waitq_wake(struct waitq *q) { assert_true(q == &n.wait); wakes++; }
uint64_t cpu_irq_save(void) { return 7; }
void cpu_irq_restore(uint64_t flags) { assert_int_equal(flags, 7); }
struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, size_t stack)
{
    assert_string_equal(name, n.name);
    assert_true(arg == &n && stack == 0);
    serve = fn;
    return no_thread ? NULL : (struct thread *)&thread;
}
void pci_master(const struct pci_device *d, bool on) { assert_ptr_equal(d, &pci); master = on; }
bool pci_gone(const struct pci_device *d) { assert_ptr_equal(d, &pci); return dev.gone; }
static struct pci_device strange = {.bus = 1, .slot = 2, .vendor = 0x1234, .device = 0xabcd, .class_code = 2};
struct pci_device *pci_first(void)
{
    pci.class_code = 2;
    pci.next = &strange;
    return &pci;
}
bool pci_irq_attach(struct pci_device *d, void (*fn)(uint32_t, void *), void *arg)
{
    assert_true(d == &pci && arg == &n);
    upcall = fn;
    return !no_irq_here;
}
void pci_irq_done(struct pci_device *d) { assert_ptr_equal(d, &pci); done_calls++; }

static bool dev_start(struct netdev *x)
{
    assert_true(x == &n && master);
    dev.starts++;
    return !dev.no_start;
}
static void dev_stop(struct netdev *x)
{
    (void)x;
    dev.stops++;
    dev.enabled = false;
}
static bool dev_send(struct netdev *x, const uint8_t *frame, uint32_t len)
{
    (void)frame;
    assert_true(len >= 14 && len <= 1518);
    if (x->sending == 4)
        return false;
    x->sending++;
    return true;
}
static uint32_t dev_poll(struct netdev *x, uint32_t most)
{
    static uint8_t frame[64];
    uint32_t got = 0;

    assert_false(dev.enabled); /* nobody interrupts a turn */
    time_to(now + 1000);
    if (dev.fault_count != 0)
        netdev_fault(x, dev.faults[--dev.fault_count]);
    if (!dev.no_sending) {
        x->went_out += x->sending;
        x->sending = 0;
    }
    for (; got < most && dev.waiting != 0; got++, dev.waiting--)
        netdev_received(x, frame, 60);
    busy_polls += got != 0;
    return got;
}
static bool dev_pending(struct netdev *x) { (void)x; frames_come(); return dev.waiting != 0 && !dev.silent; }
static void dev_interrupts(struct netdev *x, bool on)
{
    (void)x;
    dev.enabled = on;
    dev.enables += on;
    line_off += !on;
}
static void dev_look(struct netdev *x) { x->link_seen = dev.link; x->mbit = 100; }

static const struct netdev_ops ops = {dev_start, dev_stop, dev_send, dev_poll, dev_pending, dev_interrupts, dev_look};

static void on_frame(void *ctx, uint8_t *frame, uint32_t len)
{
    (void)frame;
    assert_true(ctx == &frames_in && len == 60);
    frames_in++;
}
static void on_turn_over(void *ctx) { (void)ctx; turns_over++; }

static int begin(void **state)
{
    (void)state;
    memset(&dev, 0, sizeof dev);
    memset(&n, 0, sizeof n);
    dev.link = true;
    master = no_irq_here = no_thread = false;
    frames_in = turns_over = busy_polls = wakes = done_calls = 0;
    thread_runs = false;
    fake_notices[0] = '\0';
    now += 1000000000000UL;
    n = (struct netdev){.driver = "fake", .model = "Model", .pci = &pci, .ops = &ops, .dma = true};
    return 0;
}

/* The list of cards has no way out: the one card joins it once, and is as new in each test. */
static void open_card(void)
{
    if (netdev_first() == NULL)
        netdev_register(&n);
    n.irq = !no_irq_here;
    strcpy(n.name, "nic0");
    assert_true(netdev_open(&n, on_frame, on_turn_over, &frames_in));
}

static void thread_main(void)
{
    serve(&n);
    swapcontext(&thread, &script);
    fail(); /* it has ended */
}

/* Serves for MS of time, or until the thread ends. */
static void run_ms(uint64_t ms)
{
    stop_at = now + ms * 1000000UL;
    if (!thread_runs) {
        getcontext(&thread);
        thread.uc_stack = (stack_t){.ss_sp = stack, .ss_size = sizeof stack};
        makecontext(&thread, thread_main, 0);
    }
    thread_runs = true;
    swapcontext(&script, &thread);
}

static bool said(const char *text) { return strstr(fake_notices, text) != NULL; }

static void test_by_interrupts(void **state)
{
    (void)state;
    open_card();
    dev.every_ns = 3000000;
    dev.next_frame_ns = now + 1000000;
    run_ms(10000);
    assert_true(said("nic0: Model, fake, 00:00:00:00:00:00, interrupts"));
    assert_true(said("nic0: link up, 100 Mbit/s"));
    assert_in_range(frames_in, 3330, 3334);
    assert_in_range(n.interrupts, 3330, 3334);
    assert_int_equal(turns_over, busy_polls);
    assert_int_equal(done_calls, n.interrupts);
    assert_true(n.irq && master && dev.starts == 1 && n.resets == 0);
    assert_string_equal(netdev_state_text(&n), "up");
}

/* An interrupt of another device on the line, in the middle of a turn: the card is quieted, nobody is woken. */
static void test_shared_line(void **state)
{
    (void)state;
    open_card();
    run_ms(10);
    uint32_t before = wakes;
    n.armed = false;
    upcall(1, &n);
    assert_true(wakes == before && n.interrupts == 0 && done_calls == 1 && !dev.enabled);
    n.state = NETDEV_RESETTING;
    line_off = 0;
    upcall(1, &n);
    assert_true(line_off == 0 && done_calls == 2);
}

static void test_polled(void **state)
{
    (void)state;
    no_irq_here = true;
    open_card();
    n.irq = false;
    dev.every_ns = 50000000;
    dev.next_frame_ns = now;
    run_ms(1000);
    assert_in_range(frames_in, 19, 21);
    assert_int_equal(dev.enables, 0);
}

static void test_interrupts_that_do_not_come(void **state)
{
    (void)state;
    open_card();
    dev.silent = true;
    dev.every_ns = 100000000;
    dev.next_frame_ns = now;
    run_ms(10000);
    assert_true(said("nic0: its interrupts do not arrive: polled from here on"));
    assert_false(n.irq);
    assert_in_range(frames_in, 98, 101);
}

static void test_a_busy_card_lets_others_run(void **state)
{
    (void)state;
    open_card();
    dev.waiting = 1000;
    run_ms(100);
    assert_int_equal(frames_in, 1000);
    assert_int_equal(turns_over, (1000 + NETDEV_TURN - 1) / NETDEV_TURN);
}

static void test_sending(void **state)
{
    static uint8_t frame[2048];

    (void)state;
    open_card();
    assert_false(netdev_send(&n, frame, 60)); /* not yet started */
    dev.link = false;
    run_ms(10);
    assert_string_equal(netdev_state_text(&n), "down");
    assert_false(netdev_send(&n, frame, 60));
    assert_int_equal(n.sent.drops, 2);
    dev.link = true;
    n.look = true;
    run_ms(10);
    assert_true(netdev_send(&n, frame, 60));
    assert_true(netdev_send(&n, frame, 14));
    assert_true(netdev_send(&n, frame, 1514));
    assert_false(netdev_send(&n, frame, 13));
    assert_false(netdev_send(&n, frame, 1515));
    assert_int_equal(n.sent.errors, 1);
    assert_int_equal(n.too_long, 1);
    memcpy(frame + 12, "\x81\x00", 2); /* with a VLAN tag 4 bytes more fit */
    assert_true(netdev_send(&n, frame, 1518));
    assert_false(netdev_send(&n, frame, 1519));
    assert_int_equal(n.too_long, 2);
    frame[13] = 1;
    assert_false(netdev_send(&n, frame, 1515));
    assert_false(netdev_send(&n, frame, 60)); /* four are with the card: no room */
    assert_int_equal(n.sent.packets, 4);
    assert_int_equal(n.sent.bytes, 60 + 14 + 1514 + 1518);
    assert_int_equal(n.sent.drops, 2 + 4);
}

static void test_a_card_that_hangs_is_reset(void **state)
{
    uint8_t frame[64] = {0};

    (void)state;
    open_card();
    run_ms(10);
    dev.no_sending = true;
    assert_true(netdev_send(&n, frame, 60));
    run_ms(4000);
    assert_int_equal(n.resets, 0);
    run_ms(2500);
    assert_int_equal(n.resets, 1);
    assert_true(said("nic0: does not send any more: it is reset"));
    assert_int_equal(n.sending, 0);
    assert_int_equal(n.sent.drops, 1); /* the frame that was lost */
    dev.no_sending = false;
    assert_true(netdev_send(&n, frame, 60));
    run_ms(10000);
    assert_true(n.resets == 1 && n.state == NETDEV_RUNNING && n.failures == 0);
}

static void test_no_hang_without_a_link(void **state)
{
    uint8_t frame[64] = {0};

    (void)state;
    open_card();
    run_ms(10);
    dev.no_sending = true;
    assert_true(netdev_send(&n, frame, 60));
    dev.link = false;
    run_ms(60000);
    assert_int_equal(n.resets, 0);
    assert_true(said("nic0: link down"));
}

static void test_three_resets_in_a_row_and_no_more(void **state)
{
    (void)state;
    open_card();
    run_ms(10);
    for (uint32_t i = 0; i < 8; i++)
        dev.faults[i] = NETDEV_FAULT_DEVICE;
    dev.fault_count = 8;
    run_ms(100000);
    assert_int_equal(n.resets, 3);
    assert_true(n.state == NETDEV_FAILED && !master && !dev.enabled);
    assert_true(said("nic0: fails after every reset: not used any more"));
    assert_string_equal(netdev_state_text(&n), "failed");
    uint8_t frame[64] = {0};
    assert_false(netdev_send(&n, frame, 60));
}

static void test_a_frame_in_between_counts(void **state)
{
    (void)state;
    open_card();
    run_ms(10);
    for (uint32_t i = 0; i < 6; i++) {
        dev.faults[0] = NETDEV_FAULT_DEVICE;
        dev.fault_count = 1;
        n.look = true;
        run_ms(1500);
        dev.waiting = 1;
        run_ms(1500);
    }
    assert_int_equal(n.resets, 6);
    assert_int_equal(n.state, NETDEV_RUNNING);
}

static void test_gone(void **state)
{
    (void)state;
    open_card();
    run_ms(10);
    dev.gone = true;
    run_ms(5000);
    assert_true(said("nic0: the device is gone: not used any more"));
    assert_true(n.state == NETDEV_GONE && !master && n.resets == 0 && !n.link);
    assert_string_equal(netdev_state_text(&n), "gone");
}

static void test_does_not_start(void **state)
{
    (void)state;
    open_card();
    dev.no_start = true;
    run_ms(1000);
    assert_true(said("nic0: it does not start: not used any more") && n.state == NETDEV_FAILED && !master);
}

static void test_reset_that_fails(void **state)
{
    (void)state;
    open_card();
    run_ms(10);
    dev.faults[0] = NETDEV_FAULT_DEVICE;
    dev.fault_count = 1;
    dev.no_start = true;
    run_ms(5000);
    assert_true(said("nic0: a reset does not bring it back: not used any more") && n.state == NETDEV_FAILED);
}

static void test_loose_contact_is_not_told_for_ever(void **state)
{
    uint32_t lines = 0;

    (void)state;
    open_card();
    for (uint32_t i = 0; i < 200; i++) {
        dev.link = !dev.link;
        n.look = true;
        run_ms(10);
    }
    for (const char *p = fake_notices; (p = strstr(p, "link ")) != NULL; p++)
        lines++;
    assert_in_range(lines, 6, 26); /* 200 changes in 200 s: six at once, then one in ten seconds */
}

static void test_no_thread(void **state)
{
    (void)state;
    no_thread = true;
    strcpy(n.name, "nic0");
    assert_false(netdev_open(&n, on_frame, on_turn_over, &frames_in));
    assert_true(said("nic0: no memory for its thread: left aside") && n.state == NETDEV_CLOSED);
    assert_string_equal(netdev_state_text(&n), "closed");
}

static void test_cards_of_nobody(void **state)
{
    (void)state;
    open_card();
    fake_notices[0] = '\0';
    netdev_name_strangers();
    assert_string_equal(fake_notices, "network card 01:02.0 (1234:abcd): there is no driver for it: left aside\n");
    netdev_leave_aside(&strange, "some", "it does not answer");
    fake_notices[0] = '\0';
    netdev_name_strangers();
    assert_string_equal(fake_notices, "");
}

static void test_fill(void **state)
{
    uint8_t room[NETDEV_BUFFER], frame[1514];

    (void)state;
    memset(room, 0xee, sizeof room);
    memset(frame, 0x11, sizeof frame);
    assert_int_equal(netdev_fill(room, frame, 14), 60);
    assert_true(room[13] == 0x11 && room[14] == 0 && room[59] == 0 && room[60] == 0xee);
    assert_int_equal(netdev_fill(room, frame, 1514), 1514);
    assert_true(room[1513] == 0x11 && room[1514] == 0xee);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_by_interrupts, begin),
        cmocka_unit_test_setup(test_shared_line, begin),
        cmocka_unit_test_setup(test_polled, begin),
        cmocka_unit_test_setup(test_interrupts_that_do_not_come, begin),
        cmocka_unit_test_setup(test_a_busy_card_lets_others_run, begin),
        cmocka_unit_test_setup(test_sending, begin),
        cmocka_unit_test_setup(test_a_card_that_hangs_is_reset, begin),
        cmocka_unit_test_setup(test_no_hang_without_a_link, begin),
        cmocka_unit_test_setup(test_three_resets_in_a_row_and_no_more, begin),
        cmocka_unit_test_setup(test_a_frame_in_between_counts, begin),
        cmocka_unit_test_setup(test_gone, begin),
        cmocka_unit_test_setup(test_does_not_start, begin),
        cmocka_unit_test_setup(test_reset_that_fails, begin),
        cmocka_unit_test_setup(test_loose_contact_is_not_told_for_ever, begin),
        cmocka_unit_test_setup(test_no_thread, begin),
        cmocka_unit_test_setup(test_cards_of_nobody, begin),
        cmocka_unit_test_setup(test_fill, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
