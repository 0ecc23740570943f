/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A vCPU for people to read. */
#include "kernel/core/log.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

static void dump_registers(const struct vmx_vcpu *v)
{
    const struct vmx_gprs *g = &v->gprs;
    log_warn("rip %016lx rsp %016lx rflags %08lx", vmreadn(VMCS_GUEST_RIP), vmreadn(VMCS_GUEST_RSP), vmreadn(VMCS_GUEST_RFLAGS));
    log_warn("rax %016lx rbx %016lx rcx %016lx rdx %016lx", g->rax, g->rbx, g->rcx, g->rdx);
    log_warn("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", g->rsi, g->rdi, g->rbp, g->r8);
    log_warn("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", g->r9, g->r10, g->r11, g->r12);
    log_warn("r13 %016lx r14 %016lx r15 %016lx cr2 %016lx", g->r13, g->r14, g->r15, v->cr2);
    log_warn("cr0 %08lx (seen %08lx) cr3 %016lx cr4 %08lx efer %04lx", vmreadn(VMCS_GUEST_CR0), vmreadn(VMCS_CR0_SHADOW),
             vmreadn(VMCS_GUEST_CR3), vmreadn(VMCS_GUEST_CR4), vmread64(VMCS_GUEST_EFER));
}

static void dump_segments(void)
{
    static const char *const names[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        log_warn("%-4s %04x base %016lx limit %08x access %05x", names[i], vmread16((enum vmcs16)(VMCS_GUEST_ES_SEL + 2 * i)),
                 vmreadn((enum vmcsn)(VMCS_GUEST_ES_BASE + 2 * i)), vmread32((enum vmcs32)(VMCS_GUEST_ES_LIMIT + 2 * i)),
                 vmread32((enum vmcs32)(VMCS_GUEST_ES_AR + 2 * i)));
    }
    log_warn("gdt %016lx limit %x, idt %016lx limit %x", vmreadn(VMCS_GUEST_GDTR_BASE), vmread32(VMCS_GUEST_GDTR_LIMIT),
             vmreadn(VMCS_GUEST_IDTR_BASE), vmread32(VMCS_GUEST_IDTR_LIMIT));
}

static void dump_control(const struct vmx_vcpu *v)
{
    log_warn("pin %08x proc %08x proc2 %08x exit %08x entry %08x", vmread32(VMCS_PIN_CTLS), vmread32(VMCS_PROC_CTLS),
             vmread32(VMCS_PROC_CTLS2), vmread32(VMCS_EXIT_CTLS), vmread32(VMCS_ENTRY_CTLS));
    log_warn("interruptibility %x activity %x pending debug %lx, entry event %08x, eptp %lx, vpid %u, tsc offset %lx",
             vmread32(VMCS_GUEST_INTERRUPTIBILITY), vmread32(VMCS_GUEST_ACTIVITY), vmreadn(VMCS_GUEST_PENDING_DEBUG),
             vmread32(VMCS_ENTRY_INTR_INFO), vmread64(VMCS_EPTP), vmread16(VMCS_VPID), vmread64(VMCS_TSC_OFFSET));
    log_warn("last exit: reason %u%s, qualification %lx, instruction length %u, event %08x, interrupted event %08x; %lu exits",
             vmread32(VMCS_EXIT_REASON) & 0xffff, v->exit.entry_failure ? " (entry failed)" : "", vmreadn(VMCS_EXIT_QUALIFICATION),
             vmread32(VMCS_EXIT_INSTR_LEN), vmread32(VMCS_EXIT_INTR_INFO), vmread32(VMCS_IDT_VECTORING), v->exits);
}

void vmx_dump(struct vmx_vcpu *v)
{
    log_warn("---- d%uv%u ----", v->domid, v->vcpu_id);
    vmcs_borrow(v);
    dump_registers(v);
    dump_segments();
    dump_control(v);
    vmcs_return(v);
}
