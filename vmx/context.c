/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A vCPU's registers out and in: for the builder, save and restore. */
#include "kernel/cpu/features.h"
#include "kernel/cpu/x86.h"
#include "vmx/caps.h"
#include "vmx/context_check.h"
#include "vmx/setup.h"
#include "vmx/switch.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

/* The hardware's order: ES CS SS DS FS GS LDTR TR; field I of each kind is 2 * I above the first. */
static struct cbl_segment *segment(struct cbl_vcpu_context *c, unsigned i)
{
    struct cbl_segment *const order[] = {&c->es, &c->cs, &c->ss, &c->ds, &c->fs, &c->gs, &c->ldtr, &c->tr};
    return order[i];
}

#define SEGMENTS 8U

static void segment_get(unsigned i, struct cbl_segment *s)
{
    s->selector = vmread16((enum vmcs16)(VMCS_GUEST_ES_SEL + 2 * i));
    s->base = vmreadn((enum vmcsn)(VMCS_GUEST_ES_BASE + 2 * i));
    s->limit = vmread32((enum vmcs32)(VMCS_GUEST_ES_LIMIT + 2 * i));
    s->ar = vmread32((enum vmcs32)(VMCS_GUEST_ES_AR + 2 * i));
}

static void segment_set(unsigned i, const struct cbl_segment *s)
{
    vmwrite16((enum vmcs16)(VMCS_GUEST_ES_SEL + 2 * i), s->selector);
    vmwriten((enum vmcsn)(VMCS_GUEST_ES_BASE + 2 * i), s->base);
    vmwrite32((enum vmcs32)(VMCS_GUEST_ES_LIMIT + 2 * i), s->limit);
    vmwrite32((enum vmcs32)(VMCS_GUEST_ES_AR + 2 * i), s->ar == 0 ? SEG_UNUSABLE : s->ar);
}

static void gprs_get(const struct vmx_gprs *g, struct cbl_vcpu_context *c)
{
    c->rax = g->rax, c->rcx = g->rcx, c->rdx = g->rdx, c->rbx = g->rbx, c->rbp = g->rbp, c->rsi = g->rsi, c->rdi = g->rdi;
    c->r8 = g->r8, c->r9 = g->r9, c->r10 = g->r10, c->r11 = g->r11, c->r12 = g->r12, c->r13 = g->r13, c->r14 = g->r14, c->r15 = g->r15;
}

static void gprs_set(struct vmx_gprs *g, const struct cbl_vcpu_context *c)
{
    g->rax = c->rax, g->rcx = c->rcx, g->rdx = c->rdx, g->rbx = c->rbx, g->rbp = c->rbp, g->rsi = c->rsi, g->rdi = c->rdi;
    g->r8 = c->r8, g->r9 = c->r9, g->r10 = c->r10, g->r11 = c->r11, g->r12 = c->r12, g->r13 = c->r13, g->r14 = c->r14, g->r15 = c->r15;
}

/* What the guest reads from a control register: its own bits, and the shadow of ours. */
static uint64_t seen(uint64_t real, uint64_t mask, uint64_t shadow)
{
    return (real & ~mask) | (shadow & mask);
}

static void vmcs_get(struct cbl_vcpu_context *c)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        segment_get(i, segment(c, i));
    }
    c->rsp = vmreadn(VMCS_GUEST_RSP);
    c->rip = vmreadn(VMCS_GUEST_RIP);
    c->rflags = vmreadn(VMCS_GUEST_RFLAGS);
    c->cr0 = seen(vmreadn(VMCS_GUEST_CR0), SETUP_CR0_MASK, vmreadn(VMCS_CR0_SHADOW));
    c->cr3 = vmreadn(VMCS_GUEST_CR3);
    c->cr4 = seen(vmreadn(VMCS_GUEST_CR4), ~vmx_caps.guest_cr4, vmreadn(VMCS_CR4_SHADOW));
    c->efer = vmread64(VMCS_GUEST_EFER);
    c->dr7 = vmreadn(VMCS_GUEST_DR7);
    c->gdt_base = vmreadn(VMCS_GUEST_GDTR_BASE);
    c->idt_base = vmreadn(VMCS_GUEST_IDTR_BASE);
    c->gdt_limit = vmread32(VMCS_GUEST_GDTR_LIMIT);
    c->idt_limit = vmread32(VMCS_GUEST_IDTR_LIMIT);
    c->sysenter_cs = vmread32(VMCS_GUEST_SYSENTER_CS);
    c->sysenter_esp = vmreadn(VMCS_GUEST_SYSENTER_ESP);
    c->sysenter_eip = vmreadn(VMCS_GUEST_SYSENTER_EIP);
    c->pat = vmread64(VMCS_GUEST_PAT);
    c->interruptibility = vmread32(VMCS_GUEST_INTERRUPTIBILITY);
    c->activity = vmread32(VMCS_GUEST_ACTIVITY);
}

