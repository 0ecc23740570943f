/* SPDX-License-Identifier: Apache-2.0
 * [FW] Asks the CPU what preflight.c judges. Reads only; what XSAVEC does is tried (xsavec.c), with all put back. */
#include "boot/efi/lib.h"
#include "boot/efi/preflight.h"
#include "boot/efi/vmxcaps.h"

#define MSR_FEATURE_CONTROL    0x3aU
#define MSR_MTRR_CAP           0xfeU
#define MSR_ARCH_CAPABILITIES  0x10aU
#define MSR_MTRR_DEF_TYPE      0x2ffU
#define PSCHANGE_MC_NO         (1UL << 6)
#define MSR_VMX_BASIC          0x480U
#define MSR_VMX_MISC           0x485U
#define MSR_VMX_CR0_FIXED0     0x486U
#define MSR_VMX_CR4_FIXED0     0x488U
#define MSR_VMX_PROCBASED2     0x48bU
#define MSR_VMX_EPT_VPID_CAP   0x48cU

struct cpuid {
    uint32_t a, b, c, d;
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static bool bit(uint32_t value, unsigned index) { return (value >> index & 1) != 0; }

/* SDM vol. 3, appendix "VMX Capability Reporting Facility": the low half of a controls' MSR holds the bits that must be 1,
 * the high half those that may be; secondary controls and the EPT MSR exist only where the primary controls say so. */
static void probe_vmx(struct preflight_facts *facts)
{
    static const uint16_t msr[2][PREFLIGHT_GROUPS] = {{0x481, 0x482, MSR_VMX_PROCBASED2, 0x483, 0x484},
                                                      {0x48d, 0x48e, MSR_VMX_PROCBASED2, 0x48f, 0x490}};
    facts->vmx_basic = rdmsr(MSR_VMX_BASIC);
    bool true_controls = (facts->vmx_basic >> 55 & 1) != 0;

    facts->cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0);
    facts->cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0);
    facts->feature_control = rdmsr(MSR_FEATURE_CONTROL);
    facts->vmx_misc = rdmsr(MSR_VMX_MISC);
    for (unsigned i = 0; i < PREFLIGHT_GROUPS; i++) {
        if (i != PREFLIGHT_SECONDARY || bit(facts->allowed[PREFLIGHT_PRIMARY], 31)) {
            uint64_t value = rdmsr(msr[true_controls][i]);
            facts->allowed[i] = (uint32_t)(value >> 32);
            facts->forced[i] = (uint32_t)value;
        }
    }
    if (bit(facts->allowed[PREFLIGHT_SECONDARY], 1) || bit(facts->allowed[PREFLIGHT_SECONDARY], 5)) {
        facts->ept_vpid = rdmsr(MSR_VMX_EPT_VPID_CAP);
    }
}

static void probe_names(struct preflight_facts *facts)
{
    struct cpuid r = cpuid(0, 0);
    uint32_t vendor[3] = {r.b, r.d, r.c};

    memcpy(facts->vendor, vendor, sizeof(vendor));
    if (bit(cpuid(1, 0).c, 31)) {
        r = cpuid(0x40000000, 0);
        memcpy(facts->hypervisor, &r.b, 12);
        if (facts->hypervisor[0] == '\0') {
            memcpy(facts->hypervisor, "unnamed", 8);
        }
    }
    if (cpuid(0x80000000, 0).a >= 0x80000004) {
        for (uint32_t i = 0; i < 3; i++) {
            r = cpuid(0x80000002 + i, 0);
            memcpy(facts->brand + i * 16, &r, 16);
        }
    }
}

