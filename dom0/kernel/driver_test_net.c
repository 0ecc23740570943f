/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Driver-test mode: network cards that do what a script on the other end of the wire asks for, by frames of a
 * type that is free for such use (IEEE 802's first local experimental one). Byte 14 says what:
 *   E  send the frame back           C  count it and its bytes
 *   Q  send back what was counted    B  send as many frames as bytes 16 and 17 say, as long as bytes 18 and 19 say
 *   X  that was all */
#include "dom0/kernel/console.h"
#include "dom0/kernel/driver_test.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/netdev.h"

#define TYPE_HIGH   0x88U
#define TYPE_LOW    0xb5U
#define AT_OP       14U
#define AT_COUNT    16U
#define AT_LENGTH   18U
#define AT_NUMBER   16U /* in answers */
#define PAUSE_NS    1000000UL
#define NS_PER_S    1000000000UL
#define SUM_START   0xcbf29ce484222325UL
#define SUM_FACTOR  0x100000001b3UL

static struct {
    struct netdev *card;
    uint32_t counted;
    uint64_t sum;            /* over all bytes of the counted frames' payload */
    uint32_t burst, burst_len; /* frames that are still to be sent */
    uint8_t answer[NETDEV_BUFFER];
    volatile bool over;
} net;

static uint32_t number(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

static void turn_round(uint8_t *frame)
{
    uint8_t from[MAC_LEN];
    memcpy(from, frame + MAC_LEN, MAC_LEN);
    memcpy(frame + MAC_LEN, net.card->mac, MAC_LEN);
    memcpy(frame, from, MAC_LEN);
}

static void put_number(uint8_t *at, uint64_t v, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    }
}

static void count_frame(const uint8_t *frame, uint32_t len)
{
    net.counted++;
    for (uint32_t i = AT_OP; i < len; i++) {
        net.sum = (net.sum ^ frame[i]) * SUM_FACTOR;
    }
}

static void on_frame(void *ctx, uint8_t *frame, uint32_t len)
{
    (void)ctx;
    if (len < NETDEV_FRAME_PAD || frame[12] != TYPE_HIGH || frame[13] != TYPE_LOW) {
        return;
    }
    switch (frame[AT_OP]) {
    case 'E':
        turn_round(frame);
        (void)netdev_send(net.card, frame, len);
        break;
    case 'C':
        count_frame(frame, len);
        break;
    case 'Q':
        turn_round(frame);
        put_number(frame + AT_NUMBER, net.counted, 4);
        put_number(frame + AT_NUMBER + 4, net.sum, 8);
        (void)netdev_send(net.card, frame, len);
        break;
    case 'B':
        turn_round(frame);
        memcpy(net.answer, frame, NETDEV_FRAME_PAD);
        net.burst_len = number(frame + AT_LENGTH);
        net.burst = net.burst_len <= NETDEV_FRAME_MAX + 1 ? number(frame + AT_COUNT) : 0;
        break;
    case 'X':
        net.over = true;
        break;
    default:
        break;
    }
}

static void on_turn_over(void *ctx) { (void)ctx; }

/* As fast as the card takes them; one that it refuses while its link is up is tried again. */
static void send_burst(void)
{
    while (net.burst != 0 && net.burst_len >= AT_NUMBER + 4) {
        put_number(net.answer + AT_NUMBER, net.burst, 4);
        bool sent = netdev_send(net.card, net.answer, net.burst_len);
        if (sent || net.burst_len > NETDEV_FRAME_MAX || !net.card->link) {
            net.burst--;
        } else {
            thread_yield();
        }
    }
}

bool driver_test_net(uint64_t seconds)
{
    uint64_t end = time_now_ns() + seconds * NS_PER_S;
    net.card = netdev_first();
    net.sum = SUM_START;
    if (net.card == NULL || !netdev_open(net.card, on_frame, on_turn_over, NULL)) {
        console_printf("test: error: net: no card, or no memory\n");
        return false;
    }
    while (!net.over && net.card->state < NETDEV_FAILED && time_now_ns() < end) {
        send_burst();
        thread_sleep_ns(PAUSE_NS);
    }
    thread_sleep_ns(10 * PAUSE_NS); /* the card's thread says its last words */
    const struct netdev *n = net.card;
    console_printf("test: net %s %s %s sent %lu drops %lu long %lu errors %lu received %lu drops %lu errors %lu resets %lu\n", n->name, n->driver,
                   netdev_state_text(n), n->sent.packets, n->sent.drops, n->too_long, n->sent.errors, n->received.packets, n->received.drops,
                   n->received.errors, n->resets);
    return net.over || n->state == NETDEV_GONE;
}
