/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The block cache: right bytes for every offset, each block read once, bounded, errors and ends of devices. */
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "dom0/fs/cache.h"

static uint8_t image[2048 * 1024];
static struct fake_disk disk;

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(image); i++)
        image[i] = (uint8_t)(i * 2654435761U >> 13);
    cache_invalidate(&disk.dev);
    fake_disk_init(&disk, "hd0", image, sizeof(image) / 512, 512);
    return 0;
}

static void test_bytes(void **state)
{
    static uint8_t buf[70000];
    (void)state;
    srand(7);
    for (int i = 0; i < 2000; i++) {
        size_t len = (size_t)rand() % (i % 10 == 0 ? sizeof(buf) : 600);
        uint64_t off = (uint64_t)rand() % (sizeof(image) - len);
        if (i % 3 == 0)
            off &= ~511UL;
        assert_int_equal(cache_read(&disk.dev, off, buf, len), BLOCK_OK);
        assert_memory_equal(buf, image + off, len);
    }
}

static void test_hits_read_nothing(void **state)
{
    uint8_t b[64];
    (void)state;
    assert_int_equal(cache_read(&disk.dev, 8192 + 5, b, sizeof(b)), BLOCK_OK);
    assert_int_equal(disk.reads, 1);
    assert_int_equal(disk.sectors_read, 8);
    assert_int_equal(cache_read(&disk.dev, 8192 + 4000, b, sizeof(b)), BLOCK_OK);
    assert_int_equal(disk.reads, 1);
    cache_invalidate(&disk.dev);
    assert_int_equal(cache_read(&disk.dev, 8192, b, sizeof(b)), BLOCK_OK);
    assert_int_equal(disk.reads, 2);
}

static void test_lru(void **state)
{
    uint8_t b;
    (void)state;
    for (uint64_t i = 0; i < CACHE_BLOCKS; i++)
        assert_int_equal(cache_read(&disk.dev, i * CACHE_BLOCK_BYTES, &b, 1), BLOCK_OK);
    assert_int_equal(cache_read(&disk.dev, 0, &b, 1), BLOCK_OK); /* block 0 is young again */
    assert_int_equal(disk.reads, CACHE_BLOCKS);
    /* takes block 1's place */
    assert_int_equal(cache_read(&disk.dev, CACHE_BLOCKS * CACHE_BLOCK_BYTES, &b, 1), BLOCK_OK);
    assert_int_equal(cache_read(&disk.dev, 0, &b, 1), BLOCK_OK);
    assert_int_equal(disk.reads, CACHE_BLOCKS + 1);
    assert_int_equal(cache_read(&disk.dev, CACHE_BLOCK_BYTES, &b, 1), BLOCK_OK);
    assert_int_equal(disk.reads, CACHE_BLOCKS + 2);
}

static void test_direct(void **state)
{
    static uint8_t buf[1 << 20];
    (void)state;
    assert_int_equal(cache_read(&disk.dev, 512 * 3, buf, sizeof(buf)), BLOCK_OK);
    assert_int_equal(disk.reads, 1);
    assert_memory_equal(buf, image + 512 * 3, sizeof(buf));
    /* A page of a guest's: nothing is read for it, and nothing is displaced. */
    memset(buf, 0x42, CACHE_DIRECT_MIN);
    struct cache_stats before = cache_get_stats();
    assert_int_equal(cache_write(&disk.dev, 512 * 9, buf, CACHE_DIRECT_MIN), BLOCK_OK);
    assert_int_equal(disk.reads, 1);
    assert_int_equal(cache_read(&disk.dev, 512 * 9, buf + CACHE_DIRECT_MIN, CACHE_DIRECT_MIN), BLOCK_OK);
    assert_memory_equal(buf, buf + CACHE_DIRECT_MIN, CACHE_DIRECT_MIN);
    assert_int_equal(cache_get_stats().misses, before.misses);
}

