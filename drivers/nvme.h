/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] NVMe controllers (class 01:08:02) and their namespaces. */
#pragma once

/* After pci_init. Registers each namespace that can be used as "nvme0n1", … One log line per namespace, also for each
 * one left aside. */
void nvme_init(void);
