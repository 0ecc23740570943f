/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The driver of Intel's gigabit cards against a model of the card: rings that go round, run full and overflow, frames that are damaged or too long,
 * interrupts that are masked, addresses, a card that does not answer. */
#define _GNU_SOURCE
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_fakes.h"

#include "drivers/e1000.h"
#include "drivers/e1000_regs.h"
#include "drivers/mmio.h"

static uint32_t regs[E1000_REGISTERS / 4];
static bool gone, stuck, stalled, no_filter;
static uint32_t sent;
static uint8_t wire[2048];
static uint32_t wire_len;

static void transmit(void)
{
    struct e1000_tx_desc *ring = (void *)(uintptr_t)(regs[E1000_TDBAL / 4] | (uint64_t)regs[E1000_TDBAL / 4 + 1] << 32);
    uint32_t n = regs[E1000_TDLEN / 4] / 16, *head = &regs[E1000_TDH / 4];

    assert_true((regs[E1000_TCTL / 4] & 2U) != 0 && n != 0 && regs[E1000_TDT / 4] < n);
    for (; !stalled && *head != regs[E1000_TDT / 4]; *head = (*head + 1) % n) {
        struct e1000_tx_desc *d = &ring[*head];
        assert_int_equal(d->command, E1000_TX_END | E1000_TX_FCS | E1000_TX_REPORT);
        assert_in_range(d->length, 60, 1518);
        wire_len = d->length;
        memcpy(wire, (void *)(uintptr_t)d->address, d->length);
        d->status = E1000_TX_DONE;
        sent++;
    }
}

uint32_t mmio_read32(volatile void *base, uint32_t off)
{
    assert_ptr_equal(base, regs);
    assert_true(off < sizeof regs && off % 4 == 0);
    uint32_t v = gone ? ~0U : regs[off / 4];
    if (off == E1000_ICR || (off >= E1000_CRCERRS && off <= E1000_MPC))
        regs[off / 4] = 0;
    return v;
}

void mmio_write32(volatile void *base, uint32_t off, uint32_t v)
{
    assert_ptr_equal(base, regs);
    assert_true(off < sizeof regs && off % 4 == 0);
    if (off == E1000_IMS)
        v |= regs[E1000_IMS / 4];
    if (off == E1000_IMC)
        regs[E1000_IMS / 4] &= ~v;
    regs[off / 4] = v;
    if (off == E1000_CTRL && (v & E1000_CTRL_RST) != 0) {
        uint32_t low = regs[E1000_RAL / 4], high = regs[E1000_RAH / 4];
        memset(regs, 0, sizeof regs);
        regs[E1000_CTRL / 4] = stuck ? E1000_CTRL_RST : 0;
        regs[E1000_STATUS / 4] = 0x80U | E1000_STATUS_LU;
        regs[E1000_RAL / 4] = low;
        regs[E1000_RAH / 4] = no_filter ? 0 : high;
    }
    if (off == E1000_EERD && (v & 1U) != 0) {
        static const uint16_t words[] = {0x2211, 0x4433, 0x6655}; /* 11 in front: a group's address */
        uint32_t word = fake_pci.device == 0x10d3 ? v >> 2 : v >> 8 & 0xffU;
        regs[off / 4] = (uint32_t)words[word % 3] << 16 | (fake_pci.device == 0x10d3 ? 2U : 0x10U);
    }
    if (off == E1000_TDT && (regs[E1000_TCTL / 4] & 2U) != 0)
        transmit();
}

uint16_t mmio_read16(volatile void *base, uint32_t off) { (void)base; (void)off; fail(); return 0; }
uint8_t mmio_read8(volatile void *base, uint32_t off) { (void)base; (void)off; fail(); return 0; }
void mmio_write8(volatile void *base, uint32_t off, uint8_t v) { (void)base; (void)off; (void)v; fail(); }
void mmio_write16(volatile void *base, uint32_t off, uint16_t v) { (void)base; (void)off; (void)v; fail(); }
static bool no_registers;
volatile void *pci_map_bar(struct pci_device *d, uint32_t index, uint64_t bytes)
{
    assert_true(d == &fake_pci && index == 0 && bytes == sizeof regs);
    return no_registers ? NULL : regs;
}

