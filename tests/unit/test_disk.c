/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Commands in slots against a pretended device that is slow, fails, loses commands and interrupts, breaks, or is
 * pulled out. One thread; time moves when somebody looks at it or waits. */
#define _GNU_SOURCE
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/disk.h"
#include "drivers/mmio.h"

static struct disk_queue q;
static struct disk d;
static uint64_t now;
static uint8_t medium[1 << 20];

static struct {
    uint64_t latency, done_at;
    int running;                /* slot, -1: none */
    unsigned started, resets;
    int lose, fail, faults;     /* so many of the next commands are swallowed, fail, or break the device */
    bool reset_fails, gone, no_irq;
    unsigned alone;             /* commands that came marked so */
    uint32_t largest;
} dev;

uint64_t time_now_ns(void) { return now += 1000; }
void thread_sleep_ns(uint64_t ns) { now += ns; }

static void device_time(uint64_t until)
{
    bool comes = dev.running >= 0 && dev.done_at <= until && !dev.no_irq && q.irq;

    now = comes && dev.done_at > now ? dev.done_at : comes ? now : until;
    if (comes)
        disk_interrupt(&q);
}

bool waitq_wait(struct waitq *w, uint64_t deadline)
{
    assert_true(w == &q.wait); /* alone, nobody ever waits for room */
    assert_true(deadline != WAIT_FOREVER);
    q.irq_seen = false;
    device_time(deadline);
    return q.irq_seen;
}
void waitq_wake_all(struct waitq *w) { (void)w; }
uint32_t mmio_read32(volatile void *base, uint32_t off) { return ((volatile uint32_t *)base)[off / 4]; }
void mmio_write32(volatile void *base, uint32_t off, uint32_t v) { ((volatile uint32_t *)base)[off / 4] = v; }

void *page_alloc(size_t pages, uint64_t *phys)
{
    void *p = fake_heap_empty() ? NULL : aligned_alloc(4096, pages * 4096);
    *phys = (uint64_t)(uintptr_t)p;
    return p;
}
void page_free(void *p, size_t pages)
{
    (void)pages;
    free(p);
}

static void device_start(struct disk_queue *queue, uint32_t slot)
{
    struct disk_slot *s = &queue->slots[slot];

    dev.started++;
    dev.alone += s->cmd.alone;
    dev.largest = s->cmd.bytes > dev.largest ? s->cmd.bytes : dev.largest;
    assert_int_equal(dev.running, -1);
    dev.running = (int)slot;
    dev.done_at = dev.lose > 0 ? UINT64_MAX : now + dev.latency;
    dev.lose -= dev.lose > 0;
}

static void device_poll(struct disk_queue *queue)
{
    if (dev.gone)
        disk_fault(queue, DISK_FAULT_GONE);
    if (dev.faults > 0 && dev.running >= 0) {
        dev.faults--;
        disk_fault(queue, DISK_FAULT_DEVICE);
        return;
    }
    if (dev.running < 0 || now < dev.done_at)
        return;
    struct disk_slot *s = &queue->slots[dev.running];
    uint8_t *at = medium + s->cmd.lba * 512;
    if (dev.fail > 0) {
        dev.fail--;
        disk_end(queue, (uint32_t)dev.running, DISK_END_ERROR);
        disk_fault(queue, DISK_FAULT_COMMAND);
    } else {
        if (s->cmd.kind == DISK_READ)
            memcpy(s->data, at, s->cmd.bytes);
        if (s->cmd.kind == DISK_WRITE)
            memcpy(at, s->data, s->cmd.bytes);
        disk_end(queue, (uint32_t)dev.running, DISK_END_OK);
    }
    dev.running = -1;
}

static bool device_reset(struct disk_queue *queue, enum disk_fault fault)
{
    (void)queue;
    (void)fault;
    dev.resets++;
    dev.running = -1;
    return !dev.reset_fails;
}

