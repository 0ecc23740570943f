/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See caps.h. */
#include "vmx/caps.h"

#include "kernel/core/log.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/x86.h"
#include "kernel/platform/machine.h"
#include "kernel/time/clock.h"
#include "vmx/vmcs.h"

#define MSR_VMX_BASIC 0x480U
#define MSR_VMX_MISC 0x485U
#define MSR_VMX_CR0_FIXED0 0x486U
#define MSR_VMX_CR4_FIXED0 0x488U
#define MSR_VMX_EPT_VPID_CAP 0x48cU
#define BASIC_TRUE_CTLS (1UL << 55)
#define CR3_EXITING (3U << 15) /* loads and stores */
#define PREEMPTION_US 1000U /* no guest runs longer without an exit, whatever happens to interrupts */
#define MISC_STORE_LMA (1UL << 5)

#define ARCH_CAP_RDCL_NO (1UL << 0)
#define ARCH_CAP_SKIP_L1DFL (1UL << 3)
#define ARCH_CAP_MDS_NO (1UL << 5)

struct vmx_caps vmx_caps;

/* The controls of a group: those that must be there (the loader's preflight has their names), those taken when they are (of
 * APIC virtualization only all together), and the MSRs that tell, of which the second counts where it exists: it allows CR3
 * exits to be off. SDM vol 3, "VM-Execution Control Fields" and following. */
enum { GROUP_PIN, GROUP_PROC, GROUP_PROC2, GROUP_EXIT, GROUP_ENTRY, GROUPS };
static const struct { uint32_t required, optional, msr, true_msr; } groups[GROUPS] = {
    [GROUP_PIN] = {0x29, PIN_PREEMPTION_TIMER, 0x481, 0x48d}, /* external interrupts, NMIs, virtual NMIs */
    /* Windows of interrupts and NMIs, TSC offset, HLT, TPR shadow, I/O and MSR bitmaps, secondary controls; MWAIT, RDPMC, MONITOR. */
    [GROUP_PROC] = {0x9260008c, 1U << 10 | 1U << 11 | 1U << 29, 0x482, 0x48e},
    [GROUP_PROC2] = {0xe2, PROC2_RDTSCP | PROC2_INVPCID | PROC2_APIC, 0x48b, 0x48b}, /* EPT, VPID, WBINVD, unrestricted guest */
    [GROUP_EXIT] = {0x3c8204, 0, 0x483, 0x48f},  /* debug controls, 64-bit host, acknowledgement, PAT and EFER both ways */
    [GROUP_ENTRY] = {0xc004, 0, 0x484, 0x490},   /* debug controls, PAT, EFER */
};

static bool choose_controls(uint64_t basic, uint32_t use[GROUPS])
{
    bool ok = true;
    for (unsigned g = 0; g < GROUPS && ok; g++) { /* in order: without secondary controls, reading their MSR would fault */
        uint64_t msr = rdmsr((basic & BASIC_TRUE_CTLS) != 0 ? groups[g].true_msr : groups[g].msr); /* may be 1, must be 1 */
        use[g] = (uint32_t)msr | groups[g].required | (groups[g].optional & (uint32_t)(msr >> 32));
        ok = (groups[g].required & ~(uint32_t)(msr >> 32)) == 0;
    }
    return ok && (use[GROUP_PROC] & CR3_EXITING) == 0;
}

static void choose_guest_features(struct vmx_caps *c)
{
    const struct cpu_features *f = &cpu_features;
    c->rdtscp = f->rdtscp && (c->proc2 & PROC2_RDTSCP) != 0;
    c->guest_cr4 = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    c->guest_cr4 |= (f->umip ? CR4_UMIP : 0) | (f->fsgsbase ? CR4_FSGSBASE : 0) | (f->pcid ? CR4_PCIDE : 0) |
                    (f->smep ? CR4_SMEP : 0) | (f->smap ? CR4_SMAP : 0) | (f->xsave ? CR4_OSXSAVE : 0);
    c->xcr0_offer = boot_info.cpuid.xcr0_offer;
    c->spec_ctrl = f->ibpb_ibrs || f->stibp || f->ssbd;
    c->ibpb = f->ibpb_ibrs;
    c->arch_caps = boot_info.cpuid.arch_caps;
}

static void choose_mitigations(struct vmx_caps *c)
{
    const struct cpu_features *f = &cpu_features;
    bool on = boot_info.options.mitigations != 0;
    c->ibpb_on_switch = on && f->ibpb_ibrs;
    c->flush_l1d = on && f->flush_cmd && (f->arch_cap_msr & (ARCH_CAP_RDCL_NO | ARCH_CAP_SKIP_L1DFL)) == 0;
    c->verw = on && f->md_clear && (f->arch_cap_msr & ARCH_CAP_MDS_NO) == 0;
    log_info("mitigations %s: branch barrier %s, L1D flush %s, buffer clearing %s", on ? "on" : "off",
             c->ibpb_on_switch ? "yes" : "no", c->flush_l1d ? "yes" : "no", c->verw ? "yes" : "no");
}

enum status caps_init(void)
{
    struct vmx_caps *c = &vmx_caps;
    uint32_t use[GROUPS];
    uint64_t basic = cpu_features.vmx ? rdmsr(MSR_VMX_BASIC) : 0;
    if (!cpu_features.vmx || !choose_controls(basic, use) || (rdmsr(MSR_VMX_MISC) & MISC_STORE_LMA) == 0)
        return STATUS_UNSUPPORTED; /* which of them the loader's preflight says */
    *c = (struct vmx_caps){
        .revision = (uint32_t)basic & 0x7fffffffU,
        .pin = use[GROUP_PIN], .proc = use[GROUP_PROC], .proc2 = use[GROUP_PROC2], .exit = use[GROUP_EXIT], .entry = use[GROUP_ENTRY],
        .cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0),
        .cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0),
    };
    uint64_t vpid_cap = rdmsr(MSR_VMX_EPT_VPID_CAP) >> 32;
    c->invvpid = (vpid_cap & 1) != 0 && (vpid_cap & 1UL << 9) != 0;
    if ((c->pin & PIN_PREEMPTION_TIMER) != 0)
        c->preemption_ticks = (uint32_t)(clock_tsc_khz() * PREEMPTION_US / 1000 >> (rdmsr(MSR_VMX_MISC) & 31)) + 1;
    c->virtual_interrupts = (c->proc2 & PROC2_APIC) == PROC2_APIC;
    c->proc2 &= c->virtual_interrupts ? ~0U : ~PROC2_APIC;
    choose_guest_features(c);
    choose_mitigations(c);
    log_info("VT-x: revision 0x%x, local APIC %s, XSAVE 0x%lx", c->revision,
             c->virtual_interrupts ? "in hardware" : "in software", c->xcr0_offer);
    return STATUS_OK;
}
