/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] HLT: wait for an event; with interrupts off it is the end of this vCPU's work; a PVH guest powers off so. */
#include "vmx/exit/handlers.h"

enum exit_action exit_hlt(struct vcpu *v)
{
    if (vmx_if_set(&v->vmx)) {
        return EXIT_ADVANCE_BLOCK;
    }
    vcpu_halt(v);
    return EXIT_ADVANCE_STOP;
}
