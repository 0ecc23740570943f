/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] SATA disks behind AHCI controllers (class 01:06:01). */
#pragma once

/* After pci_init. Finds the disks and registers each as "sd0", "sd1", … One log line per disk, one per device left
 * aside; none for an empty port. */
void ahci_init(void);
