/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The driver of virtio network cards against a device that keeps to the rules and one that does not. The queues are real, the registers are not. */
#define _GNU_SOURCE
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_fakes.h"

#include "drivers/mmio.h"
#include "drivers/virtio_net.h"
#include "drivers/virtio_pci.h"

#define F_MAC    (1UL << 5)
#define F_STATUS (1UL << 16)

static uint8_t config[16];
static uint64_t offered;
static const struct virtqueue *queues[2];
static bool ready, running, no_interface, agrees, no_queue;
static uint32_t resets, rings[2];
static uint16_t seen[2], gave[2]; /* the device's place in each queue */

bool virtio_is(const struct pci_device *d, uint32_t type) { return d->vendor == VIRTIO_VENDOR && type == VIRTIO_TYPE_NET; }
bool virtio_find(struct virtio_device *v, struct pci_device *d, const char **reason)
{
    *v = (struct virtio_device){.pci = d, .common = config, .config = config, .config_bytes = sizeof config};
    *reason = "no modern interface";
    return !no_interface;
}
bool virtio_begin(struct virtio_device *v, uint64_t wanted)
{
    v->features = offered & wanted;
    ready = false;
    queues[0] = queues[1] = NULL;
    return agrees;
}
bool virtio_queue(struct virtio_device *v, uint32_t index, const struct virtqueue *q, uint32_t *notify)
{
    (void)v;
    assert_in_range(index, 0, 1);
    assert_false(ready);
    queues[index] = q;
    *notify = 100 + index;
    seen[index] = gave[index] = 0;
    return !no_queue;
}
void virtio_ready(struct virtio_device *v) { (void)v; ready = running = true; }
void virtio_notify(struct virtio_device *v, uint32_t index, uint32_t notify)
{
    (void)v;
    assert_true(ready && notify == 100 + index);
    rings[index]++;
}
bool virtio_reset(struct virtio_device *v) { (void)v; resets++; ready = false; return true; }
bool virtio_running(struct virtio_device *v) { (void)v; return running; }
bool virtio_interrupted(struct virtio_device *v) { (void)v; return true; }
uint8_t mmio_read8(volatile void *base, uint32_t off) { return ((volatile uint8_t *)base)[off]; }
uint16_t mmio_read16(volatile void *base, uint32_t off) { return (uint16_t)(mmio_read8(base, off) | mmio_read8(base, off + 1) << 8); }
uint32_t mmio_read32(volatile void *base, uint32_t off) { (void)base; (void)off; fail(); return 0; }
void mmio_write8(volatile void *base, uint32_t off, uint8_t v) { (void)base; (void)off; (void)v; fail(); }
void mmio_write16(volatile void *base, uint32_t off, uint16_t v) { (void)base; (void)off; (void)v; fail(); }
void mmio_write32(volatile void *base, uint32_t off, uint32_t v) { (void)base; (void)off; (void)v; fail(); }

/* ---- the device ---- */

/* The next buffer of queue INDEX that the driver gave. */
static bool next_buffer(uint32_t index, uint16_t *id)
{
    const struct virtqueue *q = queues[index];
    if (seen[index] == q->avail->index)
        return false;
    *id = q->avail->ring[seen[index]++ % VIRTQUEUE_SIZE];
    assert_in_range(*id, 0, VIRTQUEUE_SIZE - 1);
    return true;
}

static void gives_back(uint32_t index, uint32_t id, uint32_t bytes)
{
    volatile struct virtq_used *u = queues[index]->used;
    u->ring[gave[index] % VIRTQUEUE_SIZE].id = id;
    u->ring[gave[index] % VIRTQUEUE_SIZE].bytes = bytes;
    u->index = ++gave[index];
}

static bool frame_arrives(uint32_t n)
{
    uint8_t f[2048];
    uint16_t id;
    uint32_t len = frame_of(n, f);
    if (!next_buffer(0, &id))
        return false;
    const struct virtq_desc *d = &queues[0]->desc[id];
    assert_true(d->flags == VIRTQ_DESC_WRITE && d->bytes == NETDEV_BUFFER);
    memset((void *)(uintptr_t)d->address, 0xee, 12);
    memcpy((void *)(uintptr_t)(d->address + 12), f, len);
    gives_back(0, id, 12 + len);
    return true;
}

