/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Random instructions that leave the guest, or change what it is when it leaves next: MSRs, ports, CPUID, control and debug registers, XCR0, the local APIC, segments,
 * flags. Each puts back what the guest itself needs. */
#include "tests/guest/fuzz/fuzz.h"

#define EFER 0xc0000080U
#define CR0_KEEP 0x80010001UL /* PG WP PE */
#define TIMER_VECTOR 0x41U

extern uint64_t gdt[];

static void count(struct fuzz *f, uint64_t vec)
{
    f->done += vec == NO_TRAP;
    f->refused += vec != NO_TRAP;
}

static void leave(uint32_t leaf)
{
    uint32_t a = leaf, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static void leaves(struct fuzz *f)
{
    static const uint32_t bases[] = {0, 0x80000000U, 0x40000000U, 0x40000100U};
    uint32_t a = one_in(f, 4) ? (uint32_t)draw_any(f) : bases[one_of(f, COUNT(bases))] + one_of(f, 40), b, c = one_in(f, 4) ? (uint32_t)draw_any(f) : one_of(f, 4), d;
    note(f, (uint64_t)a << 32 | c);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    f->done++;
}

/* ---- MSRs ---- */

static uint32_t some_msr(struct fuzz *f)
{
    static const uint32_t list[] = {0x10, 0x17, 0x1b, 0x3a, 0x3b, 0x48, 0x49, 0x79, 0x8b, 0xfe, 0x10a, 0x10b, 0x122, 0x174, 0x175, 0x176, 0x1a0, 0x1d9, 0x277, 0x2ff, 0x345, 0x480, 0x48d,
                                    0x6e0, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010015, 0x40000000, 0x40000001, 0xda0};
    uint32_t kind = one_of(f, 8);
    if (kind < 4)
        return list[one_of(f, COUNT(list))];
    if (kind == 4)
        return 0x800 + one_of(f, 64);
    return kind == 5 ? (uint32_t)draw(f) : kind == 6 ? one_of(f, 0x2000) : 0xc0000000U + one_of(f, 0x2000);
}

static void read_msr(struct fuzz *f)
{
    uint64_t value;
    uint32_t msr = some_msr(f);
    note(f, msr);
    count(f, fuzz_rdmsr(msr, &value));
}

/* Not APIC_BASE, which ends the guest by design; the APIC has a part of its own. */
static void write_msr(struct fuzz *f)
{
    uint64_t old = 0, value = draw_any(f), vec;
    uint32_t msr = some_msr(f);
    if (msr == 0x1b || (msr >= 0x800 && msr < 0x840))
        msr = 0xc0000102;
    if (msr == 0x40000000) /* the hypercall page: where nothing of the guest's own lies */
        value = one_in(f, 4) ? draw(f) | 1UL << 47 : (PLAY_GFN + one_of(f, PLAY_PAGES)) << 12 | (one_in(f, 4) ? one_of(f, 4) : 0);
    if (one_in(f, 3) && fuzz_rdmsr(msr, &old) == NO_TRAP && msr != 0x40000000)
        value = old ^ 1UL << one_of(f, 64);
    if (msr == EFER)
        value |= 0x500; /* LMA, LME */
    note(f, value ^ msr);
    bool there = fuzz_rdmsr(msr, &old) == NO_TRAP;
    vec = fuzz_wrmsr(msr, value);
    count(f, vec);
    leave(1);
    if (there && vec == NO_TRAP)
        (void)fuzz_wrmsr(msr, old);
}

/* ---- the local APIC ---- */

static uint64_t some_command(struct fuzz *f)
{
    static const uint32_t modes[] = {0, 0, 0, 0x100, 0x200, 0x300, 0x700};
    if (one_in(f, 8)) /* CPU 0 has times in which it could not take an NMI */
        return 0x400 | (uint64_t)(1 + one_of(f, CPUS - 1)) * 2 << 32;
    uint64_t low = modes[one_of(f, COUNT(modes))] | (one_in(f, 8) ? one_of(f, 256) : 0x20 + one_of(f, 224)) | (uint64_t)one_of(f, 4) << 18;
    return low | (one_in(f, 4) ? 0x4000U : 0U) | (one_in(f, 8) ? 0x8000U : 0U) | (one_in(f, 8) ? 0x800U : 0U) | (one_in(f, 8) ? draw(f) << 32 : (uint64_t)one_of(f, CPUS) * 2 << 32);
}

static void apic(struct fuzz *f)
{
    uint32_t kind = one_of(f, 8), reg = one_of(f, 64);
    uint64_t value = draw_any(f);
    if (kind == 0) { /* the victim begins again, wherever it is */
        if (f->cpu != VICTIM && one_in(f, 4)) {
            send_ipi(VICTIM, IPI_INIT);
            send_ipi(VICTIM, IPI_STARTUP | 8);
        }
    } else if (kind < 4) {
        reg = 0x30;
        value = some_command(f);
    } else if (kind == 4) {
        reg = 0x3f;
        value = one_of(f, 256);
    } else if (kind == 5) { /* a timer, of any kind */
        static const uint32_t timers[] = {0, 0x20000, 0x40000, 0x10000, 0x30000, 0x60000};
        (void)fuzz_wrmsr(0x832, timers[one_of(f, COUNT(timers))] | (0x20 + one_of(f, 224)));
        (void)fuzz_wrmsr(0x83e, one_of(f, 16));
        (void)fuzz_wrmsr(0x6e0, one_in(f, 2) ? __builtin_ia32_rdtsc() + one_of(f, 10000) : draw_any(f));
        reg = 0x38;
        value = one_in(f, 2) ? one_of(f, 4096) : draw_any(f);
    }
    if (reg == 0x30 && (value & 0x700) >= 0x400 && kind != 1 && kind != 2 && kind != 3) /* INIT and SIPI are for the victim only */
        value &= ~0x700UL;
    if ((reg == 0x30 || reg == 0x3f || (reg >= 0x2f && reg <= 0x37)) && (value & 0xe0) == 0)
        value &= ~0x10UL; /* 16 to 31 would be taken for exceptions, and those for faults with an error code */
    note(f, value ^ reg);
    count(f, fuzz_wrmsr(0x800 + reg, value));
    uint64_t seen;
    if (one_in(f, 4))
        (void)fuzz_rdmsr(0x800 + one_of(f, 64), &seen);
}

static void wake_me(struct fuzz *f)
{
    (void)fuzz_wrmsr(0x80f, 0x1ff);
    (void)fuzz_wrmsr(0x808, 0);
    (void)fuzz_wrmsr(0x83e, 0xb);
    (void)fuzz_wrmsr(0x832, TIMER_VECTOR);
    (void)fuzz_wrmsr(0x838, 1 + one_of(f, 3000));
}

/* Interrupts come in, with and without a shadow, awake and asleep. */
static void open_up(struct fuzz *f)
{
    uint32_t kind = one_of(f, 4), a = 0, c = 0;
    note(f, kind);
    if (kind == 0)
        __asm__ volatile("sti; nop; nop; cli");
    else if (kind == 1)
        __asm__ volatile("sti; cpuid; cli" : "+a"(a), "+c"(c) : : "rbx", "rdx", "cc");
    else if (kind == 2)
        __asm__ volatile("sti; mov %%ss, %%eax; mov %%eax, %%ss; nop; cli" : : : "rax");
    else {
        wake_me(f);
        __asm__ volatile("sti; hlt; cli");
    }
    f->done++;
}

/* ---- ports ---- */

static void ports(struct fuzz *f)
{
    static const uint16_t list[] = {0x20, 0x21, 0x40, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xe9, 0x3f8, 0x3fd, 0xcf8, 0xcfc, 0xcf9, 0x1f0, 0x1f7, 0x402, 0x510, 0xb2};
    uint16_t port = one_in(f, 2) ? list[one_of(f, COUNT(list))] : (uint16_t)draw(f);
    uint32_t value = (uint32_t)draw(f), kind = one_of(f, 9);
    uint64_t vec = NO_TRAP, di = (uint64_t)f->page, many = one_of(f, 5);
    note(f, (uint64_t)value << 32 | kind << 16 | port);
    switch (kind) {
    case 0: __asm__ volatile("inb %w1, %b0" : "+a"(value) : "d"(port)); break;
    case 1: __asm__ volatile("inw %w1, %w0" : "+a"(value) : "d"(port)); break;
    case 2: __asm__ volatile("inl %w1, %0" : "+a"(value) : "d"(port)); break;
    case 3: __asm__ volatile("outb %b0, %w1" : : "a"(value), "d"(port)); break;
    case 4: __asm__ volatile("outw %w0, %w1" : : "a"(value), "d"(port)); break;
    case 5: __asm__ volatile("outl %0, %w1" : : "a"(value), "d"(port)); break;
    case 6: MAY_FAULT(vec, "rep insb", , "+D"(di), "+c"(many) : "d"(port)); break;
    case 7: MAY_FAULT(vec, "outsl", , "+S"(di) : "d"(port)); break;
    default: MAY_FAULT(vec, "insw", , "+D"(di) : "d"(port)); break;
    }
    count(f, vec);
}

/* ---- control and debug registers ---- */

static uint64_t read_cr0(void) { uint64_t v; __asm__ volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static uint64_t read_cr4(void) { uint64_t v; __asm__ volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static uint64_t read_cr3(void) { uint64_t v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }

static uint64_t bent(struct fuzz *f, uint64_t value)
{
    if (one_in(f, 8))
        return draw_any(f);
    for (uint32_t n = 1 + one_of(f, 3); n != 0; n--)
        value ^= 1UL << one_of(f, one_in(f, 4) ? 64 : 24);
    return value;
}

static void control(struct fuzz *f)
{
    uint64_t cr0 = read_cr0(), cr4 = read_cr4(), cr3 = read_cr3(), vec, other, value;
    switch (one_of(f, 6)) {
    case 0:
        note(f, value = bent(f, cr0) | (one_in(f, 4) ? 0 : CR0_KEEP));
        MAY_FAULT(vec, "mov %1, %%cr0", : "r"(value));
        break;
    case 1:
    case 2:
        note(f, value = bent(f, cr4) | (one_in(f, 4) ? 0 : 0x20));
        MAY_FAULT(vec, "mov %1, %%cr4", : "r"(value));
        break;
    case 3:
        note(f, value = cr3 | one_of(f, 4096) | (one_in(f, 2) ? 1UL << (48 + one_of(f, 16)) : 0));
        MAY_FAULT(vec, "mov %1, %%cr3", : "r"(value));
        break;
    case 4:
        note(f, value = one_of(f, 18));
        MAY_FAULT(vec, "mov %1, %%cr8", : "r"(value));
        break;
    default:
        note(f, value = read_cr0() ^ one_of(f, 16));
        MAY_FAULT(vec, "lmsw %w1", : "r"(value));
        break;
    }
    count(f, vec);
    leave(0xd);
    MAY_FAULT(other, "mov %1, %%cr3", : "r"(cr3));
    MAY_FAULT(other, "mov %1, %%cr4", : "r"(cr4));
    MAY_FAULT(other, "mov %1, %%cr0", : "r"(cr0));
    MAY_FAULT(other, "mov %1, %%cr8", : "r"(0UL));
}

static void extended(struct fuzz *f)
{
    uint64_t vec, other, cr4 = read_cr4(), value = one_in(f, 2) ? draw_any(f) : one_of(f, 0x400) | 1;
    uint32_t index = one_in(f, 8) ? (uint32_t)draw_any(f) : 0;
    note(f, value ^ index);
    MAY_FAULT(other, "mov %1, %%cr4", : "r"(one_in(f, 8) ? cr4 : cr4 | 1UL << 18));
    MAY_FAULT(vec, "xsetbv", : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
    count(f, vec);
    leave(0xd);
    MAY_FAULT(other, "xsetbv", : "c"(0), "a"(1), "d"(0));
    MAY_FAULT(other, "mov %1, %%cr4", : "r"(cr4));
}

/* Breakpoints on this CPU's argument page, or anywhere but on a stack. The handler of #DB switches them off. */
static void debug(struct fuzz *f)
{
    uint64_t vec, at = one_in(f, 2) ? (uint64_t)f->page + one_of(f, 64) : one_in(f, 2) ? (uint64_t)fuzz_cpu + one_of(f, 256) : draw_any(f) | 1UL << 40;
    uint64_t dr7 = one_in(f, 4) ? draw_any(f) : 0x400 | one_of(f, 256) | (uint64_t)one_of(f, 0x10000) << 16;
    note(f, dr7 ^ at);
    MAY_FAULT(vec, "mov %1, %%dr0", : "r"(at));
    MAY_FAULT(vec, "mov %1, %%dr3", : "r"(at + 8));
    MAY_FAULT(vec, "mov %1, %%dr6", : "r"(one_in(f, 2) ? 0xffff0ff0UL : draw_any(f)));
    MAY_FAULT(vec, "mov %1, %%dr7", : "r"(dr7));
    count(f, vec);
    *(volatile uint64_t *)f->page = dr7;
    leave(0);
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x400UL));
}

/* ---- flags and segments ---- */

static void flags(struct fuzz *f)
{
    uint64_t value = draw(f) & 0x3f7bd7; /* not DF, which the compiled handlers need clear */
    uint32_t kind = one_of(f, 5), a = kind == 2 ? HC_XEN_VERSION : 0, c = kind == 4 ? 0x80f : 0, d = 0;
    note(f, value ^ kind);
    if (kind == 0)
        __asm__ volatile("push %3; popfq; cpuid; nop; push $2; popfq" : "+a"(a), "+c"(c), "+d"(d) : "r"(value) : "rbx", "cc", "memory");
    else if (kind == 1)
        __asm__ volatile("push %3; popfq; inb $0x80, %%al; nop; push $2; popfq" : "+a"(a), "+c"(c), "+d"(d) : "r"(value) : "cc", "memory");
    else if (kind == 2)
        __asm__ volatile("push %3; popfq; vmcall; nop; push $2; popfq" : "+a"(a), "+c"(c), "+d"(d) : "r"(value), "D"(0) : "cc", "memory");
    else if (kind == 3)
        __asm__ volatile("mov %%ss, %%ecx; push %3; popfq; mov %%ecx, %%ss; cpuid; nop; push $2; popfq" : "+a"(a), "+c"(c), "+d"(d) : "r"(value) : "rbx", "cc", "memory");
    else
        __asm__ volatile("push %3; popfq; rdmsr; nop; push $2; popfq" : "+a"(a), "+c"(c), "+d"(d) : "r"(value) : "cc", "memory");
    f->done++;
}

/* A descriptor of the guest's own into a segment register: whatever the CPU takes must pass the next entry. */
static void segments(struct fuzz *f)
{
    uint32_t slot = 9 + 2 * f->cpu, kind = one_of(f, 7), sel = slot * 8 | (one_in(f, 4) ? one_of(f, 4) : 0);
    uint64_t vec, other, random = draw(f);
    gdt[slot] = one_in(f, 3) ? random : (random & 0xff0f00ffffffffffUL) | 0x00c0930000000000UL;
    gdt[slot + 1] = 0;
    if (one_in(f, 8))
        sel = (uint32_t)draw(f) & 0xfffb; /* no LDT: after INIT there is one, at address 0 */
    note(f, random ^ sel ^ kind);
    switch (kind) {
    case 0: MAY_FAULT(vec, "mov %w1, %%ds", : "r"(sel)); break;
    case 1: MAY_FAULT(vec, "mov %w1, %%es", : "r"(sel)); break;
    case 2: MAY_FAULT(vec, "mov %w1, %%fs", : "r"(sel)); break;
    case 3: MAY_FAULT(vec, "mov %w1, %%gs", : "r"(sel)); break;
    case 4: MAY_FAULT(vec, "mov %w1, %%ss; nop", : "r"(sel)); break;
    case 5: MAY_FAULT(vec, "lldt %w1", : "r"(sel)); break;
    default: MAY_FAULT(vec, "lar %k1, %k1; lsl %k1, %k1; verr %w1", , "+r"(sel) : ); break;
    }
    count(f, vec);
    leave(1);
    __asm__ volatile("mov %w0, %%ss; nop; mov %w1, %%ds; mov %w1, %%es; mov %w2, %%fs; mov %w2, %%gs" : : "r"(0x10), "r"(0x23), "r"(0));
    MAY_FAULT(other, "lldt %w1", : "r"(0));
}

/* ---- instructions that are not offered, or exit by themselves ---- */

static void instructions(struct fuzz *f)
{
    uint64_t vec, any = draw_any(f), at = (uint64_t)f->page;
    uint32_t kind = one_of(f, 26);
    note(f, any ^ kind);
    switch (kind) {
    case 0: MAY_FAULT(vec, "invlpg (%1)", : "r"(any)); break;
    case 1: MAY_FAULT(vec, "wbinvd", : "r"(any)); break;
    case 2: MAY_FAULT(vec, "invd", : "r"(any)); break;
    case 3: MAY_FAULT(vec, "rdpmc", , "+a"(at), "+d"(any) : "c"(0)); break;
    case 4: MAY_FAULT(vec, "monitor", : "a"(at), "c"(0), "d"(0)); break;
    case 5: MAY_FAULT(vec, "mwait", : "a"(0), "c"(0)); break;
    case 6: MAY_FAULT(vec, "vmxon (%1)", : "r"(at)); break;
    case 7: MAY_FAULT(vec, "vmptrld (%1)", : "r"(at)); break;
    case 8: MAY_FAULT(vec, "vmlaunch", : "r"(any)); break;
    case 9: MAY_FAULT(vec, "vmread %1, (%2)", : "r"(any), "r"(at)); break;
    case 10: MAY_FAULT(vec, ".byte 0x66, 0x0f, 0x38, 0x80, 0x00", : "a"(at)); break; /* invept (%rax), %rax */
    case 11: MAY_FAULT(vec, ".byte 0x66, 0x0f, 0x38, 0x82, 0x00", : "a"(at)); break; /* invpcid */
    case 12: MAY_FAULT(vec, "getsec", : "a"(any)); break;
    case 13: MAY_FAULT(vec, "rsm", : "r"(any)); break;
    case 14: MAY_FAULT(vec, ".byte 0x0f, 0x01, 0xcf", : "a"(any)); break; /* encls */
    case 15: MAY_FAULT(vec, ".byte 0x0f, 0x01, 0xd4", : "a"(any), "c"(any)); break; /* vmfunc */
    case 16: MAY_FAULT(vec, ".byte 0x0f, 0xc7, 0x2f", : "D"(at), "a"(any), "d"(any)); break; /* xsaves (%rdi) */
    case 17: MAY_FAULT(vec, "rdtscp", , "+a"(at), "+d"(any), "+c"(kind) : ); break;
    case 18: MAY_FAULT(vec, "clts", : "r"(any)); break;
    case 19: MAY_FAULT(vec, "int1", : "r"(any)); break;
    case 20: MAY_FAULT(vec, "int $3", : "r"(any)); break;
    case 21: MAY_FAULT(vec, "ud2", : "r"(any)); break;
    case 22: MAY_FAULT(vec, ".byte 0x0f, 0x01, 0xd8", : "a"(any)); break; /* vmrun */
    case 23: MAY_FAULT(vec, "sgdt 512(%1); sidt 512(%1); str 512(%1); sldt 512(%1); smsw 512(%1)", : "r"(at)); break;
    case 24: MAY_FAULT(vec, ".byte 0x0f, 0x01, 0xd9", , "+a"(any) : "D"(0)); break; /* vmmcall */
    default: MAY_FAULT(vec, "pause; pause; pause", : "r"(any)); break;
    }
    count(f, vec);
}

/* The window's pages, which hypercalls look at, become others. */
static void remap(struct fuzz *f)
{
    static const uint64_t rights[] = {PTE_P | PTE_RW, PTE_P, 0, PTE_P | PTE_RW, PTE_P | PTE_RW | 1UL << 63};
    uint32_t kind = one_of(f, 8);
    uint64_t frame = kind == 0 ? ABSENT : kind == 1 ? draw(f) & 0x000ffffffffff000UL : kind == 2 ? 0xfee00000UL : (PLAY_GFN + one_of(f, 16)) << 12;
    if (frame < PLAY_GFN << 12)
        frame |= 1UL << 40;
    note(f, frame);
    (void)window_set(WINDOW_FREE + one_of(f, SLOTS), frame | rights[one_of(f, COUNT(rights))]);
    f->done++;
}

static const struct { uint8_t weight; void (*run)(struct fuzz *f); } kinds[] = {
    {8, leaves}, {12, read_msr}, {14, write_msr}, {16, apic}, {8, open_up}, {10, ports}, {10, control}, {4, extended}, {6, debug}, {8, flags}, {8, segments}, {10, instructions}, {6, remap},
};

void fuzz_cpu(struct fuzz *f)
{
    uint32_t total = 0, i = 0;
    for (uint32_t k = 0; k < COUNT(kinds); k++)
        total += kinds[k].weight;
    uint32_t at = one_of(f, total);
    for (; at >= kinds[i].weight; i++)
        at -= kinds[i].weight;
    kinds[i].run(f);
}
