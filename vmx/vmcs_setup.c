/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See setup.h. SDM vol 3, "Virtual Machine Control Structures". */
#include "kernel/core/string.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "vmx/bitmaps.h"
#include "vmx/setup.h"
#include "vmx/switch.h"
#include "vmx/vmcs.h"


extern char vmx_exit_entry[]; /* enter.asm */

/* Zero has no width: these lists are of fields of all. */
static const uint32_t zero_controls[] = {VMCS_PF_MASK, VMCS_PF_MATCH, VMCS_CR3_TARGETS, VMCS_EXIT_MSR_STORE, VMCS_EXIT_MSR_LOAD,
                                         VMCS_ENTRY_MSR_LOAD};
static const uint32_t zero_eoi_exits[] = {VMCS_EOI_EXIT0, VMCS_EOI_EXIT1, VMCS_EOI_EXIT2, VMCS_EOI_EXIT3};
static const uint32_t zero_host[] = {VMCS_HOST_FS_SEL, VMCS_HOST_GS_SEL, VMCS_HOST_FS_BASE, VMCS_HOST_SYSENTER_CS,
                                     VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP};
static const uint32_t zero_guest[] = {
    VMCS_GUEST_CR3, VMCS_GUEST_EFER, VMCS_GUEST_DEBUGCTL, VMCS_GUEST_RSP, VMCS_GUEST_RIP, VMCS_GUEST_PENDING_DEBUG,
    VMCS_GUEST_SYSENTER_CS, VMCS_GUEST_SYSENTER_ESP, VMCS_GUEST_SYSENTER_EIP, VMCS_GUEST_GDTR_BASE, VMCS_GUEST_IDTR_BASE,
    VMCS_GUEST_INTERRUPTIBILITY, VMCS_GUEST_ACTIVITY, VMCS_ENTRY_INTR_INFO, VMCS_TPR_THRESHOLD};

static void write_zeros(const uint32_t *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        vmcs_write(fields[i], 0);
}

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
    /* #DB, #AC and #MC. With the first two a guest can make their delivery raise them again without end, with no chance for an interrupt
     * between. */
    vmwrite32(VMCS_EXCEPTION_BITMAP, 1U << 1 | 1U << 17 | 1U << 18);
    write_zeros(zero_controls, ARRAY_SIZE(zero_controls));
    vmwrite64(VMCS_IO_BITMAP_A, b->io_a.v);
    vmwrite64(VMCS_IO_BITMAP_B, b->io_b.v);
    vmwrite64(VMCS_MSR_BITMAP, b->msr.v);
    vmwrite64(VMCS_TSC_OFFSET, v->tsc_offset);
    vmwrite64(VMCS_VIRTUAL_APIC_PAGE, v->apic_page_pa.v);
    vmwrite64(VMCS_EPTP, v->ept->eptp);
    vmwrite16(VMCS_VPID, v->vpid);
    vmwriten(VMCS_CR0_MASK, SETUP_CR0_MASK);
    vmwriten(VMCS_CR4_MASK, ~c->guest_cr4);
    if (c->virtual_interrupts)
        write_zeros(zero_eoi_exits, ARRAY_SIZE(zero_eoi_exits));
}

void setup_host(void)
{
    vmwrite16(VMCS_HOST_CS_SEL, GDT_CODE);
    vmwrite16(VMCS_HOST_SS_SEL, GDT_DATA);
    vmwrite16(VMCS_HOST_DS_SEL, GDT_DATA);
    vmwrite16(VMCS_HOST_ES_SEL, GDT_DATA);
    write_zeros(zero_host, ARRAY_SIZE(zero_host));
    vmwrite16(VMCS_HOST_TR_SEL, GDT_TSS);
    vmwriten(VMCS_HOST_CR0, read_cr0());
    vmwriten(VMCS_HOST_CR3, read_cr3());
    vmwriten(VMCS_HOST_CR4, read_cr4());
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

void setup_segment(unsigned i, const struct cbl_segment *s)
{
    vmwrite16((enum vmcs16)(VMCS_GUEST_ES_SEL + 2 * i), s->selector);
    vmwriten((enum vmcsn)(VMCS_GUEST_ES_BASE + 2 * i), s->base);
    vmwrite32((enum vmcs32)(VMCS_GUEST_ES_LIMIT + 2 * i), s->limit);
    vmwrite32((enum vmcs32)(VMCS_GUEST_ES_AR + 2 * i), s->ar == 0 ? SEG_UNUSABLE : s->ar);
}

void setup_guest_reset(struct vmx_vcpu *v, uint16_t selector)
{
    static const uint16_t ar[] = {0x93, 0x9b, 0x93, 0x93, 0x93, 0x93, 0x82, 0x8b}; /* ES CS SS DS FS GS LDTR TR */
    for (unsigned i = 0; i < ARRAY_SIZE(ar); i++) {
        uint16_t sel = i == 1 ? selector : 0;
        setup_segment(i, &(struct cbl_segment){.selector = sel, .base = (uint64_t)sel << 4, .limit = 0xffff, .ar = ar[i]});
    }
    memset(&v->gprs, 0, sizeof(v->gprs));
    switch_reset(v);
    v->nmi_pending = false;
    v->reinject_valid = false;
    v->tpr_threshold = 0; /* entry would fail with one above the TPR, which is 0 now */
    write_zeros(zero_guest, ARRAY_SIZE(zero_guest));
    if (vmx_caps.virtual_interrupts)
        vmwrite16(VMCS_GUEST_INTR_STATUS, 0);
    setup_guest_cr0(CR0_CD | CR0_NW | CR0_ET);
    setup_guest_cr4(0);
    vmwrite32(VMCS_GUEST_GDTR_LIMIT, 0xffff);
    vmwrite32(VMCS_GUEST_IDTR_LIMIT, 0xffff);
    vmwrite32(VMCS_ENTRY_CTLS, vmx_caps.entry);
    vmwrite64(VMCS_GUEST_PAT, SETUP_PAT_RESET);
    vmwrite64(VMCS_VMCS_LINK, ~0UL);
    vmwriten(VMCS_GUEST_DR7, 0x400);
    vmwriten(VMCS_GUEST_RFLAGS, 2);
}
