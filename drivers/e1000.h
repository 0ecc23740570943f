/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Intel's gigabit cards 82540EM ("e1000") and 82574L ("e1000e"). */
#pragma once

/* Drives each one that PCI has found. May sleep. */
void e1000_init(void);
