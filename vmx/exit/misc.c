/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The exits that need little thought. */
#include "kernel/cpu/x86.h"
#include "vmx/context_check.h"
#include "vmx/exit/handlers.h"
#include "vmx/switch.h"
#include "vmx/vmcs.h"

/* INVD, WBINVD: guest memory is coherent, and a guest may not throw away what others have in the caches. */
enum exit_action exit_cache(struct vcpu *v) { (void)v; return EXIT_ADVANCE; }

/* Instructions that exist but are not for guests: RDPMC without counters. */
enum exit_action exit_privileged(struct vcpu *v) { (void)v; return EXIT_INJECT_GP; }

/* Instructions that CPUID says are absent. */
enum exit_action exit_undefined(struct vcpu *v) { (void)v; return EXIT_INJECT_UD; }

enum exit_action exit_task_switch(struct vcpu *v)
{
    return exit_kill(v, "a hardware task switch, which Corbel does not offer");
}

/* HLT: wait for an event; with interrupts off it is the end of this vCPU's work: a PVH guest powers off so. The trap of a single step is due at once. */
enum exit_action exit_hlt(struct vcpu *v)
{
    if ((vmreadn(VMCS_GUEST_RFLAGS) & RFLAGS_TF) != 0)
        return EXIT_ADVANCE;
    if (vmx_if_set(&v->vmx))
        return EXIT_ADVANCE_BLOCK;
    vcpu_halt(v);
    return EXIT_ADVANCE_STOP;
}

/* XSETBV. The CPU has checked CR4.OSXSAVE, and CPL too, but Bochs exits before that; the value is checked here (SDM vol 2, "XSETBV"). */
enum exit_action exit_xsetbv(struct vcpu *v)
{
    const struct vmx_gprs *g = &v->vmx.gprs;
    uint64_t value = g->rdx << 32 | (uint32_t)g->rax;
    bool user = SEG_DPL(vmread32(VMCS_GUEST_SS_AR)) != 0;
    if (user || (uint32_t)g->rcx != 0 || !context_xcr0_valid(value, vmx_caps.xcr0_offer))
        return EXIT_INJECT_GP;
    switch_set_xcr0(&v->vmx, value);
    return EXIT_ADVANCE;
}
