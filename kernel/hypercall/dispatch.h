/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] One hypercall: number -> row (known? allowed?) -> arguments copied in once -> target looked up and locked -> hc_X. */
#pragma once

#include "kernel/domain/vcpu.h"

enum hypercall_result { HC_DONE, HC_BLOCK, HC_STOP }; /* RAX is set; then go on, wait, or do not enter again */

/* Precondition: V loaded, CPL 0, 64-bit mode (the VMCALL exit checked both). */
enum hypercall_result hypercall_dispatch(struct vcpu *v);
