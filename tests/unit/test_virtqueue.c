/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The split virtqueue against a device that keeps to the rules and against one that does not. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/virtqueue.h"

static struct virtqueue q;
static uint8_t *mem;

static int begin(void **state)
{
    (void)state;
    mem = aligned_alloc(4096, VIRTQUEUE_BYTES);
    memset(mem, 0xee, VIRTQUEUE_BYTES);
    virtqueue_init(&q, mem, 0x12345000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(mem);
    return 0;
}

static void put(uint32_t first, uint32_t count)
{
    struct virtq_buffer b[VIRTQUEUE_SIZE];

    for (uint32_t i = 0; i < VIRTQUEUE_SIZE; i++)
        b[i] = (struct virtq_buffer){0x1000 * (i + 1), 100 + i, i % 2 == 1};
    virtqueue_put(&q, first, b, count);
}

static void device_gives(uint32_t id, uint32_t bytes)
{
    uint16_t at = q.used->index % VIRTQUEUE_SIZE;

    q.used->ring[at].id = id;
    q.used->ring[at].bytes = bytes;
    q.used->index = (uint16_t)(q.used->index + 1);
}

static enum virtq_take take(uint32_t *first)
{
    uint32_t bytes;
    return virtqueue_take(&q, first, &bytes);
}

static void layout(void **state)
{
    (void)state;
    assert_int_equal(q.desc_phys, 0x12345000);
    assert_int_equal(q.avail_phys % 2, 0);
    assert_int_equal(q.used_phys % 4, 0);
    assert_int_equal(q.avail->index, 0);
    put(3, 3);
    assert_int_equal(q.avail->index, 1);
    assert_int_equal(q.avail->ring[0], 3);
    assert_int_equal(q.desc[3].flags, VIRTQ_DESC_NEXT);
    assert_int_equal(q.desc[3].next, 4);
    assert_int_equal(q.desc[4].flags, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE);
    assert_int_equal(q.desc[4].address, 0x2000);
    assert_int_equal(q.desc[4].bytes, 101);
    assert_int_equal(q.desc[5].flags, 0);
}

/* 100,000 chains: every index wraps, also the 16-bit ones. */
static void long_run(void **state)
{
    uint32_t first, bytes;

    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t a = i % 4 * 3, b = (i + 1) % 4 * 3;
        put(a, 3);
        put(b, 2);
        assert_int_equal(virtqueue_take(&q, &first, &bytes), VIRTQ_NOTHING);
        device_gives(b, i);
        device_gives(a, 7);
        assert_int_equal(virtqueue_take(&q, &first, &bytes), VIRTQ_TAKEN);
        assert_int_equal(first, b);
        assert_int_equal(bytes, i);
        assert_int_equal(virtqueue_take(&q, &first, &bytes), VIRTQ_TAKEN);
        assert_int_equal(first, a);
        assert_int_equal(virtqueue_take(&q, &first, &bytes), VIRTQ_NOTHING);
    }
}

static void hostile_ids(void **state)
{
    static const uint32_t ids[] = {VIRTQUEUE_SIZE, 0xffffffff, 0x10003, 4, 5, 0};
    uint32_t first = 99;

    (void)state;
    for (uint32_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        virtqueue_init(&q, mem, 0x1000);
        put(3, 3);
        device_gives(ids[i], 0);
        assert_int_equal(take(&first), VIRTQ_BROKEN);
        assert_int_equal(first, 99);
        assert_true(q.busy[3]);
        assert_int_equal(q.outstanding, 1);
    }
}

static void hostile_twice(void **state)
{
    uint32_t first;

    (void)state;
    put(0, 3);
    put(3, 3);
    device_gives(0, 0);
    device_gives(0, 0);
    assert_int_equal(take(&first), VIRTQ_TAKEN);
    assert_int_equal(take(&first), VIRTQ_BROKEN);
    assert_int_equal(take(&first), VIRTQ_BROKEN);
}

/* An index that runs ahead of what is outstanding, by one and by all that a 16-bit number can say. */
static void hostile_index(void **state)
{
    uint32_t first;

    (void)state;
    for (uint32_t ahead = 2; ahead < 65536; ahead++) {
        virtqueue_init(&q, mem, 0x1000);
        put(0, 1);
        q.used->index = (uint16_t)ahead;
        assert_int_equal(take(&first), VIRTQ_BROKEN);
    }
    virtqueue_init(&q, mem, 0x1000);
    q.used->index = 1;
    assert_int_equal(take(&first), VIRTQ_BROKEN);
}

/* What the device scribbles over the driver's side changes nothing that the driver believes. */
static void hostile_scribble(void **state)
{
    uint32_t first;

    (void)state;
    srand(1);
    for (uint32_t round = 0; round < 2000; round++) {
        virtqueue_init(&q, mem, 0x1000);
        put(0, 3);
        put(6, 3);
        for (uint32_t i = 0; i < VIRTQUEUE_BYTES; i++)
            mem[i] = (uint8_t)rand();
        for (uint32_t i = 0; i < 4 && take(&first) == VIRTQ_TAKEN; i++)
            assert_true(first == 0 || first == 6);
        put(9, 3);
        assert_true(q.outstanding <= 3);
    }
}

static void misuse(void **state)
{
    (void)state;
    put(3, 3);
    put(3, 3); /* still with the device */
    put(VIRTQUEUE_SIZE, 1);
    put(VIRTQUEUE_SIZE - 1, 2);
    put(0, 0);
    assert_int_equal(q.avail->index, 1);
    assert_int_equal(q.outstanding, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(layout, begin, end),
        cmocka_unit_test_setup_teardown(long_run, begin, end),
        cmocka_unit_test_setup_teardown(hostile_ids, begin, end),
        cmocka_unit_test_setup_teardown(hostile_twice, begin, end),
        cmocka_unit_test_setup_teardown(hostile_index, begin, end),
        cmocka_unit_test_setup_teardown(hostile_scribble, begin, end),
        cmocka_unit_test_setup_teardown(misuse, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
