/* SPDX-License-Identifier: Apache-2.0
 * [HOST] How a device's interrupt is chosen and programmed: MSI-X before MSI before its line, each against a model of
 * the device's registers and of the hypervisor's answers; a line with several users. */
#define _GNU_SOURCE
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "dom0/kernel/boot.h"
#include "dom0/kernel/event.h"
#include "drivers/mmio.h"
#include "drivers/pci.h"
#include "drivers/pci_irq.h"

static uint8_t space[256]; /* of configuration; every device looks alike */
static uint32_t table[64]; /* of MSI-X, in BAR 1 at 0x40 */
static bool on_corbel, msi_refused, line_refused;
static unsigned acks, msi_binds;
static uint64_t msi_address;
static bool enabled_before_written;
static event_handler handlers[64];
static void *arguments[64];

bool boot_on_corbel(void) { return on_corbel; }
const char *errno_text(long err) { return err != 0 ? "refused" : "done"; }
void event_set_handler(uint32_t port, event_handler fn, void *arg)
{
    handlers[port] = fn;
    arguments[port] = arg;
}

long control(enum control_op op, void *arg)
{
    if (op == CTL_MSI_BIND) {
        *(struct cbl_msi_bind *)arg = (struct cbl_msi_bind){.port = 7, .data = 0x4033, .address = msi_address};
        msi_binds++;
        return msi_refused ? -28 : 0;
    }
    if (op == CTL_IRQ_BIND) {
        ((struct cbl_irq_bind *)arg)->port = ((struct cbl_irq_bind *)arg)->gsi;
        return line_refused ? -1 : 0;
    }
    acks += op == CTL_IRQ_ACK;
    return 0;
}

uint16_t pci_read16(const struct pci_device *d, uint8_t reg)
{
    (void)d;
    return (uint16_t)(space[reg] | space[reg + 1] << 8);
}
uint32_t pci_read32(const struct pci_device *d, uint8_t reg)
{
    return pci_read16(d, reg) | (uint32_t)pci_read16(d, (uint8_t)(reg + 2)) << 16;
}
void pci_write16(const struct pci_device *d, uint8_t reg, uint16_t v)
{
    (void)d;
    if (reg == 0x82 && (v & 0xc000) == 0x8000 && table[0x10] == 0)
        enabled_before_written = true;
    fake_put16(&space[reg], v);
}
void pci_write32(const struct pci_device *d, uint8_t reg, uint32_t v)
{
    (void)d;
    fake_put32(&space[reg], v);
}
volatile void *pci_map_bar(struct pci_device *d, uint32_t index, uint64_t bytes)
{
    return index == 1 && bytes <= d->bars[1].size ? table : NULL;
}
uint32_t mmio_read32(volatile void *base, uint32_t off) { return ((volatile uint32_t *)base)[off / 4]; }
void mmio_write32(volatile void *base, uint32_t off, uint32_t v) { ((volatile uint32_t *)base)[off / 4] = v; }

static unsigned calls;
static void handler(uint32_t port, void *arg)
{
    (void)port;
    calls += *(unsigned *)arg;
}

static int begin(void **state)
{
    (void)state;
    memset(space, 0, sizeof(space));
    memset(table, 0, sizeof(table));
    table[0x13] = 1; /* the entry's mask, as reset leaves it */
    fake_put16(&space[0x82], 3);     /* MSI-X: 4 entries */
    fake_put32(&space[0x84], 0x41);  /* BAR 1, 0x40 */
    fake_put16(&space[0xa2], 0x80);  /* MSI: 64 bits */
    on_corbel = true;
    msi_refused = line_refused = enabled_before_written = false;
    msi_address = 0xfee01000;
    acks = msi_binds = calls = 0;
    fake_notices[0] = '\0';
    return 0;
}

static struct pci_device device(uint8_t line)
{
    return (struct pci_device){.irq_pin = 1, .irq_line = line, .bars[1] = {.base = 0xfe000000, .size = 0x1000}};
}

static unsigned one = 1, ten = 10;

static void msix(void **state)
{
    struct pci_device d = device(10);

    (void)state;
    d.msix_cap = 0x80;
    d.msi_cap = 0xa0;
    assert_true(pci_irq_attach(&d, handler, &one));
    assert_int_equal(d.irq_kind, PCI_IRQ_MSIX);
    assert_int_equal(table[0x10], 0xfee01000);
    assert_int_equal(table[0x11], 0);
    assert_int_equal(table[0x12], 0x4033);
    assert_int_equal(table[0x13], 0);
    assert_int_equal(pci_read16(&d, 0x82), 0x8003);
    assert_int_equal(pci_read16(&d, 4) & 0x400, 0x400);
    assert_false(enabled_before_written);
    handlers[7](7, arguments[7]);
    pci_irq_done(&d);
    assert_int_equal(calls, 1);
    assert_int_equal(acks, 0);
}

/* A table that lies outside its BAR, or in one that cannot be mapped: the next best. */
static void msix_broken(void **state)
{
    struct pci_device d = device(10);

    (void)state;
    d.msix_cap = 0x80;
    d.msi_cap = 0xa0;
    fake_put32(&space[0x84], 0xff9);
    assert_true(pci_irq_attach(&d, handler, &one));
    assert_int_equal(d.irq_kind, PCI_IRQ_MSI);
    assert_int_equal(pci_read16(&d, 0x82), 3);
    assert_int_equal(pci_read32(&d, 0xa4), 0xfee01000);
    assert_int_equal(pci_read16(&d, 0xac), 0x4033);
    assert_int_equal(pci_read16(&d, 0xa2), 0x81);
    fake_put32(&space[0x84], 0x46);
    assert_true(pci_irq_attach(&d, handler, &one));
    assert_int_equal(d.irq_kind, PCI_IRQ_MSI);
    assert_int_equal(msi_binds, 2);
}

static void lines_are_shared(void **state)
{
    struct pci_device a = device(11), b = device(11);

    (void)state;
    msi_refused = true;
    a.msix_cap = 0x80;
    assert_true(pci_irq_attach(&a, handler, &one));
    assert_true(pci_irq_attach(&b, handler, &ten));
    assert_int_equal(a.irq_kind, PCI_IRQ_LINE);
    assert_int_equal(pci_read16(&a, 0x82), 3);
    handlers[11](11, arguments[11]);
    assert_int_equal(calls, 11);
    pci_irq_done(&a);
    assert_int_equal(acks, 0);
    pci_irq_done(&a);
    assert_int_equal(acks, 0);
    pci_irq_done(&b);
    assert_int_equal(acks, 1);
}

static void none(void **state)
{
    struct pci_device d = device(12), nowhere = device(0xff);

    (void)state;
    line_refused = true;
    assert_false(pci_irq_attach(&d, handler, &one));
    assert_int_equal(d.irq_kind, PCI_IRQ_NONE);
    assert_false(pci_irq_attach(&nowhere, handler, &one));
    on_corbel = false;
    d.msix_cap = 0x80;
    assert_false(pci_irq_attach(&d, handler, &one));
    assert_int_equal(msi_binds, 0);
    assert_non_null(strstr(fake_notices, "has no interrupt here: its driver polls"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(msix, begin),
        cmocka_unit_test_setup(msix_broken, begin),
        cmocka_unit_test_setup(lines_are_shared, begin),
        cmocka_unit_test_setup(none, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
