/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The stand-in for Dom0: see main.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"

#define EPERM (-1L)
#define ENOENT (-2L)
#define ESRCH (-3L)
#define ENOMEM (-12L)
#define EFAULT (-14L)
#define EBUSY (-16L)
#define EEXIST (-17L)
#define EINVAL (-22L)
#define ENOSPC (-28L)
#define ENOSYS (-38L)

#define DOMID_SELF_NUMBER 0x7ff0U
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOWHERE 0x700000000000UL /* nothing is mapped there */

/* CALL must give WANT; what does not is printed and counted. */
#define EXPECT(want, call) expect(want, call, #call, __FILE__, __LINE__)
void expect(long want, long got, const char *what, const char *file, int line);
/* A control operation on struct cbl_ARG with the members that follow. */
#define CONTROL(op, arg, ...) control(CTL_##op, &(struct cbl_##arg){__VA_ARGS__})
#define KEY(letter) EXPECT(0, CONTROL(DEBUG_KEY, debug_key, .key = letter))
#define XEN(nr, op, ...) hypercall3(__HYPERVISOR_##nr, op, (uint64_t)(__VA_ARGS__), 1)

extern struct cbl_host_info host;
extern struct shared_info *shared; /* ours, from test_interrupts on */
extern uint64_t start_of_ram; /* our own, a physical address */

/* Page N of the range for foreign mappings, and where it appears here. */
static inline uint64_t scratch_gfn(uint64_t n) { return host.scratch_gfn + n; }
static inline void *scratch(uint64_t n) { return (void *)(scratch_gfn(n) << 12); }

/* A domain that makes the hypercalls it is told, in 64-bit mode with 2 MiB of memory mapped 1:1, all of which is seen here at MEM. */
struct deputy { uint16_t domid; volatile char *mem; };
#define DEPUTY_PAGES 4096U /* its limit */
#define DEPUTY_BUFFER 0x6000U /* for arguments */
#define DEPUTY_CONTEXT {.rip = 0x4000, .rsp = 0x8000, .rbx = 0x5000, .rflags = 2, .cr0 = 0x80000011, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0x500, \
    .cs = {.selector = 8, .limit = ~0U, .ar = 0xa09b}, .ss = {.selector = 16, .limit = ~0U, .ar = 0xc093}, .ds = {.selector = 16, .limit = ~0U, .ar = 0xc093}, \
    .es = {.selector = 16, .limit = ~0U, .ar = 0xc093}, .tr = {.limit = 0x67, .ar = 0x8b}}
/* Makes one with PRIVILEGES; SLOT: which 2 MiB of the scratch range show its memory. */
struct deputy deputy_new(uint32_t privileges, uint32_t slot);
long deputy_call(const struct deputy *d, uint64_t nr, uint64_t a, uint64_t b, uint64_t c);
/* Tells it, and does not wait for the answer. */
void deputy_tell(const struct deputy *d, uint64_t nr, uint64_t a, uint64_t b, uint64_t c);
void deputy_store(const struct deputy *d, uint64_t at, uint64_t value);
/* ARG into its buffer. */
void deputy_put(const struct deputy *d, const void *arg, size_t size);
/* A call with a copy of ARG, which gets the answer. */
long deputy_xen(const struct deputy *d, uint64_t nr, uint64_t op, void *arg, size_t size);
#define DEPUTY(d, nr, op, ...) deputy_xen(d, __HYPERVISOR_##nr, op, (__VA_ARGS__), sizeof(*(__VA_ARGS__)))
#define DEPUTY_CONTROL(d, op, arg, ...) deputy_xen(d, CBL_HYPERCALL, CTL_##op, &(struct cbl_##arg){__VA_ARGS__}, sizeof(struct cbl_##arg))
void deputy_end(const struct deputy *d, uint32_t slot);

void test_domains(void);
void test_memory(void);
void test_contexts(void);
void test_interrupts(void);
void test_deputies(void);
void test_exhaustion(void);
