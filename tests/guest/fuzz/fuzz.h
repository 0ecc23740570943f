/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] The parts of the guest `fuzz`: each operation is drawn from a generator that is seeded by (seed, batch, CPU, number) alone, so that what happens on one CPU
 * never changes what is tried on another, and a batch can be tried again without those before it. */
#pragma once

#include "tests/guest/lib/guest.h"

#define CPUS 4U
#define VICTIM 3U /* the others start it again, at any moment */

/* Guest frames that are given away, taken, mapped over: the guest itself never touches them but by hypercall. */
#define PLAY_GFN 0x400UL
#define PLAY_PAGES 0xa00UL
#define GRANT_GFN 0xf00UL  /* the first grant frame: it stays here, and the guest writes into it */
#define SHARED_GFN 0xf01UL /* where shared_info is at first */
#define ABSENT 0xf0000000UL
#define SLOTS 32U          /* of the window, from WINDOW_FREE on: changed at any time */

#define EPERM 1
#define ENOSYS 38

struct fuzz {
    uint64_t random;
    uint64_t sum;                 /* of all that was asked for */
    uint64_t done, refused, wrong; /* answers: 0 or more; errors; what no operation may answer */
    uint64_t mapped;              /* frames of the neighbour's */
    unsigned cpu;
    uint16_t domid;
    char *page;                   /* two pages of this CPU's own, for arguments */
    uint64_t *list;               /* one page of its own, for what arguments point to */
};

static inline uint64_t draw(struct fuzz *f)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return f->random * 0x2545f4914f6cdd1dUL;
}
/* One of N, by the upper bits. */
static inline uint32_t one_of(struct fuzz *f, uint32_t n) { return (uint32_t)((draw(f) >> 32) * n >> 32); }
static inline bool one_in(struct fuzz *f, uint32_t n) { return one_of(f, n) == 0; }
static inline void note(struct fuzz *f, uint64_t a) { f->sum = (f->sum ^ a) * 0x100000001b3UL; }
/* Of any size. */
static inline uint64_t draw_any(struct fuzz *f) { return draw(f) >> (draw(f) >> 58); }

uint64_t fuzz_now_ns(void);
/* The hypercall, counted. */
long fuzz_call(struct fuzz *f, uint64_t nr, uint64_t a, uint64_t b, uint64_t c);

/* One operation each. */
void fuzz_hypercall(struct fuzz *f);
void fuzz_cpu(struct fuzz *f);
/* On CPU 0 alone: code in other modes. */
void fuzz_modes(struct fuzz *f);

/* An instruction that may fault: RESUME tells the trap handler where to go on, and becomes the vector. */
#define MAY_FAULT(vec, insn, ...)                                                                             \
    do {                                                                                                     \
        register uint64_t resume_at __asm__("r11");                                                          \
        __asm__ volatile("leaq 1f(%%rip), %%r11\n\t" insn "\n1:" : "=&r"(resume_at) __VA_ARGS__ : "memory", "cc"); \
        (vec) = resume_at < 256 ? resume_at : NO_TRAP;                                                       \
        (void)(vec);                                                                                         \
    } while (0)
#define FAULT_SPAN 64UL /* bytes of code in one of these at most */

static inline uint64_t fuzz_rdmsr(uint32_t msr, uint64_t *value)
{
    uint64_t vec;
    uint32_t lo = 0, hi = 0;
    MAY_FAULT(vec, "rdmsr", , "+a"(lo), "+d"(hi) : "c"(msr));
    *value = (uint64_t)hi << 32 | lo;
    return vec;
}

static inline uint64_t fuzz_wrmsr(uint32_t msr, uint64_t value)
{
    uint64_t vec;
    MAY_FAULT(vec, "wrmsr", : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
    return vec;
}
