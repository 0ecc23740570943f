/* SPDX-License-Identifier: Apache-2.0
 * [HOST] PCI enumeration against a model of configuration space: functions, bridges that loop, sizes of BARs,
 * capabilities. */
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/io.h"
#include "drivers/pci.h"

struct model {
    bool present;
    uint8_t bytes[256];
    uint32_t writable[6]; /* of each BAR */
    bool decoded_while_sizing;
};

static struct model models[4][32][8]; /* bus, slot, function */
static uint32_t address;
static bool no_mechanism;

static struct model *selected(void)
{
    uint32_t bus = (address >> 16) & 0xff;
    struct model *m = bus < 4 ? &models[bus][(address >> 11) & 31][(address >> 8) & 7] : NULL;

    return m != NULL && m->present && (address >> 31) != 0 ? m : NULL;
}

static uint32_t model_read(uint16_t port, unsigned bytes)
{
    uint32_t v = 0;

    if (port >= 0xcf8 && port < 0xcfc)
        return no_mechanism ? 0xffffffff : address;
    struct model *m = selected();
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint32_t)(m != NULL ? m->bytes[(address & 0xfc) + (port & 3) + i] : 0xff) << (8 * i);
    return v;
}

static void model_write(uint16_t port, unsigned bytes, uint32_t v)
{
    if (port == 0xcf8 && bytes == 4) {
        address = v;
        return;
    }
    struct model *m = selected();
    assert_non_null(m);
    uint32_t reg = (address & 0xfc) + (port & 3);
    if (reg >= 0x10 && reg < 0x28 && (m->bytes[0x0e] & 0x7f) == 0) {
        unsigned bar = (reg - 0x10) / 4;
        uint32_t old = m->bytes[0x10 + 4 * bar] & ~m->writable[bar] & 0xff;
        assert_int_equal(bytes, 4);
        if (v == 0xffffffff && (m->bytes[4] & 3) != 0)
            m->decoded_while_sizing = true;
        fake_put32(&m->bytes[reg], (v & m->writable[bar]) | old);
        return;
    }
    for (unsigned i = 0; i < bytes; i++)
        m->bytes[reg + i] = (uint8_t)(v >> (8 * i));
}

uint8_t io_in8(uint16_t port) { return (uint8_t)model_read(port, 1); }
uint16_t io_in16(uint16_t port) { return (uint16_t)model_read(port, 2); }
uint32_t io_in32(uint16_t port) { return model_read(port, 4); }
void io_out8(uint16_t port, uint8_t v) { model_write(port, 1, v); }
void io_out16(uint16_t port, uint16_t v) { model_write(port, 2, v); }
void io_out32(uint16_t port, uint32_t v) { model_write(port, 4, v); }

static struct model *make(unsigned bus, unsigned slot, unsigned function, uint16_t vendor, uint32_t class,
                          uint8_t header)
{
    struct model *m = &models[bus][slot][function];

    m->present = true;
    fake_put16(m->bytes, vendor);
    fake_put16(m->bytes + 2, 0x1234);
    fake_put32(m->bytes + 8, class << 8 | 7);
    fake_put16(m->bytes + 4, 0x0003);
    m->bytes[0x0e] = header;
    return m;
}

static void bar(struct model *m, unsigned i, uint32_t value, uint32_t writable)
{
    fake_put32(m->bytes + 0x10 + 4 * i, value);
    m->writable[i] = writable;
}

static struct pci_device *find(unsigned bus, unsigned slot, unsigned function)
{
    for (struct pci_device *d = pci_first(); d != NULL; d = d->next)
        if (d->bus == bus && d->slot == slot && d->function == function)
            return d;
    return NULL;
}

static void test_absent(void **state)
{
    (void)state;
    no_mechanism = true;
    pci_init();
    assert_null(pci_first());
    assert_non_null(strstr(fake_notices, "no PCI devices"));
    no_mechanism = false;
}

