/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Entry stubs of traps.asm and what they call. */
#pragma once

#include "dom0/kernel/cpu.h"

#define TRAPS_UPCALL_VECTOR 0xf3U

/* traps.asm */
extern const uint64_t traps_exception_stubs[32];
void traps_upcall_stub(void);

/* Called by the stubs. An exception in Dom0 is always its end. */
_Noreturn void traps_exception(const struct cpu_frame *f);
void traps_upcall(void);
