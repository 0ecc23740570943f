/* SPDX-License-Identifier: Apache-2.0
 * [HOST] dom0/backend/net_ring.c against a front end that is right, and against ones that lie in each field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/backend/net_ring.h"

static union {
    struct netif_tx_sring tx;
    struct netif_rx_sring rx;
    uint8_t page[4096];
} shared;
#define TX(n) (((union netif_tx_sring_entry *)(shared.page + 64))[(n) % NET_RING_SLOTS])
#define RX(n) (((union netif_rx_sring_entry *)(shared.page + 64))[(n) % NET_RING_SLOTS])
static struct net_tx tx;
static struct net_rx rx;
static const char *why;

static int setup(void **state)
{
    (void)state;
    memset(&shared, 0, sizeof shared);
    shared.tx.req_event = shared.tx.rsp_event = 1;
    tx = (struct net_tx){.shared = &shared.tx};
    rx = (struct net_rx){.shared = &shared.rx};
    why = NULL;
    return 0;
}

static uint32_t front; /* the front end's private index */

static void put(uint16_t size, uint16_t offset, uint16_t flags)
{
    TX(front).req =
        (struct netif_tx_request){.gref = 1000 + front, .offset = offset, .flags = flags, .id = (uint16_t)(front * 7), .size = size};
    front++;
}

static enum net_ring_result next(struct net_tx_frame *f)
{
    shared.tx.req_prod = front;
    why = NULL;
    return net_tx_next(&tx, f, &why);
}

static void test_one_frame(void **state)
{
    struct net_tx_frame f;
    (void)state;
    front = 0;
    assert_int_equal(next(&f), NET_RING_EMPTY);
    put(60, 100, NETTXF_csum_blank | NETTXF_data_validated);
    assert_int_equal(next(&f), NET_RING_FRAME);
    assert_true(f.slots == 1 && f.len == 60 && f.blank && f.validated);
    assert_true(f.parts[0].gref == 1000 && f.parts[0].offset == 100 && f.parts[0].len == 60);
    assert_true(net_tx_answer(&tx, &f, NETIF_RSP_OKAY)); /* rsp_event is 1 */
    assert_int_equal(shared.tx.rsp_prod, 1);
    assert_true(TX(0).rsp.id == 0 && TX(0).rsp.status == NETIF_RSP_OKAY);
    assert_false(net_tx_rearm(&tx));
    assert_int_equal(shared.tx.req_event, 2);
    put(60, 0, 0);
    shared.tx.req_prod = front;
    assert_true(net_tx_rearm(&tx));
    assert_int_equal(next(&f), NET_RING_FRAME);
    assert_false(f.blank || f.validated);
    assert_false(net_tx_answer(&tx, &f, NETIF_RSP_ERROR)); /* it asked for the first answer only */
    assert_int_equal(TX(1).rsp.status, NETIF_RSP_ERROR);
    assert_int_equal(TX(1).rsp.id, 7);
}

static void test_parts(void **state)
{
    struct net_tx_frame f;
    (void)state;
    front = 0;
    put(5000, 96, NETTXF_more_data);
    put(3000, 1096, NETTXF_more_data);
    put(0, 4096, NETTXF_more_data); /* an empty part is one */
    put(1000, 0, 0);
    assert_int_equal(next(&f), NET_RING_FRAME);
    assert_true(f.slots == 4 && f.len == 5000);
    assert_true(f.parts[0].len == 1000 && f.parts[1].len == 3000 && f.parts[2].len == 0 && f.parts[3].len == 1000);
    (void)net_tx_answer(&tx, &f, NETIF_RSP_OKAY);
    assert_int_equal(shared.tx.rsp_prod, 4);
    assert_int_equal(TX(3).rsp.id, 21);
}

static void broken(const char *word)
{
    struct net_tx_frame f;
    assert_int_equal(next(&f), NET_RING_BROKEN);
    assert_non_null(strstr(why, word));
    tx.cons = tx.prod = front;
}

static void test_lies(void **state)
{
    (void)state;
    front = 0;
    put(60, 0, NETTXF_more_data);
    broken("without its end");
    put(60, 4090, 0);
    broken("crosses its page");
    put(60, 65535, 0);
    broken("crosses its page");
    put(5000, 0, 0);
    broken("crosses its page");
    put(100, 0, NETTXF_more_data);
    put(101, 0, 0);
    broken("longer than their frame");
    put(100, 0, NETTXF_more_data);
    put(60, 0, NETTXF_more_data);
    put(41, 0, 0);
    broken("longer than their frame");
    put(9000, 0, NETTXF_more_data);
    put(100, 4000, 0);
    broken("crosses its page");
    put(9000, 0, NETTXF_more_data); /* 8900 would be left for the first */
    put(100, 0, 0);
    broken("crosses its page");
    put(60, 0, NETTXF_extra_info);
    broken("extension");
    put(60, 0, NETTXF_more_data);
    put(10, 0, NETTXF_extra_info);
    broken("extension");
    for (unsigned i = 0; i < 19; i++)
        put(i == 0 ? 60 : 1, 0, i < 18 ? NETTXF_more_data : 0);
    broken("more than 18");
    front += 257;
    broken("more than the ring");
    front -= 300;
    broken("more than the ring");
}

