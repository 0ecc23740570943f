/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Guest memory in and out, once. A guest pointer is a gva_t and is never dereferenced: the guest's page tables are walked
 * as CPL 0 (SDM vol 3, "4-Level Paging"), then its EPT, then a window is opened. */
#pragma once

#include "kernel/domain/vcpu.h"

enum status copy_from_guest(struct vcpu *v, void *dst, gva_t src, size_t len);
enum status copy_to_guest(struct vcpu *v, gva_t dst, const void *src, size_t len);
/* To a guest physical address, in any domain that the caller has locked. */
enum status copy_to_gpa(struct domain_locked l, gpa_t dst, const void *src, size_t len);
enum status translate_gva(struct vcpu *v, gva_t a, bool write, gpa_t *out);
