/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Which VMCS is current, and what a failing VMX instruction meant. */
#include "vmx/vmcs.h"

#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/cpu/percpu.h"
#include "vmx/switch.h"
#include "vmx/vmcs_check.h"

static struct vmx_vcpu *owner[MAX_CPUS]; /* of the current VMCS */

void vmcs_access_failed(uint32_t field)
{
    panic("VMREAD or VMWRITE of field 0x%x failed: no current VMCS, or the CPU lacks the field", field);
}

void vmcs_make_current(struct vmx_vcpu *v)
{
    bool failed;
    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(v->vmcs.v) : "memory");
    if (failed)
        panic("VMPTRLD 0x%lx failed", v->vmcs.v);
    owner[cpu_id()] = v;
}

/* Root is built with frame pointers: a frame begins with its caller's, then the address to return to. */
void vmcs_record_write(uint32_t field, uint64_t value)
{
    const uint64_t *frame = __builtin_frame_address(0), *callers = *(const uint64_t *const *)frame;
    vmcs_raw_write(field, value);
    owner[cpu_id()]->wrote[vmcs_slot(field)] = (struct vmcs_write){value, (uint32_t)frame[1], (uint32_t)callers[1]};
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
    struct vmx_vcpu *loaded = switch_loaded();
    if (loaded == v) {
        switch_restore(v);
        return;
    }
    vmcs_clear(v); /* so that another CPU may load it */
    if (loaded != NULL)
        vmcs_make_current(loaded);
}

enum status vmx_poke(struct vmx_vcpu *v, uint32_t field, uint64_t value, uint32_t *broken)
{
    uint64_t old;
    uint32_t area = field >> 10 & 3; /* control, exit information, guest, host */
    bool failed, ok = false;
    vmcs_borrow(v);
    __asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(old) : "r"((uint64_t)field));
    if (!failed && area != 1) {
        vmcs_write(field, value);
        *broken = vmcs_explain(v, false, true) + vmcs_explain(v, true, true);
        ok = area == 2 || *broken != 0;
        if (!ok)
            vmcs_write(field, old);
    }
    vmcs_return(v);
    return ok ? STATUS_OK : STATUS_DENIED;
}

enum status vmx_entry_failed(struct vmx_vcpu *v)
{
    uint32_t error = vmread32(VMCS_INSTRUCTION_ERROR); /* SDM vol 3, "VM Instruction Error Numbers" */
    log_error("d%uv%u VM entry refused: error %u, %s", v->domid, v->vcpu_id, error, error == 7 ? "invalid control fields" : error == 8 ? "invalid host state" : "not about fields");
    (void)vmcs_explain(v, false, false);
    return STATUS_INVALID;
}
