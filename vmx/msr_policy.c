/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See msr_policy.h. */
#include "vmx/msr_policy.h"

#include "kernel/cpu/x86.h"
#include "vmx/vlapic.h"

enum condition { ALWAYS, WITH_RDTSCP, WITH_SPEC_CTRL, WITH_IBPB, WITH_ARCH_CAPS };

struct row {
    uint32_t msr;
    enum condition when;
    enum msr_access read, write;
    uint64_t value;
};

/* MISC_ENABLE: fast strings; no branch trace store, no PEBS. MTRRCAP: no ranges. FEATURE_CONTROL: locked, no VMX. */
static const struct row rows[] = {
    {MSR_TSC, ALWAYS, MSR_DIRECT, MSR_FIXED, 0}, /* a write would part this vCPU's clock from the others' */
    {0x17, ALWAYS, MSR_FIXED, MSR_GP, 0},        /* IA32_PLATFORM_ID */
    {MSR_APIC_BASE, ALWAYS, MSR_HANDLER, MSR_HANDLER, 0},
    {MSR_FEATURE_CONTROL, ALWAYS, MSR_FIXED, MSR_GP, 1},
    {MSR_SPEC_CTRL, WITH_SPEC_CTRL, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_PRED_CMD, WITH_IBPB, MSR_GP, MSR_DIRECT, 0},
    {MSR_MICROCODE_REV, ALWAYS, MSR_FIXED, MSR_FIXED, 0},
    {MSR_MTRR_CAP, ALWAYS, MSR_FIXED, MSR_GP, 0},
    {MSR_ARCH_CAPABILITIES, WITH_ARCH_CAPS, MSR_HANDLER, MSR_GP, 0},
    {MSR_SYSENTER_CS, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_SYSENTER_ESP, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_SYSENTER_EIP, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_MISC_ENABLE, ALWAYS, MSR_FIXED, MSR_FIXED, 0x1801},
    {MSR_DEBUGCTL, ALWAYS, MSR_HANDLER, MSR_HANDLER, 0},
    {MSR_PAT, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_MTRR_DEF_TYPE, ALWAYS, MSR_HANDLER, MSR_HANDLER, 0},
    {MSR_TSC_DEADLINE, ALWAYS, MSR_HANDLER, MSR_HANDLER, 0},
    {MSR_HYPERCALL_PAGE, ALWAYS, MSR_GP, MSR_HANDLER, 0},
    {MSR_EFER, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_STAR, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_LSTAR, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_CSTAR, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_FMASK, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_FS_BASE, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_GS_BASE, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_KERNEL_GS_BASE, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_TSC_AUX, WITH_RDTSCP, MSR_DIRECT, MSR_DIRECT, 0},
};

static bool holds(enum condition when, const struct vmx_caps *caps)
{
    switch (when) {
    case ALWAYS:
        return true;
    case WITH_RDTSCP:
        return caps->rdtscp;
    case WITH_SPEC_CTRL:
        return caps->spec_ctrl;
    case WITH_IBPB:
        return caps->ibpb;
    case WITH_ARCH_CAPS:
        return caps->arch_caps != 0;
    }
    return false;
}

/* With APIC virtualization the CPU reads registers from the APIC page and carries out TPR, EOI and SELF_IPI writes
 * itself; which register exists stays our decision: every other access exits, and vlapic.c answers. */
static enum msr_access x2apic_access(uint32_t reg, bool write, const struct vmx_caps *caps)
{
    if (!caps->virtual_interrupts)
        return MSR_HANDLER;
    if (write)
        return reg == VLAPIC_TPR || reg == VLAPIC_EOI || reg == VLAPIC_SELF_IPI ? MSR_DIRECT : MSR_HANDLER;
    bool in_page = reg == VLAPIC_ID || reg == VLAPIC_VERSION || reg == VLAPIC_TPR || reg == VLAPIC_PPR || reg == VLAPIC_LDR ||
                   reg == VLAPIC_SVR || (reg >= VLAPIC_ISR && reg <= VLAPIC_ESR) || reg == VLAPIC_ICR ||
                   (reg >= VLAPIC_LVT_TIMER && reg <= VLAPIC_INITIAL_COUNT) || reg == VLAPIC_DIVIDE;
    return in_page ? MSR_DIRECT : MSR_HANDLER;
}

struct msr_rule msr_policy(uint32_t msr, bool write, const struct vmx_caps *caps)
{
    if (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST)
        return (struct msr_rule){x2apic_access(msr - MSR_X2APIC_FIRST, write, caps), 0};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].msr == msr && holds(rows[i].when, caps))
            return (struct msr_rule){write ? rows[i].write : rows[i].read, rows[i].value};
    }
    return (struct msr_rule){MSR_GP, 0};
}

bool msr_policy_listed(unsigned i, uint32_t *msr)
{
    const unsigned x2apic = MSR_X2APIC_LAST - MSR_X2APIC_FIRST + 1;
    if (i >= ARRAY_SIZE(rows) + x2apic)
        return false;
    *msr = i < x2apic ? MSR_X2APIC_FIRST + i : rows[i - x2apic].msr;
    return true;
}