static const struct disk_queue_ops ops = {device_start, device_poll, device_reset};

static int begin(void **state)
{
    (void)state;
    memset(&dev, 0, sizeof(dev));
    memset(&q, 0, sizeof(q));
    memset(&d, 0, sizeof(d));
    dev.running = -1;
    dev.latency = 300000;
    fake_notices[0] = '\0';
    assert_true(disk_queue_init(&q, "xd0", &ops, NULL, 99));
    assert_int_equal(q.depth, DISK_SLOTS);
    d.queue = &q;
    d.dev.sectors = 2048;
    d.dev.sector_size = 512;
    strcpy(d.dev.name, "xd0");
    disk_publish(&d, "pretended");
    fake_notices[0] = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < DISK_SLOTS; i++)
        assert_false(q.slots[i].taken || q.slots[i].running);
    assert_int_equal(q.running, 0);
    assert_int_equal(q.asked, q.served);
    disk_queue_free(&q);
    return 0;
}

static uint8_t buf[1 << 20];
static enum block_status get(uint64_t lba, uint32_t n) { return d.dev.ops->read(&d.dev, lba, n, buf); }
static enum block_status put(uint64_t lba, uint32_t n) { return d.dev.ops->write(&d.dev, lba, n, buf); }

static void reads_and_writes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(i * 31 >> 3);
    assert_int_equal(put(3, 1000), BLOCK_OK);
    assert_int_equal(dev.largest, DISK_SLOT_BYTES);
    assert_memory_equal(medium + 3 * 512, buf, 1000 * 512);
    memset(buf, 0, sizeof(buf));
    assert_int_equal(get(3, 1000), BLOCK_OK);
    assert_memory_equal(medium + 3 * 512, buf, 1000 * 512);
    assert_int_equal(d.dev.ops->flush(&d.dev), BLOCK_OK);
    assert_int_equal(dev.started, 8 + 8 + 1);
    assert_int_equal(dev.resets, 0);
    assert_string_equal(fake_notices, "");
}

static void ranges(void **state)
{
    (void)state;
    assert_int_equal(get(2048, 1), BLOCK_RANGE);
    assert_int_equal(get(2047, 2), BLOCK_RANGE);
    assert_int_equal(get(UINT64_MAX, 1), BLOCK_RANGE);
    assert_int_equal(put(1, UINT32_MAX), BLOCK_RANGE);
    assert_int_equal(get(2048, 0), BLOCK_OK);
    d.dev.read_only = true;
    assert_int_equal(put(0, 1), BLOCK_READ_ONLY);
    assert_int_equal(dev.started, 0);
}

static void error_once(void **state)
{
    (void)state;
    dev.fail = 1;
    assert_int_equal(get(0, 1), BLOCK_OK);
    assert_int_equal(dev.started, 2);
    assert_int_equal(dev.alone, 1);
    assert_int_equal(dev.resets, 1);
    assert_string_equal(fake_notices, "");
}

/* A bad sector, however often it is read, does not kill the disk. */
static void error_always(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        dev.fail = 2;
        assert_int_equal(get(0, 1), BLOCK_IO_ERROR);
        assert_int_equal(dev.fail, 0);
    }
    assert_int_equal(get(0, 1), BLOCK_OK);
    assert_false(q.dead);
}

static void flush_fails_once(void **state)
{
    (void)state;
    dev.fail = 1;
    assert_int_equal(d.dev.ops->flush(&d.dev), BLOCK_IO_ERROR);
    assert_int_equal(dev.started, 1);
    d.no_cache = true;
    assert_int_equal(d.dev.ops->flush(&d.dev), BLOCK_OK);
    assert_int_equal(dev.started, 1);
}

static void lost_command(void **state)
{
    (void)state;
    dev.lose = 1;
    assert_int_equal(put(5, 1), BLOCK_OK);
    assert_int_equal(dev.resets, 1);
    assert_non_null(strstr(fake_notices, "xd0: does not answer in time: it is reset"));
    assert_int_equal(q.failures, 0);
}

