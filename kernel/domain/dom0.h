/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The privileged domain, built from what the loader left. */
#pragma once

#include "kernel/domain/domain.h"
#include "kernel/platform/machine.h"

#define DOM0_SCRATCH_PAGES BOOT_SCRATCH_PAGES

/* Domain 0: RAM and modules mapped 1:1, vCPU 0 at its entry, still paused. Panics when the hand-over cannot be right: boot only. */
void dom0_build(const struct boot_info *boot);
/* First gfn of the range that is free for foreign mappings and borrowed memory: no RAM is there. */
static inline uint64_t dom0_scratch_gfn(void) { return boot_info.dom0_scratch; }
