/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] From an exit to what to do about it. */
#pragma once

#include "kernel/domain/vcpu.h"

enum exit_action {
    EXIT_RESUME,        /* enter again as it is */
    EXIT_ADVANCE,       /* RIP past the instruction; interrupt shadow cleared; single step marked when TF is set */
    EXIT_ADVANCE_BLOCK, /* as ADVANCE, then wait (vcpu_block) unless something is pending */
    EXIT_ADVANCE_STOP,  /* as ADVANCE; the vCPU is not to be entered again now (down, shut down, killed) */
    EXIT_INJECT_UD,
    EXIT_INJECT_GP,     /* error code 0 */
    EXIT_KILL           /* the domain is stopped with a dump */
};

/* Reads the exit once, finds the row, runs the handler, carries out the action. Precondition: V is loaded and just
 * left vmx_enter. */
void exit_dispatch(struct vcpu *v);
