/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See dispatch.h. The table becomes a switch with direct calls: no indirect branch on this path. */
#include "vmx/exit/dispatch.h"

#include "kernel/core/log.h"
#include "kernel/cpu/x86.h"
#include "vmx/exit/handlers.h"
#include "vmx/vmcs.h"
#include "vmx/vmcs_check.h"

#define REASON_ENTRY_FAILURE (1U << 31)
#define EXIT(first, last, handler, what) _Static_assert((last) < CBL_EXIT_REASONS, "by_reason");
#include "vmx/exit/exits.def"
#undef EXIT
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

/* Only a step over the 4 GiB line needs to know the mode. */
static uint64_t wrap_rip(uint64_t rip)
{
    bool long_mode = (vmread32(VMCS_ENTRY_CTLS) & ENTRY_IA32E) != 0 && (vmread32(VMCS_GUEST_CS_AR) & SEG_LONG) != 0;
    return long_mode ? rip : rip & 0xffffffffU;
}

/* All instructions that a handler answers with ADVANCE exit with a valid length. */
static inline void advance(struct vmx_vcpu *v)
{
    uint64_t length = vmread_sure(VMCS_EXIT_INSTR_LEN), rip = vmread_sure(VMCS_GUEST_RIP) + length;
    if ((uint32_t)rip < (uint32_t)length)
        rip = wrap_rip(rip);
    vmcs_raw_write(VMCS_GUEST_RIP, rip); /* without a note of who did it: each exit would pay for it */
    uint32_t blocked = (uint32_t)vmread_sure(VMCS_GUEST_INTERRUPTIBILITY);
    if ((blocked & (BLOCK_STI | BLOCK_MOV_SS)) != 0)
        vmwrite32_hot(v, VMCS_GUEST_INTERRUPTIBILITY, blocked & ~(BLOCK_STI | BLOCK_MOV_SS));
    if ((vmread_sure(VMCS_GUEST_RFLAGS) & RFLAGS_TF) != 0)
        vmcs_raw_write(VMCS_GUEST_PENDING_DEBUG, vmreadn(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

static __attribute__((noinline)) void kill(struct vcpu *v)
{
    const char *why = v->vmx.kill_why != NULL ? v->vmx.kill_why : "an exit that Corbel does not handle";
    log_guest(v->domain->id, "v%u: exit reason %u at rip %lx: %s", v->id, vmread32(VMCS_EXIT_REASON) & 0xffff, vmreadn(VMCS_GUEST_RIP), why);
    domain_kill(v->domain, why);
}

static void inject(struct vmx_vcpu *v, uint8_t vector)
{
    vmx_inject_exception(v, vector, 0);
    vmwriten(VMCS_GUEST_RFLAGS, vmreadn(VMCS_GUEST_RFLAGS) | RFLAGS_RF); /* as every fault pushes it */
}

/* A reason without a row, or an entry that failed. */
static __attribute__((noinline)) enum exit_action unusual(struct vcpu *v, uint32_t raw)
{
    v->vmx.exit.reason = 0; /* which is counted: nobody knows how large this one is */
    if ((raw & REASON_ENTRY_FAILURE) == 0)
        return EXIT_KILL;
    v->vmx.exit.entry_failure = true;
    if ((raw & 0xffff) != REASON_GUEST_STATE)
        return exit_kill(v, "VM entry failed while loading MSRs, or by a machine check");
    (void)vmcs_explain(&v->vmx, true, false);
    return exit_kill(v, "VM entry failed: its register state is not valid");
}

static inline enum exit_action handle(struct vcpu *v, uint32_t raw)
{
#define EXIT(first, last, handler, what)         \
    if (((what) & H) != 0 && raw == (first)) {   \
        read_exit(&v->vmx, what);                \
        return handler(v);                       \
    }
#include "vmx/exit/exits.def"
#undef EXIT
    switch (raw) {
#define EXIT(first, last, handler, what) \
    case first ... last:                 \
        read_exit(&v->vmx, what);        \
        return handler(v);
#include "vmx/exit/exits.def"
#undef EXIT
    default:
        return unusual(v, raw);
    }
}

/* What is not just the step over the instruction. */
static __attribute__((noinline)) void carry_out(struct vcpu *v, enum exit_action action)
{
    if (action == EXIT_ADVANCE_BLOCK || action == EXIT_ADVANCE_STOP)
        advance(&v->vmx);
    if (action == EXIT_ADVANCE_BLOCK)
        vcpu_block(v);
    else if (action == EXIT_INJECT_UD || action == EXIT_INJECT_GP)
        inject(&v->vmx, action == EXIT_INJECT_UD ? VECTOR_UD : VECTOR_GP);
    else if (action == EXIT_KILL)
        kill(v);
}

static __attribute__((noinline)) void dispatch(struct vcpu *v, uint32_t raw)
{
    enum exit_action action = handle(v, raw);
    if (action == EXIT_ADVANCE)
        advance(&v->vmx);
    else
        carry_out(v, action);
}

/* CPUID is the most frequent, and it always ends in the step over it. With the step first nothing is left to do after
 * the handler, so that no register is saved for that. */
void exit_dispatch(struct vcpu *v)
{
    uint32_t raw = (uint32_t)vmread_sure(VMCS_EXIT_REASON);
    v->vmx.exit.tsc = (uint32_t)rdtsc();
    v->vmx.exit.reason = raw;
    if (raw != REASON_CPUID) {
        dispatch(v, raw);
        return;
    }
    advance(&v->vmx);
    (void)exit_cpuid(v);
}
