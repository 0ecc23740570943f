/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Virtio disks on PCI, modern interface. */
#pragma once

/* After pci_init. Registers each as "vd0", "vd1", … One log line per disk and per device left aside. */
void virtio_blk_init(void);
