/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The guest-visible clock and time accounts: vcpu_time_info, wall clock, runstate areas. */
#pragma once

#include "kernel/domain/vcpu.h"

/* Factors and base of V's clock into its vcpu_info and its registered time area. */
void pvclock_write_vcpu(struct vcpu *v);
/* UTC at system time 0 into shared_info. */
void pvclock_write_wallclock(struct domain *d);
/* Writes V's runstate to the registered area, if there is one. Called when V starts and stops running; precondition: no lock of V's domain held. */
void pvclock_write_runstate(struct vcpu *v);
