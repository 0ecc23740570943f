/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] CPUID: a lookup in the policy. */
#include "kernel/time/clock.h"
#include "vmx/cpuid_policy.h"
#include "vmx/exit/handlers.h"
#include "vmx/vmcs.h"

static inline enum exit_action answer(struct vmx_gprs *g, const struct cpuid_regs *r)
{
    g->rax = r->eax;
    g->rbx = r->ebx;
    g->rcx = r->ecx;
    g->rdx = r->edx;
    return EXIT_ADVANCE;
}

/* Most leaves depend on the vCPU; a struct of its facts is made for them. */
static __attribute__((noinline)) enum exit_action of_vcpu(struct vcpu *v)
{
    uint32_t leaf = (uint32_t)v->vmx.gprs.rax;
    struct cpuid_vcpu facts = {
        .apic_id = v->vmx.vlapic.id,
        .vcpu_id = v->id,
        .nr_vcpus = v->domain->nr_vcpus,
        .domid = v->domain->id,
        .virtual_interrupts = vmx_caps.virtual_interrupts,
        .xcr0 = v->vmx.xcr0,
    };
    if (leaf == 1)
        facts.osxsave = (vmreadn(VMCS_GUEST_CR4) & CR4_OSXSAVE) != 0;
    if (leaf == CPUID_XEN_BASE + 3) {
        uint64_t tsc, ns;
        facts.tsc_khz = clock_tsc_khz();
        clock_pv_factors(&facts.tsc_mul, &facts.tsc_shift, &tsc, &ns);
    }
    struct cpuid_regs r = cpuid_policy_get(leaf, (uint32_t)v->vmx.gprs.rcx, &facts);
    return answer(&v->vmx.gprs, &r);
}

enum exit_action exit_cpuid(struct vcpu *v)
{
    const struct cpuid_regs *constant = cpuid_policy_constant((uint32_t)v->vmx.gprs.rax);
    return constant != NULL ? answer(&v->vmx.gprs, constant) : of_vcpu(v);
}
