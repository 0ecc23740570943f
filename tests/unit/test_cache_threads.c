/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Several threads at one disk through the block cache (dom0/fs/cache.c under Dom0's own scheduler), each with sectors of its own that share cache blocks with its
 * neighbours': small pieces go through the cache, large ones around it, the disk ends them in any order. Everybody reads what he wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/fs/cache.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/kernel/time_priv.h"
#include "thread_model.h"

#define USERS   5U
#define ROUNDS  400U
#define AT_WORK 8U
#define BYTES   (USERS * 21U * 4096U)

static uint8_t medium[BYTES], shadow[BYTES], buf[USERS][65536];
static struct { struct waitq wait; bool used, done; } work[AT_WORK];
static unsigned seed, ended, most;
static struct waitq over;

uint64_t time_now_ns(void) { return 0; }
uint64_t time_stolen_ns(void) { return 0; }
void time_timer_set(uint64_t deadline_ns) { (void)deadline_ns; }
void *heap_alloc(size_t size) { return calloc(1, size); }
void heap_free(void *p) { free(p); }
size_t strlcpy(char *dst, const char *src, size_t size) { (void)size; return strlen(strcpy(dst, src)); }
void console_notice(const char *fmt, ...) { fail_msg("%s", fmt); }

static unsigned dice(unsigned n) { return (unsigned)rand_r(&seed) % n; }

/* Everybody waits: one of those at work ends. */
void time_wait_until(uint64_t deadline_ns)
{
    unsigned from = dice(AT_WORK);
    (void)deadline_ns;
    for (unsigned i = 0; i < AT_WORK; i++) {
        unsigned n = (from + i) % AT_WORK;
        if (work[n].used && !work[n].done) {
            work[n].done = true;
            waitq_wake(&work[n].wait);
            return;
        }
    }
    fail(); /* nothing will ever happen */
}

/* The data moves at the beginning or at the end: a disk is free in that. */
static void slow(uint8_t *to, const uint8_t *from, size_t len)
{
    unsigned n = 0, beside = 0;
    bool early = dice(2) == 0;
    while (work[n].used)
        assert_true(++n < AT_WORK);
    for (unsigned i = 0; i < AT_WORK; i++)
        beside += work[i].used;
    most = beside + 1 > most ? beside + 1 : most;
    memset(&work[n], 0, sizeof work[n]);
    work[n].used = true;
    if (early)
        memcpy(to, from, len);
    while (!work[n].done)
        waitq_wait(&work[n].wait, WAIT_FOREVER);
    if (!early)
        memcpy(to, from, len);
    work[n].used = false;
}

static enum block_status disk_read(struct block_device *dev, uint64_t lba, uint32_t count, void *to)
{
    slow(to, medium + lba * dev->sector_size, (size_t)count * dev->sector_size);
    return BLOCK_OK;
}
static enum block_status disk_write(struct block_device *dev, uint64_t lba, uint32_t count, const void *from)
{
    slow(medium + lba * dev->sector_size, from, (size_t)count * dev->sector_size);
    return BLOCK_OK;
}
static const struct block_ops ops = {.read = disk_read, .write = disk_write};
static struct block_device dev = {.ops = &ops, .name = "xd0"};

/* Bytes from FIRST to END are this user's. */
static void one(unsigned user, uint64_t first, uint64_t end)
{
    static const size_t most_bytes[] = {512, 4095, 20000, 65536};
    size_t len = 1 + dice((unsigned)most_bytes[dice(4)]);
    uint64_t off = first + dice((unsigned)(end - first));
    if (dice(2) == 0) {
        off -= (off - first) % 512;
        len += 511 - (len + 511) % 512; /* whole sectors: around the cache from 4096 on */
    }
    len = len < end - off ? len : (size_t)(end - off);
    if (dice(2) == 0) {
        memset(buf[user], (int)dice(256), len);
        memcpy(shadow + off, buf[user], len);
        assert_int_equal(cache_write(&dev, off, buf[user], len), BLOCK_OK);
    } else {
        assert_int_equal(cache_read(&dev, off, buf[user], len), BLOCK_OK);
        assert_memory_equal(buf[user], shadow + off, len);
    }
}

static void use(void *arg)
{
    unsigned user = (unsigned)(uintptr_t)arg, sector = dev.sector_size;
    uint64_t part = BYTES / USERS, first = user * part + (user != 0 ? 3 * sector : 0), end = (user + 1) * part + (user != USERS - 1 ? 3 * sector : 0);
    for (unsigned i = 0; i < ROUNDS; i++)
        one(user, first, end);
    ended++;
    waitq_wake(&over);
    thread_exit();
}

static void test_neighbours(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        seed = round;
        ended = most = 0;
        dev.sector_size = round % 4 == 3 ? 4096 : 512;
        dev.sectors = BYTES / dev.sector_size;
        for (unsigned i = 0; i < BYTES; i++)
            medium[i] = shadow[i] = (uint8_t)(i * 7 + i / 512);
        cache_invalidate(&dev);
        for (uintptr_t i = 0; i < USERS; i++)
            assert_non_null(thread_create("user", use, (void *)i, 0));
        while (ended != USERS)
            waitq_wait(&over, WAIT_FOREVER);
        assert_memory_equal(medium, shadow, BYTES);
        assert_true(most >= USERS - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_neighbours)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
