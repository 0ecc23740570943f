/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Who may do what to whom. */
#include "kernel/hypercall/policy.h"

#include "kernel/domain/dom0.h"
#include "kernel/domain/physmap.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/machine.h"

#include <xen/xen.h>
#include <xen/hvm/params.h>

#define LAPIC_FIRST 0xfee00000UL /* also where message-signalled interrupts are written */
#define LAPIC_LAST 0xfeefffffUL

bool policy_control(const struct domain *caller, uint32_t privilege) { return (caller->privileges & privilege) == privilege; }
bool policy_delegate(const struct domain *caller, uint32_t privileges) { return (privileges & ~caller->privileges) == 0; }

bool policy_manage(const struct domain *caller, uint16_t target)
{
    return caller->id == target || (target != 0 && (caller->privileges & CBL_PRIV_DOMAIN));
}

bool policy_life(const struct domain *caller, uint16_t target)
{
    return target != 0 && target != caller->id && target != DOMID_SELF && (caller->privileges & CBL_PRIV_DOMAIN);
}

bool policy_param_set(const struct domain *caller, uint16_t target, uint32_t index)
{
    if (caller->id == target)
        return index == HVM_PARAM_CALLBACK_IRQ || (caller->privileges & CBL_PRIV_DOMAIN);
    return policy_manage(caller, target);
}

bool policy_param_get(const struct domain *caller, uint16_t target, uint32_t index)
{
    bool own = index == HVM_PARAM_CALLBACK_IRQ || index == HVM_PARAM_STORE_PFN || index == HVM_PARAM_STORE_EVTCHN ||
               index == HVM_PARAM_CONSOLE_PFN || index == HVM_PARAM_CONSOLE_EVTCHN;
    return (caller->id == target && own) || (caller->privileges & CBL_PRIV_DOMAIN);
}

bool policy_console(const struct domain *caller) { return caller->privileges & CBL_PRIV_CONSOLE; }
bool policy_dma(const struct domain *caller) { return caller->privileges & CBL_PRIV_DEVICE; }

bool policy_map_at(const struct domain *caller, uint64_t gfn, uint64_t nr)
{
    uint64_t first = dom0_scratch_gfn();
    return caller->id == 0 && nr <= DOM0_SCRATCH_PAGES && gfn >= first && gfn - first <= DOM0_SCRATCH_PAGES - nr;
}

static bool touches(uint64_t gfn, uint64_t nr, uint64_t base, uint64_t last)
{
    return gfn <= last >> PAGE_SHIFT && gfn + nr > base >> PAGE_SHIFT;
}

bool policy_mmio(const struct domain *caller, uint64_t gfn, uint64_t nr)
{
    if (!(caller->privileges & CBL_PRIV_DEVICE) || nr > physmap_gfn_limit() || gfn > physmap_gfn_limit() - nr)
        return false;
    const struct boot_machine *m = &boot_info.machine;
    bool taken = touches(gfn, nr, LAPIC_FIRST, LAPIC_LAST);
    for (uint32_t i = 0; i < m->nr_private; i++)
        taken = taken || touches(gfn, nr, m->private_pages[i], m->private_pages[i]);
    for (uint64_t i = 0; !taken && i < nr; i++)
        taken = frame_is_ram((hfn_t){gfn + i});
    return !taken && (gfn >= dom0_scratch_gfn() + DOM0_SCRATCH_PAGES || gfn + nr <= dom0_scratch_gfn());
}
