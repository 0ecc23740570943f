/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Which MSRs a guest has: one table, msrs.def, an allow-list. Pure: the bitmaps are computed from it and checked against it. */
#pragma once

#include "vmx/caps.h"

enum msr_access {
    MSR_GP,      /* #GP(0) */
    MSR_DIRECT,  /* no exit: the VMCS, switch.c or the APIC page holds the guest's value */
    MSR_FIXED,   /* read: the row's constant; write: dropped */
    MSR_HANDLER  /* vmx/exit/msr.c */
};

struct msr_rule {
    enum msr_access access;
    uint64_t value; /* of MSR_FIXED reads */
};

#define MSR_X2APIC_FIRST 0x800U
#define MSR_X2APIC_LAST 0x83fU
#define MSR_HYPERCALL_PAGE 0x40000000U
#define MSR_MICROCODE_REV 0x8bU

enum msr_condition { ALWAYS, WITH_RDTSCP, WITH_SPEC_CTRL, WITH_IBPB, WITH_ARCH_CAPS };

struct msr_row {
    uint32_t first, last;
    enum msr_condition when;
    enum msr_access read, write;
    uint64_t value;
};

/* MSRs without a row are MSR_GP. */
extern const struct msr_row msr_rows[];
extern const unsigned msr_nr_rows;

struct msr_rule msr_policy(uint32_t msr, bool write, const struct vmx_caps *caps);
