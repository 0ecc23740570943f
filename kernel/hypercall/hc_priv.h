/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What the hypercall handlers share. A handler decodes (reads its arguments once, checks them, may fail), then invokes;
 * what it returns is the guest's RAX: 0 or more, or a negative Xen errno. */
#pragma once

#include "kernel/domain/vcpu.h"
#include "kernel/hypercall/dispatch.h"

#define HC_EPERM (-1)
#define HC_ENOENT (-2)
#define HC_ESRCH (-3)
#define HC_EFAULT (-14)
#define HC_EAGAIN (-11)
#define HC_EINVAL (-22)
#define HC_ENOSYS (-38)
#define HC_ETIME (-62)
#define HC_MAX_BATCH 512U /* extents or operations in one call: the bound of its work */

struct hc {
    struct vcpu *v;
    uint64_t a1, a2, a3;
    enum hypercall_result then; /* a handler changes it to wait or stop */
};

#define HC(nr, name) int64_t hc_##name(struct hc *c);
#include "kernel/hypercall/hypercalls.def"
#undef HC

static inline int64_t hc_status(enum status s) { return -(int64_t)status_errno(s); }

/* DOMID_SELF resolved. */
uint16_t hc_domid(const struct hc *c, uint16_t domid);
/* The domain DOMID (or SELF) that the caller may manage, locked. l->d NULL: the errno is returned. */
int64_t hc_lock_managed(const struct hc *c, uint16_t domid, struct domain_locked *l);

/* Fixed-size arguments in and out; 0 or -EFAULT. */
int64_t hc_get(const struct hc *c, void *arg, uint64_t from, size_t len);
int64_t hc_put(const struct hc *c, uint64_t to, const void *arg, size_t len);
