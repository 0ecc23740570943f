/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The one place that moves guest state which no VMCS field holds, and that knows which vCPU is loaded on a CPU. */
#pragma once

#include "vmx/vmx.h"

/* The vCPU whose VMCS is current and whose state is in this CPU's registers, or NULL. */
struct vmx_vcpu *switch_loaded(void);
/* Registers -> V, and V -> registers. Precondition: V is loaded (or becomes so). */
void switch_save(struct vmx_vcpu *v);
void switch_restore(const struct vmx_vcpu *v);
/* CR0, CR3, CR4 or EFER of V were replaced from outside: what this CPU cached under its VPID is gone. (Another CPU invalidates when V moves to it.) */
void switch_forget_translations(const struct vmx_vcpu *v);
/* The state of a CPU after INIT or at creation: x87 and SSE initial, all else zero. */
void switch_reset(struct vmx_vcpu *v);
/* V's XCR0 on this CPU. Precondition: loaded; VALUE was checked. */
void switch_set_xcr0(struct vmx_vcpu *v, uint64_t value);
