/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Hypercalls. The Xen ABI's by number; Corbel's control operations by struct. */
#ifndef DOM0_KERNEL_HYPERCALL_H
#define DOM0_KERNEL_HYPERCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/abi/control.h"

#ifdef CORBEL_HOST_TEST
long hypercall3(uint64_t nr, uint64_t a, uint64_t b, uint64_t c); /* the test's */
#else
static inline long hypercall3(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    long ret;
    __asm__ volatile("vmcall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "memory");
    return ret;
}
#endif
static inline long hypercall2(uint64_t nr, uint64_t a, uint64_t b) { return hypercall3(nr, a, b, 0); }

/* Control operations: CTL_HOST_INFO = 1, … from control.def. 0 or a negative errno. */
enum control_op {
#define CBL_OP(nr, name, arg, priv, target) CTL_##name = nr,
#include "kernel/abi/control.def"
#undef CBL_OP
};
static inline long control(enum control_op op, void *arg)
{
    return hypercall2(CBL_HYPERCALL, (uint64_t)op, (uint64_t)arg);
}
/* The words for a negative errno: "no memory", … */
const char *errno_text(long err);

/* Foreign memory: PAGES 4 KiB pages of DOMID from GFN on, mapped here; NULL: refused (some page is absent). 2
 * MiB-aligned requests are mapped large. */
void *foreign_map(uint16_t domid, uint64_t gfn, uint64_t pages, bool writable);
void foreign_unmap(void *va, uint64_t pages);
/* Device registers, uncached, 1:1. NULL: refused. */
volatile void *mmio_map(uint64_t phys, uint64_t bytes);
/* Grant reference REF of DOMID mapped here, one page. NULL: refused. *HANDLE for grant_unmap. */
void *grant_map(uint16_t domid, uint32_t ref, bool writable, uint32_t *handle);
void grant_unmap(void *va, uint32_t handle);
/* N of them, 1 or more, one page behind the other. All or none. */
void *grant_map_pages(uint16_t domid, const uint32_t *refs, uint32_t n, bool writable, uint32_t *handles);
void grant_unmap_pages(void *va, const uint32_t *handles, uint32_t n);
/* HVM parameters of a domain. */
long hvm_set_param(uint16_t domid, uint32_t index, uint64_t value);
long hvm_get_param(uint16_t domid, uint32_t index, uint64_t *value);

#endif
