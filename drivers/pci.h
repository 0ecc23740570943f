/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] PCI enumeration and configuration space (mechanism #1). PCI Local Bus Specification 3.0, chapter 6. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pci_bar { uint64_t base; uint64_t size; bool io; bool prefetchable; };

struct pci_device {
    uint8_t bus, slot, function;
    uint16_t vendor, device;
    uint8_t class_code, subclass, prog_if, revision, header_type;
    uint8_t irq_line, irq_pin; /* line 0xff or pin 0: none */
    uint8_t msi_cap;           /* offset, 0: none */
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
/* IO, memory, and bus mastering only for devices in use. */
void pci_enable(const struct pci_device *d, bool bus_master);
/* The device's interrupt to FN (upcall context): MSI where it has it, else its Interrupt Line as GSI (level: call
 * pci_irq_done when served), else none: returns false after one log line, and the driver polls. */
bool pci_irq_attach(struct pci_device *d, void (*fn)(uint32_t port, void *arg), void *arg);
void pci_irq_done(struct pci_device *d);