static void never_answers(void **state)
{
    uint64_t before = now;

    (void)state;
    dev.lose = 1000;
    assert_int_equal(get(5, 1), BLOCK_TIMEOUT);
    assert_true(now - before < 30000000000UL);
    assert_int_equal(get(5, 1), BLOCK_GONE);
    assert_int_equal(dev.resets, 3);
    assert_non_null(strstr(fake_notices, "xd0: fails after every reset: not used any more"));
    unsigned started = dev.started;
    assert_int_equal(get(5, 1), BLOCK_GONE);
    assert_int_equal(put(5, 1), BLOCK_GONE);
    assert_int_equal(d.dev.ops->flush(&d.dev), BLOCK_GONE);
    assert_int_equal(dev.started, started);
}

static void reset_fails(void **state)
{
    (void)state;
    dev.lose = 1;
    dev.reset_fails = true;
    assert_int_equal(get(5, 1), BLOCK_GONE);
    assert_non_null(strstr(fake_notices, "xd0: a reset does not bring it back: not used any more"));
}

static void breaks(void **state)
{
    (void)state;
    dev.faults = 1;
    assert_int_equal(get(5, 1), BLOCK_OK);
    assert_non_null(strstr(fake_notices, "reports a fault of its own: it is reset"));
    dev.faults = 1000;
    assert_int_equal(get(5, 1), BLOCK_TIMEOUT);
    assert_int_equal(get(5, 1), BLOCK_GONE);
}

static void pulled_out(void **state)
{
    (void)state;
    dev.gone = true;
    assert_int_equal(get(5, 1), BLOCK_GONE);
    assert_int_equal(dev.resets, 0);
    assert_string_equal(fake_notices, "xd0: the device is gone: not used any more\n");
}

static void interrupts(void **state)
{
    (void)state;
    q.irq = true;
    dev.latency = 1500000;
    for (int i = 0; i < 20; i++)
        assert_int_equal(get(5, 1), BLOCK_OK);
    assert_true(q.irq);
    dev.no_irq = true;
    for (int i = 0; i < 20; i++)
        assert_int_equal(get(5, 1), BLOCK_OK);
    assert_false(q.irq);
    assert_non_null(strstr(fake_notices, "xd0: its interrupts do not arrive: polled from here on"));
}

static void ends_that_are_none(void **state)
{
    (void)state;
    disk_end(&q, 0, DISK_END_OK);
    disk_end(&q, DISK_SLOTS, DISK_END_OK);
    disk_end(&q, UINT32_MAX, DISK_END_ERROR);
    assert_int_equal(get(5, 1), BLOCK_OK);
}

static void little_memory(void **state)
{
    struct disk_queue other = {0};

    (void)state;
    fake_heap_limit = 2;
    assert_true(disk_queue_init(&other, "yd0", &ops, NULL, 4));
    assert_int_equal(other.depth, 2);
    disk_queue_free(&other);
    fake_heap_limit = 0;
    assert_false(disk_queue_init(&other, "yd0", &ops, NULL, 4));
    fake_heap_limit = -1;
}

static void registers(void **state)
{
    uint32_t reg = 5;

    (void)state;
    assert_true(disk_wait_register(&reg, 0, 4, 4, 1000000));
    uint64_t before = now;
    assert_false(disk_wait_register(&reg, 0, 8, 8, 1000000));
    assert_true(now - before >= 1000000 && now - before < 2000000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_and_writes), TEST(ranges),  TEST(error_once), TEST(error_always), TEST(flush_fails_once),
        TEST(lost_command),     TEST(never_answers), TEST(reset_fails), TEST(breaks), TEST(pulled_out),
        TEST(interrupts),       TEST(ends_that_are_none), TEST(little_memory), TEST(registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
