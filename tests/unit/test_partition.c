/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Partition tables: MBR, logical partitions, GPT with its sums and its second copy; what is not believable is
 * left out. */
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "dom0/fs/cache.h"
#include "dom0/fs/partition.h"

#define SECTORS 4096U

static uint8_t image[SECTORS * 512];
static struct fake_disk disk;
static struct partition parts[PARTITIONS_MAX];
static size_t count;
static uint32_t left_out;
static struct error err;

static int setup(void **state)
{
    (void)state;
    memset(image, 0, sizeof(image));
    memset(&err, 0, sizeof(err));
    cache_invalidate(&disk.dev);
    fake_disk_init(&disk, "hd0", image, SECTORS, 512);
    return 0;
}

static bool scan(size_t max)
{
    cache_invalidate(&disk.dev);
    return partition_scan(&disk.dev, parts, max, &count, &left_out, &err);
}

static void sign(uint64_t lba)
{
    image[lba * 512 + 510] = 0x55;
    image[lba * 512 + 511] = 0xaa;
}

static void entry(uint64_t lba, unsigned i, uint8_t type, uint32_t first, uint32_t sectors)
{
    uint8_t *p = image + lba * 512 + 446 + 16 * i;
    p[4] = type;
    fake_put32(p + 8, first);
    fake_put32(p + 12, sectors);
    sign(lba);
}

static void gpt_header(uint64_t lba, uint64_t table, uint32_t n, uint32_t size)
{
    uint8_t *h = image + lba * 512;
    memset(h, 0, 512);
    memcpy(h, "EFI PART", 8);
    fake_put32(h + 8, 0x10000);
    fake_put32(h + 12, 92);
    fake_put64(h + 24, lba);
    fake_put64(h + 32, lba == 1 ? SECTORS - 1 : 1);
    fake_put64(h + 72, table);
    fake_put32(h + 80, n);
    fake_put32(h + 84, size);
    fake_put32(h + 88, partition_crc32(image + table * 512, (size_t)n * size));
    fake_put32(h + 16, partition_crc32(h, 92));
}

static void gpt_entry(uint64_t table, uint32_t size, unsigned i, uint64_t first, uint64_t last)
{
    uint8_t *p = image + table * 512 + (size_t)i * size;
    memset(p, 0xc1, 16);
    fake_put64(p + 32, first);
    fake_put64(p + 40, last);
}

static void make_gpt(void)
{
    entry(0, 0, 0xee, 1, SECTORS - 1);
    for (unsigned copy = 0; copy < 2; copy++) {
        uint64_t table = copy == 0 ? 2 : SECTORS - 33;
        gpt_entry(table, 128, 0, 40, 1000);
        gpt_entry(table, 128, 4, 2000, 2999);
        gpt_header(copy == 0 ? 1 : SECTORS - 1, table, 128, 128);
    }
}

static void expect_gpt(void)
{
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(count, 2);
    assert_int_equal(parts[0].number, 1);
    assert_int_equal(parts[0].first, 40);
    assert_int_equal(parts[0].sectors, 961);
    assert_int_equal(parts[1].number, 5);
    assert_int_equal(parts[1].sectors, 1000);
}

static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(partition_crc32("123456789", 9), 0xcbf43926U);
}

static void test_none(void **state)
{
    (void)state;
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(count, 0);
    sign(0);
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(count, 0);
}

static void test_mbr(void **state)
{
    (void)state;
    entry(0, 0, 0x0c, 2, 100);
    entry(0, 2, 0x83, 200, SECTORS - 200);
    entry(0, 1, 0x83, 200, SECTORS - 199); /* one sector too long */
    entry(0, 3, 0x83, SECTORS, 1);
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(count, 2);
    assert_int_equal(left_out, 2);
    assert_int_equal(parts[0].number, 1);
    assert_int_equal(parts[0].first, 2);
    assert_int_equal(parts[1].number, 3);
    assert_int_equal(parts[1].sectors, SECTORS - 200);
    assert_true(scan(1));
    assert_int_equal(count, 1);
    assert_int_equal(left_out, 3);
}

