/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See cpuid_policy.h. */
#include "vmx/cpuid_policy.h"

#include "vmx/caps.h"

#define XSAVE_LEGACY_BYTES 576U
#define BIT(n) (1U << (n))

_Static_assert(sizeof(struct cpuid_regs) == sizeof(struct boot_cpuid_leaf) && offsetof(struct cpuid_regs, edx) == 12, "EAX to EDX");

static struct cpuid_regs leaf_1(const struct cpuid_vcpu *v)
{
    struct cpuid_regs r = *cpuid_policy_leaf(&boot_info.cpuid.basic[1]);
    r.ebx |= v->apic_id << 24 | (v->nr_vcpus > 1 ? (2 * v->nr_vcpus & 0xffU) << 16 : 0);
    r.ecx |= v->osxsave ? BIT(27) : 0;
    r.edx |= v->nr_vcpus > 1 ? BIT(28) : 0; /* HTT: the ids count */
    return r;
}

/* Ids are even: the lowest bit is an unused thread, the next five number the cores. */
static struct cpuid_regs leaf_b(uint32_t subleaf, const struct cpuid_vcpu *v)
{
    if (subleaf == 0)
        return (struct cpuid_regs){1, 1, 1U << 8, v->apic_id};
    if (subleaf == 1)
        return (struct cpuid_regs){6, v->nr_vcpus, 2U << 8 | 1, v->apic_id};
    return (struct cpuid_regs){.ecx = subleaf & 0xff, .edx = v->apic_id};
}

static uint32_t xsave_bytes(uint64_t xcr0, bool compact)
{
    uint32_t end = XSAVE_LEGACY_BYTES;
    for (uint32_t i = 2; i < BOOT_CPUID_XSAVE; i++) {
        const struct boot_cpuid_leaf *part = &boot_info.cpuid.xsave[i];
        if ((xcr0 >> i & 1) == 0)
            continue;
        uint32_t aligned = (part->ecx & 2) != 0 ? (end + 63) & ~63U : end;
        end = compact ? aligned + part->eax : MAX(end, part->ebx + part->eax);
    }
    return end;
}

static struct cpuid_regs leaf_d(uint32_t subleaf, const struct cpuid_vcpu *v)
{
    if (vmx_caps.xcr0_offer == 0 || subleaf >= BOOT_CPUID_XSAVE)
        return (struct cpuid_regs){0};
    struct cpuid_regs r = *cpuid_policy_leaf(&boot_info.cpuid.xsave[subleaf]);
    if (subleaf == 0) {
        r.eax = (uint32_t)vmx_caps.xcr0_offer;
        r.ebx = xsave_bytes(v->xcr0, false);
        r.ecx = xsave_bytes(vmx_caps.xcr0_offer, false);
    } else if (subleaf == 1) {
        r.ebx = xsave_bytes(v->xcr0, true);
    }
    return r;
}

/* XEN-ABI: the public header arch-x86/cpuid.h. */
static struct cpuid_regs leaf_xen(uint32_t leaf, uint32_t subleaf, const struct cpuid_vcpu *v)
{
    switch (leaf) {
    case 0:
        return (struct cpuid_regs){CPUID_XEN_BASE + CPUID_XEN_MAX, 0x566e6558U, 0x65584d4dU, 0x4d4d566eU};
    case 1:
        return (struct cpuid_regs){.eax = CPUID_XEN_VERSION};
    case 2:
        return (struct cpuid_regs){.eax = 1, .ebx = 0x40000000U};
    case 3:
        if (subleaf == 0)
            return (struct cpuid_regs){.eax = BIT(1), .ebx = 2, .ecx = (uint32_t)v->tsc_khz}; /* host TSC is safe; mode "never emulate" */
        if (subleaf == 1)
            return (struct cpuid_regs){.ecx = v->tsc_mul, .edx = (uint32_t)v->tsc_shift};
        return (struct cpuid_regs){.eax = subleaf == 2 ? (uint32_t)v->tsc_khz : 0};
    case 4: /* vCPU id and domid valid; no per-vCPU upcall vector, so guests use the callback vector */
        return (struct cpuid_regs){BIT(3) | BIT(4) | (v->virtual_interrupts ? BIT(0) | BIT(1) : 0), v->vcpu_id, v->domid, 0};
    default:
        return (struct cpuid_regs){0};
    }
}

struct cpuid_regs cpuid_policy_get(uint32_t leaf, uint32_t subleaf, const struct cpuid_vcpu *v)
{
    struct cpuid_regs r = {0};
    const struct cpuid_regs *constant = cpuid_policy_constant(leaf);
    if (constant != NULL)
        return *constant;
    if (leaf < BOOT_CPUID_BASIC && leaf > boot_info.cpuid.basic[0].eax)
        return r;
    if (leaf - CPUID_EXT_BASE < BOOT_CPUID_EXT)
        return *cpuid_policy_leaf(&boot_info.cpuid.ext[leaf - CPUID_EXT_BASE]);
    if (leaf - CPUID_XEN_BASE <= CPUID_XEN_MAX)
        return leaf_xen(leaf - CPUID_XEN_BASE, subleaf, v);
    switch (leaf) {
    case 1:
        return leaf_1(v);
    case 4:
        return subleaf < BOOT_CPUID_CACHE ? *cpuid_policy_leaf(&boot_info.cpuid.cache[subleaf]) : r;
    case 7:
        return subleaf == 0 ? *cpuid_policy_leaf(&boot_info.cpuid.basic[7]) : r;
    case 0xb:
        return leaf_b(subleaf, v);
    case 0xd:
        return leaf_d(subleaf, v);
    default:
        return r;
    }
}
