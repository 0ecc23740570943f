/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] PCI enumeration and configuration space through mechanism #1 (PCI Local Bus Specification 3.0, section
 * 3.2.2.3.2 "Software Generation of Configuration Transactions"). Devices live as long as Dom0. */
#include "drivers/pci.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "drivers/io.h"

#define PCI_ADDRESS_PORT 0xcf8U
#define PCI_DATA_PORT    0xcfcU
#define PCI_ENABLE       0x80000000U

/* Configuration header, PCI Local Bus Specification 3.0, section 6.1. */
#define PCI_ID               0x00U
#define PCI_COMMAND          0x04U
#define PCI_STATUS           0x06U
#define PCI_CLASS_REVISION   0x08U
#define PCI_HEADER_TYPE      0x0eU
#define PCI_BAR0             0x10U
#define PCI_SECONDARY_BUS    0x19U
#define PCI_CAPABILITIES     0x34U
#define PCI_INTERRUPT_LINE   0x3cU
#define PCI_INTERRUPT_PIN    0x3dU
#define PCI_COMMAND_IO       0x0001U
#define PCI_COMMAND_MEMORY   0x0002U
#define PCI_COMMAND_MASTER   0x0004U
#define PCI_STATUS_CAP_LIST  0x0010U
#define PCI_HEADER_MULTI     0x80U
#define PCI_CAP_ID_MSI       0x05U
#define PCI_CAP_ID_MSIX      0x11U
#define PCI_CLASS_BRIDGE     0x06U
#define PCI_SUBCLASS_PCI     0x04U

#define PCI_BUSES     256U
#define PCI_SLOTS     32U
#define PCI_FUNCTIONS 8U
#define PCI_CAPS_MAX  48U /* (256 - 64) / 4: more would be a loop */

struct pci_scan { /* buses found and not yet scanned; each at most once, so that bridges that loop do no harm */
    uint8_t queue[PCI_BUSES];
    uint32_t head, tail;
    bool seen[PCI_BUSES];
};

static struct pci_device *first;
static struct pci_device **last = &first;

static void pci_select(const struct pci_device *d, uint8_t reg)
{
    io_out32(PCI_ADDRESS_PORT, PCI_ENABLE | ((uint32_t)d->bus << 16) | ((uint32_t)d->slot << 11) |
                                   ((uint32_t)d->function << 8) | (reg & 0xfcU));
}

uint32_t pci_read32(const struct pci_device *d, uint8_t reg)
{
    pci_select(d, reg);
    return io_in32(PCI_DATA_PORT);
}

uint16_t pci_read16(const struct pci_device *d, uint8_t reg)
{
    pci_select(d, reg);
    return io_in16((uint16_t)(PCI_DATA_PORT + (reg & 2U)));
}

uint8_t pci_read8(const struct pci_device *d, uint8_t reg)
{
    pci_select(d, reg);
    return io_in8((uint16_t)(PCI_DATA_PORT + (reg & 3U)));
}

void pci_write32(const struct pci_device *d, uint8_t reg, uint32_t v)
{
    pci_select(d, reg);
    io_out32(PCI_DATA_PORT, v);
}

void pci_write16(const struct pci_device *d, uint8_t reg, uint16_t v)
{
    pci_select(d, reg);
    io_out16((uint16_t)(PCI_DATA_PORT + (reg & 2U)), v);
}

uint16_t pci_enable(const struct pci_device *d, bool bus_master)
{
    uint16_t want = (uint16_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | (bus_master ? PCI_COMMAND_MASTER : 0U));
    uint16_t command = pci_read16(d, PCI_COMMAND);

    if ((command & want) != want)
        pci_write16(d, PCI_COMMAND, (uint16_t)(command | want));
    return command;
}

void pci_restore(const struct pci_device *d, uint16_t command) { pci_write16(d, PCI_COMMAND, command); }

bool pci_gone(const struct pci_device *d) { return pci_read16(d, PCI_ID) == 0xffffU; }

void pci_master(const struct pci_device *d, bool on)
{
    uint32_t command = pci_read16(d, PCI_COMMAND) & ~PCI_COMMAND_MASTER;

    pci_write16(d, PCI_COMMAND, (uint16_t)(command | (on ? PCI_COMMAND_MASTER : 0U)));
}

/* What the bits that take a 1 say about the size. PCI Local Bus Specification 3.0, section 6.2.5.1 "Address Maps". */
static uint32_t pci_bar_probe(const struct pci_device *d, uint8_t reg)
{
    uint32_t saved = pci_read32(d, reg);

    pci_write32(d, reg, 0xffffffffU);
    uint32_t mask = pci_read32(d, reg);
    pci_write32(d, reg, saved);
    return mask;
}

static void pci_bar_io(struct pci_bar *bar, uint32_t value, uint32_t mask)
{
    uint32_t bits = mask & ~3U;

    if (bits == 0)
        return;
    bar->io = true;
    bar->base = value & ~3U;
    bar->size = bits >> 16 == 0 ? (~bits + 1U) & 0xffffU : ~bits + 1U; /* the upper half may be wired to 0 */
}

/* Returns how many registers the memory BAR takes: 1 or 2. */
static uint32_t pci_bar_memory(const struct pci_device *d, struct pci_bar *bar, uint8_t reg, bool more, uint32_t value)
{
    bool wide = ((value >> 1) & 3U) == 2 && more;
    uint64_t bits = pci_bar_probe(d, reg) & ~0xfU;
    uint64_t base = value & ~0xfU;

    if (wide) {
        base |= (uint64_t)pci_read32(d, (uint8_t)(reg + 4U)) << 32;
        bits |= (uint64_t)pci_bar_probe(d, (uint8_t)(reg + 4U)) << 32;
    } else if (bits != 0) {
        bits |= 0xffffffff00000000UL;
    }
    if (bits != 0) {
        bar->base = base;
        bar->size = ~bits + 1U;
        bar->prefetchable = (value & 8U) != 0;
    }
    return wide ? 2 : 1;
}