static void vmcs_set(const struct cbl_vcpu_context *c)
{
    struct cbl_vcpu_context copy = *c;
    for (unsigned i = 0; i < SEGMENTS; i++) {
        segment_set(i, segment(&copy, i));
    }
    vmwriten(VMCS_GUEST_RSP, c->rsp);
    vmwriten(VMCS_GUEST_RIP, c->rip);
    vmwriten(VMCS_GUEST_RFLAGS, c->rflags | 2);
    setup_guest_cr0(c->cr0);
    setup_guest_cr4(c->cr4);
    vmwriten(VMCS_GUEST_CR3, c->cr3);
    vmwrite64(VMCS_GUEST_EFER, c->efer);
    /* SDM: this control must equal EFER.LMA where the guest pages; without paging LMA is 0. */
    vmwrite32(VMCS_ENTRY_CTLS, vmx_caps.entry | ((c->efer & EFER_LMA) != 0 ? ENTRY_IA32E : 0));
    vmwriten(VMCS_GUEST_DR7, (c->dr7 & 0xffff2bffUL) | 0x400);
    vmwriten(VMCS_GUEST_GDTR_BASE, c->gdt_base);
    vmwriten(VMCS_GUEST_IDTR_BASE, c->idt_base);
    vmwrite32(VMCS_GUEST_GDTR_LIMIT, c->gdt_limit);
    vmwrite32(VMCS_GUEST_IDTR_LIMIT, c->idt_limit);
    vmwrite32(VMCS_GUEST_SYSENTER_CS, (uint32_t)c->sysenter_cs);
    vmwriten(VMCS_GUEST_SYSENTER_ESP, c->sysenter_esp);
    vmwriten(VMCS_GUEST_SYSENTER_EIP, c->sysenter_eip);
    vmwrite64(VMCS_GUEST_PAT, c->pat == 0 ? SETUP_PAT_RESET : c->pat);
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, c->interruptibility);
    vmwrite64(VMCS_TSC_OFFSET, c->tsc_offset);
}

static void outside_get(const struct vmx_vcpu *v, struct cbl_vcpu_context *c)
{
    c->cr2 = v->cr2;
    for (unsigned i = 0; i < ARRAY_SIZE(c->dr); i++) {
        c->dr[i] = v->dr[i];
    }
    c->dr6 = v->dr6;
    c->star = v->star;
    c->lstar = v->lstar;
    c->cstar = v->cstar;
    c->fmask = v->fmask;
    c->kernel_gs_base = v->kernel_gs_base;
    c->tsc_aux = v->tsc_aux;
    c->xcr0 = v->xcr0;
    c->tsc_offset = v->tsc_offset;
    c->apic_base = v->vlapic.base_msr;
}

static void outside_set(struct vmx_vcpu *v, const struct cbl_vcpu_context *c)
{
    v->cr2 = c->cr2;
    for (unsigned i = 0; i < ARRAY_SIZE(c->dr); i++) {
        v->dr[i] = c->dr[i];
    }
    v->dr6 = (c->dr6 & 0xe00fU) | 0xffff0ff0U;
    v->star = c->star;
    v->lstar = c->lstar;
    v->cstar = c->cstar;
    v->fmask = c->fmask;
    v->kernel_gs_base = c->kernel_gs_base;
    v->tsc_aux = c->tsc_aux & 0xffffffffU;
    v->xcr0 = c->xcr0 == 0 ? 1 : c->xcr0;
    v->tsc_offset = c->tsc_offset;
}

enum status vmx_context_get(struct vmx_vcpu *v, struct cbl_vcpu_context *out)
{
    *out = (struct cbl_vcpu_context){0};
    vmcs_borrow(v);
    if (switch_loaded() == v) {
        switch_save(v);
        switch_restore(v);
    }
    gprs_get(&v->gprs, out);
    vmcs_get(out);
    outside_get(v, out);
    vmcs_return(v);
    return STATUS_OK;
}

enum status vmx_context_set(struct vmx_vcpu *v, const struct cbl_vcpu_context *in)
{
    if (!context_valid(in, &vmx_caps, cpu_features.phys_bits) || (in->apic_base != 0 && in->apic_base != v->vlapic.base_msr)) {
        return STATUS_INVALID;
    }
    vmcs_borrow(v);
    if (switch_loaded() == v) {
        switch_save(v);
    }
    gprs_set(&v->gprs, in);
    outside_set(v, in);
    vmcs_set(in);
    if (switch_loaded() == v) {
        switch_restore(v);
    }
    vmcs_return(v);
    return STATUS_OK;
}
