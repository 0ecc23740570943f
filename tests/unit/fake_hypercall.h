/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Stands in for dom0/kernel/hypercall.h (included before everything by -include): the same interface, no VMCALL; the test implements it. */
#ifndef DOM0_KERNEL_HYPERCALL_H
#define DOM0_KERNEL_HYPERCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/abi/control.h"

enum control_op {
#define CBL_OP(nr, name, arg, priv, target) CTL_##name = nr,
#include "kernel/abi/control.def"
#undef CBL_OP
};
long control(enum control_op op, void *arg);
const char *errno_text(long err);
void *foreign_map(uint16_t domid, uint64_t gfn, uint64_t pages, bool writable);
void foreign_unmap(void *va, uint64_t pages);
void *grant_map(uint16_t domid, uint32_t ref, bool writable, uint32_t *handle);
void grant_unmap(void *va, uint32_t handle);
void *grant_map_pages(uint16_t domid, const uint32_t *refs, uint32_t n, bool writable, uint32_t *handles);
void grant_unmap_pages(void *va, const uint32_t *handles, uint32_t n);
long hypercall3(uint64_t nr, uint64_t a, uint64_t b, uint64_t c);
long hvm_set_param(uint16_t domid, uint32_t index, uint64_t value);
long hvm_get_param(uint16_t domid, uint32_t index, uint64_t *value);

#endif