/* The card has a piece of a frame for the driver. false: no room. */
static bool arrives(const uint8_t *data, uint32_t len, uint8_t status, uint8_t errors)
{
    struct e1000_rx_desc *ring = (void *)(uintptr_t)(regs[E1000_RDBAL / 4] | (uint64_t)regs[E1000_RDBAL / 4 + 1] << 32);
    uint32_t n = regs[E1000_RDLEN / 4] / 16, *head = &regs[E1000_RDH / 4];

    assert_true((regs[E1000_RCTL / 4] & E1000_RCTL_EN) != 0 && *head < n && regs[E1000_RDT / 4] < n);
    regs[E1000_ICR / 4] |= E1000_INT_RXT0;
    if (*head == regs[E1000_RDT / 4]) {
        regs[E1000_MPC / 4]++;
        return false;
    }
    struct e1000_rx_desc *d = &ring[*head];
    assert_int_equal(d->status, 0);
    memcpy((void *)(uintptr_t)d->address, data, len);
    d->length = (uint16_t)len;
    d->errors = errors;
    d->status = status;
    *head = (*head + 1) % n;
    return true;
}

static bool frame_arrives(uint32_t n)
{
    uint8_t f[2048];
    uint32_t len = frame_of(n, f);
    return arrives(f, len, E1000_RX_DONE | E1000_RX_END, 0);
}

static bool frame_sent(uint32_t n)
{
    uint8_t f[2048];
    uint32_t len = frame_of(n, f);
    bool ok = card->ops->send(card, f, len);
    if (ok && !stalled) {
        assert_int_equal(wire_len, len);
        assert_memory_equal(wire, f, len);
    }
    return ok;
}

static void find(uint16_t device)
{
    fakes_begin();
    gone = stuck = stalled = no_filter = no_registers = false;
    sent = 0;
    memset(regs, 0, sizeof regs);
    regs[E1000_RAL / 4] = 0x33221100;
    regs[E1000_RAH / 4] = E1000_RAH_VALID | 0x5544;
    fake_pci = (struct pci_device){.vendor = 0x8086, .device = device};
    e1000_init();
}

static int begin(void **state)
{
    (void)state;
    find(0x100e);
    assert_non_null(card);
    assert_true(card->dma);
    assert_true(card->ops->start(card));
    return 0;
}

static void test_start(void **state)
{
    (void)state;
    assert_memory_equal(card->mac, ((uint8_t[]){0x00, 0x11, 0x22, 0x33, 0x44, 0x55}), 6);
    assert_string_equal(card->driver, "e1000");
    assert_int_equal(regs[E1000_RCTL / 4] & 0x1aU, 0x1aU); /* on, all unicast, all multicast */
    assert_int_equal(regs[E1000_IMS / 4], 0);
    card->ops->interrupts(card, true);
    assert_int_equal(regs[E1000_IMS / 4], E1000_INT_WANTED);
    card->ops->interrupts(card, false);
    assert_int_equal(regs[E1000_IMS / 4], 0);
    card->ops->look(card);
    assert_true(card->link_seen);
    assert_int_equal(card->mbit, 1000);
}

static void test_ten_thousand_come_in(void **state)
{
    uint32_t next = 0, seen = 0;

    (void)state;
    while (seen < 10000) {
        for (uint32_t i = 0; i < 1 + next % 127; i++)
            assert_true(frame_arrives(next++));
        while (card->ops->pending(card)) {
            uint32_t got = card->ops->poll(card, 1 + next % 3);
            seen += got;
            assert_true(got >= 1 && got <= 3);
            assert_last_is(seen - 1);
        }
        assert_int_equal(card->ops->poll(card, 32), 0);
    }
    assert_int_equal(received, seen);
    assert_int_equal(card->received.errors + card->received.drops, 0);
}

