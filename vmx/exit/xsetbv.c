/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] XSETBV. The CPU has checked CPL and CR4.OSXSAVE; the value is checked here (SDM vol 2, "XSETBV"). */
#include "vmx/caps.h"
#include "vmx/context_check.h"
#include "vmx/exit/handlers.h"
#include "vmx/switch.h"

enum exit_action exit_xsetbv(struct vcpu *v)
{
    const struct vmx_gprs *g = &v->vmx.gprs;
    uint64_t value = g->rdx << 32 | (uint32_t)g->rax;
    if ((uint32_t)g->rcx != 0 || !context_xcr0_valid(value, vmx_caps.xcr0_offer)) {
        return EXIT_INJECT_GP;
    }
    switch_set_xcr0(&v->vmx, value);
    return EXIT_ADVANCE;
}
