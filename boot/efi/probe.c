/* SPDX-License-Identifier: Apache-2.0
 * [FW] Asks the CPU what preflight.c judges. Reads only. */
#include "boot/efi/lib.h"
#include "boot/efi/preflight.h"

#define MSR_FEATURE_CONTROL    0x3aU
#define MSR_VMX_BASIC          0x480U
#define MSR_VMX_PROCBASED      0x482U
#define MSR_VMX_PROCBASED2     0x48bU
#define MSR_VMX_EPT_VPID_CAP   0x48cU
#define MSR_VMX_TRUE_PROCBASED 0x48eU

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

/* SDM vol. 3, section "Primary Processor-Based VM-Execution Controls" of the capability appendix: the high half of the
 * MSR holds the allowed 1-settings; secondary controls and the EPT MSR exist only where those say so. */
static void probe_vmx(struct preflight_facts *facts)
{
    bool true_controls = (rdmsr(MSR_VMX_BASIC) >> 55 & 1) != 0;

    facts->feature_control = rdmsr(MSR_FEATURE_CONTROL);
    facts->primary_allowed = (uint32_t)(rdmsr(true_controls ? MSR_VMX_TRUE_PROCBASED : MSR_VMX_PROCBASED) >> 32);
    if (bit(facts->primary_allowed, 31)) {
        facts->secondary_allowed = (uint32_t)(rdmsr(MSR_VMX_PROCBASED2) >> 32);
    }
    if (bit(facts->secondary_allowed, 1) || bit(facts->secondary_allowed, 5)) {
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
