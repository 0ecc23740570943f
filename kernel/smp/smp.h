/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Several CPUs: starting them, kicks between them, standing still. */
#pragma once

#include "kernel/core/types.h"

/* Takes VECTOR_RESCHED, then starts the CPUs that the loader found, one after the other; each runs MAIN and never comes back. One that does
 * not come, or whose TSC is out of step, is left aside with a warning. Precondition: all that a CPU needs to run guests is set up. */
void smp_init(void (*main)(void));
/* Makes CPU look at need_resched soon: out of its guest, out of HLT. On this CPU it only sets the flag. */
void smp_kick(uint32_t cpu);
/* All other CPUs stand still, at a place where they hold no lock and no guest runs, until smp_release_others. The caller holds no lock. */
void smp_stop_others(void);
void smp_release_others(void);
/* Where they do: from the run loop, and from loops that wait for another CPU with no lock held. */
void smp_park_point(void);
