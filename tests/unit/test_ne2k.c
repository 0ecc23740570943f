/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The driver of NE2000 cards against a model of the DP8390: memory behind one port, a ring that goes round and overflows, headers that lie, frames
 * that wait for the one being sent. */
#define _GNU_SOURCE
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_fakes.h"

#include "drivers/io.h"
#include "drivers/ne2k.h"
#include "drivers/ne2k_regs.h"

#define BASE 0xc100U
#define RING (NE2K_RX_END - NE2K_RX_FIRST)

static struct {
    uint8_t memory[65536];
    uint8_t cr, isr, imr, pstart, pstop, bnry, curr, tpsr, rcr, tcr, dcr, par[6], missed;
    uint32_t tbcr, rsar, rbcr;
    bool sending, slow, gone, no_reset, no_dma_end;
    uint32_t sent;
    uint8_t wire[2048];
    uint32_t wire_len;
} dev;

static bool page1(void) { return (dev.cr & NE2K_CR_PAGE1) != 0; }

bool pci_gone(const struct pci_device *d) { (void)d; return dev.gone; }

static void sends(void)
{
    dev.sending = false;
    dev.cr &= (uint8_t)~NE2K_CR_SEND;
    dev.isr |= NE2K_ISR_PTX;
    dev.wire_len = dev.tbcr;
    assert_in_range(dev.tbcr, 60, 1518);
    memcpy(dev.wire, dev.memory + dev.tpsr * 256U, dev.tbcr);
    dev.sent++;
}

uint8_t io_in8(uint16_t port)
{
    uint32_t reg = port - BASE;

    assert_true(reg < NE2K_PORTS);
    if (dev.gone)
        return 0xff;
    if (reg == NE2K_CR)
        return dev.cr;
    if (reg == NE2K_RESET) {
        dev.isr = dev.no_reset ? 0 : NE2K_ISR_RST;
        return 0;
    }
    if (page1())
        return reg == NE2K_CURR ? dev.curr : 0;
    if (reg == NE2K_ISR)
        return dev.isr;
    if (reg == NE2K_CNTR2) {
        uint8_t v = dev.missed;
        dev.missed = 0;
        return v;
    }
    return 0;
}

static void command(uint8_t v)
{
    if (dev.sending)
        v |= NE2K_CR_SEND;
    dev.cr = v;
    if ((v & NE2K_CR_STOP) != 0)
        dev.isr |= NE2K_ISR_RST;
    else
        dev.isr &= (uint8_t)~NE2K_ISR_RST;
    if ((v & NE2K_CR_SEND) != 0 && !dev.sending) {
        assert_int_equal(dev.tcr, NE2K_TCR_NORMAL);
        dev.sending = true;
        if (!dev.slow)
            sends();
    }
}

void io_out8(uint16_t port, uint8_t v)
{
    uint32_t reg = port - BASE;

    assert_true(reg < NE2K_PORTS);
    if (reg == NE2K_CR) {
        command(v);
    } else if (page1()) {
        assert_true(reg <= 0x0f && reg != NE2K_IMR - 0x10U);
        if (reg >= NE2K_PAR0 && reg < NE2K_PAR0 + 6)
            dev.par[reg - NE2K_PAR0] = v;
        else if (reg == NE2K_CURR)
            dev.curr = v;
    } else {
        switch (reg) {
        case NE2K_PSTART: dev.pstart = v; break;
        case NE2K_PSTOP: dev.pstop = v; break;
        case NE2K_BNRY: dev.bnry = v; break;
        case NE2K_TPSR: dev.tpsr = v; break;
        case NE2K_TBCR0: dev.tbcr = (dev.tbcr & 0xff00U) | v; break;
        case NE2K_TBCR1: dev.tbcr = (dev.tbcr & 0xffU) | (uint32_t)v << 8; break;
        case NE2K_ISR: dev.isr &= (uint8_t)~(v & 0x7fU); break;
        case NE2K_RSAR0: dev.rsar = (dev.rsar & 0xff00U) | v; break;
        case NE2K_RSAR1: dev.rsar = (dev.rsar & 0xffU) | (uint32_t)v << 8; break;
        case NE2K_RBCR0: dev.rbcr = (dev.rbcr & 0xff00U) | v; break;
        case NE2K_RBCR1: dev.rbcr = (dev.rbcr & 0xffU) | (uint32_t)v << 8; break;
        case NE2K_RCR: dev.rcr = v; break;
        case NE2K_TCR: dev.tcr = v; break;
        case NE2K_DCR: dev.dcr = v; break;
        case NE2K_IMR: dev.imr = v; break;
        default: break;
        }
    }
}

