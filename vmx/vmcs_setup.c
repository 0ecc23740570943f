/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See setup.h. SDM vol 3, "Virtual Machine Control Structures". */
#include "kernel/core/string.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/pagetable.h"
#include "vmx/bitmaps.h"
#include "vmx/caps.h"
#include "vmx/setup.h"
#include "vmx/switch.h"
#include "vmx/vmcs.h"

#define EXCEPTION_DB (1U << 1)
#define EXCEPTION_AC (1U << 17)
#define EXCEPTION_MC (1U << 18)

extern char vmx_exit_entry[]; /* enter.asm */

void setup_controls(const struct vmx_vcpu *v)
{
    const struct vmx_caps *c = &vmx_caps;
    const struct bitmaps *b = bitmaps_for(v->privileged);
    vmwrite32(VMCS_PIN_CTLS, c->pin);
    if (c->preemption_ticks != 0)
        vmwrite32(VMCS_PREEMPTION_TIMER, c->preemption_ticks);
    vmwrite32(VMCS_PROC_CTLS, v->proc_ctls);
    vmwrite32(VMCS_PROC_CTLS2, c->proc2);
    vmwrite32(VMCS_EXIT_CTLS, c->exit);
    vmwrite32(VMCS_ENTRY_CTLS, c->entry);
    /* #DB and #AC: a guest can make their delivery raise them again without end, with no chance for an interrupt
     * between. */
    vmwrite32(VMCS_EXCEPTION_BITMAP, EXCEPTION_DB | EXCEPTION_AC | EXCEPTION_MC);
    vmwrite32(VMCS_PF_MASK, 0);
    vmwrite32(VMCS_PF_MATCH, 0);
    vmwrite32(VMCS_CR3_TARGETS, 0);
    vmwrite32(VMCS_EXIT_MSR_STORE, 0);
    vmwrite32(VMCS_EXIT_MSR_LOAD, 0);
    vmwrite32(VMCS_ENTRY_MSR_LOAD, 0);
    vmwrite32(VMCS_ENTRY_INTR_INFO, 0);
    vmwrite64(VMCS_IO_BITMAP_A, b->io_a.v);
    vmwrite64(VMCS_IO_BITMAP_B, b->io_b.v);
    vmwrite64(VMCS_MSR_BITMAP, b->msr.v);
    vmwrite64(VMCS_TSC_OFFSET, v->tsc_offset);
    vmwrite64(VMCS_VIRTUAL_APIC_PAGE, v->apic_page_pa.v);
    vmwrite32(VMCS_TPR_THRESHOLD, 0);
    vmwrite64(VMCS_EPTP, v->ept->eptp);
    vmwrite16(VMCS_VPID, v->vpid);
    vmwriten(VMCS_CR0_MASK, SETUP_CR0_MASK);
    vmwriten(VMCS_CR4_MASK, ~c->guest_cr4);
    if (c->virtual_interrupts) {
        vmwrite64(VMCS_EOI_EXIT0, 0);
        vmwrite64(VMCS_EOI_EXIT1, 0);
        vmwrite64(VMCS_EOI_EXIT2, 0);
        vmwrite64(VMCS_EOI_EXIT3, 0);
        vmwrite16(VMCS_GUEST_INTR_STATUS, 0);
    }
}

