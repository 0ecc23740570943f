/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Builds Dom0: memory 1:1 with the host's, registers and start info as the loader made them. */
#include "kernel/domain/dom0.h"

#include "kernel/core/log.h"
#include "kernel/core/panic.h"
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
    s = vmx_context_set(&d->vcpus[0]->vmx, &boot->dom0_context);
    if (s != STATUS_OK)
        panic("Dom0's entry state is refused: %s", status_name(s));
    d->vcpus[0]->initialised = true;
    domain_unlock(l);
    if (boot->machine.iommus_on != 0)
        log_warn("vtd: %u units do not turn off; devices may fail", boot->machine.iommus_on);
    log_info("d0 has %lu MiB at 0x%lx, %u modules, entry 0x%lx", boot->dom0_size >> 20, boot->dom0_base, boot->nr_modules, boot->dom0_context.rip);
}
