/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The pages that the hypervisor shares with Dom0's kernel. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct shared_info;
struct vcpu_info;

/* Maps shared_info, registers vcpu_info and the callback vector. Nothing is bound yet. Only under the hypervisor. */
void event_init(void);
/* NULL without a hypervisor. */
const volatile struct shared_info *event_shared_info(void);
const volatile struct vcpu_info *event_vcpu_info(void);
/* Calls the handlers of what is pending. Interrupts off. */
void event_upcall(void);
