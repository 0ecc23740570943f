/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The privileged domain, built from what the loader left. */
#pragma once

#include "boot/boot_info.h"
#include "kernel/domain/domain.h"

#define DOM0_SCRATCH_PAGES (1UL << 18) /* 1 GiB of gfns */
#define DOM0_TABLES_BYTES (32UL << 10) /* at the end of its RAM: start info, memory map, module list */

/* Domain 0: RAM and modules mapped 1:1, start info written, vCPU 0 at its entry, still paused. Panics when the hand-over cannot be right: boot only. */
void dom0_build(const struct boot_info *boot);
/* First gfn of the range that is free for foreign mappings and borrowed memory: no RAM is there. */
uint64_t dom0_scratch_gfn(void);
/* Writes the start info and what hangs on it to OUT (DOM0_TABLES_BYTES, zeroed), which the guest sees at BASE; pure. false: does not fit. */
bool dom0_write_tables(const struct boot_info *boot, void *out, uint64_t base);