static void test_eighteen_parts(void **state)
{
    struct net_tx_frame f;
    (void)state;
    front = 0xfffffff8U; /* across the end of the numbers */
    tx.cons = tx.prod = front;
    for (unsigned i = 0; i < 18; i++)
        put(i == 0 ? 1800 : 100, 0, i < 17 ? NETTXF_more_data : 0);
    assert_int_equal(next(&f), NET_RING_FRAME);
    assert_true(f.slots == 18 && f.len == 1800 && f.parts[0].len == 100);
    assert_int_equal(tx.cons, front);
    (void)net_tx_answer(&tx, &f, NETIF_RSP_OKAY);
    assert_int_equal(shared.tx.rsp_prod, front);
}

static void test_full_ring(void **state)
{
    struct net_tx_frame f;
    (void)state;
    front = 0;
    for (unsigned i = 0; i < 256; i++)
        put(60, 0, 0);
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(next(&f), NET_RING_FRAME);
        (void)net_tx_answer(&tx, &f, NETIF_RSP_OKAY);
    }
    assert_int_equal(next(&f), NET_RING_EMPTY);
}

static void give(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++, front++)
        RX(front).req = (struct netif_rx_request){.id = (uint16_t)(front % 256), .gref = 500 + front};
    shared.rx.req_prod = front;
}

static void test_receive(void **state)
{
    struct net_rx_slot s[NET_RX_SLOTS];
    (void)state;
    front = 0;
    assert_int_equal(net_rx_take(&rx, 1, s, &why), NET_RING_EMPTY);
    give(3);
    assert_int_equal(net_rx_take(&rx, 2, s, &why), NET_RING_FRAME);
    assert_true(s[0].gref == 500 && s[1].gref == 501 && s[1].id == 1);
    assert_int_equal(net_rx_take(&rx, 2, s, &why), NET_RING_EMPTY);
    assert_int_equal(rx.cons, 2);
    net_rx_answer(&rx, 0, NETRXF_more_data, 4096);
    net_rx_answer(&rx, 1, 0, 10);
    assert_int_equal(shared.rx.rsp_prod, 0); /* not before all are written */
    shared.rx.rsp_event = 2;
    assert_true(net_rx_push(&rx, 0));
    assert_int_equal(shared.rx.rsp_prod, 2);
    assert_true(RX(0).rsp.flags == NETRXF_more_data && RX(1).rsp.status == 10 && RX(1).rsp.offset == 0);
    assert_int_equal(net_rx_take(&rx, 1, s, &why), NET_RING_FRAME);
    net_rx_answer(&rx, 2, 0, 10);
    assert_false(net_rx_push(&rx, 2));
    shared.rx.req_prod = front + 257;
    assert_int_equal(net_rx_take(&rx, 1, s, &why), NET_RING_BROKEN);
    shared.rx.req_prod = front - 1;
    assert_int_equal(net_rx_take(&rx, 1, s, &why), NET_RING_BROKEN);
    assert_non_null(why);
}

/* Whatever stands in the page: an answer, never more than 18 parts, each within its page, together as long as the frame. */
static void test_noise(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 100000; i++) {
        struct net_tx_frame f;
        for (unsigned k = 0; k < 40; k++) {
            struct netif_tx_request *q = &TX(tx.cons + k).req;
            *q = (struct netif_tx_request){.gref = (uint32_t)rand(), .offset = (uint16_t)(rand() % 5000), .flags = (uint16_t)(rand() % 8 == 0 ? rand() : rand() & 4),
                                           .id = (uint16_t)rand(), .size = (uint16_t)(rand() % (k == 0 ? 70000 : 600))};
        }
        shared.tx.req_prod = tx.cons + (uint32_t)(rand() % 300);
        if (net_tx_next(&tx, &f, &why) != NET_RING_FRAME)
            continue;
        uint32_t sum = 0;
        assert_in_range(f.slots, 1, NET_TX_SLOTS);
        for (unsigned k = 0; k < f.slots; k++) {
            assert_true((uint32_t)f.parts[k].offset + f.parts[k].len <= 4096);
            sum += f.parts[k].len;
        }
        assert_int_equal(sum, f.len);
        (void)net_tx_answer(&tx, &f, NETIF_RSP_OKAY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_frame, setup), cmocka_unit_test_setup(test_parts, setup),     cmocka_unit_test_setup(test_lies, setup),
        cmocka_unit_test_setup(test_eighteen_parts, setup), cmocka_unit_test_setup(test_full_ring, setup), cmocka_unit_test_setup(test_receive, setup),
        cmocka_unit_test_setup(test_noise, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
