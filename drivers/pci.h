/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] PCI enumeration and configuration space (mechanism #1). PCI Local Bus Specification 3.0, chapter 6. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pci_bar {
    uint64_t base, size;
    bool io, prefetchable;
    volatile void *mapped; /* by pci_map_bar */
};

enum pci_irq_kind { PCI_IRQ_NONE = 0, PCI_IRQ_LINE = 1, PCI_IRQ_MSI = 2, PCI_IRQ_MSIX = 3 };

struct pci_device {
    uint8_t bus, slot, function;
    uint16_t vendor, device;
    uint8_t class_code, subclass, prog_if, revision, header_type;
    uint8_t irq_line, irq_pin; /* line 0xff or pin 0: none */
    uint8_t msi_cap, msix_cap; /* offsets, 0: none */
    enum pci_irq_kind irq_kind; /* after pci_irq_attach */
    struct pci_bar bars[6];
    struct pci_device *next;
};

void pci_init(void); /* finds every device behind every bridge; bounded */
struct pci_device *pci_first(void);
uint32_t pci_read32(const struct pci_device *d, uint8_t reg);
uint16_t pci_read16(const struct pci_device *d, uint8_t reg);
uint8_t pci_read8(const struct pci_device *d, uint8_t reg);
void pci_write32(const struct pci_device *d, uint8_t reg, uint32_t v);
void pci_write16(const struct pci_device *d, uint8_t reg, uint16_t v);
/* The first capability ID after offset AFTER (0: from the start); 0: none. */
uint8_t pci_find_cap(const struct pci_device *d, uint8_t id, uint8_t after);
/* IO, memory, and bus mastering only for devices in use. Returns the command register as it was, for pci_restore. */
uint16_t pci_enable(const struct pci_device *d, bool bus_master);
/* For a device that turned out unusable: it masters the bus no more, unless it did before. */
void pci_restore(const struct pci_device *d, uint16_t command);
/* Nothing answers at D's place any more: pulled out. */
bool pci_gone(const struct pci_device *d);
void pci_master(const struct pci_device *d, bool on);
/* The registers behind memory BAR INDEX, all of them up to 1 MiB, of which at least BYTES must be there. Decoding must
 * be on (pci_enable). NULL: an I/O BAR, one that the firmware gave no address, too small, or refused by the
 * hypervisor. Mapped for good. */
volatile void *pci_map_bar(struct pci_device *d, uint32_t index, uint64_t bytes);
/* The device's interrupt to FN (upcall context): MSI-X (its first message, for all) or MSI where it has them, else
 * its Interrupt Line as GSI (level: call pci_irq_done when served), else none: returns false after one log line, and
 * the driver polls. d->irq_kind says which. */
bool pci_irq_attach(struct pci_device *d, void (*fn)(uint32_t port, void *arg), void *arg);
void pci_irq_done(struct pci_device *d);