void preflight_probe(struct preflight_facts *facts)
{
    struct cpuid basic = cpuid(1, 0);
    uint32_t last_extended = cpuid(0x80000000, 0).a;

    probe_names(facts);
    facts->has_vmx = bit(basic.c, 5);
    facts->has_x2apic = bit(basic.c, 21);
    facts->has_xsave = bit(basic.c, 26);
    if (last_extended >= 0x80000001) {
        struct cpuid extended = cpuid(0x80000001, 0);
        facts->has_svm = bit(extended.c, 2);
        facts->has_nx = bit(extended.d, 20);
        facts->has_long_mode = bit(extended.d, 29);
    }
    if (last_extended >= 0x80000008) {
        facts->linear_bits = cpuid(0x80000008, 0).a >> 8 & 0xff;
    }
    if (cpuid(0, 0).a >= 7 && bit(cpuid(7, 0).d, 29)) {
        facts->arch_caps = rdmsr(MSR_ARCH_CAPABILITIES);
    }
    if (facts->has_xsave && cpuid(0, 0).a >= 0xd && bit(cpuid(0xd, 1).a, 1)) {
        facts->xsavec_fails = !preflight_xsavec(vmxcaps_xcr0(cpuid(0xd, 0).a));
    }
    if (facts->has_vmx) {
        probe_vmx(facts);
    }
}

uint32_t preflight_apic_id(void)
{
    if (cpuid(0, 0).a >= 0xb) {
        struct cpuid topology = cpuid(0xb, 0);
        if (topology.b != 0) {
            return topology.d;
        }
    }
    return cpuid(1, 0).b >> 24;
}

uint64_t preflight_tsc_hz(void)
{
    struct cpuid r = cpuid(0, 0).a >= 0x15 ? cpuid(0x15, 0) : (struct cpuid){0};

    return r.a != 0 ? (uint64_t)r.c * r.b / r.a : 0;
}

/* Four levels of second-level tables translate 48 bits. */
unsigned preflight_address_bits(void)
{
    unsigned bits = cpuid(0x80000000, 0).a >= 0x80000008 ? cpuid(0x80000008, 0).a & 0xff : 36;

    return bits < 48 ? bits : 48;
}

const struct mtrr_state *preflight_mtrrs(void)
{
    static const uint16_t fixed[11] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    static struct mtrr_state m;

    if (!bit(cpuid(1, 0).d, 12)) {
        return &m; /* there are none: as if they were off */
    }
    m.phys_bits = cpuid(0x80000000, 0).a >= 0x80000008 ? cpuid(0x80000008, 0).a & 0xff : 36;
    m.cap = rdmsr(MSR_MTRR_CAP);
    m.def_type = rdmsr(MSR_MTRR_DEF_TYPE);
    for (unsigned i = 0; i < 11 && (m.cap & 0x100) != 0; i++) {
        m.fixed[i] = rdmsr(fixed[i]);
    }
    for (uint32_t i = 0; i < MEMTYPE_MAX_VARIABLE && i < (m.cap & 0xff); i++) {
        m.variable[i].base = rdmsr(0x200 + 2 * i);
        m.variable[i].mask = rdmsr(0x201 + 2 * i);
    }
    return &m;
}

/* Atoms and CPUs with PSCHANGE_MC_NO are free of it. */
bool preflight_multihit(void)
{
    static const uint8_t models[] = {0x1a, 0x1e, 0x1f, 0x2e, 0x25, 0x2c, 0x2f, 0x2a, 0x2d, 0x3a, 0x3e, 0x3c, 0x3f,
                                     0x45, 0x46, 0x3d, 0x47, 0x4f, 0x56, 0x4e, 0x5e, 0x55, 0x8e, 0x9e, 0xa5, 0xa6};
    uint32_t signature = cpuid(1, 0).a;
    uint32_t model = (signature >> 4 & 15) | (signature >> 16 & 15) << 4;
    bool has_capabilities = cpuid(0, 0).a >= 7 && bit(cpuid(7, 0).d, 29);

    if ((signature >> 8 & 15) != 6 || (has_capabilities && (rdmsr(MSR_ARCH_CAPABILITIES) & PSCHANGE_MC_NO) != 0)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(models); i++) {
        if (model == models[i]) {
            return true;
        }
    }
    return false;
}

struct boot_cpuid_leaf preflight_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r = leaf <= cpuid(leaf & 0x80000000U, 0).a ? cpuid(leaf, subleaf) : (struct cpuid){0};

    return (struct boot_cpuid_leaf){r.a, r.b, r.c, r.d};
}