static void test_overflow(void **state)
{
    uint32_t taken = 0;

    (void)state;
    for (uint32_t i = 0; i < 300; i++)
        taken += frame_arrives(i);
    assert_int_equal(taken, 127);
    while (card->ops->pending(card))
        card->ops->poll(card, 32);
    assert_int_equal(received, 127);
    assert_last_is(126);
    card->ops->look(card);
    assert_int_equal(card->received.drops, 300 - 127);
    assert_true(frame_arrives(5000));
    assert_int_equal(card->ops->poll(card, 32), 1);
    assert_last_is(5000);
}

static void test_damaged_and_long(void **state)
{
    uint8_t f[2048] = {0};

    (void)state;
    assert_true(arrives(f, 100, E1000_RX_DONE | E1000_RX_END, 0x01));
    assert_true(arrives(f, 13, E1000_RX_DONE | E1000_RX_END, 0));
    assert_true(arrives(f, 2048, E1000_RX_DONE, 0)); /* three pieces: one frame that is none */
    assert_true(arrives(f, 2048, E1000_RX_DONE, 0));
    assert_true(arrives(f, 60, E1000_RX_DONE | E1000_RX_END, 0));
    assert_true(frame_arrives(1));
    assert_int_equal(card->ops->poll(card, 32), 6);
    assert_int_equal(received, 1);
    assert_last_is(1);
    assert_int_equal(card->received.errors, 3);
}

/* A length that is a lie: nothing is read past the buffer. */
static void test_lying_length(void **state)
{
    struct e1000_rx_desc *ring = (void *)(uintptr_t)(regs[E1000_RDBAL / 4] | (uint64_t)regs[E1000_RDBAL / 4 + 1] << 32);

    (void)state;
    assert_true(frame_arrives(1));
    ring[0].length = 0xffff;
    assert_int_equal(card->ops->poll(card, 32), 1);
    assert_int_equal(received, 0);
    assert_int_equal(card->received.errors, 1);
}

static void test_ten_thousand_go_out(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10000; i++)
        assert_true(frame_sent(i));
    card->ops->poll(card, 32);
    assert_int_equal(sent, 10000);
    assert_int_equal(card->sending, 0);
    assert_int_equal(card->went_out, 10000);
}

static void test_ring_full(void **state)
{
    uint32_t n = 0;

    (void)state;
    stalled = true;
    while (frame_sent(n))
        n++;
    assert_int_equal(n, 63);
    assert_int_equal(card->sending, 63);
    assert_false(frame_sent(0));
    stalled = false;
    transmit();
    assert_true(frame_sent(9));
    card->ops->poll(card, 1);
    assert_int_equal(sent, 64);
    assert_int_equal(card->sending, 0);
}

static void test_short_frame_is_filled_up(void **state)
{
    uint8_t f[20], zero[40] = {0};

    (void)state;
    for (uint32_t i = 0; i < 64; i++)
        assert_true(frame_sent(4000)); /* long ones, in every buffer */
    memset(f, 0xaa, sizeof f);
    assert_true(card->ops->send(card, f, sizeof f));
    assert_int_equal(wire_len, 60);
    assert_memory_equal(wire + 20, zero, 40);
}

static void test_restart(void **state)
{
    (void)state;
    stalled = true;
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(frame_sent(i));
        assert_true(frame_arrives(i));
    }
    uint32_t base = regs[E1000_RDBAL / 4], high = regs[E1000_RDBAL / 4 + 1];
    card->ops->stop(card);
    assert_int_equal(regs[E1000_RCTL / 4], 0);
    stalled = false;
    card->sending = 0;
    assert_true(card->ops->start(card));
    assert_true(regs[E1000_RDBAL / 4] == base && regs[E1000_RDBAL / 4 + 1] == high);
    assert_false(card->ops->pending(card));
    assert_true(frame_sent(1));
    assert_true(frame_arrives(77));
    assert_int_equal(card->ops->poll(card, 32), 1);
    assert_last_is(77);
}

