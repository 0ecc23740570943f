/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Several CPUs: today the boot CPU alone runs; the paths between CPUs are in place. */
#pragma once

#include "kernel/core/types.h"

/* Takes VECTOR_RESCHED. */
void smp_init(void);
/* Makes CPU look at need_resched soon: out of its guest, out of HLT. On this CPU it only sets the flag. */
void smp_kick(uint32_t cpu);
