/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] sensitive: every instruction that is privileged, or whose effect depends on the mode, the ring or state that the hypervisor owns, in
 * real mode, 32-bit protected mode, compatibility mode and 64-bit mode, in rings 0 and 3, and virtual-8086 mode. One line for each outcome:
 *   S|name|modes|exits|vector|error|where|flags|cs|registers that changed|memory that changed
 * MODES and EXITS are bit masks of enum run_mode (EXITS: so many instructions of the hypervisor ran that there was a VM exit). WHERE is S: at the
 * first byte, E: behind the last, else the offset. Also runs without a hypervisor (tests/bare): then the lines go to COM1.
 * Why: what a guest sees is compared with what the CPU does, tests/system/test_sensitive.py. Expected: the same, or a difference with a reason. */
#include "tests/guest/sensitive/sensitive.h"

#include "tests/guest/lib/pv.h"

#define REPEATS 4U          /* an outcome must repeat; the time is the least */
#define EXIT_TICKS 80U      /* more than the instructions under test have, less than an exit costs */
#define CODE_BYTES 0x1000U
#define DATA_BYTES 0x1000U
#define FLAGS_SEEN 0x3f7fd7U
#define UNCHANGED 0x5ca1ab1e5ca1ab1eUL
#define FLAG_RF 0x10000U
#define FLAG_VM 0x20000U
#define FAULTS 0x37ce1UL    /* vectors 0 5 6 7 10 to 14 16 17 */
#define VECTOR_TAKEN 0x40U
#define VECTOR_OPEN 0x30U
#define SEL_GATE64 0x88U
#define SEL_GATE32 0x98U
#define DESCRIPTORS 32U
#define LINE_NS 40000000UL  /* slower than the hypervisor lets a guest talk in the long run, counting what it may say at once */
#define CR0_BASE 0x33UL     /* NE ET MP PE */
#define CR0_PAGED 0x80010000UL
#define CR4_BASE 0x50600UL  /* OSXSAVE FSGSBASE OSXMMEXCPT OSFXSR */
#define EFER_SCE 1UL
#define CR4_PAE 0x20UL
#define CR4_PSE 0x10UL

struct outcome {
    uint64_t reg[6]; /* EAX EBX ECX EDX ESI EDI */
    uint64_t flags, error;
    uint32_t vector, where, cs;
    uint8_t data[RECORD_BYTES];
};

extern char run_back[];
extern uint64_t run_rsp, gdt[], pd[], idt32[];
void run_at(const struct run *r);

static uint64_t descriptors[DESCRIPTORS] __attribute__((aligned(16)));
static uint64_t low_pages[512] __attribute__((aligned(4096)));
static uint32_t tss32[26];
static struct tss spare_tss;
static volatile struct exchange *const exchange = (volatile struct exchange *)EXCHANGE;
static volatile bool inside;
static struct outcome seen;
static uint32_t began, took;
static bool bare;
static uint64_t efer, page_tables;
static struct { uint8_t x87[24]; uint32_t mxcsr; uint8_t rest[4068]; } no_state __attribute__((aligned(64))) = {.mxcsr = 0x1f80};

static const struct { uint16_t cs, data; } selectors[RUN_MODES] = {
    [REAL] = {0, 0}, [PROTECTED0] = {0x28, 0x10}, [PROTECTED3] = {0x33, 0x23}, [COMPATIBILITY0] = {0x28, 0x10}, [COMPATIBILITY3] = {0x33, 0x23},
    [LONG0] = {0x08, 0x10}, [LONG3] = {0x1b, 0x23},
};

static uint32_t tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low;
}

/* ---- lines ---- */

static char line[256];
static uint32_t line_at;

static void put(char c)
{
    if (line_at < sizeof(line) - 1)
        line[line_at++] = c;
}

static void put_text(const char *s)
{
    while (*s != '\0')
        put(*s++);
}

static void put_hex(uint64_t v)
{
    unsigned shift = 60;
    while (shift != 0 && v >> shift == 0)
        shift -= 4;
    for (;; shift -= 4) {
        put("0123456789abcdef"[v >> shift & 15]);
        if (shift == 0)
            return;
    }
}

static void com1(char c)
{
    uint8_t status;
    do
        __asm__ volatile("inb %w1, %0" : "=a"(status) : "d"(0x3fd));
    while ((status & 0x20) == 0);
    __asm__ volatile("outb %0, %w1" : : "a"(c), "d"(0x3f8));
}

