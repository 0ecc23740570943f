/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Several threads at one disk (drivers/disk.c under Dom0's own scheduler): a pretended device that takes four commands and ends them in any
 * order, fails, loses some, and is reset. Nobody is overtaken for long, nobody hangs, everybody's data is right. */
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
#include "drivers/disk.h"
#include "drivers/mmio.h"
#include "thread_model.h"

#define USERS   7U
#define ROUNDS  150U
#define SECTORS 64U /* of each */

static struct disk_queue q;
static struct disk d;
static uint8_t medium[USERS * SECTORS * 512];
static uint64_t now;
static unsigned seed, started, notices, most;
static struct { bool runs, lost; } command[DISK_SLOTS];
static struct { unsigned lose, fail; } chance; /* of a command: one in so many; 0: none */
static struct user { unsigned number, asked, done; } users[USERS]; /* ASKED: how many commands had been started then */
static unsigned ended;
static struct waitq over;

uint64_t time_now_ns(void) { return now; }
uint64_t time_stolen_ns(void) { return 0; }
void time_timer_set(uint64_t deadline_ns) { (void)deadline_ns; }
void *heap_alloc(size_t size) { return calloc(1, size); }
void heap_free(void *p) { free(p); }
size_t strlcpy(char *dst, const char *src, size_t size) { return (size_t)snprintf(dst, size, "%s", src); }
void console_notice(const char *fmt, ...) { (void)fmt; notices++; }
uint32_t mmio_read32(volatile void *base, uint32_t off) { (void)base; (void)off; return 0; }
void *page_alloc(size_t pages, uint64_t *phys)
{
    *phys = 0;
    return aligned_alloc(4096, pages * 4096);
}
void page_free(void *p, size_t pages) { (void)pages; free(p); }

static bool one_in(unsigned n) { return n != 0 && (unsigned)rand_r(&seed) % n == 0; }

/* ---- the device ---- */

static void start(struct disk_queue *queue, uint32_t slot)
{
    const struct disk_command *c = &queue->slots[slot].cmd;
    unsigned beside = 0;
    assert_false(command[slot].runs);
    for (unsigned i = 0; i < DISK_SLOTS; i++) {
        beside += command[i].runs;
        assert_false(command[i].runs && (c->alone || queue->slots[i].cmd.alone));
    }
    const struct user *u = &users[c->kind == DISK_FLUSH ? USERS - 1 : c->lba / SECTORS];
    assert_true(chance.lose + chance.fail != 0 || started - u->asked < USERS); /* one of each of the others, at most, came before it */
    most = beside + 1 > most ? beside + 1 : most;
    command[slot].runs = true;
    command[slot].lost = c->kind != DISK_FLUSH && one_in(chance.lose);
    started++;
}

static void end_command(unsigned slot)
{
    struct disk_slot *s = &q.slots[slot];
    command[slot].runs = false;
    if (s->cmd.kind != DISK_FLUSH && one_in(chance.fail)) {
        disk_end(&q, slot, DISK_END_ERROR);
        disk_fault(&q, DISK_FAULT_COMMAND);
        return;
    }
    if (s->cmd.kind == DISK_READ)
        memcpy(s->data, medium + s->cmd.lba * 512, s->cmd.bytes);
    if (s->cmd.kind == DISK_WRITE)
        memcpy(medium + s->cmd.lba * 512, s->data, s->cmd.bytes);
    disk_end(&q, slot, DISK_END_OK);
}

static void poll(struct disk_queue *queue) /* some of what can have ended has */
{
    (void)queue;
    unsigned from = (unsigned)rand_r(&seed) % DISK_SLOTS;
    for (unsigned i = 0; i < DISK_SLOTS && q.fault == DISK_FAULT_NONE; i++) {
        unsigned slot = (from + i) % DISK_SLOTS;
        if (command[slot].runs && !command[slot].lost && rand_r(&seed) % 3 == 0)
            end_command(slot);
    }
}

static bool reset(struct disk_queue *queue, enum disk_fault fault)
{
    (void)fault;
    (void)queue;
    thread_sleep_ns(1000000);
    memset(command, 0, sizeof command);
    return true;
}

static const struct disk_queue_ops ops = {start, poll, reset};

/* Everybody waits: the device speaks up, or time goes on. */
void time_wait_until(uint64_t deadline_ns)
{
    if (q.irq && rand_r(&seed) % 2 == 0)
        disk_interrupt(&q);
    else if (deadline_ns != WAIT_FOREVER)
        now = deadline_ns > now ? deadline_ns : now;
    else
        fail(); /* nobody will ever wake anybody */
}

/* ---- who uses it ---- */

static void ask(struct user *u, bool flush)
{
    uint8_t buf[2][8 * 512];
    uint64_t at = u->number * SECTORS + (unsigned)rand_r(&seed) % (SECTORS - 8);
    enum block_status s;
    u->asked = started;
    if (flush) {
        s = d.dev.ops->flush(&d.dev);
    } else if (rand_r(&seed) % 2 == 0) {
        memset(buf[0], rand_r(&seed), sizeof buf[0]);
        s = d.dev.ops->write(&d.dev, at, 8, buf[0]);
        if (s == BLOCK_OK)
            assert_memory_equal(medium + at * 512, buf[0], sizeof buf[0]);
    } else {
        memcpy(buf[0], medium + at * 512, sizeof buf[0]); /* nobody else writes there */
        s = d.dev.ops->read(&d.dev, at, 8, buf[1]);
        if (s == BLOCK_OK)
            assert_memory_equal(buf[0], buf[1], sizeof buf[0]);
    }
    u->done += s == BLOCK_OK;
}

/* The first two ask again at once, as one does who has more to do; the last one flushes. */
static void use(void *arg)
{
    struct user *u = arg;
    for (unsigned i = 0; i < ROUNDS && !q.dead; i++) {
        ask(u, u->number == USERS - 1);
        if (u->number >= 2)
            thread_yield();
    }
    ended++;
    waitq_wake(&over);
    thread_exit();
}

static void run(uint32_t depth, bool irq, bool flush_alone, unsigned lose, unsigned fail)
{
    memset(&q, 0, sizeof q);
    memset(&d, 0, sizeof d);
    memset(command, 0, sizeof command);
    started = most = ended = notices = 0;
    chance.lose = lose;
    chance.fail = fail;
    assert_true(disk_queue_init(&q, "xd0", &ops, NULL, depth));
    q.irq = irq;
    q.flush_alone = flush_alone;
    d.queue = &q;
    d.dev.sectors = USERS * SECTORS;
    d.dev.sector_size = 512;
    strcpy(d.dev.name, "xd0");
    disk_publish(&d, "pretended");
    assert_int_equal(d.dev.depth, depth);
    for (unsigned i = 0; i < USERS; i++) {
        users[i] = (struct user){.number = i};
        assert_non_null(thread_create("user", use, &users[i], 0));
    }
    while (ended != USERS)
        waitq_wait(&over, WAIT_FOREVER);
    assert_int_equal(most, depth);
    assert_int_equal(q.running, 0);
    assert_int_equal(q.asked, q.served);
    disk_queue_free(&q);
}

/* Whatever ends first, with and without interrupts: slots are given in the order of asking (start looks). */
static void test_nobody_is_overtaken(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        seed = i;
        run(1 + i % 4, i / 4 % 2, i / 8, 0, 0);
        for (unsigned u = 0; u < USERS; u++)
            assert_int_equal(users[u].done, ROUNDS);
    }
}

/* Failed and lost commands are given again, each one's own; a device that loses commands without end is given up, and everybody learns it. */
static void test_trouble(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 24; i++) {
        seed = 100 + i;
        run(4, i % 2, i / 2 % 2, i / 4 % 2 ? 40 : 0, 25);
        if (!q.dead)
            for (unsigned u = 0; u < USERS; u++)
                assert_true(users[u].done > ROUNDS / 2);
    }
    seed = 5;
    run(4, false, false, 2, 0);
    assert_true(q.dead && notices > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nobody_is_overtaken), cmocka_unit_test(test_trouble)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