static void dma(uint16_t port, size_t words, uint32_t direction)
{
    assert_int_equal(port, BASE + NE2K_DATA);
    assert_true((dev.cr & direction) != 0 && !page1() && dev.rbcr == words * 2 && (dev.dcr & 1U) != 0);
}

static void dma_ends(void)
{
    dev.rsar += dev.rbcr;
    dev.rbcr = 0;
    dev.isr |= dev.no_dma_end ? 0 : NE2K_ISR_RDC;
}

void io_in16_block(uint16_t port, void *buf, size_t count)
{
    dma(port, count, NE2K_CR_READ);
    assert_true(dev.rsar + count * 2 <= NE2K_RX_END * 256U); /* never past the ring's end */
    memcpy(buf, dev.memory + dev.rsar, count * 2);
    dma_ends();
}

void io_out16_block(uint16_t port, const void *buf, size_t count)
{
    dma(port, count, NE2K_CR_WRITE);
    assert_true(dev.rsar >= NE2K_MEM_FIRST * 256U && dev.rsar + count * 2 <= NE2K_RX_FIRST * 256U); /* never into the ring */
    memcpy(dev.memory + dev.rsar, buf, count * 2);
    dma_ends();
}
uint16_t io_in16(uint16_t port) { (void)port; fail(); return 0; }
uint32_t io_in32(uint16_t port) { (void)port; fail(); return 0; }
void io_out16(uint16_t port, uint16_t value) { (void)port; (void)value; fail(); }
void io_out32(uint16_t port, uint32_t value) { (void)port; (void)value; fail(); }

static void ring_byte(uint32_t at, uint8_t v)
{
    dev.memory[NE2K_RX_FIRST * 256U + (at - NE2K_RX_FIRST * 256U) % (RING * 256U)] = v;
}

/* false: no room, as the card says it: OVW. */
static bool frame_arrives(uint32_t n, uint8_t status)
{
    uint8_t f[2048];
    uint32_t len = frame_of(n, f), pages = (len + 4 + 4 + 255) / 256, used = (dev.curr - dev.bnry + RING) % RING;

    assert_true(dev.pstart == NE2K_RX_FIRST && dev.pstop == NE2K_RX_END && dev.rcr == NE2K_RCR_WANTED);
    if (used + pages >= RING) {
        dev.isr |= NE2K_ISR_OVW;
        dev.missed++;
        return false;
    }
    uint32_t at = dev.curr * 256U, next = NE2K_RX_FIRST + (dev.curr - NE2K_RX_FIRST + pages) % RING;
    uint8_t head[4] = {status, (uint8_t)next, (uint8_t)(len + 4), (uint8_t)((len + 4) >> 8)};
    for (uint32_t i = 0; i < 4; i++)
        ring_byte(at + i, head[i]);
    for (uint32_t i = 0; i < len; i++)
        ring_byte(at + 4 + i, f[i]);
    dev.curr = (uint8_t)next;
    dev.isr |= (status & NE2K_RX_GOOD) != 0 ? NE2K_ISR_PRX : NE2K_ISR_RXE;
    return true;
}

static bool give(uint32_t n)
{
    uint8_t f[2048];
    uint32_t len = frame_of(n, f);
    return card->ops->send(card, f, len);
}

