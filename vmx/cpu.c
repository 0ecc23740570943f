/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] VMX operation on, per CPU; off again it is reset.c that turns it. SDM vol 3, "Enabling and Entering VMX Operation". */
#include "kernel/core/log.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/machine.h"
#include "vmx/bitmaps.h"
#include "vmx/vmx.h"

#define FEATURE_LOCK (1UL << 0)
#define FEATURE_VMXON (1UL << 2)

struct vmx_caps vmx_caps;

enum status vmx_global_init(void)
{
    const struct vmx_caps *c = &vmx_caps;
    vmx_caps = boot_info.vmx;
    log_info("mitigations %s: branch barrier %s, L1D flush %s, buffer clearing %s", boot_info.options.mitigations ? "on" : "off",
             c->ibpb_on_switch ? "yes" : "no", c->flush_l1d ? "yes" : "no", c->verw ? "yes" : "no");
    log_info("VT-x: revision 0x%x, local APIC %s, XSAVE 0x%lx", c->revision, c->virtual_interrupts ? "in hardware" : "in software",
             c->xcr0_offer);
    return bitmaps_init();
}

static enum status unlock_feature(void)
{
    uint64_t control = rdmsr(MSR_FEATURE_CONTROL);
    if ((control & FEATURE_LOCK) == 0) {
        wrmsr(MSR_FEATURE_CONTROL, control | FEATURE_LOCK | FEATURE_VMXON);
    } else if ((control & FEATURE_VMXON) == 0) {
        log_error("the firmware has locked VT-x off: enable \"Intel Virtualization Technology\" (VMX) in the firmware setup");
        return STATUS_DENIED;
    }
    return STATUS_OK;
}

enum status vmx_cpu_init(void)
{
    hfn_t f;
    bool failed;
    enum status status = unlock_feature();
    if (status != STATUS_OK)
        return status;
    status = frame_alloc(FRAME_ORDER_4K, FRAME_OWNER_ROOT, FRAME_ROOT, &f);
    if (status != STATUS_OK)
        return status;
    hpa_t region = hpa_of_hfn(f);
    *(uint32_t *)root_va(region) = vmx_caps.revision;
    write_cr0(read_cr0() | vmx_caps.cr0_fixed0);
    write_cr4(read_cr4() | vmx_caps.cr4_fixed0 | CR4_VMXE);
    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region.v) : "memory");
    if (failed) {
        log_error("VMXON failed");
        frame_free(f, FRAME_ORDER_4K);
        return STATUS_UNSUPPORTED;
    }
    return STATUS_OK;
}
