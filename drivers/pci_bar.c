/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Registers in memory BARs, where the firmware placed them: Dom0 moves none. */
#include "dom0/kernel/hypercall.h"
#include "drivers/pci.h"

#define PCI_MAP_MOST 0x100000UL /* no device of ours has registers behind that */

volatile void *pci_map_bar(struct pci_device *d, uint32_t index, uint64_t bytes)
{
    if (index >= 6)
        return NULL;
    struct pci_bar *bar = &d->bars[index];
    if (bar->io || bar->base == 0 || bar->size < bytes || bytes > PCI_MAP_MOST || bar->base + bar->size < bar->base)
        return NULL;
    if (bar->mapped == NULL)
        bar->mapped = mmio_map(bar->base, bar->size < PCI_MAP_MOST ? bar->size : PCI_MAP_MOST);
    return bar->mapped;
}
