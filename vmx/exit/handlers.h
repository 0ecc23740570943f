/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] One function per kind of exit. Each finds the exit in v->vmx.exit (filled by dispatch.c), does what the guest
 * asked for, and answers what is to happen next. Precondition of all: V is loaded and just left the guest. */
#pragma once

#include "vmx/exit/dispatch.h"

#define EXIT(first, last, handler, what) enum exit_action handler(struct vcpu *v);
#include "vmx/exit/exits.def"
#undef EXIT

/* KILL for the reason WHY, a constant. */
static inline enum exit_action exit_kill(struct vcpu *v, const char *why)
{
    v->vmx.kill_why = why;
    return EXIT_KILL;
}

/* The local APIC's part that reaches other vCPUs and the timer; apic.c. REG as in vmx/vlapic.h. */
enum exit_action exit_apic_write(struct vcpu *v, uint32_t reg, uint64_t value);
/* Arms or stops the timer as the registers say. */
void exit_apic_timer(struct vcpu *v);
/* The hypercall page's MSR. */
enum exit_action exit_hypercall_page(struct vcpu *v, uint64_t value);
