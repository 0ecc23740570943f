/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Offsets that enter.asm uses, generated from C: compiled to assembly, never linked. */
#include "vmx/vmx.h"

#define OFFSET(name, member) __asm__ volatile(".ascii \"->" #name " %0\"" : : "i"(offsetof(struct vmx_vcpu, member)))
#define OFFSET_GPR(name) OFFSET(VCPU_##name, gprs.name);

void vmx_offsets(void);
void vmx_offsets(void)
{
    VMX_GPRS(OFFSET_GPR)
    OFFSET(VCPU_HOST_RSP, host_rsp);
}