static void assert_wire_is(uint32_t n)
{
    uint8_t f[2048];
    uint32_t len = frame_of(n, f);
    assert_int_equal(dev.wire_len, len);
    assert_memory_equal(dev.wire, f, len);
}

static int begin(void **state)
{
    (void)state;
    fakes_begin();
    memset(&dev, 0, sizeof dev);
    for (uint32_t i = 0; i < 12; i++)
        dev.memory[i] = (uint8_t)(0x52 + i / 2 * 2);
    fake_pci = (struct pci_device){.vendor = 0x10ec, .device = 0x8029, .bars = {{.base = BASE, .size = 32, .io = true}}};
    ne2k_init();
    assert_non_null(card);
    assert_false(card->dma);
    assert_true(card->ops->start(card));
    return 0;
}

static void test_start(void **state)
{
    (void)state;
    assert_memory_equal(card->mac, ((uint8_t[]){0x52, 0x54, 0x56, 0x58, 0x5a, 0x5c}), 6);
    assert_memory_equal(dev.par, card->mac, 6);
    assert_true(dev.rcr == 0x1c && dev.imr == 0 && (dev.cr & 3) == NE2K_CR_START && !page1());
    card->ops->interrupts(card, true);
    assert_int_equal(dev.imr, NE2K_IMR_WANTED);
    card->ops->interrupts(card, false);
    assert_int_equal(dev.imr, 0);
}

static void test_ten_thousand_come_in(void **state)
{
    uint32_t next = 0, got = 0;

    (void)state;
    while (got < 10000) {
        for (uint32_t i = 0; i < 1 + next % 5; i++)
            assert_true(frame_arrives(next++, NE2K_RX_GOOD));
        while (card->ops->pending(card) || got < next) {
            uint32_t n = card->ops->poll(card, 1);
            assert_int_equal(n, 1);
            assert_last_is(got);
            got++;
        }
        assert_int_equal(card->ops->poll(card, 32), 0);
        assert_false(page1());
    }
    assert_int_equal(faults, NETDEV_FAULT_NONE);
    assert_int_equal(card->received.errors, 0);
}

static void test_overflow(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 50; round++) {
        uint32_t n = 0;
        received = 0;
        while (frame_arrives(1000 + n, NE2K_RX_GOOD))
            n++;
        assert_true(card->ops->pending(card));
        assert_int_equal(card->ops->poll(card, 32), n);
        assert_int_equal(received, n);
        assert_last_is(1000 + n - 1);
        assert_true((dev.isr & NE2K_ISR_OVW) == 0 && dev.tcr == NE2K_TCR_NORMAL && (dev.cr & 3) == NE2K_CR_START);
        assert_true(frame_arrives(round, NE2K_RX_GOOD));
        assert_int_equal(card->ops->poll(card, 32), 1);
        assert_last_is(round);
    }
    assert_int_equal(card->received.drops, 50);
    card->ops->look(card);
    assert_int_equal(card->received.drops, 100); /* the card's own count beside ours */
    assert_int_equal(faults, NETDEV_FAULT_NONE);
}

/* An overflow while a frame is being sent: it counts as gone, and the one behind it leaves. */
static void test_overflow_while_sending(void **state)
{
    (void)state;
    dev.slow = true;
    assert_true(give(1) && give(2));
    while (frame_arrives(1000, NE2K_RX_GOOD))
        ;
    dev.sending = false; /* the stop cut it off */
    dev.slow = false;
    card->ops->poll(card, 32);
    assert_int_equal(dev.sent, 1);
    assert_wire_is(2);
    card->ops->poll(card, 32);
    assert_int_equal(card->sending, 0);
}

static void test_damaged(void **state)
{
    (void)state;
    assert_true(frame_arrives(1, 0x02) && frame_arrives(2, NE2K_RX_GOOD));
    card->ops->poll(card, 32);
    assert_true(received == 1 && card->received.errors == 1);
    assert_last_is(2);
}

