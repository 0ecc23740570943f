/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] CPUID: a lookup in the policy. */
#include "kernel/time/clock.h"
#include "vmx/cpuid_policy.h"
#include "vmx/exit/handlers.h"
#include "vmx/vmcs.h"

/* Most leaves depend on the vCPU; a struct of its facts is made for them. */
static struct cpuid_regs of_vcpu(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_vcpu facts = {
        .apic_id = v->vmx.vlapic.id,
        .vcpu_id = v->id,
        .nr_vcpus = v->domain->nr_vcpus,
        .domid = v->domain->id,
        .virtual_interrupts = vmx_caps.virtual_interrupts,
        .xcr0 = v->vmx.xcr0,
    };
    if (leaf == 1) {
        facts.osxsave = (vmreadn(VMCS_GUEST_CR4) & CR4_OSXSAVE) != 0;
    }
    if (leaf == CPUID_XEN_BASE + 3) {
        uint64_t tsc, ns;
        facts.tsc_khz = clock_tsc_khz();
        clock_pv_factors(&facts.tsc_mul, &facts.tsc_shift, &tsc, &ns);
    }
    return cpuid_policy_get(leaf, subleaf, &facts);
}

enum exit_action exit_cpuid(struct vcpu *v)
{
    struct vmx_gprs *g = &v->vmx.gprs;
    struct cpuid_regs r;
    if (!cpuid_policy_constant((uint32_t)g->rax, &r)) {
        r = of_vcpu(v, (uint32_t)g->rax, (uint32_t)g->rcx);
    }
    g->rax = r.eax;
    g->rbx = r.ebx;
    g->rcx = r.ecx;
    g->rdx = r.edx;
    return EXIT_ADVANCE;
}
