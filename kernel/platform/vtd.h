/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The IOMMUs, as far as root needs them today: off. */
#pragma once

/* The loader turned them off already. */
static inline void vtd_init(void) {}
