/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Builds Dom0: PVH entry state as the Xen ABI has it, memory 1:1 with the host's. The loader has written the start info. */
#include "kernel/domain/dom0.h"

#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/physmap.h"
#include "kernel/domain/vcpu.h"
#include "kernel/mm/frame.h"

static void map(struct domain_locked l, uint64_t base, uint64_t size, unsigned rights, const char *what)
{
    uint64_t pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    enum status s = physmap_map_identity(l, gfn(base >> PAGE_SHIFT), pages, rights);
    if (s != STATUS_OK)
        panic("Dom0's %s at 0x%lx cannot be mapped: %s", what, base, status_name(s));
    l.d->pages += pages;
}

/* 32-bit protected mode, flat, paging off: XEN's PVH start state. SDM vol 3, "Checks on Guest Segment Registers" for the access rights. */
static void entry_state(struct vcpu *v, uint64_t entry, uint64_t start_info)
{
    const struct cbl_segment code = {.limit = ~0U, .ar = 0xc09b, .selector = 8}, data = {.limit = ~0U, .ar = 0xc093, .selector = 16};
    struct cbl_vcpu_context c = {.rip = entry, .rbx = start_info, .rflags = 2, .cr0 = CR0_PE | CR0_ET, .dr6 = 0xffff0ff0, .dr7 = 0x400};
    c.cs = code;
    c.ds = c.es = c.fs = c.gs = c.ss = data;
    c.tr = (struct cbl_segment){.limit = 0x67, .ar = 0x8b};
    c.ldtr = (struct cbl_segment){.ar = 0x10000};
    c.pat = 0x0007040600070406;
    c.xcr0 = 1;
    c.apic_base = 0xfee00d00;
    enum status s = vmx_context_set(&v->vmx, &c);
    if (s != STATUS_OK)
        panic("Dom0's entry state is refused: %s", status_name(s));
    v->initialised = true;
}

void dom0_build(const struct boot_info *boot)
{
    struct domain *d;
    enum status s = domain_create_dom0(frame_stats().total, 1, &d);
    if (s != STATUS_OK)
        panic("Dom0 cannot be created: %s", status_name(s));
    struct domain_locked l = domain_lock(d);
    map(l, boot->dom0_base, boot->dom0_size, EPT_RWX, "RAM");
    for (uint32_t i = 0; i < boot->nr_modules; i++)
        map(l, boot->modules[i].base, boot->modules[i].size, EPT_R, "module");
    entry_state(d->vcpus[0], boot->dom0_entry, boot->dom0_start_info);
    domain_unlock(l);
    if (boot->machine.iommus_on != 0)
        log_warn("vtd: %u units do not turn off; devices may fail", boot->machine.iommus_on);
    log_info("d0 has %lu MiB at 0x%lx, %u modules, entry 0x%lx", boot->dom0_size >> 20, boot->dom0_base, boot->nr_modules, boot->dom0_entry);
}
