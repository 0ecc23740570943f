/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Guest memory in and out, once. A guest pointer is a gva_t and is never dereferenced: the guest's page tables are walked
 * as CPL 0 (SDM vol 3, "4-Level Paging"), then its EPT, then a window is opened; or the entries of the last such way still read the same. */
#pragma once

#include "kernel/domain/vcpu.h"

/* Where the pointer A leads. Precondition: V is loaded and, if it pages, in 64-bit mode (the VMCALL exit lets no other in). STATUS_FAULT: nowhere, or (WRITE) to what is read-only. */
enum status translate_gva(struct vcpu *v, gva_t a, bool write, gpa_t *out);
