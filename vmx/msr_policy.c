/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See msr_policy.h. */
#include "vmx/msr_policy.h"

#include "kernel/cpu/x86.h"
#include "vmx/vlapic.h"

/* MISC_ENABLE: fast strings; no branch trace store, no PEBS. MTRRCAP: no ranges; MTRR_DEF_TYPE: enabled, write-back, as
 * firmware would leave it; memory types are the EPT's. FEATURE_CONTROL: locked, no VMX. DEBUGCTL: no branch records. */
const struct msr_row msr_rows[] = {
    {MSR_TSC, MSR_TSC, ALWAYS, MSR_DIRECT, MSR_FIXED, 0}, /* a write would part this vCPU's clock from the others' */
    {0x17, 0x17, ALWAYS, MSR_FIXED, MSR_GP, 0},           /* IA32_PLATFORM_ID */
    {MSR_APIC_BASE, MSR_APIC_BASE, ALWAYS, MSR_HANDLER, MSR_HANDLER, 0},
    {MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, ALWAYS, MSR_FIXED, MSR_GP, 1},
    {MSR_SPEC_CTRL, MSR_SPEC_CTRL, WITH_SPEC_CTRL, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_PRED_CMD, MSR_PRED_CMD, WITH_IBPB, MSR_GP, MSR_DIRECT, 0},
    {MSR_MICROCODE_REV, MSR_MICROCODE_REV, ALWAYS, MSR_FIXED, MSR_FIXED, 0},
    {MSR_MTRR_CAP, MSR_MTRR_CAP, ALWAYS, MSR_FIXED, MSR_GP, 0},
    {MSR_ARCH_CAPABILITIES, MSR_ARCH_CAPABILITIES, WITH_ARCH_CAPS, MSR_HANDLER, MSR_GP, 0},
    {MSR_SYSENTER_CS, MSR_SYSENTER_EIP, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_MISC_ENABLE, MSR_MISC_ENABLE, ALWAYS, MSR_FIXED, MSR_FIXED, 0x1801},
    {MSR_DEBUGCTL, MSR_DEBUGCTL, ALWAYS, MSR_FIXED, MSR_FIXED, 0},
    {MSR_PAT, MSR_PAT, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, ALWAYS, MSR_FIXED, MSR_FIXED, 0x806},
    {MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, ALWAYS, MSR_HANDLER, MSR_HANDLER, 0},
    {MSR_X2APIC_FIRST, MSR_X2APIC_LAST, ALWAYS, MSR_HANDLER, MSR_HANDLER, 0}, /* but see x2apic_direct */
    {MSR_HYPERCALL_PAGE, MSR_HYPERCALL_PAGE, ALWAYS, MSR_GP, MSR_HANDLER, 0},
    {MSR_EFER, MSR_FMASK, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0}, /* EFER STAR LSTAR CSTAR FMASK */
    {MSR_FS_BASE, MSR_KERNEL_GS_BASE, ALWAYS, MSR_DIRECT, MSR_DIRECT, 0},
    {MSR_TSC_AUX, MSR_TSC_AUX, WITH_RDTSCP, MSR_DIRECT, MSR_DIRECT, 0},
};
const unsigned msr_nr_rows = ARRAY_SIZE(msr_rows);

static bool holds(enum msr_condition when, const struct vmx_caps *caps)
{
    const bool met[] = {[ALWAYS] = true, [WITH_RDTSCP] = caps->rdtscp, [WITH_SPEC_CTRL] = caps->spec_ctrl,
                        [WITH_IBPB] = caps->ibpb, [WITH_ARCH_CAPS] = caps->arch_caps != 0};
    return met[when];
}

/* With APIC virtualization the CPU reads registers from the APIC page, but for the count, which is computed; and it
 * carries out TPR, EOI and SELF_IPI writes itself. Which register exists stays our decision: every other access exits,
 * and vlapic.c answers. */
static bool x2apic_direct(uint32_t reg, bool write)
{
    if (write)
        return reg == VLAPIC_TPR || reg == VLAPIC_EOI || reg == VLAPIC_SELF_IPI;
    return reg != VLAPIC_CURRENT_COUNT && (VLAPIC_READABLE >> reg & 1) != 0;
}

struct msr_rule msr_policy(uint32_t msr, bool write, const struct vmx_caps *caps)
{
    bool x2apic = msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST;
    if (x2apic && caps->virtual_interrupts && x2apic_direct(msr - MSR_X2APIC_FIRST, write))
        return (struct msr_rule){MSR_DIRECT, 0};
    for (unsigned i = 0; i < msr_nr_rows; i++) {
        const struct msr_row *row = &msr_rows[i];
        if (msr >= row->first && msr <= row->last && holds(row->when, caps))
            return (struct msr_rule){write ? row->write : row->read, row->value};
    }
    return (struct msr_rule){MSR_GP, 0};
}
