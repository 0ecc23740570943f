/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] fpu: keeps numbers of its own in every vector and mask register that the processor has, while another guest that does the same shares
 * the CPU with it, and looks whether they are still there after each stretch.
 * Why: FPU state is switched between guests that both have some. Expected: "fpu: kept, SSE|AVX|AVX-512", then it powers off. */
#include "tests/guest/lib/guest.h"

#define STRETCHES 400U
#define LOOPS     100000UL
#define LOW       ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
#define ALL       ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
#define MASKS     ".irp n,0,1,2,3,4,5,6,7\n\t"
#define END       "\n\t.endr\n\t"

enum level { SSE, AVX, AVX512 };
static const char *const names[] = {"SSE", "AVX", "AVX-512"};
static const struct { unsigned regs, words; } sizes[] = {{16, 2}, {16, 4}, {32, 8}};

struct state { uint64_t vector[32][8], mask[8]; };

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static void put(enum level level, const struct state *s)
{
    if (level == SSE)
        __asm__ volatile(LOW "movdqu 64*\\n(%0), %%xmm\\n" END : : "r"(s->vector) : "memory");
    else if (level == AVX)
        __asm__ volatile(LOW "vmovdqu 64*\\n(%0), %%ymm\\n" END : : "r"(s->vector) : "memory");
    else
        __asm__ volatile(ALL "vmovdqu64 64*\\n(%0), %%zmm\\n" END MASKS "kmovq 8*\\n(%1), %%k\\n" END : : "r"(s->vector), "r"(s->mask) : "memory");
}

static void get(enum level level, struct state *s)
{
    if (level == SSE)
        __asm__ volatile(LOW "movdqu %%xmm\\n, 64*\\n(%0)" END : : "r"(s->vector) : "memory");
    else if (level == AVX)
        __asm__ volatile(LOW "vmovdqu %%ymm\\n, 64*\\n(%0)" END : : "r"(s->vector) : "memory");
    else
        __asm__ volatile(ALL "vmovdqu64 %%zmm\\n, 64*\\n(%0)" END MASKS "kmovq %%k\\n, 8*\\n(%1)" END : : "r"(s->vector), "r"(s->mask) : "memory");
}

/* Turns on what the processor has. */
static enum level enable(void)
{
    uint32_t a = 1, b, c = 0, d, lo, hi;
    __asm__ volatile("mov %%cr4, %%rax; or $0x600, %%eax; mov %%rax, %%cr4" : : : "rax"); /* OSFXSR, OSXMMEXCPT */
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((c >> 26 & 1) == 0)
        return SSE;
    __asm__ volatile("mov %%cr4, %%rax; or $0x40000, %%eax; mov %%rax, %%cr4" : : : "rax"); /* OSXSAVE */
    a = 0xd;
    c = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    __asm__ volatile("xsetbv; xgetbv" : "=a"(lo), "=d"(hi) : "a"(a), "d"(0), "c"(0));
    return (lo & 0xe0) == 0xe0 ? AVX512 : (lo & 4) != 0 ? AVX : SSE;
}

static void compare(enum level level, const struct state *is, const struct state *was, unsigned stretch)
{
    for (unsigned i = 0; i < sizes[level].regs; i++)
        for (unsigned w = 0; w < sizes[level].words; w++)
            check(is->vector[i][w] == was->vector[i][w], "stretch %u, register %u, word %u: %lx, not %lx", stretch, i, w, is->vector[i][w], was->vector[i][w]);
    for (unsigned i = 0; level == AVX512 && i < 8; i++)
        check(is->mask[i] == was->mask[i], "stretch %u, k%u: %lx, not %lx", stretch, i, is->mask[i], was->mask[i]);
}

void guest_main(const void *start_info)
{
    static struct state mine, seen;
    (void)start_info;
    uint64_t seed = rdtsc() | 1;
    traps_on();
    enum level level = enable();
    for (unsigned i = 0; i < 32; i++)
        for (unsigned w = 0; w < 8; w++)
            mine.vector[i][w] = seed * (i * 8 + w + 1);
    for (unsigned i = 0; i < 8; i++)
        mine.mask[i] = ~seed * (i + 1);
    put(level, &mine);
    for (unsigned i = 0; i < STRETCHES; i++) {
        for (uint64_t n = LOOPS; n != 0; n--)
            __asm__ volatile("");
        get(level, &seen);
        compare(level, &seen, &mine, i);
    }
    say("fpu: %s", names[level]);
    summary("fpu");
    shut_down(0);
}
