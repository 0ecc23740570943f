/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The gate for hypercalls: kernel mode (by SS.DPL; CS may be conforming) and 64-bit code only. */
#include "kernel/cpu/x86.h"
#include "kernel/hypercall/dispatch.h"
#include "vmx/exit/handlers.h"
#include "vmx/vmcs.h"

#define XEN_EPERM 1L
#define XEN_ENOSYS 38L

static enum exit_action refuse(struct vcpu *v, long error)
{
    v->vmx.gprs.rax = (uint64_t)-error;
    return EXIT_ADVANCE;
}

enum exit_action exit_vmcall(struct vcpu *v)
{
    if (SEG_DPL(vmread_sure(VMCS_GUEST_SS_AR)) != 0)
        return refuse(v, XEN_EPERM);
    if ((vmread_sure(VMCS_GUEST_CS_AR) & SEG_LONG) == 0 || (vmread_sure(VMCS_GUEST_EFER) & EFER_LMA) == 0)
        return refuse(v, XEN_ENOSYS);
    static const enum exit_action then[] = {
        [HC_DONE] = EXIT_ADVANCE, [HC_BLOCK] = EXIT_ADVANCE_BLOCK, [HC_STOP] = EXIT_ADVANCE_STOP};
    return then[hypercall_dispatch(v)];
}
