/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What CPUID says to guests: the loader's allow-list of leaves and bits (boot/efi/guest_cpuid.c), with what
 * differs from vCPU to vCPU. Pure. */
#pragma once

#include "kernel/cpu/x86.h"
#include "kernel/platform/machine.h"

#define CPUID_EXT_BASE 0x80000000U
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

struct cpuid_regs cpuid_policy_get(uint32_t leaf, uint32_t subleaf, const struct cpuid_vcpu *v);
/* The same four registers. */
static inline const struct cpuid_regs *cpuid_policy_leaf(const struct boot_cpuid_leaf *leaf) { return (const void *)leaf; }
/* LEAF's answer where it is the same for every vCPU and at any time, so that no struct cpuid_vcpu is needed; else NULL. */
static inline const struct cpuid_regs *cpuid_policy_constant(uint32_t leaf)
{
    const uint32_t varies = 1U << 1 | 1U << 4 | 1U << 7 | 1U << 0xb | 1U << 0xd;
    return leaf >= BOOT_CPUID_BASIC || (varies >> leaf & 1) != 0 ? NULL : cpuid_policy_leaf(&boot_info.cpuid.basic[leaf]);
}
