/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A vCPU's local APIC, in x2APIC mode for life. Registers lie in the virtual-APIC page where the CPU's own APIC
 * virtualization expects them; without that the functions here do the same in software. Pure but for the vCPU. SDM vol
 * 3, "Extended XAPIC (x2APIC)". */
#pragma once

#include "vmx/vmx.h"

/* Register numbers: MSR 0x800 + n; the page has them at n << 4. */
enum vlapic_reg {
    VLAPIC_ID = 0x02, VLAPIC_VERSION = 0x03, VLAPIC_TPR = 0x08, VLAPIC_PPR = 0x0a, VLAPIC_EOI = 0x0b, VLAPIC_LDR = 0x0d, VLAPIC_SVR = 0x0f,
    VLAPIC_ISR = 0x10, VLAPIC_TMR = 0x18, VLAPIC_IRR = 0x20, VLAPIC_ESR = 0x28, VLAPIC_ICR = 0x30, VLAPIC_LVT_TIMER = 0x32,
    VLAPIC_LVT_LAST = 0x37, VLAPIC_INITIAL_COUNT = 0x38, VLAPIC_CURRENT_COUNT = 0x39, VLAPIC_DIVIDE = 0x3e,
    VLAPIC_SELF_IPI = 0x3f
};

#define VLAPIC_SVR_ENABLE 0x100U
/* The registers that can be read, bit N for number N: ID VERSION TPR PPR LDR SVR, ISR TMR IRR ESR, ICR, LVTs, timer. */
#define VLAPIC_READABLE 0x43fd01ffffffa50cUL
/* A periodic timer faster than this would only serve to keep the host busy. */
#define VLAPIC_MIN_PERIOD_TICKS 20000UL

enum vlapic_result { VLAPIC_DONE, VLAPIC_GP, VLAPIC_SEND, VLAPIC_TIMER }; /* SEND: an ICR to carry out; TIMER: look at timer_due */

/* State after reset or INIT; ID and mode stay. */
void vlapic_reset(struct vmx_vcpu *v);
/* false: no such readable register. NOW is the host's TSC. */
bool vlapic_read(const struct vmx_vcpu *v, uint32_t reg, uint64_t now, uint64_t *value);
enum vlapic_result vlapic_write(struct vmx_vcpu *v, uint32_t reg, uint64_t value, uint64_t now);
/* MSR IA32_TSC_DEADLINE. Reads 0 outside that mode. */
uint64_t vlapic_tsc_deadline_read(const struct vmx_vcpu *v);
void vlapic_tsc_deadline_write(struct vmx_vcpu *v, uint64_t value);
/* Does the timer run without anybody to notice (periodic, masked)? Then it needs no deadline: the count is computed when it is read. */
bool vlapic_timer_silent(const struct vmx_vcpu *v);
/* The timer came due: raises its vector unless masked, restarts a periodic one. */
void vlapic_timer_fired(struct vmx_vcpu *v, uint64_t now);

/* Highest vector in IRR, in ISR; negative: none. */
int vlapic_highest_irr(const struct vmx_vcpu *v);
int vlapic_highest_isr(const struct vmx_vcpu *v);
uint32_t vlapic_ppr(const struct vmx_vcpu *v);
/* The vector that may be delivered by priority; negative: none. */
int vlapic_deliverable(const struct vmx_vcpu *v);
/* It is being delivered: IRR -> ISR. */
void vlapic_accept(struct vmx_vcpu *v, uint8_t vector);
/* Delivery was cut off and is to be decided anew: ISR -> IRR. */
void vlapic_take_back(struct vmx_vcpu *v, uint8_t vector);
/* Is V addressed by DEST (0xffffffff: all)? */
bool vlapic_is_addressed(const struct vmx_vcpu *v, uint32_t dest, bool logical);
