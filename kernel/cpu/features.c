/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] CPUID, read once. SDM vol 2, "CPUID". */
#include "kernel/cpu/features.h"

#include "kernel/core/string.h"
#include "kernel/cpu/x86.h"

struct cpu_features cpu_features;

static bool bit(uint32_t reg, unsigned n) { return (reg >> n & 1) != 0; }

/* CPUID, with zeros for a leaf that the CPU does not have. */
static struct cpuid_regs leaf(uint32_t n, uint32_t sub)
{
    return n <= cpuid(n & 0x80000000U, 0).eax ? cpuid(n, sub) : (struct cpuid_regs){0};
}

static void read_identity(struct cpu_features *f)
{
    struct cpuid_regs r = leaf(0, 0);
    memcpy(f->vendor, &r.ebx, 4);
    memcpy(f->vendor + 4, &r.edx, 4);
    memcpy(f->vendor + 8, &r.ecx, 4);
    for (uint32_t i = 0; i < 3; i++) {
        r = leaf(0x80000002U + i, 0);
        memcpy(f->brand + 16 * i, &r, 16);
    }
    uint32_t sig = leaf(1, 0).eax;
    f->family = (sig >> 8 & 15) == 15 ? 15 + (sig >> 20 & 255) : sig >> 8 & 15;
    f->model = (sig >> 4 & 15) | (sig >> 16 & 15) << 4;
}

static void read_abilities(struct cpu_features *f)
{
    struct cpuid_regs r = leaf(1, 0);
    f->vmx = bit(r.ecx, 5);
    f->pcid = bit(r.ecx, 17);
    f->x2apic = bit(r.ecx, 21);
    f->tsc_deadline = bit(r.ecx, 24);
    f->xsave = bit(r.ecx, 26);
    r = leaf(7, 0);
    f->fsgsbase = bit(r.ebx, 0);
    f->smep = bit(r.ebx, 7);
    f->smap = bit(r.ebx, 20);
    f->umip = bit(r.ecx, 2);
    f->md_clear = bit(r.edx, 10);
    f->ibpb_ibrs = bit(r.edx, 26);
    f->stibp = bit(r.edx, 27);
    f->flush_cmd = bit(r.edx, 28);
    f->arch_cap_msr = bit(r.edx, 29) ? rdmsr(MSR_ARCH_CAPABILITIES) : 0;
    f->ssbd = bit(r.edx, 31);
    f->rdtscp = bit(leaf(0x80000001U, 0).edx, 27);
    f->invariant_tsc = bit(leaf(0x80000007U, 0).edx, 8);
    r = leaf(0xd, 0);
    f->xcr0_supported = f->xsave ? (uint64_t)r.edx << 32 | r.eax : 0;
    r = leaf(0x15, 0);
    f->tsc_hz_cpuid = r.eax != 0 ? (uint64_t)r.ecx * r.ebx / r.eax : 0;
    r = leaf(0x80000008U, 0);
    f->phys_bits = r.eax != 0 ? r.eax & 255 : 36;
}

void features_init(void)
{
    struct cpu_features *f = &cpu_features;
    read_identity(f);
    read_abilities(f);
    uint64_t cr4 = CR4_PAE | CR4_DE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= (f->xsave ? CR4_OSXSAVE : 0) | (f->smep ? CR4_SMEP : 0) | (f->smap ? CR4_SMAP : 0) | (f->umip ? CR4_UMIP : 0);
    write_cr4(cr4 | (read_cr4() & CR4_VMXE));
}
