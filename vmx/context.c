/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A vCPU's registers out and in: for the builder, save and restore; and for people to read. */
#include "kernel/core/log.h"
#include "kernel/core/string.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/x86.h"
#include "vmx/context_check.h"
#include "vmx/setup.h"
#include "vmx/switch.h"
#include "vmx/vmcs.h"

#define SEGMENTS 8U
#define SIZE_OF(member) (uint16_t)sizeof(((struct cbl_vcpu_context *)0)->member)
#define IN_CONTEXT(member) offsetof(struct cbl_vcpu_context, member), SIZE_OF(member)

/* What lies in the VMCS and means the same in a context; the rest is in vmx_context_get and _set. */
static const struct { uint32_t field; uint16_t offset, size; } in_vmcs[] = {
    {VMCS_GUEST_RSP, IN_CONTEXT(rsp)},
    {VMCS_GUEST_RIP, IN_CONTEXT(rip)},
    {VMCS_GUEST_RFLAGS, IN_CONTEXT(rflags)},
    {VMCS_GUEST_CR3, IN_CONTEXT(cr3)},
    {VMCS_GUEST_EFER, IN_CONTEXT(efer)},
    {VMCS_GUEST_DR7, IN_CONTEXT(dr7)},
    {VMCS_GUEST_GDTR_BASE, IN_CONTEXT(gdt_base)},
    {VMCS_GUEST_IDTR_BASE, IN_CONTEXT(idt_base)},
    {VMCS_GUEST_GDTR_LIMIT, IN_CONTEXT(gdt_limit)},
    {VMCS_GUEST_IDTR_LIMIT, IN_CONTEXT(idt_limit)},
    {VMCS_GUEST_SYSENTER_CS, IN_CONTEXT(sysenter_cs)},
    {VMCS_GUEST_SYSENTER_ESP, IN_CONTEXT(sysenter_esp)},
    {VMCS_GUEST_SYSENTER_EIP, IN_CONTEXT(sysenter_eip)},
    {VMCS_GUEST_PAT, IN_CONTEXT(pat)},
    {VMCS_GUEST_INTERRUPTIBILITY, IN_CONTEXT(interruptibility)},
    {VMCS_GUEST_ACTIVITY, IN_CONTEXT(activity)},
    {VMCS_TSC_OFFSET, IN_CONTEXT(tsc_offset)},
};

/* What lies in struct vmx_vcpu. */
#define BOTH(member) {offsetof(struct vmx_vcpu, member), IN_CONTEXT(member)}
static const struct { uint16_t from, offset, size; } in_vcpu[] = {
    {offsetof(struct vmx_vcpu, gprs.rax), offsetof(struct cbl_vcpu_context, rax), 4 * 8}, /* to RBX */
    {offsetof(struct vmx_vcpu, gprs.rbp), offsetof(struct cbl_vcpu_context, rbp), 11 * 8}, /* to R15 */
    BOTH(cr2), BOTH(dr), BOTH(dr6), BOTH(star), BOTH(lstar), BOTH(cstar), BOTH(fmask), BOTH(kernel_gs_base),
    BOTH(tsc_aux), BOTH(xcr0), BOTH(tsc_offset),
};
_Static_assert(offsetof(struct vmx_gprs, rbp) == 4 * 8 && sizeof(struct vmx_gprs) == 15 * 8, "RAX RCX RDX RBX, RBP and the rest");
_Static_assert(offsetof(struct cbl_vcpu_context, rbp) == 5 * 8 && offsetof(struct cbl_vcpu_context, rip) == 16 * 8, "RSP between");

/* The hardware's order: ES CS SS DS FS GS LDTR TR. */
static struct cbl_segment *segment(struct cbl_vcpu_context *c, unsigned i)
{
    struct cbl_segment *const order[SEGMENTS] = {&c->es, &c->cs, &c->ss, &c->ds, &c->fs, &c->gs, &c->ldtr, &c->tr};
    return order[i];
}

static void segment_get(unsigned i, struct cbl_segment *s)
{
    s->selector = vmread16((enum vmcs16)(VMCS_GUEST_ES_SEL + 2 * i));
    s->base = vmreadn((enum vmcsn)(VMCS_GUEST_ES_BASE + 2 * i));
    s->limit = vmread32((enum vmcs32)(VMCS_GUEST_ES_LIMIT + 2 * i));
    s->ar = vmread32((enum vmcs32)(VMCS_GUEST_ES_AR + 2 * i));
}

/* What the guest reads from a control register: its own bits, and the shadow of ours. */
static uint64_t seen(uint64_t real, uint64_t mask, uint64_t shadow) { return (real & ~mask) | (shadow & mask); }

enum status vmx_context_get(struct vmx_vcpu *v, struct cbl_vcpu_context *out)
{
    *out = (struct cbl_vcpu_context){.apic_base = v->vlapic.base_msr};
    vmcs_borrow(v);
    for (unsigned i = 0; i < ARRAY_SIZE(in_vcpu); i++)
        memcpy((char *)out + in_vcpu[i].offset, (const char *)v + in_vcpu[i].from, in_vcpu[i].size);
    for (unsigned i = 0; i < ARRAY_SIZE(in_vmcs); i++) {
        uint64_t value = vmcs_raw_read(in_vmcs[i].field);
        memcpy((char *)out + in_vmcs[i].offset, &value, in_vmcs[i].size);
    }
    for (unsigned i = 0; i < SEGMENTS; i++)
        segment_get(i, segment(out, i));
    out->cr0 = seen(vmreadn(VMCS_GUEST_CR0), SETUP_CR0_MASK, vmreadn(VMCS_CR0_SHADOW));
    out->cr4 = seen(vmreadn(VMCS_GUEST_CR4), ~vmx_caps.guest_cr4, vmreadn(VMCS_CR4_SHADOW));
    vmcs_return(v);
    return STATUS_OK;
}

