/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The IOMMUs, as far as root needs them today: off. */
#pragma once

/* Turns off DMA and interrupt remapping that the firmware left on (its tables are in memory that is ours now); logs it. */
void vtd_init(void);
