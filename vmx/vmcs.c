/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Which VMCS is current, and what a failing VMX instruction meant. */
#include "vmx/vmcs.h"

#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "vmx/switch.h"

void vmcs_access_failed(uint32_t field)
{
    panic("VMREAD or VMWRITE of field 0x%x failed: no current VMCS, or the CPU lacks the field", field);
}

void vmcs_make_current(const struct vmx_vcpu *v)
{
    bool failed;
    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(v->vmcs.v) : "memory");
    if (failed)
        panic("VMPTRLD 0x%lx failed", v->vmcs.v);
}

void vmcs_clear(struct vmx_vcpu *v)
{
    bool failed;
    __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(v->vmcs.v) : "memory");
    if (failed)
        panic("VMCLEAR 0x%lx failed", v->vmcs.v);
    v->host_rsp = 0; /* entered with VMLAUNCH again */
}

void vmcs_borrow(struct vmx_vcpu *v)
{
    if (switch_loaded() == v)
        switch_save(v);
    else
        vmcs_make_current(v);
}

void vmcs_return(struct vmx_vcpu *v)
{
    const struct vmx_vcpu *loaded = switch_loaded();
    if (loaded == v) {
        switch_restore(v);
        return;
    }
    vmcs_clear(v); /* so that another CPU may load it */
    if (loaded != NULL)
        vmcs_make_current(loaded);
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