static void end_line(void)
{
    put('\n');
    if (bare) {
        for (uint32_t i = 0; i < line_at; i++)
            com1(line[i]);
    } else {
        hypercall(HC_CONSOLE_IO, 0, line_at, (uint64_t)line);
        pv_poll(0, LINE_NS);
    }
    line_at = 0;
}

/* ---- one instruction in one mode ---- */

static uint32_t where(uint64_t rip) { return (uint32_t)(rip - CODE); }

/* Into the error code's upper half, which has no other use: of a #DB, DR6 below DR7; of a #PF, CR2. No breakpoint is left. */
static void more_of_faults(void)
{
    uint64_t dr6, dr7, cr2;
    __asm__ volatile("mov %%dr6, %0; mov %%dr7, %1; mov %%cr2, %2; mov %3, %%dr7" : "=&r"(dr6), "=&r"(dr7), "=&r"(cr2) : "r"(0x400UL));
    if (seen.vector == 1)
        seen.error = (dr7 << 16 | (dr6 & 0xffff)) << 16;
    if (seen.vector == 14)
        seen.error |= cr2 << 16;
}

static bool on_trap(struct frame *f)
{
    took = tsc() - began;
    if (!inside)
        return false;
    inside = false;
    seen.vector = (uint32_t)f->vector;
    seen.error = f->error;
    more_of_faults();
    seen.reg[0] = f->rax;
    seen.reg[1] = f->rbx;
    seen.reg[2] = f->rcx;
    seen.reg[3] = f->rdx;
    seen.reg[4] = f->rsi;
    seen.reg[5] = f->rdi;
    seen.where = where(f->rip);
    seen.cs = (uint32_t)f->cs;
    seen.flags = f->rflags & FLAGS_SEEN;
    f->rip = (uint64_t)run_back;
    f->cs = 8;
    f->ss = 16;
    f->rsp = run_rsp;
    f->rflags = 2;
    return true;
}

struct bits_of { uint32_t setup; uint64_t bits; };

static uint64_t changed(uint64_t value, uint32_t setup, const struct bits_of *of, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        value ^= (setup & of[i].setup) != 0 ? of[i].bits : 0;
    return value;
}

static uint64_t flags_of(uint32_t setup)
{
    static const struct bits_of of[] = {{WITH_IOPL3, 0x3000}, {WITH_TF, 0x100}, {WITH_AC, 0x40000}, {WITH_RF, FLAG_RF}};
    return changed(2, setup, of, COUNT(of));
}

static uint64_t cr0_of(uint32_t setup)
{
    static const struct bits_of of[] = {{WITH_TS, 8}, {WITH_EM, 6}, {WITH_AC, 1UL << 18}};
    return changed(CR0_BASE, setup, of, COUNT(of));
}

static uint64_t cr4_of(uint32_t setup)
{
    static const struct bits_of of[] = {{WITH_TSD, 1UL << 2}, {WITHOUT_OSXSAVE, 1UL << 18}, {WITHOUT_FSGSBASE, 1UL << 16}, {WITH_PVI, 2}, {WITH_DE, 8}};
    return changed(CR4_BASE, setup, of, COUNT(of));
}

static void set_control(uint64_t cr0, uint64_t cr4)
{
    __asm__ volatile("mov %0, %%cr0; mov %1, %%cr4" : : "r"(cr0 | CR0_PAGED), "r"(cr4 | CR4_PAE) : "memory");
}

static void run_long(enum run_mode mode, uint32_t setup)
{
    bool user = (selectors[mode].cs & 3) != 0;
    struct run r = {.rip = CODE, .rsp = user ? STACK3 : STACK0, .cs = selectors[mode].cs, .ss = selectors[mode].data, .rflags = flags_of(setup),
                    .rbx = DATA, .rsi = selectors[mode].cs, .rdi = selectors[mode].data};
    set_control(cr0_of(setup), cr4_of(setup));
    __asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"((uint32_t)selectors[mode].data));
    inside = true;
    began = tsc();
    run_at(&r);
}

