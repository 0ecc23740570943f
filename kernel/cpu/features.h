/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What the boot CPU has, as far as root mode uses it; filled once, the same on all CPUs. VMX capabilities are vmx/caps.c's. */
#pragma once

#include "kernel/core/types.h"

struct cpu_features {
    char vendor[13];
    char brand[49];
    uint32_t family, model;
    uint32_t phys_bits; /* MAXPHYADDR */
    uint64_t tsc_hz_cpuid; /* by CPUID 0x15; 0: not said. Not to be believed without a check (clock.c) */
    bool vmx, xsave, x2apic, tsc_deadline, invariant_tsc, rdtscp;
    bool smep, smap, umip, fsgsbase, pcid;
    bool md_clear, flush_cmd, ibpb_ibrs, stibp, ssbd;
    uint64_t arch_cap_msr; /* 0 when the MSR is absent */
    uint64_t xcr0_supported; /* 0 without XSAVE */
};

extern struct cpu_features cpu_features;

/* Fills cpu_features and sets the boot CPU's CR4 as root mode wants it, without VMXE. */
void features_init(void);