static void test_gone(void **state)
{
    (void)state;
    gone = true;
    card->ops->poll(card, 32);
    assert_int_equal(faults, NETDEV_FAULT_GONE);
    card->ops->look(card);
    uint64_t before = now;
    card->ops->stop(card);
    assert_true(now - before < 1000000000UL);
    assert_false(card->ops->start(card));
    gone = false;
}

static void test_link_change(void **state)
{
    (void)state;
    card->look = false;
    regs[E1000_ICR / 4] = E1000_INT_LSC;
    regs[E1000_STATUS / 4] &= ~E1000_STATUS_LU;
    card->ops->poll(card, 32);
    assert_true(card->look);
    card->ops->look(card);
    assert_false(card->link_seen);
}

static void test_msix_of_82574(void **state)
{
    (void)state;
    end(NULL);
    find(0x10d3);
    assert_string_equal(card->driver, "e1000e");
    fake_pci.irq_kind = PCI_IRQ_MSIX;
    assert_true(card->ops->start(card));
    assert_true((regs[E1000_IVAR / 4] & 0xfU) == 8 && (regs[E1000_IVAR / 4] >> 16 & 0xfU) == 8); /* receive queue 0 and other causes: message 0 */
    card->ops->interrupts(card, true);
    assert_true((regs[E1000_IMS / 4] & (E1000_INT_RXQ0 | E1000_INT_OTHER)) == (E1000_INT_RXQ0 | E1000_INT_OTHER));
    card->ops->interrupts(card, false);
    assert_int_equal(regs[E1000_IMS / 4], 0);
}

/* Each is one line and gives back all that it took. */
static void test_cards_left_aside(void **state)
{
    (void)state;
    end(NULL);
    for (uint16_t device = 0x100e; device != 0; device = device == 0x100e ? 0x10d3 : 0) {
        fake_pci.device = device;
        fakes_begin();
        memset(regs, 0, sizeof regs);
        no_filter = true; /* the address from the EEPROM */
        e1000_init();
        assert_null(card);
        assert_non_null(strstr(left_aside, "it has no address"));
        assert_int_equal(restored, 1);
    }
    find(0x1234);
    assert_true(card == NULL && left_aside[0] == '\0');
    fake_pci = (struct pci_device){.vendor = 0x8086, .device = 0x100e};
    stuck = true;
    e1000_init();
    assert_non_null(strstr(left_aside, "does not answer to a reset"));
    stuck = false;
    no_registers = true;
    e1000_init();
    assert_non_null(strstr(left_aside, "registers cannot be reached"));
    no_registers = false;
    for (long i = 0; i < 2; i++) {
        fake_heap_limit = i;
        e1000_init();
        assert_non_null(strstr(left_aside, "no memory"));
        left_aside[0] = '\0';
    }
    fake_heap_limit = -1;
    assert_null(card);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start, begin, end),
        cmocka_unit_test_setup_teardown(test_ten_thousand_come_in, begin, end),
        cmocka_unit_test_setup_teardown(test_overflow, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged_and_long, begin, end),
        cmocka_unit_test_setup_teardown(test_lying_length, begin, end),
        cmocka_unit_test_setup_teardown(test_ten_thousand_go_out, begin, end),
        cmocka_unit_test_setup_teardown(test_ring_full, begin, end),
        cmocka_unit_test_setup_teardown(test_short_frame_is_filled_up, begin, end),
        cmocka_unit_test_setup_teardown(test_restart, begin, end),
        cmocka_unit_test_setup_teardown(test_gone, begin, end),
        cmocka_unit_test_setup_teardown(test_link_change, begin, end),
        cmocka_unit_test_setup_teardown(test_msix_of_82574, begin, end),
        cmocka_unit_test_setup_teardown(test_cards_left_aside, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
