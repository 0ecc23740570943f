/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] IDE disks: PCI IDE controllers (class 01:01) in compatibility or native mode, else the two legacy channels. */
#pragma once

/* After pci_init. Finds the disks and registers each as "hd0", "hd1", … One log line per disk, one per device left
 * aside. */
void ata_init(void);
