/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See caps.h. Each control is named once, in a table with the words that a person gets when it is missing. */
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
#define MSR_VMX_PROC2 0x48bU
#define MSR_VMX_EPT_VPID_CAP 0x48cU
#define BASIC_TRUE_CTLS (1UL << 55)
#define PREEMPTION_US 1000U /* no guest runs longer without an exit, whatever happens to interrupts */
#define MISC_STORE_LMA (1UL << 5)
#define XCR0_OFFER 0xe7UL /* x87, SSE, AVX, AVX-512: what fits one page and has no supervisor part */

#define ARCH_CAP_RDCL_NO (1UL << 0)
#define ARCH_CAP_SKIP_L1DFL (1UL << 3)
#define ARCH_CAP_MDS_NO (1UL << 5)
/* "Not affected" statements, and that IBRS covers all modes: true for a guest as well. */
#define ARCH_CAP_GUEST 0x0c00e163UL

struct vmx_caps vmx_caps;

enum group { GROUP_PIN, GROUP_PROC, GROUP_PROC2, GROUP_EXIT, GROUP_ENTRY, GROUP_COUNT };

/* The required controls, each at its bit number (SDM vol 3, "VM-Execution Control Fields" and following). */
static const char *const required[GROUP_COUNT][32] = {
    [GROUP_PIN] = {[0] = "external-interrupt exiting", [3] = "NMI exiting", [5] = "virtual NMIs"},
    [GROUP_PROC] = {[2] = "interrupt-window exiting", [3] = "TSC offsetting", [7] = "HLT exiting", [21] = "the TPR shadow",
                    [22] = "NMI-window exiting", [25] = "I/O bitmaps", [28] = "MSR bitmaps", [31] = "secondary controls"},
    [GROUP_PROC2] = {[1] = "EPT", [5] = "VPID", [6] = "WBINVD exiting", [7] = "unrestricted guest"},
    [GROUP_EXIT] = {[2] = "saving debug controls", [9] = "a 64-bit host", [15] = "acknowledge interrupt on exit", [18] = "saving PAT",
                    [19] = "loading PAT at exit", [20] = "saving EFER", [21] = "loading EFER at exit"},
    [GROUP_ENTRY] = {[2] = "loading debug controls", [14] = "loading PAT at entry", [15] = "loading EFER at entry"},
};

/* Taken when they exist. Those of APIC virtualization count only together. */
static const uint32_t optional[GROUP_COUNT] = {
    [GROUP_PIN] = PIN_PREEMPTION_TIMER,
    [GROUP_PROC] = 1U << 10 | 1U << 11 | 1U << 29, /* MWAIT, RDPMC and MONITOR exiting */
    [GROUP_PROC2] = PROC2_RDTSCP | PROC2_INVPCID | PROC2_APIC,
};

/* Low half: bits that must be 1; high half: bits that may be 1. The "true" MSRs allow CR3 exits to be off. */
static uint64_t control_msr(enum group g, uint64_t basic)
{
    static const uint32_t msr[GROUP_COUNT] = {0x481, 0x482, MSR_VMX_PROC2, 0x483, 0x484};
    static const uint32_t true_msr[GROUP_COUNT] = {0x48d, 0x48e, MSR_VMX_PROC2, 0x48f, 0x490};
    return rdmsr((basic & BASIC_TRUE_CTLS) != 0 ? true_msr[g] : msr[g]);
}

static bool choose_controls(uint64_t basic, uint32_t use[GROUP_COUNT])
{
    uint32_t may[GROUP_COUNT];
    bool ok = true;
    for (unsigned g = 0; g < GROUP_COUNT; g++) {
        /* Without the control that turns them on, reading the secondary controls' MSR would fault. */
        bool absent = g == GROUP_PROC2 && may[GROUP_PROC] >> 31 == 0;
        uint64_t msr = absent ? 0 : control_msr((enum group)g, basic);
        may[g] = (uint32_t)(msr >> 32);
        use[g] = (uint32_t)msr | (optional[g] & may[g]);
    }
    for (unsigned i = 0; i < GROUP_COUNT * 32; i++) {
        unsigned g = i / 32;
        uint32_t bit = 1U << i % 32;
        if (required[g][i % 32] == NULL)
            continue;
        use[g] |= bit;
        if ((may[g] & bit) == 0) {
            log_error("this CPU's VT-x lacks %s, which Corbel needs", required[g][i % 32]);
            ok = false;
        }
    }
    if ((use[GROUP_PROC] & 3U << 15) != 0) { /* CR3-load and CR3-store exiting */
        log_error("this CPU's VT-x cannot let guests load CR3 without an exit");
        ok = false;
    }
    return ok;
}

static void choose_guest_features(struct vmx_caps *c)
{
    const struct cpu_features *f = &cpu_features;
    c->rdtscp = f->rdtscp && (c->proc2 & PROC2_RDTSCP) != 0;
    c->guest_cr4 = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    c->guest_cr4 |= (f->umip ? CR4_UMIP : 0) | (f->fsgsbase ? CR4_FSGSBASE : 0) | (f->pcid ? CR4_PCIDE : 0) |
                    (f->smep ? CR4_SMEP : 0) | (f->smap ? CR4_SMAP : 0) | (f->xsave ? CR4_OSXSAVE : 0);
    uint64_t offer = f->xsave ? f->xcr0_supported & XCR0_OFFER : 0;
    bool avx512 = (offer & 0xe4) == 0xe4;
    c->xcr0_offer = avx512 ? offer : offer & 7;
    c->spec_ctrl = f->ibpb_ibrs || f->stibp || f->ssbd;
    c->ibpb = f->ibpb_ibrs;
    c->arch_caps = f->arch_cap_msr & ARCH_CAP_GUEST;
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
    uint32_t use[GROUP_COUNT];
    if (!cpu_features.vmx) {
        log_error("this CPU has no VT-x");
        return STATUS_UNSUPPORTED;
    }
    uint64_t basic = rdmsr(MSR_VMX_BASIC);
    bool ok = choose_controls(basic, use);
    if ((rdmsr(MSR_VMX_MISC) & MISC_STORE_LMA) == 0) {
        log_error("this CPU's VT-x does not store EFER.LMA at exits");
        ok = false;
    }
    if (!ok)
        return STATUS_UNSUPPORTED;
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