static void run_legacy(enum run_mode mode, uint32_t setup)
{
    bool real = mode == REAL;
    volatile struct exchange *x = exchange;
    x->eax = x->ecx = x->edx = 0;
    x->ebx = DATA;
    x->esi = x->cs = selectors[mode].cs;
    x->edi = x->ss = selectors[mode].data;
    x->eflags = (uint32_t)flags_of(setup) | (mode == VIRTUAL8086 ? FLAG_VM : 0);
    x->real = real;
    x->cr0 = (uint32_t)(real ? cr0_of(setup) & ~1UL : cr0_of(setup) | CR0_PAGED);
    x->cr4 = (uint32_t)(cr4_of(setup) | CR4_PSE);
    legacy_exchange();
    seen.vector = x->vector;
    seen.error = x->error;
    more_of_faults();
    seen.reg[0] = x->out_eax;
    seen.reg[1] = x->out_ebx;
    seen.reg[2] = x->out_ecx;
    seen.reg[3] = x->out_edx;
    seen.reg[4] = x->out_esi;
    seen.reg[5] = x->out_edi;
    seen.where = where(x->out_eip);
    seen.cs = x->out_cs;
    seen.flags = (x->out_eflags & FLAGS_SEEN) | (real && (FAULTS >> x->vector & 1) != 0 ? FLAG_RF : 0); /* 16-bit frames have no room for it */
    took = x->ended - x->began;
}

static void load_tables(void)
{
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } g = {sizeof(descriptors) - 1, (uint64_t)descriptors}, i = {256 * sizeof(struct gate) - 1, (uint64_t)idt};
    descriptors[7] &= ~(2UL << 40); /* TSSs not busy */
    descriptors[14] &= ~(2UL << 40);
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2; lldt %w3" : : "m"(g), "m"(i), "r"(0x38), "r"(0) : "memory");
}

/* The state that the instructions of a test may have changed. */
static void clean_up(void)
{
    static const struct { uint32_t msr; uint64_t value; } msrs[] = {
        {0x174, 8}, {0x175, STACK0 - 0x100}, {0x176, CODE + 0x900}, {0x277, 0x0007040600070406}, {0xc0000081, 0x000b000800000000}, {0xc0000082, CODE + 0xa00},
        {0xc0000083, CODE + 0xb00}, {0xc0000084, 0x300}, {0xc0000101, 0x5678000}, {0xc0000102, 0x1234000}};
    set_control(CR0_BASE, CR4_BASE);
    load_tables();
    __asm__ volatile("mov %0, %%dr7; mov %1, %%dr6; mov %2, %%dr0" : : "r"(0x400UL), "r"(0xffff0ff0UL), "r"(0UL));
    wrmsr(0xc0000080, efer);
    __asm__ volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
    __asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
    __asm__ volatile("xrstor %0" : : "m"(no_state), "a"(3), "d"(0));
    for (unsigned i = 0; i < COUNT(msrs); i++)
        wrmsr(msrs[i].msr, msrs[i].value);
}

/* An interrupt that the instructions left pending or in service. */
static void take_interrupt(void)
{
    if (seen.vector != VECTOR_TAKEN) {
        struct run r = {.rip = CODE, .rsp = STACK0, .cs = 8, .ss = 16, .rflags = 0x202};
        struct outcome keep = seen;
        uint32_t kept = took;
        inside = true;
        run_at(&r);
        seen = keep;
        took = kept;
    }
    wrmsr(0x80b, 0);
}

static void fill_words(uint64_t at, uint64_t value, uint64_t count) { __asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(value) : "memory"); }

/* Where the compiler put tables is of no interest, as long as it is there: a base that is the right one is left out, the page tables are PAGE_DIRECTORY
 * in every mode. */
static void hide_addresses(void)
{
    const uint64_t tables[] = {(uint64_t)descriptors, (uint64_t)idt, (uint64_t)idt32};
    volatile uint64_t *base = (volatile uint64_t *)(DATA + 2);
    for (unsigned i = 0; i < COUNT(tables); i++)
        *base = *base == tables[i] ? 0 : *base;
    for (unsigned i = 0; i < COUNT(seen.reg); i++)
        seen.reg[i] = seen.reg[i] == page_tables ? PAGE_DIRECTORY : seen.reg[i];
}

static unsigned width_of(enum run_mode mode) { return mode == REAL || mode == VIRTUAL8086 ? 0 : mode >= LONG0 ? 2 : 1; }

static void fill(const struct test *t, enum run_mode mode)
{
    unsigned width = width_of(mode);
    volatile uint8_t *code = (volatile uint8_t *)CODE;
    fill_words(CODE, 0xcccccccccccccccc, CODE_BYTES / 8);
    fill_words(DATA, 0, DATA_BYTES / 8);
    for (unsigned i = 0; i < t->length[width]; i++)
        code[i] = (uint8_t)t->code[width][i];
    *(volatile uint16_t *)(DATA + 0x20) = sizeof(descriptors) - 9; /* LGDT's operand: a descriptor less */
    *(volatile uint64_t *)(DATA + 0x22) = (uint64_t)descriptors;
    *(volatile uint16_t *)(DATA + 0x30) = mode == REAL ? 0x3fb : mode >= COMPATIBILITY0 ? 0xfef : 0x7f7; /* LIDT's */
    *(volatile uint64_t *)(DATA + 0x32) = mode == REAL ? 0 : mode >= COMPATIBILITY0 ? (uint64_t)idt : (uint64_t)idt32;
    *(volatile uint16_t *)(DATA + 0x64) = (mode >= COMPATIBILITY0 ? SEL_GATE64 : SEL_GATE32) | 3;
}

