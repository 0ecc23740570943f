/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] Dom0's PVH start info and first registers as the Xen ABI has them. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot_info.h"

#define START_INFO_BYTES (32UL << 10) /* at the end of Dom0's RAM: start info, memory map, module list */

/* Writes the start info and what hangs on it to `out` (START_INFO_BYTES), which Dom0 sees at `base`. False: it does not
 * fit. */
bool start_info_build(const struct boot_info *boot, void *out, uint64_t base);

/* The state that PVH starts in: 32-bit protected mode, flat, paging off. */
void start_info_entry(uint64_t entry, uint64_t start_info, struct cbl_vcpu_context *c);