/* The device sends one; its content must be frame N. */
static bool frame_leaves(uint32_t n)
{
    static const uint8_t header[12];
    uint8_t f[2048];
    uint16_t id;
    uint32_t len = frame_of(n, f);
    if (!next_buffer(1, &id))
        return false;
    const struct virtq_desc *d = &queues[1]->desc[id];
    assert_true(d->flags == 0 && d->bytes == 12 + len);
    assert_memory_equal((void *)(uintptr_t)d->address, header, 12);
    assert_memory_equal((void *)(uintptr_t)(d->address + 12), f, len);
    gives_back(1, id, 0);
    return true;
}

static bool give(uint32_t n)
{
    uint8_t f[2048];
    uint32_t len = frame_of(n, f);
    return card->ops->send(card, f, len);
}

static int begin(void **state)
{
    (void)state;
    fakes_begin();
    memcpy(config, (uint8_t[]){2, 1, 2, 3, 4, 5, 1, 0}, 8);
    offered = ~0UL;
    agrees = true;
    no_interface = no_queue = running = false;
    resets = rings[0] = rings[1] = 0;
    fake_pci = (struct pci_device){.vendor = VIRTIO_VENDOR, .device = 0x1041};
    virtio_net_init();
    assert_non_null(card);
    assert_true(card->dma && resets == 1); /* quiet until it is opened */
    assert_true(card->ops->start(card));
    return 0;
}

static void test_start(void **state)
{
    (void)state;
    assert_memory_equal(card->mac, config, 6);
    assert_int_equal(queues[0]->avail->index, VIRTQUEUE_SIZE);
    assert_int_equal(rings[0], 1);
    assert_int_equal(queues[1]->avail->flags, VIRTQ_AVAIL_QUIET);
    card->ops->interrupts(card, false);
    assert_int_equal(queues[0]->avail->flags, VIRTQ_AVAIL_QUIET);
    card->ops->interrupts(card, true);
    assert_int_equal(queues[0]->avail->flags, 0);
    card->ops->look(card);
    assert_true(card->link_seen);
    config[6] = 0;
    card->ops->look(card);
    assert_false(card->link_seen);
}

static void test_ten_thousand_come_in(void **state)
{
    uint32_t next = 0, got = 0;

    (void)state;
    while (got < 10000) {
        for (uint32_t i = 0; i < 1 + next % VIRTQUEUE_SIZE; i++)
            assert_true(frame_arrives(next++));
        while (card->ops->pending(card)) {
            got += card->ops->poll(card, 1);
            assert_last_is(got - 1);
        }
    }
    assert_int_equal(got, next);
    assert_int_equal(card->received.errors, 0);
}

static void test_no_buffer_left(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < VIRTQUEUE_SIZE; i++)
        assert_true(frame_arrives(i));
    assert_false(frame_arrives(0));
    assert_int_equal(card->ops->poll(card, 1000), VIRTQUEUE_SIZE);
    assert_true(frame_arrives(7));
    assert_int_equal(card->ops->poll(card, 32), 1);
    assert_last_is(7);
}

static void test_ten_thousand_go_out(void **state)
{
    uint32_t n = 0, out = 0;

    (void)state;
    while (out < 10000) {
        for (uint32_t i = 0; i < 1 + n % 50; i++)
            assert_true(give(n++));
        while (frame_leaves(out))
            out++;
        assert_int_equal(out, n);
        if (n % 3 == 0)
            card->ops->poll(card, 32);
    }
    card->ops->poll(card, 32);
    assert_true(card->sending == 0 && card->went_out == out);
}