static bool is_legacy(enum run_mode mode) { return mode < COMPATIBILITY0 || mode == VIRTUAL8086; }

static void run_once(const struct test *t, enum run_mode mode)
{
    memset(&seen, 0, sizeof(seen));
    fill(t, mode);
    if ((t->setup & WITH_INTERRUPT) != 0)
        wrmsr(0x83f, VECTOR_TAKEN);
    if ((t->setup & WITH_RF) != 0)
        __asm__ volatile("mov %0, %%dr0; mov %1, %%dr7" : : "r"(CODE + 2), "r"(0x402UL));
    if (is_legacy(mode))
        run_legacy(mode, t->setup);
    else
        run_long(mode, t->setup);
    hide_addresses();
    pv_copy(seen.data, (const void *)DATA, RECORD_BYTES);
    clean_up();
    if ((t->setup & WITH_INTERRUPT) != 0)
        take_interrupt();
    seen.flags ^= mode == VIRTUAL8086 ? FLAG_VM : 0; /* only what is strange is shown */
    seen.cs = seen.cs == selectors[mode].cs ? 0xffff : seen.cs;
    const uint64_t was[] = {0, DATA, 0, 0, selectors[mode].cs, selectors[mode].data};
    for (unsigned i = 0; i < COUNT(was); i++)
        seen.reg[i] = seen.reg[i] == was[i] ? UNCHANGED : seen.reg[i];
    unsigned width = width_of(mode);
    seen.where = seen.where == t->length[width] + 1 && seen.vector == 3 ? ~0U : seen.where; /* behind INT3 */
    seen.where = seen.where == t->length[width] ? ~0U : seen.where;
}

static bool equal(const struct outcome *a, const struct outcome *b)
{
    for (unsigned i = 0; i < sizeof(*a); i++) {
        if (((const char *)a)[i] != ((const char *)b)[i])
            return false;
    }
    return true;
}

/* ---- all of them ---- */

static void print(const struct test *t, const struct outcome *o, uint32_t modes, uint32_t exits)
{
    put_text("S|");
    put_text(t->name);
    put('|');
    put_hex(modes);
    put('|');
    put_hex(exits);
    put('|');
    put_hex(o->vector);
    put('|');
    put_hex(o->error);
    put('|');
    if (o->where == 0)
        put('S');
    else if (o->where == ~0U)
        put('E');
    else
        put_hex(o->where);
    put('|');
    put_hex(o->flags);
    put('|');
    if (o->cs != 0xffff)
        put_hex(o->cs);
    put('|');
    for (unsigned i = 0; i < COUNT(o->reg); i++) {
        if (o->reg[i] != UNCHANGED) {
            put("abcdST"[i]);
            put_hex(o->reg[i]);
            put(' ');
        }
    }
    put('|');
    unsigned last = RECORD_BYTES;
    while (last != 0 && o->data[last - 1] == 0)
        last--;
    for (unsigned i = 0; i < last; i++) {
        put("0123456789abcdef"[o->data[i] >> 4]);
        put("0123456789abcdef"[o->data[i] & 15]);
    }
    end_line();
}

/* Runs T in all its modes; one line for modes with the same outcome. */
static void run_test(const struct test *t, uint32_t idle[RUN_MODES])
{
    static struct outcome outcomes[RUN_MODES];
    uint32_t todo = t->modes, exits = 0;
    for (enum run_mode mode = REAL; mode < RUN_MODES; mode++) {
        uint32_t least = ~0U;
        for (unsigned i = 0; i < (t == tests ? 4 * REPEATS : REPEATS) && (t->modes >> mode & 1) != 0; i++) {
            run_once(t, mode);
            if (i > 0 && !equal(&outcomes[mode], &seen))
                outcomes[mode].vector |= 0x1000; /* it did not repeat: stands out */
            else
                outcomes[mode] = seen;
            least = took < least ? took : least;
        }
        if (t == tests)
            idle[mode] = least;
        exits |= (t->modes >> mode & 1) != 0 && least > idle[mode] + EXIT_TICKS ? 1U << mode : 0;
    }
    while (todo != 0) {
        unsigned first = (unsigned)__builtin_ctz(todo);
        uint32_t same = 0;
        for (unsigned mode = first; mode < RUN_MODES; mode++)
            same |= (todo >> mode & 1) != 0 && equal(&outcomes[first], &outcomes[mode]) ? 1U << mode : 0;
        print(t, &outcomes[first], same, exits & same);
        todo &= ~same;
    }
}

