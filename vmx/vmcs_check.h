/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Why a VM entry was refused: the rules of SDM vol 3, "Checks on VMX Controls and Host-State Area" and "Checking
 * and Loading Guest State", as far as they concern what Corbel uses. Not here: rules on features that no control of
 * Corbel's turns on (posted interrupts, VM functions, #VE, PML, Intel PT, CET state, SGX, SMM, lists of MSRs), and those
 * that look into memory behind a pointer. */
#pragma once

#include "vmx/vmx.h"

/* What the rules depend on besides the VMCS. */
struct vmcs_limits {
    uint64_t msr[17];   /* the capability MSRs from IA32_VMX_BASIC on; those at 13 and above only when it says so */
    unsigned phys_bits;
    uint32_t tpr;       /* of the virtual-APIC page */
};

struct vmcs_broken {
    uint32_t field;
    const char *name;    /* of the field, or of the segment register */
    uint64_t value, bits; /* bits: the wrong ones, or all when the rule is not about bits */
    const char *rule, *section;
};

/* Calls FOUND for each rule that the current VMCS breaks: those on guest state, or those on controls and host state,
 * which the CPU looks at first. */
void vmcs_check(const struct vmcs_limits *l, bool guest_state, void (*found)(void *ctx, const struct vmcs_broken *b), void *ctx);
/* How many rules V's entry breaks; prints each, and who wrote the field last, unless QUIET. Precondition: V's VMCS is
 * current. */
unsigned vmcs_explain(struct vmx_vcpu *v, bool guest_state, bool quiet);
