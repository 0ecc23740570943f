/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] NE2000-compatible cards on PCI: Realtek's RTL8029 ("ne2k"). */
#pragma once

/* Drives each one that PCI has found. May sleep. */
void ne2k_init(void);