static uint64_t tss_descriptor(uint64_t at, uint64_t bytes) { return (bytes - 1) | (at & 0xffffff) << 16 | 0x89UL << 40 | (at >> 24 & 0xff) << 56; }

static void make_descriptors(void)
{
    for (unsigned i = 0; i < 9; i++)
        descriptors[i] = gdt[i];
    descriptors[9] = tss_descriptor((uint64_t)tss32, sizeof(tss32));      /* 0x48 */
    descriptors[10] = 0x00009b000000ffff;                                 /* 0x50: 16-bit code */
    descriptors[11] = 0x000093000000ffff;                                 /* 0x58: 16-bit data */
    descriptors[12] = 0x0000820000000007UL | (DATA + 0x80) << 16;         /* 0x60: an LDT, 16 bytes in long mode */
    descriptors[14] = tss_descriptor((uint64_t)&spare_tss, sizeof(spare_tss)); /* 0x70: a TSS for LTR, 16 bytes in long mode */
    descriptors[17] = 0x0000ec0000080000UL | (CODE + 0x800);              /* 0x88: 64-bit call gate, 16 bytes */
    descriptors[19] = 0x0000ec0000280000UL | (CODE + 0x800);              /* 0x98: 32-bit call gate */
    descriptors[21] = 0x00cf73000000ffff;                                 /* 0xa8: data of ring 3, not present */
    descriptors[22] = 0x00cff1000000ffff;                                 /* 0xb0: data of ring 3, read-only */
    descriptors[23] = 0x00cff9000000ffff;                                 /* 0xb8: code of ring 3, execute-only */
    tss32[1] = (uint32_t)STACK0 - 0x300;
    tss32[2] = 0x10;
    tss32[25] = sizeof(tss32) << 16; /* no ports */
    legacy_prepare((uint64_t)descriptors, sizeof(descriptors) - 1);
}

static bool for_all(uint64_t address) { return (address >= CODE && address < DATA + DATA_BYTES) || (address & ~0xfffUL) == (STACK3 & ~0xfffUL); }

/* 1:1, ring 3 reaches the three pages of the instructions only. */
static void make_pages(void)
{
    volatile uint32_t *directory = (volatile uint32_t *)PAGE_DIRECTORY, *table = (volatile uint32_t *)PAGE_TABLE;
    for (uint32_t i = 0; i < 512; i++)
        low_pages[i] = i * 4096UL | (for_all(i * 4096UL) ? 7 : 3);
    pd[0] = (uint64_t)low_pages | 7;
    for (uint32_t i = 0; i < 1024; i++) {
        directory[i] = i << 22 | 0x83;
        table[i] = i << 12 | (for_all(i * 4096UL) ? 7 : 3);
    }
    directory[0] = (uint32_t)PAGE_TABLE | 7;
    __asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(page_tables) : : "memory");
}

/* Corbel's guests begin in x2APIC mode, a CPU does not; nothing else is made equal here. */
static void make_apic(void)
{
    uint64_t base = 0;
    (void)try_rdmsr(0x1b, &base);
    if ((base & 0x400) == 0)
        wrmsr(0x1b, base | 0xc00);
    wrmsr(0x80f, 0x1ff);
}

void guest_main(const void *start_info)
{
    uint32_t idle[RUN_MODES] = {0};
    bare = text_equal(guest_cmdline(start_info), "bare");
    if (!bare)
        pv_init();
    traps_on();
    make_descriptors();
    make_pages();
    make_apic();
    for (unsigned i = 0; i < COUNT(trap_hooks); i++)
        trap_hooks[i] = on_trap;
    idt[VECTOR_OPEN].type = 0xee;
    (void)try_rdmsr(0xc0000080, &efer);
    efer |= EFER_SCE;
    clean_up();
    for (const struct test *t = tests; t < tests_end; t++)
        run_test(t, idle);
    put_text("sensitive: done");
    end_line();
    if (!bare)
        shut_down(0);
}
