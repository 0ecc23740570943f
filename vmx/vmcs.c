/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Which VMCS is current, and what a failing VMX instruction meant. */
#include "vmx/vmcs.h"

#include "kernel/core/panic.h"
#include "vmx/switch.h"
#include "vmx/vmx.h"

void vmcs_access_failed(uint32_t field)
{
    panic("VMREAD or VMWRITE of field 0x%x failed: no current VMCS, or the CPU lacks the field", field);
}

void vmcs_make_current(const struct vmx_vcpu *v)
{
    bool failed;
    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(v->vmcs.v) : "memory");
    if (failed) {
        panic("VMPTRLD 0x%lx failed", v->vmcs.v);
    }
}

void vmcs_clear(const struct vmx_vcpu *v)
{
    bool failed;
    __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(v->vmcs.v) : "memory");
    if (failed) {
        panic("VMCLEAR 0x%lx failed", v->vmcs.v);
    }
}

void vmcs_borrow(struct vmx_vcpu *v)
{
    if (switch_loaded() != v) {
        vmcs_make_current(v);
    }
}

void vmcs_return(struct vmx_vcpu *v)
{
    const struct vmx_vcpu *loaded = switch_loaded();
    if (loaded == v) {
        return;
    }
    /* Cleared, so that another CPU may load it; a cleared VMCS is entered with VMLAUNCH again. */
    vmcs_clear(v);
    v->launched = false;
    if (loaded != NULL) {
        vmcs_make_current(loaded);
    }
}

static const char *const error_names[] = {
    [1] = "VMCALL in VMX root operation",
    [2] = "VMCLEAR with invalid physical address",
    [3] = "VMCLEAR with VMXON pointer",
    [4] = "VMLAUNCH with non-clear VMCS",
    [5] = "VMRESUME with non-launched VMCS",
    [6] = "VMRESUME after VMXOFF",
    [7] = "VM entry with invalid control fields",
    [8] = "VM entry with invalid host-state fields",
    [9] = "VMPTRLD with invalid physical address",
    [10] = "VMPTRLD with VMXON pointer",
    [11] = "VMPTRLD with incorrect VMCS revision identifier",
    [12] = "VMREAD or VMWRITE of an unsupported VMCS component",
    [13] = "VMWRITE to a read-only VMCS component",
    [15] = "VMXON in VMX root operation",
    [20] = "VMCALL with non-clear VMCS",
    [26] = "VM entry with events blocked by MOV SS",
    [28] = "invalid operand to INVEPT or INVVPID",
};

const char *vmcs_error_name(uint32_t n)
{
    if (n < ARRAY_SIZE(error_names) && error_names[n] != NULL) {
        return error_names[n];
    }
    return "unknown";
}