void setup_host(void)
{
    vmwrite16(VMCS_HOST_CS_SEL, GDT_CODE);
    vmwrite16(VMCS_HOST_SS_SEL, GDT_DATA);
    vmwrite16(VMCS_HOST_DS_SEL, GDT_DATA);
    vmwrite16(VMCS_HOST_ES_SEL, GDT_DATA);
    vmwrite16(VMCS_HOST_FS_SEL, 0);
    vmwrite16(VMCS_HOST_GS_SEL, 0);
    vmwrite16(VMCS_HOST_TR_SEL, GDT_TSS);
    vmwriten(VMCS_HOST_CR0, read_cr0());
    vmwriten(VMCS_HOST_CR3, read_cr3());
    vmwriten(VMCS_HOST_CR4, read_cr4());
    vmwriten(VMCS_HOST_FS_BASE, 0);
    vmwrite32(VMCS_HOST_SYSENTER_CS, 0);
    vmwriten(VMCS_HOST_SYSENTER_ESP, 0);
    vmwriten(VMCS_HOST_SYSENTER_EIP, 0);
    vmwrite64(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    vmwrite64(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    vmwriten(VMCS_HOST_RIP, (uint64_t)vmx_exit_entry);
}

void setup_host_cpu(void)
{
    uint32_t cpu = cpu_id();
    vmwriten(VMCS_HOST_GS_BASE, (uint64_t)this_cpu());
    vmwriten(VMCS_HOST_TR_BASE, gdt_tss_base(cpu));
    vmwriten(VMCS_HOST_GDTR_BASE, gdt_base(cpu));
    vmwriten(VMCS_HOST_IDTR_BASE, traps_idt_base());
}

void setup_guest_cr0(uint64_t value)
{
    vmwriten(VMCS_GUEST_CR0, (value & ~(CR0_CD | CR0_NW)) | CR0_NE);
    vmwriten(VMCS_CR0_SHADOW, value);
}

void setup_guest_cr4(uint64_t value)
{
    /* MCE is really on whatever the guest thinks: without it a machine check in the guest would shut the CPU down. */
    vmwriten(VMCS_GUEST_CR4, (value & vmx_caps.guest_cr4) | vmx_caps.cr4_fixed0 | CR4_MCE);
    vmwriten(VMCS_CR4_SHADOW, value & ~vmx_caps.guest_cr4);
}

/* The fields of one segment lie at equal distances in each width's range; the order is the hardware's: ES CS SS DS FS
 * GS LDTR TR. */
static void reset_segment(unsigned i, uint16_t selector, uint32_t ar)
{
    vmwrite16((enum vmcs16)(VMCS_GUEST_ES_SEL + 2 * i), selector);
    vmwriten((enum vmcsn)(VMCS_GUEST_ES_BASE + 2 * i), (uint64_t)selector << 4);
    vmwrite32((enum vmcs32)(VMCS_GUEST_ES_LIMIT + 2 * i), 0xffff);
    vmwrite32((enum vmcs32)(VMCS_GUEST_ES_AR + 2 * i), ar);
}

static void reset_segments(uint16_t cs)
{
    for (unsigned i = 0; i < 6; i++)
        reset_segment(i, i == 1 ? cs : 0, i == 1 ? 0x9b : 0x93);
    reset_segment(6, 0, 0x82);
    reset_segment(7, 0, 0x8b);
    vmwriten(VMCS_GUEST_GDTR_BASE, 0);
    vmwriten(VMCS_GUEST_IDTR_BASE, 0);
    vmwrite32(VMCS_GUEST_GDTR_LIMIT, 0xffff);
    vmwrite32(VMCS_GUEST_IDTR_LIMIT, 0xffff);
}

void setup_guest_reset(struct vmx_vcpu *v, uint16_t selector)
{
    memset(&v->gprs, 0, sizeof(v->gprs));
    switch_reset(v);
    v->nmi_pending = false;
    v->reinject_valid = false;
    reset_segments(selector);
    setup_guest_cr0(CR0_CD | CR0_NW | CR0_ET);
    setup_guest_cr4(0);
    vmwriten(VMCS_GUEST_CR3, 0);
    vmwrite64(VMCS_GUEST_EFER, 0);
    vmwrite32(VMCS_ENTRY_CTLS, vmx_caps.entry);
    vmwrite64(VMCS_GUEST_PAT, SETUP_PAT_RESET);
    vmwrite64(VMCS_GUEST_DEBUGCTL, 0);
    vmwrite64(VMCS_VMCS_LINK, ~0UL);
    vmwriten(VMCS_GUEST_DR7, 0x400);
    vmwriten(VMCS_GUEST_RSP, 0);
    vmwriten(VMCS_GUEST_RIP, 0);
    vmwriten(VMCS_GUEST_RFLAGS, 2);
    vmwriten(VMCS_GUEST_PENDING_DEBUG, 0);
    vmwrite32(VMCS_GUEST_SYSENTER_CS, 0);
    vmwriten(VMCS_GUEST_SYSENTER_ESP, 0);
    vmwriten(VMCS_GUEST_SYSENTER_EIP, 0);
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmwrite32(VMCS_GUEST_ACTIVITY, 0);
    vmwrite32(VMCS_ENTRY_INTR_INFO, 0);
}
