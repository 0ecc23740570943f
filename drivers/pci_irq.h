/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Interrupt lines that are not a PCI device's own: the two of legacy IDE, and what shares them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The edge-triggered ISA line GSI to FN (upcall context). false: no interrupts here; the driver polls. */
bool pci_gsi_attach(uint32_t gsi, void (*fn)(uint32_t port, void *arg), void *arg);
