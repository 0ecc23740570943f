/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See msr_policy.h. */
#include "vmx/msr_policy.h"

#include "kernel/cpu/x86.h"
#include "vmx/vlapic.h"

const struct msr_row msr_rows[] = {
#define MSR(...) {__VA_ARGS__},
#include "vmx/msrs.def"
#undef MSR
};
const unsigned msr_nr_rows = ARRAY_SIZE(msr_rows);

static bool holds(enum msr_condition when, const struct vmx_caps *caps)
{
    switch (when) {
    case WITH_RDTSCP: return caps->rdtscp;
    case WITH_SPEC_CTRL: return caps->spec_ctrl;
    case WITH_IBPB: return caps->ibpb;
    case WITH_ARCH_CAPS: return caps->arch_caps != 0;
    case ALWAYS: break;
    }
    return true;
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
    switch (msr) { /* constants, which compile to a search by halves */
#define MSR(first, last, when, read, write_, value) \
    case first ... last:                            \
        return holds(when, caps) ? (struct msr_rule){write ? write_ : read, value} : (struct msr_rule){MSR_GP, 0};
#include "vmx/msrs.def"
#undef MSR
    default:
        return (struct msr_rule){MSR_GP, 0};
    }
}
