/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See dispatch.h. The table becomes a switch with direct calls: no indirect branch on this path. */
#include "vmx/exit/dispatch.h"

#include "kernel/core/log.h"
#include "kernel/cpu/x86.h"
#include "vmx/exit/handlers.h"
#include "vmx/vmcs.h"
#include "vmx/vmcs_check.h"

#define REASON_ENTRY_FAILURE (1U << 31)
#define Q 1U
#define D 2U
#define H 4U
#define REASON_CPUID 10U
#define REASON_GUEST_STATE 33U
#define VECTOR_UD 6U
#define VECTOR_GP 13U

/* An event was under way when the exit came: it is delivered at the next entry. SDM vol 3, "Information for VM Exits
 * That Occur During Event Delivery". */
static void note_interrupted_event(struct vmx_vcpu *v)
{
    uint32_t info = vmread32(VMCS_IDT_VECTORING);
    if ((info & INTR_VALID) == 0)
        return;
    v->reinject_info = info & ~INTR_UNBLOCK_NMI; /* bit 12 is undefined here */
    v->reinject_error = (info & INTR_ERROR_CODE) != 0 ? vmread32(VMCS_IDT_VECTORING_ERROR) : 0;
    v->reinject_len = vmread32(VMCS_EXIT_INSTR_LEN);
    v->reinject_valid = true;
}

static inline void read_exit(struct vmx_vcpu *v, unsigned what)
{
    if ((what & Q) != 0)
        v->exit.qualification = vmreadn(VMCS_EXIT_QUALIFICATION);
    if ((what & D) != 0)
        note_interrupted_event(v);
}

/* A bit pattern that 32-bit code cannot hold: only a step over the 4 GiB line needs to know the mode. */
static uint64_t wrap_rip(uint64_t rip)
{
    bool long_mode = (vmread32(VMCS_ENTRY_CTLS) & ENTRY_IA32E) != 0 && (vmread32(VMCS_GUEST_CS_AR) & SEG_LONG) != 0;
    return long_mode ? rip : rip & 0xffffffffU;
}

/* All instructions that a handler answers with ADVANCE exit with a valid length. */
static inline void advance(struct vmx_vcpu *v)
{
    uint64_t old = vmreadn(VMCS_GUEST_RIP);
    uint64_t rip = old + vmread32(VMCS_EXIT_INSTR_LEN);
    if ((old ^ rip) >> 32 != 0)
        rip = wrap_rip(rip);
    vmcs_raw_write(VMCS_GUEST_RIP, rip); /* without a note of who did it: each exit would pay for it */
    uint32_t blocked = vmread32(VMCS_GUEST_INTERRUPTIBILITY);
    if ((blocked & (BLOCK_STI | BLOCK_MOV_SS)) != 0)
        vmwrite32_hot(v, VMCS_GUEST_INTERRUPTIBILITY, blocked & ~(BLOCK_STI | BLOCK_MOV_SS));
    if ((vmreadn(VMCS_GUEST_RFLAGS) & RFLAGS_TF) != 0)
        vmcs_raw_write(VMCS_GUEST_PENDING_DEBUG, vmreadn(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

static __attribute__((noinline)) void kill(struct vcpu *v)
{
    const char *why = v->vmx.kill_why != NULL ? v->vmx.kill_why : "an exit that Corbel does not handle";
    log_guest(v->domain->id, "v%u: exit reason %u at rip %lx: %s", v->id, vmread32(VMCS_EXIT_REASON) & 0xffff, vmreadn(VMCS_GUEST_RIP), why);
    domain_kill(v->domain, why);
}

/* What is left to do after the step over the instruction. */
static void carry_out(struct vcpu *v, enum exit_action action)
{
    if (action == EXIT_INJECT_UD || action == EXIT_INJECT_GP) {
        vmx_inject_exception(&v->vmx, action == EXIT_INJECT_UD ? VECTOR_UD : VECTOR_GP, 0);
        vmwriten(VMCS_GUEST_RFLAGS, vmreadn(VMCS_GUEST_RFLAGS) | RFLAGS_RF); /* as every fault pushes it */
    }
    if (action == EXIT_ADVANCE_BLOCK)
        vcpu_block(v);
    else if (action == EXIT_KILL)
        kill(v);
}

static inline enum exit_action handle(struct vcpu *v, uint32_t reason)
{
#define EXIT(first, last, handler, what)            \
    if (((what) & H) != 0 && reason == (first)) {   \
        read_exit(&v->vmx, what);                   \
        return handler(v);                          \
    }
#include "vmx/exit/exits.def"
#undef EXIT
    switch (reason) {
#define EXIT(first, last, handler, what) \
    case first ... last:                 \
        read_exit(&v->vmx, what);        \
        return handler(v);
#include "vmx/exit/exits.def"
#undef EXIT
    default:
        return EXIT_KILL;
    }
}

static __attribute__((noinline)) void dispatch(struct vcpu *v, uint32_t raw)
{
    enum exit_action action;
    if ((raw & REASON_ENTRY_FAILURE) == 0) {
        action = handle(v, raw & 0xffff);
    } else {
        v->vmx.exit.entry_failure = true;
        if ((raw & 0xffff) == REASON_GUEST_STATE)
            (void)vmcs_explain(&v->vmx, true, false);
        action = exit_kill(v, (raw & 0xffff) == REASON_GUEST_STATE ? "VM entry failed: its register state is not valid" : "VM entry failed while loading MSRs, or by a machine check");
    }
    if (action == EXIT_ADVANCE || action == EXIT_ADVANCE_BLOCK || action == EXIT_ADVANCE_STOP)
        advance(&v->vmx);
    carry_out(v, action);
}

/* CPUID is the most frequent, and it always ends in the step over it. With the step first nothing is left to do after
 * the handler, so that no register is saved for that. */
void exit_dispatch(struct vcpu *v)
{
    uint32_t raw = vmread32(VMCS_EXIT_REASON);
    if (raw != REASON_CPUID) {
        dispatch(v, raw);
        return;
    }
    advance(&v->vmx);
    (void)exit_cpuid(v);
}
