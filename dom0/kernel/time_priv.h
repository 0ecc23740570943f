/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The one-shot timer behind the scheduler. */
#pragma once

#include <stdint.h>

/* After event_init: clock, timer and accounting of stolen time; without a hypervisor the TSC against the PIT. */
void time_init(void);
/* The timer event comes at DEADLINE_NS, at once if that has passed; ~0: leave it as it is. Replaces what was set. */
void time_timer_set(uint64_t deadline_ns);
/* Interrupts off: waits for any interrupt, at the latest until DEADLINE_NS. May return early. */
void time_wait_until(uint64_t deadline_ns);
/* How long the hypervisor did not run this vCPU although it wanted to run, or let it wait; grows. 0 where unknown. */
uint64_t time_stolen_ns(void);
