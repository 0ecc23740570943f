/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Offsets that enter.asm uses, generated from C: compiled to assembly, never linked. */
#include "vmx/vmx.h"

#define OFFSET(name, member) __asm__ volatile(".ascii \"->" #name " %0\"" : : "i"(offsetof(struct vmx_vcpu, member)))

void vmx_offsets(void);
void vmx_offsets(void)
{
    OFFSET(VCPU_RAX, gprs.rax);
    OFFSET(VCPU_RCX, gprs.rcx);
    OFFSET(VCPU_RDX, gprs.rdx);
    OFFSET(VCPU_RBX, gprs.rbx);
    OFFSET(VCPU_RBP, gprs.rbp);
    OFFSET(VCPU_RSI, gprs.rsi);
    OFFSET(VCPU_RDI, gprs.rdi);
    OFFSET(VCPU_R8, gprs.r8);
    OFFSET(VCPU_R9, gprs.r9);
    OFFSET(VCPU_R10, gprs.r10);
    OFFSET(VCPU_R11, gprs.r11);
    OFFSET(VCPU_R12, gprs.r12);
    OFFSET(VCPU_R13, gprs.r13);
    OFFSET(VCPU_R14, gprs.r14);
    OFFSET(VCPU_R15, gprs.r15);
    OFFSET(VCPU_HOST_RSP, host_rsp);
    OFFSET(VCPU_LAUNCHED, launched);
}
