/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What CPUID says to guests: an allow-list of leaves and bits over what the host has. Pure: built once at boot,
 * then lookups. */
#pragma once

#include "kernel/cpu/x86.h"
#include "vmx/caps.h"

#define CPUID_BASIC_MAX 0xdU
#define CPUID_EXT_BASE 0x80000000U
#define CPUID_EXT_MAX 8U
#define CPUID_XEN_BASE 0x40000000U
#define CPUID_XEN_MAX 5U
#define CPUID_XEN_VERSION 0x00040011U /* 4.17 */

/* What differs from vCPU to vCPU, or changes. */
struct cpuid_vcpu {
    uint32_t apic_id, vcpu_id, nr_vcpus;
    uint16_t domid;
    bool virtual_interrupts;
    bool osxsave;       /* CR4.OSXSAVE, leaf 1 only */
    uint64_t xcr0;      /* leaf 0xd only */
    uint64_t tsc_khz;   /* Xen's time leaf */
    uint32_t tsc_mul;
    int8_t tsc_shift;
};

/* Reads the host through HOST and applies the policy. */
void cpuid_policy_init(struct cpuid_regs (*host)(uint32_t leaf, uint32_t subleaf), const struct vmx_caps *caps);
struct cpuid_regs cpuid_policy_get(uint32_t leaf, uint32_t subleaf, const struct cpuid_vcpu *v);
/* The basic leaves, subleaf 0, as far as they are the same for every vCPU. */
extern struct cpuid_regs cpuid_basic[CPUID_BASIC_MAX + 1];
/* LEAF's answer where it is the same for every vCPU and at any time, so that no struct cpuid_vcpu is needed; else NULL. */
static inline const struct cpuid_regs *cpuid_policy_constant(uint32_t leaf)
{
    const uint32_t varies = 1U << 1 | 1U << 4 | 1U << 7 | 1U << 0xb | 1U << 0xd;
    return leaf > CPUID_BASIC_MAX || (varies >> leaf & 1) != 0 ? NULL : &cpuid_basic[leaf];
}