static void test_scan(void **state)
{
    (void)state;
    make(0, 0, 0, 0x8086, 0x060000, 0);
    make(0, 1, 0, 0x8086, 0x060100, 0x80);
    struct model *ide = make(0, 1, 1, 0x8086, 0x010180, 0);
    bar(ide, 4, 0xc001, 0xfff0);
    ide->bytes[0x3c] = 14;
    ide->bytes[0x3d] = 1;
    make(0, 2, 3, 0x1111, 0x030000, 0); /* no function 0: not there */
    struct model *net = make(0, 3, 0, 0x10ec, 0x020000, 0);
    bar(net, 0, 0xfe000000, 0xfffe0000);         /* 128 KiB */
    bar(net, 1, 0xfd00000cU, 0xfff00000);        /* 64 bits, prefetchable, 1 MiB */
    bar(net, 2, 0x1, 0xffffffff);
    bar(net, 3, 0xd001, 0xffffffe0);             /* 32 ports, upper half writable */
    net->bytes[6] = 0x10;
    net->bytes[0x34] = 0x40;
    net->bytes[0x40] = 0x01;
    net->bytes[0x41] = 0x50;
    net->bytes[0x50] = 0x05;
    net->bytes[0x51] = 0x40; /* a loop */
    struct model *odd = make(0, 4, 0, 0x10ec, 0x020000, 0);
    odd->bytes[6] = 0x10;
    odd->bytes[0x34] = 0x40;
    odd->bytes[0x40] = 0x11;
    odd->bytes[0x41] = 0x40;
    bar(odd, 5, 0xfc000004, 0xffff0000); /* says 64 bits, but is the last register */
    struct model *bridge = make(0, 5, 0, 0x1b36, 0x060400, 0x01);
    bridge->bytes[0x19] = 1;
    struct model *back = make(1, 0, 0, 0x1b36, 0x060400, 0x01);
    back->bytes[0x19] = 0; /* leads back */
    make(1, 7, 0, 0x1af4, 0x010000, 0);
    pci_init();

    unsigned n = 0;
    for (struct pci_device *d = pci_first(); d != NULL; d = d->next)
        n++;
    assert_int_equal(n, 8);
    struct pci_device *d = find(0, 1, 1);
    assert_non_null(d);
    assert_int_equal(d->class_code << 16 | d->subclass << 8 | d->prog_if, 0x010180);
    assert_int_equal(d->revision, 7);
    assert_int_equal(d->irq_line, 14);
    assert_true(d->bars[4].io);
    assert_int_equal(d->bars[4].base, 0xc000);
    assert_int_equal(d->bars[4].size, 16);
    assert_int_equal(d->bars[0].size, 0);
    d = find(0, 3, 0);
    assert_int_equal(d->bars[0].base, 0xfe000000);
    assert_int_equal(d->bars[0].size, 0x20000);
    assert_int_equal(d->bars[1].base, 0x1fd000000UL - 0); /* the upper register holds 1 */
    assert_int_equal(d->bars[1].size, 0x100000);
    assert_true(d->bars[1].prefetchable);
    assert_int_equal(d->bars[2].size, 0);
    assert_int_equal(d->bars[3].size, 32);
    assert_int_equal(d->msi_cap, 0x50);
    assert_false(net->decoded_while_sizing);
    assert_int_equal(net->bytes[4], 3);
    assert_int_equal(net->bytes[0x13], 0xfe); /* as before */
    d = find(0, 4, 0);
    assert_int_equal(d->msi_cap, 0);
    assert_int_equal(d->bars[5].size, 0x10000);
    assert_non_null(find(1, 7, 0));
    assert_null(find(0, 2, 3));
}

static void test_access(void **state)
{
    (void)state;
    struct pci_device *d = find(0, 1, 1);
    models[0][1][1].bytes[4] = 0;
    pci_enable(d, false);
    assert_int_equal(pci_read16(d, 4), 3);
    pci_enable(d, true);
    assert_int_equal(pci_read16(d, 4), 7);
    pci_write16(d, 0x42, 0xbeef);
    assert_int_equal(pci_read32(d, 0x40), 0xbeef0000);
    assert_int_equal(pci_read8(d, 0x43), 0xbe);
    pci_write32(d, 0x48, 0x12345678);
    assert_int_equal(pci_read16(d, 0x4a), 0x1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_absent), cmocka_unit_test(test_scan),
                                       cmocka_unit_test(test_access)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