static void test_logical(void **state)
{
    (void)state;
    entry(0, 0, 0x0c, 2, 10);
    entry(0, 1, 0x05, 100, 1000);
    entry(100, 0, 0x83, 1, 50);
    entry(100, 1, 0x05, 200, 100);
    entry(300, 0, 0x83, 2, 20);
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(count, 3);
    assert_int_equal(parts[1].number, 5);
    assert_int_equal(parts[1].first, 101);
    assert_int_equal(parts[2].number, 6);
    assert_int_equal(parts[2].first, 302);
    entry(300, 1, 0x05, 200, 100); /* points at itself */
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(count, 3);
    assert_int_equal(left_out, 1);
    entry(300, 1, 0x05, 1000, 100); /* beyond the extended partition */
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(left_out, 1);
    entry(0, 1, 0x05, 100, 0xffffffffU);
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(count, 1);
    assert_int_equal(left_out, 1);
}

static void test_gpt(void **state)
{
    (void)state;
    make_gpt();
    expect_gpt();
    image[512 + 40] ^= 1; /* the first header's sum is wrong now */
    expect_gpt();
    make_gpt();
    image[2 * 512 + 33] ^= 1; /* the first table's */
    expect_gpt();
    image[(SECTORS - 1) * 512 + 50] ^= 1;
    assert_false(scan(PARTITIONS_MAX));
    assert_int_equal(count, 0);
    assert_non_null(strstr(err.text, "GPT are damaged"));
}

static void test_gpt_absurd(void **state)
{
    (void)state;
    make_gpt();
    memset(image + (SECTORS - 1) * 512, 0, 512);
    static const uint32_t bad[][2] = {{0, 128}, {0xffffffffU, 128}, {128, 0}, {128, 64}, {128, 136},
                                      {16, 8192}, {0x10000, 0x10000}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t *h = image + 512;
        fake_put32(h + 80, bad[i][0]);
        fake_put32(h + 84, bad[i][1]);
        fake_put32(h + 16, 0);
        fake_put32(h + 16, partition_crc32(h, 92));
        assert_false(scan(PARTITIONS_MAX));
    }
    make_gpt();
    gpt_entry(2, 128, 1, 5000, 100);          /* ends before it begins */
    gpt_entry(2, 128, 2, 10, UINT64_MAX);
    gpt_entry(2, 128, 3, SECTORS - 1, SECTORS); /* one too far */
    gpt_header(1, 2, 128, 128);
    expect_gpt();
    assert_int_equal(left_out, 3);
}

static void test_whole_disk(void **state)
{
    (void)state;
    static const uint8_t bpb[] = {0xeb, 0x58, 0x90, 'm', 'k', 'f', 's', '.', 'f', 'a', 't',
                                  0, 2, 1, 32, 0, 2, 0, 0, 0, 0, 0xf8};
    memcpy(image, bpb, sizeof(bpb));
    sign(0);
    assert_true(scan(PARTITIONS_MAX));
    assert_int_equal(count, 1);
    assert_int_equal(parts[0].number, 0);
    assert_int_equal(parts[0].sectors, SECTORS);
}

static void test_unreadable(void **state)
{
    (void)state;
    disk.bad_lba = 0;
    assert_false(scan(PARTITIONS_MAX));
    assert_non_null(strstr(err.text, "hd0: the partition table cannot be read"));
    disk.bad_lba = ~0UL;
    disk.dev.sectors = 0;
    assert_false(scan(PARTITIONS_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_crc, setup),     cmocka_unit_test_setup(test_none, setup),
        cmocka_unit_test_setup(test_mbr, setup),     cmocka_unit_test_setup(test_logical, setup),
        cmocka_unit_test_setup(test_gpt, setup),     cmocka_unit_test_setup(test_gpt_absurd, setup),
        cmocka_unit_test_setup(test_whole_disk, setup), cmocka_unit_test_setup(test_unreadable, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
