/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] Pure: see vmxcaps.h. */
#include "boot/efi/vmxcaps.h"

#define PIN_PREEMPTION_TIMER (1U << 6)
#define PROC2_RDTSCP         (1U << 3)
#define PROC2_APIC           (1U << 4 | 1U << 8 | 1U << 9) /* x2APIC mode, APIC registers, virtual-interrupt delivery */
#define PROC2_INVPCID        (1U << 12)
#define PREEMPTION_US        1000U /* no guest runs longer without an exit, whatever happens to interrupts */

#define ARCH_CAP_RDCL_NO    (1UL << 0)
#define ARCH_CAP_SKIP_L1DFL (1UL << 3)
#define ARCH_CAP_MDS_NO     (1UL << 5)

/* SDM vol 3, "Control Registers": VME PVI TSD DE PSE PAE PGE PCE OSFXSR OSXMMEXCPT; the rest where CPUID has it. */
#define CR4_ALWAYS   0x7bfUL
#define CR4_UMIP     (1UL << 11)
#define CR4_FSGSBASE (1UL << 16)
#define CR4_PCIDE    (1UL << 17)
#define CR4_OSXSAVE  (1UL << 18)
#define CR4_SMEP     (1UL << 20)
#define CR4_SMAP     (1UL << 21)

/* Taken when they exist. Those of APIC virtualization count only together. */
static const uint32_t optional[PREFLIGHT_GROUPS] = {
    [PREFLIGHT_PIN] = PIN_PREEMPTION_TIMER,
    [PREFLIGHT_PRIMARY] = 1U << 10 | 1U << 11 | 1U << 29, /* MWAIT, RDPMC and MONITOR exiting */
    [PREFLIGHT_SECONDARY] = PROC2_RDTSCP | PROC2_INVPCID | PROC2_APIC,
};

static bool bit(uint32_t value, unsigned index) { return (value >> index & 1) != 0; }

static uint32_t controls(const struct preflight_facts *f, enum preflight_group g)
{
    return f->forced[g] | preflight_required(g) | (optional[g] & f->allowed[g]);
}

static void choose_guest_features(const struct preflight_facts *f, guest_cpuid_function *cpuid, struct vmx_caps *c)
{
    struct boot_cpuid_leaf basic = cpuid(1, 0);
    struct boot_cpuid_leaf more = cpuid(7, 0);
    bool xsave = bit(basic.ecx, 26) && cpuid(0, 0).eax >= 0xd;

    c->rdtscp = bit(cpuid(0x80000001, 0).edx, 27) && (c->proc2 & PROC2_RDTSCP) != 0;
    c->guest_cr4 = CR4_ALWAYS | (bit(more.ecx, 2) ? CR4_UMIP : 0) | (bit(more.ebx, 0) ? CR4_FSGSBASE : 0) |
                   (bit(basic.ecx, 17) ? CR4_PCIDE : 0) | (bit(more.ebx, 7) ? CR4_SMEP : 0) |
                   (bit(more.ebx, 20) ? CR4_SMAP : 0) | (xsave ? CR4_OSXSAVE : 0);
    c->xcr0_offer = xsave ? vmxcaps_xcr0(cpuid(0xd, 0).eax) : 0;
    c->ibpb = bit(more.edx, 26);
    c->spec_ctrl = c->ibpb || bit(more.edx, 27) || bit(more.edx, 31); /* IBRS, STIBP, SSBD */
    c->arch_caps = f->arch_caps & VMXCAPS_ARCH_CAPS;
}

void vmxcaps_choose(const struct preflight_facts *f, guest_cpuid_function *cpuid, uint32_t tsc_khz, bool mitigations,
                    struct vmx_caps *c)
{
    uint32_t vpid = (uint32_t)(f->ept_vpid >> 32);
    uint32_t edx = cpuid(7, 0).edx;

    *c = (struct vmx_caps){
        .revision = (uint32_t)f->vmx_basic & 0x7fffffffU,
        .pin = controls(f, PREFLIGHT_PIN),
        .proc = controls(f, PREFLIGHT_PRIMARY),
        .proc2 = controls(f, PREFLIGHT_SECONDARY),
        .exit = controls(f, PREFLIGHT_EXIT),
        .entry = controls(f, PREFLIGHT_ENTRY),
        .cr0_fixed0 = f->cr0_fixed0,
        .cr4_fixed0 = f->cr4_fixed0,
        .invvpid = bit(vpid, 0) && bit(vpid, 9),
    };
    c->virtual_interrupts = (c->proc2 & PROC2_APIC) == PROC2_APIC;
    c->proc2 &= c->virtual_interrupts ? ~0U : ~PROC2_APIC;
    if ((c->pin & PIN_PREEMPTION_TIMER) != 0) {
        c->preemption_ticks = (uint32_t)((uint64_t)tsc_khz * PREEMPTION_US / 1000 >> (f->vmx_misc & 31)) + 1;
    }
    choose_guest_features(f, cpuid, c);
    c->ibpb_on_switch = mitigations && c->ibpb;
    c->flush_l1d = mitigations && bit(edx, 28) && (f->arch_caps & (ARCH_CAP_RDCL_NO | ARCH_CAP_SKIP_L1DFL)) == 0;
    c->verw = mitigations && bit(edx, 10) && (f->arch_caps & ARCH_CAP_MDS_NO) == 0;
}
