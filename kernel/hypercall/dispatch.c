/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercall dispatch: a switch with direct calls made from hypercalls.def. */
#include "kernel/hypercall/dispatch.h"

#include "kernel/core/trace.h"
#include "kernel/hypercall/hc_priv.h"
#include "kernel/hypercall/policy.h"
#include "kernel/platform/machine.h"

#include <xen/xen.h>

uint16_t hc_domid(const struct hc *c, uint16_t domid) { return domid == DOMID_SELF ? c->v->domain->id : domid; }

int64_t hc_lock_managed(const struct hc *c, uint16_t domid, struct domain_locked *l)
{
    domid = hc_domid(c, domid);
    *l = (struct domain_locked){NULL};
    if (!policy_manage(c->v->domain, domid))
        return HC_EPERM;
    *l = domain_lock_id(domid);
    return l->d ? 0 : HC_ESRCH;
}

enum hypercall_result hypercall_dispatch(struct vcpu *v)
{
    struct vmx_gprs *g = &v->vmx.gprs;
    struct hc c = {.v = v, .a1 = g->rdi, .a2 = g->rsi, .a3 = g->rdx, .then = HC_DONE};
    uint64_t nr = g->rax;
    int64_t result;
    switch (nr) {
#define HC(number, name)                                                                                               \
    case number:                                                                                                       \
        result = hc_##name(&c);                                                                                        \
        break;
#include "kernel/hypercall/hypercalls.def"
#undef HC
    default:
        result = HC_ENOSYS;
        break;
    }
    g->rax = (uint64_t)result;
    if (boot_info.options.debug) /* a tenth of a short one */
        trace(TRACE_HYPERCALL, nr << 32 | (c.a1 & 0xffffffffU), (uint64_t)result);
    return c.then;
}
