/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The round trip as C sees it, with what CPUs with data-sampling bugs need before it. */
#include "kernel/core/log.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/x86.h"
#include "vmx/caps.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

enum status vmx_enter_asm(struct vmx_vcpu *v);    /* enter.asm */
enum status vmx_entry_failed(struct vmx_vcpu *v); /* called by it */

static __attribute__((noinline)) void clear_buffers(void)
{
    if (vmx_caps.flush_l1d)
        wrmsr(MSR_FLUSH_CMD, 1); /* L1TF: the L1D holds nothing of root's or another guest's */
    if (vmx_caps.verw) {
        uint16_t selector = GDT_DATA; /* MDS: VERW with a writable segment overwrites the CPU's buffers */
        __asm__ volatile("verw %0" : : "m"(selector) : "cc");
    }
}

enum status vmx_enter(struct vmx_vcpu *v)
{
    if (vmx_caps.flush_l1d || vmx_caps.verw)
        clear_buffers();
    v->exits++;
    return vmx_enter_asm(v);
}

enum status vmx_entry_failed(struct vmx_vcpu *v)
{
    /* SDM vol 3, "VM Instruction Error Numbers". */
    static const char *const names[] = {[7] = "invalid control fields", [8] = "invalid host-state fields",
                                        [26] = "events blocked by MOV SS"};
    uint32_t error = vmread32(VMCS_INSTRUCTION_ERROR);
    bool named = error < ARRAY_SIZE(names) && names[error] != NULL;
    log_error("d%uv%u: VM entry refused: error %u, %s", v->domid, v->vcpu_id, error, named ? names[error] : "unknown");
    return STATUS_INVALID;
}
