/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What event the next entry delivers. Order: an event whose delivery was cut off or that an exit ordered; NMI;
 * the callback vector; the local APIC. What must wait opens its window. SDM vol 3, "Event Injection". */
#include "kernel/cpu/x86.h"
#include "vmx/vlapic.h"
#include "vmx/vmcs.h"

#define NMI_VECTOR 2U

bool vmx_if_set(struct vmx_vcpu *v) { (void)v; return (vmreadn(VMCS_GUEST_RFLAGS) & RFLAGS_IF) != 0; }

bool vmx_interruptible(struct vmx_vcpu *v)
{
    return vmx_if_set(v) && (vmread32(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCK_STI | BLOCK_MOV_SS)) == 0;
}

bool vmx_nmi_deliverable(struct vmx_vcpu *v)
{
    return v->nmi_pending && (vmread32(VMCS_GUEST_INTERRUPTIBILITY) & BLOCK_NMI) == 0;
}

static bool pushes_error_code(uint8_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

void vmx_inject_exception(struct vmx_vcpu *v, uint8_t vector, uint32_t error)
{
    v->reinject_info = INTR_VALID | INTR_TYPE_EXCEPTION << 8 | vector;
    /* In real mode no exception pushes one, and entry checks that (SDM, "VM-Entry Control Fields"). */
    if (pushes_error_code(vector) && (vmreadn(VMCS_GUEST_CR0) & CR0_PE) != 0)
        v->reinject_info |= INTR_ERROR_CODE;
    v->reinject_error = error;
    v->reinject_valid = true;
}

/* The event in line. Its delivery ends any shadow, which entry would otherwise check against it and against a pending
 * single step. */
static void inject_ordered(struct vmx_vcpu *v, uint32_t *blocked)
{
    uint32_t type = INTR_TYPE(v->reinject_info);
    uint32_t now = *blocked & ~(BLOCK_STI | BLOCK_MOV_SS | (type == INTR_TYPE_NMI ? BLOCK_NMI : 0));
    if (now != *blocked) {
        vmwrite32_hot(v, VMCS_GUEST_INTERRUPTIBILITY, now);
        *blocked = now;
    }
    if ((v->reinject_info & INTR_ERROR_CODE) != 0)
        vmwrite32_hot(v, VMCS_ENTRY_ERROR_CODE, v->reinject_error);
    if (type == INTR_TYPE_SOFT_INTERRUPT || type == INTR_TYPE_PRIV_EXCEPTION || type == INTR_TYPE_SOFT_EXCEPTION)
        vmwrite32_hot(v, VMCS_ENTRY_INSTR_LEN, v->reinject_len);
    vmwrite32_hot(v, VMCS_ENTRY_INTR_INFO, v->reinject_info);
    v->reinject_valid = false;
}

/* The CPU takes it from here: RVI names the highest request. */
static void hand_to_cpu(struct vmx_vcpu *v)
{
    if (!__atomic_exchange_n(&v->irr_dirty, false, __ATOMIC_ACQUIRE))
        return;
    int vector = vlapic_highest_irr(v);
    uint16_t status = vmread16(VMCS_GUEST_INTR_STATUS);
    if (vector > (status & 0xff))
        vmcs_raw_write(VMCS_GUEST_INTR_STATUS, (uint16_t)((status & 0xff00) | vector));
}

/* Software APIC: which vector is next, and from what TPR on the CPU shall tell us that the guest lowered it (MOV to
 * CR8). */
static int next_from_apic(struct vmx_vcpu *v)
{
    (void)__atomic_exchange_n(&v->irr_dirty, false, __ATOMIC_ACQUIRE); /* before the look: what comes later sets it again */
    int top = vlapic_highest_irr(v);
    int vector = vlapic_deliverable(v);
    uint32_t threshold = top >= 0 && vector < 0 ? (uint32_t)top >> 4 : 0;
    uint32_t tpr = ((const uint32_t *)v->apic_page)[VLAPIC_TPR << 2] >> 4 & 15;
    threshold = MIN(threshold, tpr); /* entry fails when the threshold is above TPR */
    if (threshold != v->tpr_threshold) {
        vmwrite32_hot(v, VMCS_TPR_THRESHOLD, threshold);
        v->tpr_threshold = threshold;
    }
    if (top >= 0)
        v->irr_dirty = true; /* there is still something to look at */
    return vector;
}

static void set_windows(struct vmx_vcpu *v, uint32_t windows)
{
    uint32_t ctls = (v->proc_ctls & ~(PROC_INTERRUPT_WINDOW | PROC_NMI_WINDOW)) | windows;
    v->window_open = windows != 0;
    if (ctls != v->proc_ctls) {
        v->proc_ctls = ctls;
        vmwrite32_hot(v, VMCS_PROC_CTLS, ctls);
    }
}

/* Interrupt delivery; what stays pending asks for a window. */
static uint32_t inject_interrupt(struct vmx_vcpu *v, bool callback, bool may)
{
    int vector = v->irr_dirty && !vmx_caps.virtual_interrupts ? next_from_apic(v) : -1;
    if (!callback && vector < 0)
        return 0;
    if (!may)
        return PROC_INTERRUPT_WINDOW;
    uint32_t chosen = callback ? v->callback_vector : (uint32_t)vector;
    vmwrite32_hot(v, VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXTERNAL << 8 | chosen);
    if (!callback)
        vlapic_accept(v, (uint8_t)vector);
    return callback && vector >= 0 ? PROC_INTERRUPT_WINDOW : 0;
}

void vmx_inject(struct vmx_vcpu *v, bool callback)
{
    if (vmx_caps.virtual_interrupts) {
        hand_to_cpu(v);
        if (!callback && v->inject_work == 0) /* that was all */
            return;
    }
    uint32_t blocked = vmread32(VMCS_GUEST_INTERRUPTIBILITY);
    uint32_t windows = 0;
    bool taken = v->reinject_valid;
    if (taken)
        inject_ordered(v, &blocked);
    if (v->nmi_pending && !taken && (blocked & (BLOCK_NMI | BLOCK_MOV_SS | BLOCK_STI)) == 0) {
        vmwrite32_hot(v, VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_NMI << 8 | NMI_VECTOR);
        v->nmi_pending = false;
        taken = true;
    } else if (v->nmi_pending) {
        windows = PROC_NMI_WINDOW;
    }
    bool may = !taken && (blocked & (BLOCK_STI | BLOCK_MOV_SS)) == 0 && vmx_if_set(v);
    set_windows(v, windows | inject_interrupt(v, callback, may));
}