/* Decoding is off meanwhile, so that no address in passing claims a cycle. Bridges keep theirs: no driver of ours
 * needs a bridge's registers, and the way to memory runs through the host bridge. */
static void pci_size_bars(struct pci_device *d)
{
    if ((d->header_type & 0x7fU) != 0 || d->class_code == PCI_CLASS_BRIDGE)
        return;
    uint16_t command = pci_read16(d, PCI_COMMAND);
    pci_write16(d, PCI_COMMAND, (uint16_t)(command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY)));
    for (uint32_t i = 0; i < 6;) {
        uint8_t reg = (uint8_t)(PCI_BAR0 + 4U * i);
        uint32_t value = pci_read32(d, reg);
        uint32_t used = 1;
        if ((value & 1U) != 0)
            pci_bar_io(&d->bars[i], value, pci_bar_probe(d, reg));
        else
            used = pci_bar_memory(d, &d->bars[i], reg, i < 5, value);
        i += used;
    }
    pci_write16(d, PCI_COMMAND, command);
}

uint8_t pci_find_cap(const struct pci_device *d, uint8_t id, uint8_t after)
{
    bool reached = after == 0;

    if ((pci_read16(d, PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0 || (d->header_type & 0x7fU) > 1)
        return 0;
    uint8_t at = pci_read8(d, PCI_CAPABILITIES) & 0xfcU;
    for (uint32_t i = 0; i < PCI_CAPS_MAX && at >= 0x40; i++) {
        uint16_t head = pci_read16(d, at);
        if (reached && (head & 0xffU) == id)
            return at;
        reached = reached || at == after;
        at = (uint8_t)(head >> 8) & 0xfcU;
    }
    return 0;
}

static void pci_queue_bus(struct pci_scan *scan, uint8_t bus)
{
    if (scan->seen[bus])
        return;
    scan->seen[bus] = true;
    scan->queue[scan->tail++] = bus;
}

/* Adds the function at BUS, SLOT, FUNCTION, where PROBE says that something answers. */
static void pci_add(struct pci_scan *scan, const struct pci_device *probe, uint32_t id)
{
    struct pci_device *d = heap_alloc(sizeof(*d));

    if (d == NULL) {
        console_notice("pci: no memory for device %02x:%02x.%x: it stays unused", probe->bus, probe->slot,
                       probe->function);
        return;
    }
    *d = *probe;
    uint32_t class_revision = pci_read32(d, PCI_CLASS_REVISION);
    d->vendor = (uint16_t)(id & 0xffffU);
    d->device = (uint16_t)(id >> 16);
    d->class_code = (uint8_t)(class_revision >> 24);
    d->subclass = (uint8_t)((class_revision >> 16) & 0xffU);
    d->prog_if = (uint8_t)((class_revision >> 8) & 0xffU);
    d->revision = (uint8_t)(class_revision & 0xffU);
    d->header_type = pci_read8(d, PCI_HEADER_TYPE);
    d->irq_line = pci_read8(d, PCI_INTERRUPT_LINE);
    d->irq_pin = pci_read8(d, PCI_INTERRUPT_PIN);
    d->msi_cap = pci_find_cap(d, PCI_CAP_ID_MSI, 0);
    d->msix_cap = pci_find_cap(d, PCI_CAP_ID_MSIX, 0);
    pci_size_bars(d);
    if (d->class_code == PCI_CLASS_BRIDGE && d->subclass == PCI_SUBCLASS_PCI && (d->header_type & 0x7fU) == 1)
        pci_queue_bus(scan, pci_read8(d, PCI_SECONDARY_BUS));
    *last = d;
    last = &d->next;
}

static void pci_scan_slot(struct pci_scan *scan, uint8_t bus, uint8_t slot)
{
    struct pci_device probe = {.bus = bus, .slot = slot};
    uint32_t functions = 1;

    for (uint32_t f = 0; f < functions; f++) {
        probe.function = (uint8_t)f;
        uint32_t id = pci_read32(&probe, PCI_ID);
        if ((id & 0xffffU) == 0xffffU || id == 0) {
            if (f == 0)
                return;
            continue;
        }
        if (f == 0 && (pci_read8(&probe, PCI_HEADER_TYPE) & PCI_HEADER_MULTI) != 0)
            functions = PCI_FUNCTIONS;
        pci_add(scan, &probe, id);
    }
}

static bool pci_present(void)
{
    io_out32(PCI_ADDRESS_PORT, PCI_ENABLE);
    return io_in32(PCI_ADDRESS_PORT) == PCI_ENABLE;
}

void pci_init(void)
{
    if (!pci_present()) {
        console_notice("pci: no configuration mechanism #1: no PCI devices");
        return;
    }
    struct pci_scan *scan = heap_alloc(sizeof(*scan));
    if (scan == NULL) {
        console_notice("pci: no memory for the scan: no PCI devices");
        return;
    }
    pci_queue_bus(scan, 0);
    while (scan->head < scan->tail) {
        uint8_t bus = scan->queue[scan->head++];
        for (uint8_t slot = 0; slot < PCI_SLOTS; slot++)
            pci_scan_slot(scan, bus, slot);
    }
    heap_free(scan);
}

struct pci_device *pci_first(void) { return first; }
