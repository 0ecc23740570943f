/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] RDMSR and WRMSR that exit: the local APIC, then what msr_policy says. */
#include "kernel/cpu/x86.h"
#include "kernel/domain/physmap.h"
#include "vmx/exit/handlers.h"
#include "vmx/msr_policy.h"
#include "vmx/vlapic.h"

#define APIC_BASE_MODES 0xc00UL /* global enable and x2APIC enable */

static bool is_x2apic(uint32_t msr) { return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST; }

static enum exit_action result(struct vcpu *v, uint64_t value)
{
    v->vmx.gprs.rax = (uint32_t)value;
    v->vmx.gprs.rdx = value >> 32;
    return EXIT_ADVANCE;
}

static __attribute__((noinline)) enum exit_action read_apic(struct vcpu *v, uint32_t reg)
{
    uint64_t value;
    return vlapic_read(&v->vmx, reg, rdtsc(), &value) ? result(v, value) : EXIT_INJECT_GP;
}

enum exit_action exit_rdmsr(struct vcpu *v)
{
    uint32_t msr = (uint32_t)v->vmx.gprs.rcx;
    if (is_x2apic(msr)) /* the frequent ones: APIC registers without the table */
        return read_apic(v, msr - MSR_X2APIC_FIRST);
    struct msr_rule rule = msr_policy(msr, false, &vmx_caps);
    if (rule.access == MSR_FIXED)
        return result(v, rule.value);
    if (rule.access != MSR_HANDLER) /* DIRECT cannot come here: its bit in the bitmap is clear */
        return EXIT_INJECT_GP;
    switch (msr) {
    case MSR_APIC_BASE: return result(v, v->vmx.vlapic.base_msr);
    case MSR_ARCH_CAPABILITIES: return result(v, vmx_caps.arch_caps);
    case MSR_TSC_DEADLINE: return result(v, vlapic_tsc_deadline_read(&v->vmx));
    default: return EXIT_INJECT_GP;
    }
}

static enum exit_action write_apic_base(struct vcpu *v, uint64_t value)
{
    if (value == v->vmx.vlapic.base_msr)
        return EXIT_ADVANCE;
    if ((value & APIC_BASE_MODES) != APIC_BASE_MODES)
        return exit_kill(v, "it left x2APIC mode, the only one that Corbel offers");
    return EXIT_INJECT_GP; /* the base and the boot-processor flag are fixed */
}

static enum exit_action write_by_handler(struct vcpu *v, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_APIC_BASE:
        return write_apic_base(v, value);
    case MSR_TSC_DEADLINE:
        vlapic_tsc_deadline_write(&v->vmx, value);
        exit_apic_timer(v);
        return EXIT_ADVANCE;
    case MSR_HYPERCALL_PAGE:
        return exit_hypercall_page(v, value);
    default:
        return EXIT_INJECT_GP;
    }
}

enum exit_action exit_wrmsr(struct vcpu *v)
{
    uint32_t msr = (uint32_t)v->vmx.gprs.rcx;
    uint64_t value = v->vmx.gprs.rdx << 32 | (uint32_t)v->vmx.gprs.rax;
    if (is_x2apic(msr))
        return exit_apic_write(v, msr - MSR_X2APIC_FIRST, value);
    enum msr_access access = msr_policy(msr, true, &vmx_caps).access;
    if (access == MSR_HANDLER)
        return write_by_handler(v, msr, value);
    return access == MSR_FIXED ? EXIT_ADVANCE : EXIT_INJECT_GP;
}

/* 128 stubs of 32 bytes: mov eax, nr; vmcall; ret. The low bits of VALUE are the page's index; there is one page. */
enum exit_action exit_hypercall_page(struct vcpu *v, uint64_t value)
{
    uint8_t stub[32] = {0xb8, 0, 0, 0, 0, 0x0f, 0x01, 0xc1, 0xc3};
    enum status status = (value & (PAGE_SIZE - 1)) == 0 ? STATUS_OK : STATUS_INVALID;
    struct domain_locked l DOMAIN_GUARD = domain_lock(v->domain);
    for (uint8_t nr = 0; nr < PAGE_SIZE / sizeof(stub) && status == STATUS_OK; nr++) {
        stub[1] = nr;
        status = physmap_copy_to(l.d, gpa(value + nr * sizeof(stub)), stub, sizeof(stub));
    }
    return status == STATUS_OK ? EXIT_ADVANCE : EXIT_INJECT_GP;
}