static void test_errors(void **state)
{
    uint8_t b[600];
    (void)state;
    assert_int_equal(cache_read(&disk.dev, sizeof(image), b, 1), BLOCK_RANGE);
    assert_int_equal(cache_read(&disk.dev, sizeof(image) - 1, b, 2), BLOCK_RANGE);
    assert_int_equal(cache_read(&disk.dev, UINT64_MAX, b, 2), BLOCK_RANGE);
    assert_int_equal(cache_read(&disk.dev, sizeof(image), b, 0), BLOCK_OK);
    disk.bad_lba = 17;
    assert_int_equal(cache_read(&disk.dev, 17 * 512, b, 1), BLOCK_IO_ERROR);
    disk.bad_lba = ~0UL;
    assert_int_equal(cache_read(&disk.dev, 17 * 512, b, 1), BLOCK_OK); /* the failure was not kept */
    assert_int_equal(b[0], image[17 * 512]);
    disk.dev.sector_size = 0;
    assert_int_equal(cache_read(&disk.dev, 0, b, 1), BLOCK_RANGE);
}

static void test_short_last_block(void **state)
{
    uint8_t b[512];
    (void)state;
    disk.dev.sectors = 11; /* the second block has 3 sectors */
    assert_int_equal(cache_read(&disk.dev, 10 * 512, b, 512), BLOCK_OK);
    assert_memory_equal(b, image + 10 * 512, 512);
    assert_int_equal(disk.sectors_read, 3);
    assert_int_equal(cache_read(&disk.dev, 10 * 512, b, 513), BLOCK_RANGE);
}

static uint8_t want[sizeof(image)];

/* Whatever is written is what is read, through the cache and on the device alike. */
static void test_write(void **state)
{
    static uint8_t buf[70000], out[70000];
    (void)state;
    memcpy(want, image, sizeof(want));
    srand(8);
    for (int i = 0; i < 3000; i++) {
        size_t len = 1 + (size_t)rand() % (i % 10 == 0 ? sizeof(buf) - 1 : 600);
        uint64_t off = (uint64_t)rand() % (sizeof(image) - len);
        if (i % 3 == 0)
            off &= ~511UL;
        for (size_t k = 0; k < len; k += 7)
            buf[k] = (uint8_t)rand();
        if (i % 2 == 0) {
            assert_int_equal(cache_write(&disk.dev, off, buf, len), BLOCK_OK);
            memcpy(want + off, buf, len);
        }
        assert_int_equal(cache_read(&disk.dev, off, out, len), BLOCK_OK);
        assert_memory_equal(out, want + off, len);
    }
    assert_memory_equal(image, want, sizeof(image)); /* nothing was kept back */
}

static void test_write_touches_whole_sectors_only(void **state)
{
    uint8_t b[1024] = {1};
    (void)state;
    disk.first = 9;
    disk.end = 12; /* the device minds writes elsewhere */
    assert_int_equal(cache_write(&disk.dev, 9 * 512 + 500, b, 20), BLOCK_OK);
    assert_int_equal(disk.writes, 1);
    assert_int_equal(cache_write(&disk.dev, 10 * 512, b, 1024), BLOCK_OK);
    assert_int_equal(disk.writes, 2);
    assert_int_equal(cache_flush(&disk.dev), BLOCK_OK);
    assert_int_equal(disk.flushes, 1);
}

static void test_write_errors(void **state)
{
    uint8_t b[512] = {0}, before[512];
    (void)state;
    assert_int_equal(cache_write(&disk.dev, sizeof(image), b, 1), BLOCK_RANGE);
    assert_int_equal(cache_write(&disk.dev, UINT64_MAX, b, 2), BLOCK_RANGE);
    memcpy(before, image + 5 * 512, 512);
    memset(b, 0x77, sizeof(b));
    disk.fail_writes = 0;
    assert_int_equal(cache_write(&disk.dev, 5 * 512, b, 512), BLOCK_IO_ERROR);
    assert_int_equal(cache_read(&disk.dev, 5 * 512, b, 512), BLOCK_OK); /* what was not written is not read */
    assert_memory_equal(b, before, 512);
    disk.fail_writes = -1;
    disk.dev.read_only = true;
    assert_int_equal(cache_write(&disk.dev, 0, b, 1), BLOCK_READ_ONLY);
    assert_int_equal(disk.writes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bytes, setup),        cmocka_unit_test_setup(test_hits_read_nothing, setup),
        cmocka_unit_test_setup(test_lru, setup),          cmocka_unit_test_setup(test_direct, setup),
        cmocka_unit_test_setup(test_errors, setup),       cmocka_unit_test_setup(test_short_last_block, setup),
        cmocka_unit_test_setup(test_write, setup),        cmocka_unit_test_setup(test_write_errors, setup),
        cmocka_unit_test_setup(test_write_touches_whole_sectors_only, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
