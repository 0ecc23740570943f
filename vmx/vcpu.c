/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Birth and death of a vCPU's hardware half. */
#include "kernel/core/string.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "vmx/setup.h"
#include "vmx/switch.h"
#include "vmx/vlapic.h"
#include "vmx/vmcs.h"

#define NO_CPU 0xffffffffU
#define VMX_FRAMES 3U

static enum status alloc_frames(struct vmx_vcpu *v)
{
    hpa_t *const where[VMX_FRAMES] = {&v->vmcs, &v->apic_page_pa, &v->xsave_pa};
    for (unsigned i = 0; i < VMX_FRAMES; i++) {
        hfn_t f;
        enum status status = frame_alloc(FRAME_ORDER_4K, v->domid, FRAME_VMX, &f);
        if (status != STATUS_OK)
            return status;
        *where[i] = hpa_of_hfn(f);
    }
    v->apic_page = root_va(v->apic_page_pa);
    v->xsave = root_va(v->xsave_pa);
    return STATUS_OK;
}

static void free_frames(struct vmx_vcpu *v)
{
    const hpa_t frames[VMX_FRAMES] = {v->vmcs, v->apic_page_pa, v->xsave_pa};
    for (unsigned i = 0; i < VMX_FRAMES; i++) {
        if (frames[i].v != 0)
            frame_free(hfn_of_hpa(frames[i]), FRAME_ORDER_4K);
    }
    v->vmcs = v->apic_page_pa = v->xsave_pa = hpa(0);
}

enum status vmx_vcpu_create(struct vmx_vcpu *v, const struct vmx_create *how)
{
    memset(v, 0, sizeof(*v));
    v->domid = how->domid;
    v->vcpu_id = how->vcpu_id;
    v->privileged = how->privileged;
    v->ept = how->ept;
    v->tsc_offset = how->tsc_offset;
    /* Guest translations are tagged with VPID and EPT both, so it need only differ within a domain; 0 is the host's. */
    v->vpid = (uint16_t)(1 + (((uint32_t)how->domid << 5 | (how->vcpu_id & 31)) & 0x7fff));
    v->last_cpu = NO_CPU;
    v->proc_ctls = vmx_caps.proc & ~(PROC_INTERRUPT_WINDOW | PROC_NMI_WINDOW); /* closed: window_open is false */
    enum status status = alloc_frames(v);
    if (status != STATUS_OK) {
        free_frames(v);
        return status;
    }
    *(uint32_t *)root_va(v->vmcs) = vmx_caps.revision;
    v->vlapic.id = how->apic_id;
    v->vlapic.base_msr = 0xfee00c00UL | (how->vcpu_id == 0 ? 0x100UL : 0UL);
    vlapic_reset(v);
    vmcs_clear(v);
    vmcs_borrow(v);
    setup_controls(v);
    setup_host();
    setup_guest_reset(v, 0);
    vmcs_return(v);
    return STATUS_OK;
}

void vmx_vcpu_destroy(struct vmx_vcpu *v)
{
    deadline_cancel(&v->vlapic.timer);
    free_frames(v);
}

void vmx_start_sipi(struct vmx_vcpu *v, uint8_t vector)
{
    deadline_cancel(&v->vlapic.timer);
    vmcs_borrow(v);
    setup_guest_reset(v, (uint16_t)(vector << 8));
    vlapic_reset(v);
    v->gprs.rdx = cpuid(1, 0).eax; /* SDM vol 3, "Processor State After Reset": EDX holds the signature */
    switch_forget_translations(v);
    vmcs_return(v);
}

uint64_t vmx_cr0(struct vmx_vcpu *v) { (void)v; return vmread_sure(VMCS_GUEST_CR0); }
uint64_t vmx_cr3(struct vmx_vcpu *v) { (void)v; return vmread_sure(VMCS_GUEST_CR3); }
