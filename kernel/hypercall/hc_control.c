/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercall 55: Corbel's own control interface. One row per operation says argument, privilege and target; the check is here, not in
 * the handlers. */
#include "ept/flush.h"
#include "kernel/core/string.h"
#include "kernel/hypercall/hc_control_priv.h"
#include "kernel/hypercall/hc_priv.h"
#include "kernel/hypercall/policy.h"

#define TARGET_NONE 0U
#define TARGET_DOMAIN 1U
#define TARGET_OTHER 2U

struct row { uint16_t size; uint8_t target; uint32_t privilege; };

static const struct row rows[] = {
#define CBL_OP(nr, name, arg, priv, target) [nr] = {sizeof(struct arg), TARGET_##target, priv},
#include "kernel/abi/control.def"
#undef CBL_OP
};

union control_arg {
    uint16_t domid; /* first member of every argument with a target */
#define CBL_OP(nr, name, arg, priv, target) struct arg name;
#include "kernel/abi/control.def"
#undef CBL_OP
};
_Static_assert(sizeof(union control_arg) <= 1280, "lives on the root stack");

static enum status invoke(uint64_t op, struct control *c, union control_arg *a)
{
    switch (op) {
#define CBL_OP(nr, name, arg, priv, target)                                                                            \
    case nr:                                                                                                           \
        return hc_control_##name(c, &a->name);
#include "kernel/abi/control.def"
#undef CBL_OP
    default:
        return STATUS_UNSUPPORTED;
    }
}

int64_t hc_control(struct hc *hc)
{
    union control_arg a;
    struct control c = {.v = hc->v, .caller = hc->v->domain};
    if (hc->a1 >= ARRAY_SIZE(rows) || rows[hc->a1].size == 0)
        return HC_ENOSYS;
    const struct row *row = &rows[hc->a1];
    if (!policy_control(c.caller, row->privilege))
        return HC_EPERM;
    memset(&a, 0, row->size);
    if (hc_get(hc, &a, hc->a2, row->size) != 0)
        return HC_EFAULT;
    if (row->target == TARGET_OTHER && !policy_life(c.caller, a.domid))
        return HC_EPERM;
    if (row->target != TARGET_NONE) {
        c.pair = domain_lock_pair(c.caller, hc_domid(hc, a.domid), false);
        if (!c.pair.other.d) {
            domain_unlock_pair(c.pair);
            return HC_ESRCH;
        }
    }
    enum status s = invoke(hc->a1, &c, &a);
    if (row->target != TARGET_NONE)
        domain_unlock_pair(c.pair);
    if (row->privilege & (CBL_PRIV_MAP | CBL_PRIV_DEVICE))
        flush_sync(&c.caller->ept); /* what mapping and unmapping took out, tables too */
    if (hc_put(hc, hc->a2, &a, row->size) != 0) /* also after a failure: "done" says how far it came */
        return HC_EFAULT;
    return hc_status(s);
}
