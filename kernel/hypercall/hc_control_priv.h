/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The control operations: one handler per row of kernel/abi/control.def, named after it. */
#pragma once

#include "kernel/abi/control.h"
#include "kernel/domain/vcpu.h"

struct control {
    struct vcpu *v;
    struct domain *caller;
    struct domain_pair pair; /* rows with a DOMAIN target: caller and target locked; the same when the caller is its own target */
};

/* The argument was copied in and, when STATUS_OK or the operation reports progress, is copied out. */
#define CBL_OP(nr, name, arg, priv, target) enum status hc_control_##name(struct control *c, struct arg *a);
#include "kernel/abi/control.def"
#undef CBL_OP