/* The device gives them back in any order. */
static void test_full_and_out_of_order(void **state)
{
    uint16_t ids[VIRTQUEUE_SIZE];

    (void)state;
    for (uint32_t i = 0; i < VIRTQUEUE_SIZE; i++)
        assert_true(give(i));
    assert_false(give(0));
    for (uint32_t i = 0; i < VIRTQUEUE_SIZE; i++)
        assert_true(next_buffer(1, &ids[i]));
    for (uint32_t i = 0; i < VIRTQUEUE_SIZE; i += 2)
        gives_back(1, ids[VIRTQUEUE_SIZE - 1 - i], 0);
    for (uint32_t i = 0; i < VIRTQUEUE_SIZE / 2; i++)
        assert_true(give(100 + i));
    assert_false(give(0));
    for (uint32_t i = 0; i < VIRTQUEUE_SIZE / 2; i++)
        assert_true(frame_leaves(100 + i));
}

static void test_lengths_that_cannot_be(void **state)
{
    static const uint32_t lengths[] = {0, 11, 12, 25, 12 + 1519, NETDEV_BUFFER, NETDEV_BUFFER + 1, 0xffffffff};
    uint16_t id;

    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(next_buffer(0, &id));
        gives_back(0, id, lengths[i]);
    }
    assert_int_equal(card->ops->poll(card, 32), 8);
    assert_true(received == 0 && card->received.errors == 8 && faults == NETDEV_FAULT_NONE);
    assert_true(frame_arrives(3));
    assert_int_equal(card->ops->poll(card, 32), 1);
    assert_last_is(3);
}

static void test_buffers_it_does_not_have(void **state)
{
    (void)state;
    gives_back(1, 3, 0); /* nothing was sent */
    card->ops->poll(card, 32);
    assert_int_equal(faults, NETDEV_FAULT_DEVICE);
    card->fault = faults = NETDEV_FAULT_NONE;
    assert_true(card->ops->start(card)); /* begins anew */
    assert_true(frame_arrives(1));
    gives_back(0, 0xffff, 100);
    card->ops->poll(card, 32);
    assert_int_equal(received, 1);
    assert_int_equal(faults, NETDEV_FAULT_DEVICE);
}

static void test_wants_a_reset(void **state)
{
    (void)state;
    running = false;
    card->ops->look(card);
    assert_int_equal(faults, NETDEV_FAULT_DEVICE);
    card->ops->stop(card);
    assert_false(ready);
    for (uint32_t i = 0; i < 5; i++)
        queues[0]->used->index = 9;
    assert_true(card->ops->start(card));
    assert_false(card->ops->pending(card));
}

static void test_left_aside(void **state)
{
    (void)state;
    fakes_end();
    fakes_begin();
    offered = F_STATUS;
    virtio_net_init();
    assert_non_null(strstr(left_aside, "virtio-net: it has no address"));
    offered = ~0UL;
    agrees = false;
    virtio_net_init();
    assert_non_null(strstr(left_aside, "does not agree on features"));
    agrees = true;
    no_interface = true;
    virtio_net_init();
    assert_non_null(strstr(left_aside, "no modern interface"));
    for (long i = 0; i < 2; i++) {
        fake_heap_limit = i;
        virtio_net_init();
        assert_non_null(strstr(left_aside, "no memory"));
    }
    assert_true(card == NULL && restored == 4);
    no_interface = false;
    fake_heap_limit = -1;
    offered = F_MAC; /* no state of the link: it counts as up */
    virtio_net_init();
    assert_true(card->ops->start(card));
    config[6] = 0;
    card->ops->look(card);
    assert_true(card->link_seen);
    no_queue = true;
    assert_false(card->ops->start(card));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start, begin, end),
        cmocka_unit_test_setup_teardown(test_ten_thousand_come_in, begin, end),
        cmocka_unit_test_setup_teardown(test_no_buffer_left, begin, end),
        cmocka_unit_test_setup_teardown(test_ten_thousand_go_out, begin, end),
        cmocka_unit_test_setup_teardown(test_full_and_out_of_order, begin, end),
        cmocka_unit_test_setup_teardown(test_lengths_that_cannot_be, begin, end),
        cmocka_unit_test_setup_teardown(test_buffers_it_does_not_have, begin, end),
        cmocka_unit_test_setup_teardown(test_wants_a_reset, begin, end),
        cmocka_unit_test_setup_teardown(test_left_aside, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
