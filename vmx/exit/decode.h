/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Exit qualifications as structs. Pure. SDM vol 3, "Exit Qualification" and its tables. */
#pragma once

#include "vmx/vmx.h"

/* Table "Exit Qualification for I/O Instructions". */
struct io_access { uint16_t port; unsigned size; bool in, string; };
static inline struct io_access decode_io(uint64_t q)
{
    return (struct io_access){
        .port = (uint16_t)(q >> 16), .size = (unsigned)(q & 7) + 1, .in = (q >> 3 & 1) != 0, .string = (q >> 4 & 1) != 0};
}

/* Table "Exit Qualification for Control-Register Accesses". */
enum cr_kind { CR_WRITE = 0, CR_READ = 1, CR_CLTS = 2, CR_LMSW = 3 };
struct cr_access { unsigned cr; enum cr_kind kind; unsigned gpr; };
static inline struct cr_access decode_cr(uint64_t q)
{
    return (struct cr_access){.cr = (unsigned)(q & 15), .kind = (enum cr_kind)(q >> 4 & 3), .gpr = (unsigned)(q >> 8 & 15)};
}

/* Table "Exit Qualification for EPT Violations". */
struct ept_access { unsigned rights; bool linear_valid, walk, unblocked_nmi; }; /* rights: EPT_R|W|X that the access needed; unblocked_nmi: by IRET */
static inline struct ept_access decode_ept(uint64_t q)
{
    return (struct ept_access){.rights = (unsigned)(q & 7), .linear_valid = (q >> 7 & 1) != 0, .walk = (q >> 7 & 3) == 1, .unblocked_nmi = (q >> 12 & 1) != 0};
}

/* Table "Exit Qualification for Debug Exceptions": the bits of DR6 that the exit did not set. */
#define DECODE_DB_DR6 0x600fUL
#define DECODE_DB_ACCESS (1UL << 13) /* BD: a debug register was touched while DR7.GD */

/* The general register that number N means in qualifications; NULL for RSP (4), which is in the VMCS. */
static inline uint64_t *decode_gpr(struct vmx_gprs *g, unsigned n)
{
    uint64_t *const order[16] = {&g->rax, &g->rcx, &g->rdx, &g->rbx, NULL, &g->rbp, &g->rsi, &g->rdi,
                                 &g->r8, &g->r9, &g->r10, &g->r11, &g->r12, &g->r13, &g->r14, &g->r15};
    return order[n & 15];
}