enum status vmx_context_set(struct vmx_vcpu *v, const struct cbl_vcpu_context *in)
{
    if (!context_valid(in, &vmx_caps, cpu_features.phys_bits) || (in->apic_base != 0 && in->apic_base != v->vlapic.base_msr))
        return STATUS_INVALID;
    struct cbl_vcpu_context c = *in; /* with the bits that are fixed */
    c.rflags |= 2;
    c.dr6 = (c.dr6 & 0xe00fU) | 0xffff0ff0U;
    c.dr7 = (c.dr7 & 0xffff2bffUL) | 0x400;
    c.tsc_aux &= 0xffffffffU;
    c.xcr0 = c.xcr0 == 0 ? 1 : c.xcr0;
    c.pat = c.pat == 0 ? SETUP_PAT_RESET : c.pat;
    vmcs_borrow(v);
    for (unsigned i = 0; i < ARRAY_SIZE(in_vcpu); i++)
        memcpy((char *)v + in_vcpu[i].from, (const char *)&c + in_vcpu[i].offset, in_vcpu[i].size);
    for (unsigned i = 0; i < ARRAY_SIZE(in_vmcs); i++) {
        uint64_t value = 0;
        memcpy(&value, (const char *)&c + in_vmcs[i].offset, in_vmcs[i].size);
        vmcs_write(in_vmcs[i].field, value);
    }
    for (unsigned i = 0; i < SEGMENTS; i++)
        setup_segment(i, segment(&c, i));
    setup_guest_cr0(c.cr0);
    setup_guest_cr4(c.cr4);
    vmwriten(VMCS_GUEST_PENDING_DEBUG, 0); /* nothing of the old context is delivered in the new one */
    vmwrite32(VMCS_ENTRY_INTR_INFO, 0);
    v->reinject_valid = v->nmi_pending = false;
    /* SDM: this control must equal EFER.LMA where the guest pages; without paging LMA is 0. */
    vmwrite32(VMCS_ENTRY_CTLS, vmx_caps.entry | ((c.efer & EFER_LMA) != 0 ? ENTRY_IA32E : 0));
    switch_forget_translations(v);
    vmcs_return(v);
    return STATUS_OK;
}

void vmx_dump(struct vmx_vcpu *v)
{
    static const char *const names[SEGMENTS] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    struct cbl_vcpu_context c;
    if (vmx_context_get(v, &c) != STATUS_OK)
        return;
    log_warn("---- d%uv%u ----", v->domid, v->vcpu_id);
    log_warn("rip %016lx rsp %016lx rflags %08lx", c.rip, c.rsp, c.rflags);
    log_warn("rax %016lx rbx %016lx rcx %016lx rdx %016lx", c.rax, c.rbx, c.rcx, c.rdx);
    log_warn("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", c.rsi, c.rdi, c.rbp, c.r8);
    log_warn("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", c.r9, c.r10, c.r11, c.r12);
    log_warn("r13 %016lx r14 %016lx r15 %016lx cr2 %016lx", c.r13, c.r14, c.r15, c.cr2);
    log_warn("cr0 %08lx cr3 %016lx cr4 %08lx efer %04lx interruptibility %x", c.cr0, c.cr3, c.cr4, c.efer, c.interruptibility);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        const struct cbl_segment *s = segment(&c, i);
        log_warn("%4s %04x base %016lx limit %08x access %05x", names[i], s->selector, s->base, s->limit, s->ar);
    }
    log_warn("gdt %016lx limit %x, idt %016lx limit %x", c.gdt_base, c.gdt_limit, c.idt_base, c.idt_limit);
    vmcs_borrow(v);
    log_warn("pin %08x proc %08x proc2 %08x exit %08x entry %08x", vmread32(VMCS_PIN_CTLS), vmread32(VMCS_PROC_CTLS),
             vmread32(VMCS_PROC_CTLS2), vmread32(VMCS_EXIT_CTLS), vmread32(VMCS_ENTRY_CTLS));
    log_warn("real cr0 %08lx cr4 %08lx, pending debug %lx, entry event %08x, eptp %lx, vpid %u", vmreadn(VMCS_GUEST_CR0),
             vmreadn(VMCS_GUEST_CR4), vmreadn(VMCS_GUEST_PENDING_DEBUG), vmread32(VMCS_ENTRY_INTR_INFO), vmread64(VMCS_EPTP),
             vmread16(VMCS_VPID));
    log_warn("last exit: reason %u%s, qualification %lx, instruction length %u, event %08x, interrupted event %08x; %lu exits",
             vmread32(VMCS_EXIT_REASON) & 0xffff, v->exit.entry_failure ? " (entry failed)" : "",
             vmreadn(VMCS_EXIT_QUALIFICATION), vmread32(VMCS_EXIT_INSTR_LEN), vmread32(VMCS_EXIT_INTR_INFO),
             vmread32(VMCS_IDT_VECTORING), v->exits);
    vmcs_return(v);
}