static void test_headers_that_lie(void **state)
{
    (void)state;
    for (uint32_t byte = 1; byte < 4; byte++) {
        for (uint32_t v = 0; v < 256; v++) {
            assert_true(card->ops->start(card));
            received = 0;
            card->fault = faults = NETDEV_FAULT_NONE;
            uint32_t at = dev.curr * 256U;
            assert_true(frame_arrives(300, NE2K_RX_GOOD));
            bool same = dev.memory[at + byte] == v;
            dev.memory[at + byte] = (uint8_t)v;
            card->ops->poll(card, 32);
            if (same)
                assert_true(received == 1 && faults == NETDEV_FAULT_NONE);
            else if (byte != 2) /* a wrong length within the same pages cannot be told */
                assert_true(received == 0 && faults == NETDEV_FAULT_DEVICE);
        }
    }
    assert_true(card->ops->start(card));
    card->fault = faults = NETDEV_FAULT_NONE;
    dev.curr = 0x90; /* outside the ring */
    card->ops->poll(card, 32);
    assert_int_equal(faults, NETDEV_FAULT_DEVICE);
}

static void test_frames_wait_for_the_one_being_sent(void **state)
{
    uint32_t n = 0;

    (void)state;
    dev.slow = true;
    while (give(n))
        n++;
    assert_int_equal(n, 32);
    assert_int_equal(card->sending, 32);
    for (uint32_t i = 0; i < 32; i++) {
        sends();
        assert_wire_is(i);
        card->ops->poll(card, 32);
        assert_int_equal(card->sending, 31 - i);
    }
    assert_int_equal(dev.sent, 32);
    dev.slow = false;
    for (uint32_t i = 0; i < 10000; i++) {
        assert_true(give(i));
        assert_wire_is(i);
        card->ops->poll(card, 32);
    }
    assert_int_equal(card->went_out, 10032);
}

static void test_card_that_does_not_take_data(void **state)
{
    (void)state;
    dev.no_dma_end = true;
    (void)give(1);
    assert_int_equal(faults, NETDEV_FAULT_DEVICE);
}

static void test_gone(void **state)
{
    (void)state;
    dev.gone = true;
    assert_int_equal(card->ops->poll(card, 32), 0);
    assert_int_equal(faults, NETDEV_FAULT_GONE);
    card->ops->stop(card);
    assert_false(card->ops->start(card));
}

static void test_left_aside(void **state)
{
    (void)state;
    fakes_end();
    fakes_begin();
    dev.no_reset = true;
    ne2k_init();
    assert_non_null(strstr(left_aside, "ne2k: it does not answer to a reset"));
    dev.no_reset = false;
    memset(dev.memory, 0, 32);
    ne2k_init();
    assert_non_null(strstr(left_aside, "it has no address"));
    fake_pci.bars[0].io = false;
    ne2k_init();
    assert_non_null(strstr(left_aside, "ports cannot be reached"));
    fake_pci.bars[0].io = true;
    for (long i = 0; i < 2; i++) {
        fake_heap_limit = i;
        ne2k_init();
        assert_non_null(strstr(left_aside, "no memory"));
    }
    assert_true(card == NULL && restored == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start, begin, end),
        cmocka_unit_test_setup_teardown(test_ten_thousand_come_in, begin, end),
        cmocka_unit_test_setup_teardown(test_overflow, begin, end),
        cmocka_unit_test_setup_teardown(test_overflow_while_sending, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged, begin, end),
        cmocka_unit_test_setup_teardown(test_headers_that_lie, begin, end),
        cmocka_unit_test_setup_teardown(test_frames_wait_for_the_one_being_sent, begin, end),
        cmocka_unit_test_setup_teardown(test_card_that_does_not_take_data, begin, end),
        cmocka_unit_test_setup_teardown(test_gone, begin, end),
        cmocka_unit_test_setup_teardown(test_left_aside, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
