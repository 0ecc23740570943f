/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercalls 17 (xen_version), 34 (hvm_op) and 21 (vm_assist): who we are, parameters, small switches. */
#include "kernel/core/string.h"
#include "kernel/domain/event.h"
#include "kernel/hypercall/hc_priv.h"
#include "kernel/hypercall/policy.h"

#include <xen/features.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/version.h>

#define XEN_VERSION (4U << 16 | 17U)
#define CALLBACK_VIA_VECTOR 2U /* value[63:56] of HVM_PARAM_CALLBACK_IRQ */
#define FIRST_VECTOR 16U       /* those below are exceptions */

_Static_assert(sizeof(struct xen_hvm_param) == 16, "Xen ABI");

/* The features a PVH guest of Xen sees; hvm_pirqs must stay clear. */
static uint32_t features(const struct domain *d)
{
    uint32_t f = 1U << XENFEAT_writable_page_tables | 1U << XENFEAT_auto_translated_physmap | 1U << XENFEAT_hvm_callback_vector |
                 1U << XENFEAT_hvm_safe_pvclock | 1U << XENFEAT_memory_op_vnode_supported | 1U << XENFEAT_not_direct_mapped;
    return d->id == 0 ? f | 1U << XENFEAT_dom0 : f;
}

static int64_t put_text(struct hc *c, const char *text, size_t field)
{
    size_t len = strlen(text) + 1;
    return hc_put(c, c->a2, text, len < field ? len : field);
}

static int64_t get_features(struct hc *c)
{
    struct xen_feature_info info;
    if (hc_get(c, &info, c->a2, sizeof(info)) != 0)
        return HC_EFAULT;
    if (info.submap_idx != 0)
        return HC_EINVAL;
    info.submap = features(c->v->domain);
    return hc_put(c, c->a2, &info, sizeof(info));
}

int64_t hc_xen_version(struct hc *c)
{
    const struct xen_platform_parameters parameters = {0};
    switch (c->a1) {
    case XENVER_version: return XEN_VERSION;
    case XENVER_extraversion: return put_text(c, ".corbel", sizeof(xen_extraversion_t));
    case XENVER_capabilities: return put_text(c, "hvm-3.0-x86_64", sizeof(xen_capabilities_info_t));
    case XENVER_changeset: return put_text(c, "unavailable", sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters: return hc_put(c, c->a2, &parameters, sizeof(parameters));
    case XENVER_get_features: return get_features(c);
    case XENVER_pagesize: return PAGE_SIZE;
    case XENVER_guest_handle: return hc_put(c, c->a2, c->v->domain->uuid, sizeof(c->v->domain->uuid));
    default: return HC_ENOSYS;
    }
}

/* Only the vector kind of callback is offered: no PIC, no PCI INTx are behind us. 0 switches it off. */
static int64_t set_callback(struct domain_locked l, uint64_t value)
{
    uint32_t vector = (uint32_t)(value & 0xff);
    if (value != 0 && (value >> 56 != CALLBACK_VIA_VECTOR || vector < FIRST_VECTOR))
        return HC_EINVAL;
    for (uint32_t i = 0; i < l.d->nr_vcpus; i++) {
        l.d->vcpus[i]->vmx.callback_vector = vector;
        vcpu_kick(l.d->vcpus[i]);
    }
    return 0;
}

static int64_t param(struct hc *c, bool set)
{
    struct xen_hvm_param p;
    if (hc_get(c, &p, c->a2, sizeof(p)) != 0)
        return HC_EFAULT;
    uint16_t domid = hc_domid(c, p.domid);
    if (p.index >= ARRAY_SIZE(c->v->domain->hvm_params))
        return HC_EINVAL;
    if (!(set ? policy_param_set(c->v->domain, domid, p.index) : policy_param_get(c->v->domain, domid, p.index)))
        return HC_EPERM;
    struct domain_locked l DOMAIN_GUARD = domain_lock_id(domid);
    if (!l.d)
        return HC_ESRCH;
    int64_t r = set && p.index == HVM_PARAM_CALLBACK_IRQ ? set_callback(l, p.value) : 0;
    if (set && r == 0)
        l.d->hvm_params[p.index] = p.value;
    p.value = l.d->hvm_params[p.index];
    return set ? r : hc_put(c, c->a2, &p, sizeof(p));
}

int64_t hc_hvm_op(struct hc *c)
{
    switch (c->a1) {
    case HVMOP_set_param: return param(c, true);
    case HVMOP_get_param: return param(c, false);
    default: return HC_ENOSYS; /* also pagetable_dying: 0 would make guests call it at each process exit */
    }
}

int64_t hc_vm_assist(struct hc *c)
{
    if (c->a2 != VMASST_TYPE_runstate_update_flag || c->a1 > VMASST_CMD_disable)
        return HC_ENOSYS;
    for (uint32_t i = 0; i < c->v->domain->nr_vcpus; i++)
        c->v->domain->vcpus[i]->runstate_flag = c->a1 == VMASST_CMD_enable;
    return 0;
}
