/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] bench.c - cost of VM exits as the guest sees it, in TSC ticks.
 *
 * Runs on one virtual CPU, in 64-bit mode, on any hypervisor that boots a PVH
 * ELF image with >= 64 MiB of RAM.  Every operation is timed one by one with
 *
 *      lfence; rdtsc; lfence;   <operation>   lfence; rdtsc; lfence
 *
 * and reported as
 *
 *      BENCH <name> n=<samples> min=<t> med=<t> avg=<t> p99=<t> max=<t> net=<min - empty>
 *
 * "min" is the undisturbed path; "med" shows whether that path is the usual
 * one; "max" shows host timer ticks and the like.  An operation that faults
 * (#GP, #UD) is reported as "BENCH <name> n/a".
 *
 * Command line words (from hvm_start_info):
 *      con=com1|e9|xen console: 0x3f8 UART, port 0xe9 (default under Xen) or the
 *                      Xen console_io hypercall, a line at a time
 *      hc=<rax>        VMCALL number to use under an unknown hypervisor
 *      n=<count>       samples per operation (default 2000, at most MAX_N)
 *      noend           do not power off at the end, just halt
 *      mmio=<addr>     guest physical address of an emulated device page
 *      trace           stop the simulator's debugger (XCHG BX,BX) before and after the last
 *                      samples of each row: it counts what they execute
 *      only=<prefix>   run only the operations whose name begins so
 *                      (the empty loop is always run)
 */

typedef unsigned char      u8;
typedef unsigned short     u16;
typedef unsigned int       u32;
typedef unsigned long      u64;
typedef long               s64;

#define MAX_N           4096
#define WARMUP          100
#define TRACED          3

/* Fresh-page region: 2 MiB aligned, never touched before the test. */
#define TOUCH_BASE      0x1000000UL     /* 16 MiB */
#define TOUCH_PAGES     1024UL          /* 4 MiB by writes, then 4 MiB by reads */

#define TOUCH_LARGE_BASE 0x2000000UL    /* 32 MiB: one write in each 2 MiB */
#define TOUCH_LARGE     8UL
#define BALLOON_BASE    0x3800000UL     /* 56 MiB: given back and taken again */

#define LAPIC           0xfee00000UL
#define APIC_ID         0x020
#define APIC_VERSION    0x030
#define APIC_TPR        0x080
#define APIC_SVR        0x0f0
#define APIC_ICR_LO     0x300
#define APIC_ICR_HI     0x310
#define APIC_LVT_TIMER  0x320
#define APIC_LVT_LINT0  0x350
#define APIC_TIMER_INIT 0x380
#define APIC_TIMER_CUR  0x390
#define APIC_TIMER_DIV  0x3e0

#define MSR_APIC_BASE   0x1b
#define MSR_MISC_ENABLE 0x1a0
#define MSR_PAT         0x277
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC      0x800
#define MSR_SELF_IPI    0x83f
#define MSR_FS_BASE     0xc0000100

#define VEC_IPI         0x50
#define VEC_TIMER       0x60
#define VEC_EVTCHN      0x70
#define VEC_SPURIOUS    0xff

/* entry.S */
extern u8  trap_stubs[];
extern u64 entry_tsc;
extern volatile u64 irq_tsc;
extern volatile u32 irq_count;
extern volatile u8  *evtchn_upcall_ptr;
extern volatile u64 *evtchn_pending_ptr;
void irq_xapic(void), irq_x2apic(void), irq_evtchn(void), irq_spurious(void);

struct hvm_start_info {
        u32 magic, version, flags, nr_modules;
        u64 modlist_paddr, cmdline_paddr, rsdp_paddr;
};

struct trap_frame {
        u64 r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
        u64 vector, error, rip, cs, rflags, rsp, ss;
};

static enum { HV_NONE, HV_KVM, HV_XEN, HV_OTHER } hv;
static u64 samples[MAX_N];
static u32 nsamples = 2000;
static u64 empty_min;
static u64 hc_nr;
static int have_hc, noend, tracing;
static u64 mmio_page = 0xd0000000UL;
static const char *only;
static u16 con_port = 0x3f8;
static int con_xen;

/* ------------------------------------------------------------------ CPU -- */

static inline void outb(u16 port, u8 v) { asm volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 rd32(u64 a) { u32 v; asm volatile("movl (%1), %0" : "=r"(v) : "r"(a) : "memory"); return v; }
static inline void wr32(u64 a, u32 v) { asm volatile("movl %0, (%1)" :: "r"(v), "r"(a) : "memory"); }

static inline u64 rdmsr(u32 msr)
{
        u32 lo, hi;
        asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
        return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
        asm volatile("wrmsr" :: "a"((u32)v), "d"((u32)(v >> 32)), "c"(msr) : "memory");
}

static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
        asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}

/* A time stamp that neither earlier nor later instructions can cross. */
static inline u64 stamp(void)
{
        u32 lo, hi;
        asm volatile("lfence; rdtsc; lfence" : "=a"(lo), "=d"(hi) :: "memory");
        return lo | (u64)hi << 32;
}

static inline void cli(void) { asm volatile("cli" ::: "memory"); }
static inline void sti(void) { asm volatile("sti; nop" ::: "memory"); }

/* Sample I of N is among the last ones, outside of the stamps: the simulator's debugger stops here. */
static __attribute__((noinline)) void mark(u32 i, u32 n)
{
        if (tracing && i + TRACED >= n) asm volatile("xchg %%bx, %%bx" ::: "memory");
}

/* -------------------------------------------------------------- console -- */

static void putc_port(char c)
{
        if (con_port == 0x3f8) {
                while (!(inb(0x3f8 + 5) & 0x20))
                        ;
        }
        outb(con_port, (u8)c);
}

/* Write one line by HYPERVISOR_console_io (18), CONSOLEIO_write (0), inline VMCALL. */
static void xen_console_line(const char *p, u64 n)
{
        register u64 r10 __asm__("r10");
        u64 nr = 18, cmd = 0, len = n, ptr = (u64)p;

        __asm__ volatile("vmcall" : "+a"(nr), "+D"(cmd), "+S"(len), "+d"(ptr), "=r"(r10) : : "memory", "rcx", "r8", "r9", "r11");
}

static void putc(char c)
{
        static char line[256];
        static u32 used;

        if (con_xen) {
                line[used++] = c;
                if (c == '\n' || used == sizeof line) { xen_console_line(line, used); used = 0; }
                return;
        }
        putc_port(c);
}
static void puts(const char *s) { while (*s) putc(*s++); }

static void putdec(u64 v)
{
        char b[24];
        int i = sizeof b;

        b[--i] = 0;
        do b[--i] = (char)('0' + v % 10); while (v /= 10);
        puts(b + i);
}

static void puthex(u64 v)
{
        puts("0x");
        for (int s = 60, on = 0; s >= 0; s -= 4) {
                u32 d = v >> s & 15;
                on |= d || !s;
                if (on) putc("0123456789abcdef"[d]);
        }
}

static void field(const char *k, u64 v) { putc(' '); puts(k); putc('='); putdec(v); }

/* -------------------------------------------------- exceptions and probe -- */

static volatile int probing;            /* a #GP or #UD is expected ...       */
static volatile int faulted;            /* ... and has been seen              */
static void *probe_buf[5];

void trap(struct trap_frame *f);
void trap(struct trap_frame *f)
{
        if (probing && (f->vector == 13 || f->vector == 6)) {
                faulted = 1;
                probing = 0;
                __builtin_longjmp(probe_buf, 1);
        }
        puts("TRAP vector="); putdec(f->vector);
        puts(" error="); puthex(f->error);
        puts(" rip="); puthex(f->rip);
        u64 cr2;
        asm volatile("mov %%cr2, %0" : "=r"(cr2));
        puts(" cr2="); puthex(cr2); puts("\nBENCH END fault\n");
        for (;;) asm volatile("cli; hlt");
}

/* True if fn() runs without #GP and #UD. */
static __attribute__((noinline)) int works(void (*fn)(void))
{
        faulted = 0;
        if (!__builtin_setjmp(probe_buf)) {
                probing = 1;
                fn();
        }
        probing = 0;
        return !faulted;
}

static struct idt_entry { u16 lo, sel; u8 ist, type; u16 mid; u32 hi, zero; } idt[256];

static void set_gate(int vec, void *fn)
{
        u64 a = (u64)fn;
        idt[vec] = (struct idt_entry){ (u16)a, 8, 0, 0x8e, (u16)(a >> 16), (u32)(a >> 32), 0 };
}

static void init_idt(void)
{
        struct { u16 limit; u64 base; } __attribute__((packed)) ptr = { sizeof idt - 1, (u64)idt };

        for (int i = 0; i < 256; i++)
                set_gate(i, i < 32 ? trap_stubs + 16 * i : (void *)irq_spurious);
        asm volatile("lidt %0" :: "m"(ptr));
}

/* ----------------------------------------------------------- statistics -- */

static int streq(const char *a, const char *b)
{
        while (*a && *a == *b) a++, b++;
        return *a == *b;
}

/* Does the text begin with word?  Returns what follows it, or 0. */
static const char *after(const char *text, const char *word)
{
        while (*word) if (*text++ != *word++) return 0;
        return text;
}

static int wanted(const char *name)
{
        if (!only || streq(name, "empty")) return 1;
        const char *o = only;
        while (*o && *o != ' ' && *o == *name) o++, name++;
        return !*o || *o == ' ';
}

static void sort(u64 *v, u32 n)
{
        for (u32 gap = n / 2; gap; gap /= 2)
                for (u32 i = gap; i < n; i++) {
                        u64 x = v[i];
                        u32 j = i;
                        for (; j >= gap && v[j - gap] > x; j -= gap) v[j] = v[j - gap];
                        v[j] = x;
                }
}

static void report(const char *name, u32 n)
{
        u64 sum = 0;

        for (u32 i = 0; i < n; i++) sum += samples[i];
        sort(samples, n);
        puts("BENCH "); puts(name);
        field("n", n);
        field("min", samples[0]);
        field("med", samples[n / 2]);
        field("avg", sum / n);
        field("p99", samples[(u64)n * 99 / 100]);
        field("max", samples[n - 1]);
        if (empty_min) field("net", samples[0] > empty_min ? samples[0] - empty_min : 0);
        putc('\n');
}

/* The marks that come are of row NAME. */
static void traced(const char *name) { if (tracing) puts("TRACE "), puts(name), putc('\n'); }

static void not_available(const char *name) { puts("BENCH "); puts(name); puts(" n/a\n"); }


/*
 * OP(name) { ... } defines an operation.  It is put in line between the two
 * stamps, so that nothing else is timed; probe_<name> runs it once to see
 * whether it faults here.
 */
#define OP(name)                                                                \
        static inline __attribute__((always_inline)) void op_##name(void);      \
        static __attribute__((noinline)) void probe_##name(void) { op_##name(); } \
        static inline __attribute__((always_inline)) void op_##name(void)

#define MEASURE(name)                                                           \
do {                                                                            \
        if (!wanted(#name)) break;                                              \
        if (!works(probe_##name)) { not_available(#name); break; }              \
        traced(#name);                                                          \
        for (u32 i_ = 0; i_ < WARMUP; i_++) op_##name();                        \
        for (u32 i_ = 0; i_ < nsamples; i_++) {                                 \
                mark(i_, nsamples);                                             \
                u64 a_ = stamp();                                               \
                op_##name();                                                    \
                samples[i_] = stamp() - a_;                                     \
                mark(i_, nsamples);                                             \
        }                                                                       \
        report(#name, nsamples);                                                \
} while (0)

/* ----------------------------------------------------------- operations -- */

OP(empty) { }

OP(cpuid)
{
        u32 a = 0, c = 0;
        asm volatile("cpuid" : "+a"(a), "+c"(c) :: "ebx", "edx", "memory");
}

/* Hypercall page of Xen; 32 bytes for each call number. */
static u8 hypercall_page[4096] __attribute__((aligned(4096)));

static inline __attribute__((always_inline)) s64 xen_call2(u32 nr, u64 a, u64 b)
{
        s64 ret;
        asm volatile("call *%3" : "=a"(ret), "+D"(a), "+S"(b)
                     : "r"(hypercall_page + nr * 32) : "memory", "rcx", "r11", "r10", "r8", "r9", "rdx");
        return ret;
}

OP(hypercall_xen) { xen_call2(17, 0, 0); }      /* xen_version, XENVER_version */

OP(hypercall)
{
        u64 a = hc_nr;
        asm volatile("vmcall" : "+a"(a) : "b"(0UL), "c"(0UL), "d"(0UL), "S"(0UL) : "memory");
}

OP(out_80) { asm volatile("outb %%al, $0x80" :: "a"(0)); }
OP(in_80) { u8 v; asm volatile("inb $0x80, %%al" : "=a"(v)); }
OP(out_e0) { asm volatile("outb %%al, $0xe0" :: "a"(0)); }     /* 0x80 is let through by Xen, */
OP(in_e0) { u8 v; asm volatile("inb $0xe0, %%al" : "=a"(v)); }   /* 0xe0 is used by nothing     */
OP(in_61) { u8 v; asm volatile("inb $0x61, %%al" : "=a"(v)); }  /* PIT gate: in the kernel of KVM */
OP(in_uart_lsr) { u8 v; asm volatile("inb %%dx, %%al" : "=a"(v) : "d"((u16)0x3fd)); }

OP(mmio_read) { rd32(mmio_page); }
OP(mmio_write) { wr32(mmio_page, 0); }

OP(xapic_read_version) { rd32(LAPIC + APIC_VERSION); }
OP(xapic_read_timer) { rd32(LAPIC + APIC_TIMER_CUR); }
OP(xapic_write_tpr) { wr32(LAPIC + APIC_TPR, 0); }
OP(xapic_write_lint0) { wr32(LAPIC + APIC_LVT_LINT0, 0x10700); }
OP(xapic_write_eoi) { wr32(LAPIC + 0xb0, 0); }

OP(x2apic_read_id) { rdmsr(MSR_X2APIC + (APIC_ID >> 4)); }
OP(x2apic_read_tpr) { rdmsr(MSR_X2APIC + (APIC_TPR >> 4)); }
OP(x2apic_read_version) { rdmsr(MSR_X2APIC + (APIC_VERSION >> 4)); }
OP(x2apic_read_timer) { rdmsr(MSR_X2APIC + (APIC_TIMER_CUR >> 4)); }
OP(x2apic_write_tpr) { wrmsr(MSR_X2APIC + (APIC_TPR >> 4), 0); }
OP(x2apic_write_lint0) { wrmsr(MSR_X2APIC + (APIC_LVT_LINT0 >> 4), 0x10700); }
OP(x2apic_write_eoi) { wrmsr(MSR_X2APIC + (0xb0 >> 4), 0); }

OP(xapic_arm_timer) { wr32(LAPIC + APIC_TIMER_INIT, 0x7fffffff); }
OP(x2apic_arm_timer) { wrmsr(MSR_X2APIC + (APIC_TIMER_INIT >> 4), 0x7fffffff); }

static u64 apic_base, pat;
OP(rdmsr_apic_base) { rdmsr(MSR_APIC_BASE); }
OP(wrmsr_apic_base) { wrmsr(MSR_APIC_BASE, apic_base); }
OP(rdmsr_misc_enable) { rdmsr(MSR_MISC_ENABLE); }
OP(rdmsr_fs_base) { rdmsr(MSR_FS_BASE); }
OP(wrmsr_fs_base) { wrmsr(MSR_FS_BASE, 0); }
OP(rdmsr_pat) { rdmsr(MSR_PAT); }
OP(wrmsr_pat) { wrmsr(MSR_PAT, pat); }
OP(wrmsr_tsc_deadline_off) { wrmsr(MSR_TSC_DEADLINE, 0); }
OP(wrmsr_tsc_deadline_far) { wrmsr(MSR_TSC_DEADLINE, stamp() + 100000000000UL); }

static u64 xcr0;
OP(xsetbv) { asm volatile("xsetbv" :: "a"((u32)xcr0), "d"((u32)(xcr0 >> 32)), "c"(0) : "memory"); }
OP(wbinvd) { asm volatile("wbinvd" ::: "memory"); }
OP(pause) { asm volatile("pause"); }
OP(write_cr3) { u64 v; asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(v) :: "memory"); }
OP(write_cr4_pge) { u64 v; asm volatile("mov %%cr4, %0; xor $0x80, %0; mov %0, %%cr4" : "=r"(v) :: "memory"); }
OP(write_cr0_am) { u64 v; asm volatile("mov %%cr0, %0; xor $0x40000, %0; mov %0, %%cr0" : "=r"(v) :: "memory"); }
OP(write_cr4_pce) { u64 v; asm volatile("mov %%cr4, %0; xor $0x100, %0; mov %0, %%cr4" : "=r"(v) :: "memory"); }
OP(write_cr0_ts) { u64 v; asm volatile("mov %%cr0, %0; xor $8, %0; mov %0, %%cr0" : "=r"(v) :: "memory"); }

/* No exit: how a simulator counts repeated string instructions. */
static u8 page_a[4096] __attribute__((aligned(4096))), page_b[4096] __attribute__((aligned(4096)));
OP(rep_stosb_4k) { void *d = page_a; u64 c = 4096; asm volatile("rep stosb" : "+D"(d), "+c"(c) : "a"(0) : "memory"); }
OP(rep_stosq_4k) { void *d = page_a; u64 c = 512; asm volatile("rep stosq" : "+D"(d), "+c"(c) : "a"(0UL) : "memory"); }
OP(rep_movsb_4k)
{
        void *d = page_a, *s = page_b;
        u64 c = 4096;
        asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(c) :: "memory");
}

/* --------------------------------------------------- fresh guest pages --- */

static void measure_touch(void)
{
        static const struct { const char *name; int write, again; u64 base; } t[] = {
                { "touch_write_fresh", 1, 0, TOUCH_BASE },
                { "touch_write_again", 1, 1, TOUCH_BASE },
                { "touch_read_fresh",  0, 0, TOUCH_BASE + TOUCH_PAGES * 4096 },
                { "touch_write_after_read", 1, 1, TOUCH_BASE + TOUCH_PAGES * 4096 },
        };

        for (u32 k = 0; k < sizeof t / sizeof *t; k++) {
                if (!wanted(t[k].name)) continue;
                for (u64 i = 0; i < TOUCH_PAGES; i++) {
                        u64 a = t[k].base + i * 4096;
                        u64 s = stamp();
                        if (t[k].write) wr32(a, 1); else rd32(a);
                        samples[i] = stamp() - s;
                }
                report(t[k].name, TOUCH_PAGES);
        }
        if (!wanted("touch_2m_fresh")) return;
        for (u64 i = 0; i < TOUCH_LARGE; i++) {
                u64 s = stamp();
                wr32(TOUCH_LARGE_BASE + (i << 21), 1);
                samples[i] = stamp() - s;
        }
        report("touch_2m_fresh", TOUCH_LARGE);
}

/* ----------------------------------------------------------- interrupts -- */

static void send_xapic(void) { wr32(LAPIC + APIC_ICR_LO, 0x44000 | VEC_IPI); }
static void send_x2apic(void) { wrmsr(MSR_X2APIC + (APIC_ICR_LO >> 4), 0x44000 | VEC_IPI); }
static void send_self_ipi(void) { wrmsr(MSR_SELF_IPI, VEC_IPI); }

static u32 evtchn_port;
static void send_evtchn(void) { u32 p = evtchn_port; xen_call2(32, 4, (u64)&p); }

/*
 * Round trip of an interrupt to oneself: "<name>_deliver" is from before the
 * send until the handler reads the TSC, "<name>_full" until the interrupted
 * code has seen that the handler ran (with its EOI and IRET).
 */
static __attribute__((noinline)) void measure_self(const char *deliver, const char *full,
                                                   void (*send)(void))
{
        for (int pass = 0; pass < 2; pass++) {
                if (!wanted(pass ? full : deliver)) continue;
                if (pass) traced(full);
                for (u32 i = 0; i < WARMUP + nsamples; i++) {
                        u32 c = irq_count;
                        sti();
                        if (pass) mark(i, WARMUP + nsamples);
                        u64 a = stamp();
                        send();
                        for (u64 spin = 0; irq_count == c; spin++)
                                if (spin > 50000000) { cli(); not_available(pass ? full : deliver); return; }
                        u64 b = stamp();
                        if (pass) mark(i, WARMUP + nsamples);
                        cli();
                        if (i >= WARMUP) samples[i - WARMUP] = (pass ? b : irq_tsc) - a;
                }
                report(pass ? full : deliver, nsamples);
        }
}

/*
 * TSC-deadline timer: how late is the handler, when the processor sleeps in
 * HLT ("halt" = 1) or spins?  "delay" is in TSC ticks.
 */
static __attribute__((noinline)) void measure_timer(const char *name, int halt, u64 delay, u32 n)
{
        u32 early = 0;

        if (!wanted(name)) return;
        for (u32 i = 0; i < 10 + n; i++) {
                u32 c = irq_count;
                cli();
                u64 deadline = stamp() + delay;
                wrmsr(MSR_TSC_DEADLINE, deadline);
                while (irq_count == c) {
                        if (halt) asm volatile("sti; hlt; cli" ::: "memory");
                        else {
                                asm volatile("sti; nop" ::: "memory");
                                if (stamp() > deadline + 500000000) { cli(); not_available(name); return; }
                        }
                }
                cli();
                if (irq_tsc < deadline) early++;
                if (i >= 10) samples[i - 10] = irq_tsc > deadline ? irq_tsc - deadline : 0;
        }
        report(name, n);
        if (early) { puts("NOTE "); puts(name); field("early", early); putc('\n'); }
}

/* What a sleep costs with the timer due at once: arm, HLT, wake, handler, EOI. */
static __attribute__((noinline)) void measure_halt_cycle(const char *name, u32 n)
{
        if (!wanted(name)) return;
        traced(name);
        for (u32 i = 0; i < 10 + n; i++) {
                u32 c = irq_count;
                cli();
                mark(i, 10 + n);
                u64 a = stamp();
                wrmsr(MSR_TSC_DEADLINE, a);     /* already past: pending at once */
                while (irq_count == c) asm volatile("sti; hlt; cli" ::: "memory");
                u64 b = stamp();
                mark(i, 10 + n);
                if (i >= 10) samples[i - 10] = b - a;
        }
        report(name, n);
}

/* The same with the one-shot timer of the local APIC, which every host offers. */
static u32 apic_read(int x2, u32 reg) { return x2 ? (u32)rdmsr(MSR_X2APIC + (reg >> 4)) : rd32(LAPIC + reg); }

static void apic_write(int x2, u32 reg, u32 v)
{
        if (x2) wrmsr(MSR_X2APIC + (reg >> 4), v);
        else wr32(LAPIC + reg, v);
}

static __attribute__((noinline)) void measure_oneshot(const char *late, const char *spin, const char *cycle, int x2, u64 delay, u32 n)
{
        if (!wanted(late) && !wanted(spin) && !wanted(cycle)) return;
        apic_write(x2, APIC_TIMER_DIV, 0xb);                    /* divide by 1 */
        apic_write(x2, APIC_LVT_TIMER, 0x10000 | VEC_TIMER);    /* masked: calibrate */
        apic_write(x2, APIC_TIMER_INIT, 0xffffffff);
        u64 t0 = stamp();
        u32 c0 = apic_read(x2, APIC_TIMER_CUR);
        while (stamp() - t0 < 5000000)
                ;
        u64 t1 = stamp();
        u32 c1 = apic_read(x2, APIC_TIMER_CUR);
        u64 count = delay * (c0 - c1) / (t1 - t0);
        puts("NOTE APIC timer counts"); field("per_1000000_TSC_ticks", 1000000UL * (c0 - c1) / (t1 - t0));
        putc('\n');
        apic_write(x2, APIC_TIMER_INIT, 0);
        apic_write(x2, APIC_LVT_TIMER, VEC_TIMER);

        for (int pass = 0; pass < 3; pass++) {                  /* HLT, spin, cycle */
                const char *name = pass == 0 ? late : pass == 1 ? spin : cycle;
                if (!wanted(name) || !count) continue;
                if (pass == 2) traced(name);
                for (u32 i = 0; i < 10 + n; i++) {
                        u32 c = irq_count;
                        cli();
                        if (pass == 2) mark(i, 10 + n);
                        u64 a = stamp();
                        apic_write(x2, APIC_TIMER_INIT, pass == 2 ? 1 : (u32)count);
                        while (irq_count == c) {
                                if (pass == 1) {
                                        asm volatile("sti; nop; nop; cli" ::: "memory");
                                        if (stamp() > a + 500000000) { not_available(name); return; }
                                } else asm volatile("sti; hlt; cli" ::: "memory");
                        }
                        u64 b = stamp();
                        if (pass == 2) mark(i, 10 + n);
                        if (i >= 10) samples[i - 10] = pass == 2 ? b - a : irq_tsc > a + delay ? irq_tsc - a - delay : 0;
                }
                report(name, n);
        }
}

/* ------------------------------------------------------------------ Xen -- */

static u8 shared_info[4096] __attribute__((aligned(4096)));

static int xen_init_evtchn(void)
{
        struct { u16 domid, size; u32 space; u64 idx, gpfn; } map =
                { 0x7ff0, 0, 0, 0, (u64)shared_info >> 12 };    /* XENMAPSPACE_shared_info */
        struct { u32 vcpu, port; } bind = { 0, 0 };
        struct { u16 domid, pad; u32 index; u64 value; } param =
                { 0x7ff0, 0, 0, 2UL << 56 | VEC_EVTCHN };       /* HVM_PARAM_CALLBACK_IRQ: vector */
        s64 r;

        if ((r = xen_call2(12, 7, (u64)&map))) goto fail;       /* XENMEM_add_to_physmap */
        evtchn_upcall_ptr = shared_info;                        /* vcpu_info[0] */
        evtchn_pending_ptr = (volatile u64 *)(shared_info + 2048);
        shared_info[1] = 0;
        if ((r = xen_call2(34, 0, (u64)&param))) goto fail;     /* HVMOP_set_param */
        if ((r = xen_call2(32, 7, (u64)&bind))) goto fail;      /* EVTCHNOP_bind_ipi */
        evtchn_port = bind.port;
        ((volatile u64 *)(shared_info + 2048 + 512))[0] = 0;    /* evtchn_mask */
        return 1;
fail:
        puts("NOTE event channel set-up failed, -errno="); putdec((u64)-r); putc('\n');
        return 0;
}

static u64 virq_port;

static s64 xen_call3(u32 nr, u64 a, u64 b, u64 c)
{
        s64 ret;
        asm volatile("call *%4" : "=a"(ret), "+D"(a), "+S"(b), "+d"(c)
                     : "r"(hypercall_page + nr * 32) : "memory", "rcx", "r11", "r10", "r8", "r9");
        return ret;
}

/* The time of vcpu_info[0]: ns at the time stamp TSC, and how many time stamps are NS. */
static u64 pv_ns(u64 tsc)
{
        volatile u8 *t = shared_info + 32;
        u64 d = tsc - *(volatile u64 *)(t + 8);
        signed char shift = (signed char)t[28];
        d = shift < 0 ? d >> -shift : d << shift;
        return *(volatile u64 *)(t + 16) + (u64)((unsigned __int128)d * *(volatile u32 *)(t + 24) >> 32);
}

static u64 pv_ticks(u64 ns)
{
        volatile u8 *t = shared_info + 32;
        signed char shift = (signed char)t[28];
        u64 d = (ns << 32) / *(volatile u32 *)(t + 24);         /* of a few seconds at most */
        return shift < 0 ? d << -shift : d >> shift;
}

/* As measure_oneshot, by VCPUOP_set_singleshot_timer and VIRQ_TIMER: lateness in HLT, then the whole cycle with a time that is over already. */
static __attribute__((noinline)) void measure_singleshot(const char *late, const char *cycle, u64 delay_ns, u32 n)
{
        struct { u64 at; u32 flags; } timer = { 0, 0 };

        for (int pass = 0; pass < 2; pass++) {
                const char *name = pass ? cycle : late;
                if (!wanted(name)) continue;
                if (pass) traced(name);
                for (u32 i = 0; i < 10 + n; i++) {
                        u32 c = irq_count;
                        cli();
                        if (pass) mark(i, 10 + n);
                        u64 a = stamp();
                        timer.at = pass ? 1 : pv_ns(a) + delay_ns;
                        xen_call3(24, 8, 0, (u64)&timer);
                        while (irq_count == c) asm volatile("sti; hlt; cli" ::: "memory");
                        u64 b = stamp();
                        if (pass) mark(i, 10 + n);
                        u64 due = a + pv_ticks(delay_ns);
                        if (i >= 10) samples[i - 10] = pass ? b - a : irq_tsc > due ? irq_tsc - due : 0;
                }
                report(name, n);
        }
}

static int xen_init_virq(void)
{
        struct { u32 virq, vcpu, port; } bind = { 0, 0, 0 };    /* VIRQ_TIMER */

        if (xen_call2(32, 1, (u64)&bind)) return 0;             /* EVTCHNOP_bind_virq */
        virq_port = bind.port;
        return virq_port < 64;
}

/* One page of 4 KiB given back to the hypervisor, and taken again: XENMEM_decrease_reservation, XENMEM_populate_physmap. */
static __attribute__((noinline)) void measure_balloon(const char *give, const char *take, u32 n)
{
        u64 gfn = BALLOON_BASE >> 12;
        struct { u64 list, nr; u32 order, flags; u16 domid; } r = { (u64)&gfn, 1, 0, 0, 0x7ff0 };

        for (int pass = 0; pass < 2; pass++) {
                const char *name = pass ? take : give;
                if (!wanted(name)) continue;
                traced(name);
                for (u32 i = 0; i < 10 + n; i++) {
                        s64 ok[2];
                        for (int k = 0; k < 2; k++) {
                                if (k == pass) mark(i, 10 + n);
                                u64 a = stamp();
                                ok[k] = xen_call2(12, k ? 6 : 1, (u64)&r);
                                u64 b = stamp();
                                if (k == pass) mark(i, 10 + n);
                                if (k == pass && i >= 10) samples[i - 10] = b - a;
                        }
                        if (ok[0] != 1 || ok[1] != 1) { not_available(name); return; }
                }
                report(name, n);
        }
}

/* ----------------------------------------------------------------- main -- */

static void options(const char *p)
{
        const char *v;

        while (*p) {
                if (after(p, "con=com1")) con_port = 0x3f8;
                else if (after(p, "con=e9")) con_port = 0xe9;
                else if (after(p, "con=xen")) con_xen = 1;
                else if (after(p, "noend")) noend = 1;
                else if (after(p, "trace")) tracing = 1;
                else if (after(p, "only=")) only = after(p, "only=");
                else if ((v = after(p, "n=")) || (v = after(p, "hc=")) || (v = after(p, "mmio="))) {
                        u64 x = 0, base = 10;
                        if (after(v, "0x")) v += 2, base = 16;
                        for (;; v++) {
                                u64 d = *v >= '0' && *v <= '9' ? (u64)(*v - '0')
                                      : *v >= 'a' && *v <= 'f' ? (u64)(*v - 'a' + 10) : 99;
                                if (d >= base) break;
                                x = x * base + d;
                        }
                        if (*p == 'n') nsamples = x < 10 ? 10 : x > MAX_N ? MAX_N : (u32)x;
                        else if (*p == 'h') hc_nr = x, have_hc = 1;
                        else mmio_page = x;
                }
                while (*p && *p != ' ') p++;
                while (*p == ' ') p++;
        }
}

static void measure_xapic(int have_deadline)
{
        set_gate(VEC_IPI, irq_xapic);
        set_gate(VEC_TIMER, irq_xapic);
        wr32(LAPIC + APIC_SVR, 0x100 | VEC_SPURIOUS);
        wr32(LAPIC + APIC_LVT_TIMER, 0x40000 | VEC_TIMER);      /* TSC-deadline mode */
        MEASURE(xapic_read_version);
        MEASURE(xapic_read_timer);
        MEASURE(xapic_write_tpr);
        MEASURE(xapic_write_lint0);
        MEASURE(xapic_write_eoi);
        measure_self("xapic_self_ipi_deliver", "xapic_self_ipi_full", send_xapic);
        if (have_deadline) {
                MEASURE(wrmsr_tsc_deadline_off);
                MEASURE(wrmsr_tsc_deadline_far);
                wrmsr(MSR_TSC_DEADLINE, 0);
                measure_timer("timer_late_spin", 0, 100000, 200);
                measure_timer("timer_late_hlt", 1, 100000, 200);
                measure_halt_cycle("timer_hlt_cycle", 200);
        } else not_available("timer_late_hlt");
        wr32(LAPIC + APIC_LVT_TIMER, 0x10000 | VEC_TIMER);
        MEASURE(xapic_arm_timer);
        measure_oneshot("oneshot_late_hlt", "oneshot_late_spin", "oneshot_hlt_cycle", 0, 100000, 200);
}

static void run_all(int have_x2apic, int have_deadline)
{
        /* A hypervisor that starts its vCPUs in x2APIC mode offers no APIC page at all. */
        int in_x2apic = (int)(rdmsr(MSR_APIC_BASE) >> 10 & 1);

        MEASURE(empty);
        empty_min = samples[0];
        MEASURE(rep_stosb_4k);
        MEASURE(rep_stosq_4k);
        MEASURE(rep_movsb_4k);
        MEASURE(pause);
        MEASURE(cpuid);
        if (hv == HV_XEN) MEASURE(hypercall_xen);
        else if (have_hc) MEASURE(hypercall);
        MEASURE(out_80);
        MEASURE(in_80);
        MEASURE(out_e0);
        MEASURE(in_e0);
        MEASURE(in_61);
        MEASURE(in_uart_lsr);
        if (!in_x2apic) {                                       /* else there is no device behind memory */
                MEASURE(mmio_read);
                MEASURE(mmio_write);
        }
        MEASURE(rdmsr_apic_base);
        apic_base = rdmsr(MSR_APIC_BASE);
        MEASURE(wrmsr_apic_base);
        MEASURE(rdmsr_misc_enable);
        MEASURE(rdmsr_pat);
        pat = rdmsr(MSR_PAT);
        MEASURE(wrmsr_pat);
        MEASURE(rdmsr_fs_base);
        MEASURE(wrmsr_fs_base);
        MEASURE(wbinvd);
        MEASURE(write_cr3);
        MEASURE(write_cr4_pge);
        MEASURE(write_cr4_pce);
        MEASURE(write_cr0_ts);
        MEASURE(write_cr0_am);

        u32 r[4];
        cpuid(1, 0, r);
        if (r[2] & 1 << 26) {                                   /* XSAVE */
                u64 cr4;
                asm volatile("mov %%cr4, %0; or $0x40000, %0; mov %0, %%cr4" : "=r"(cr4));
                u32 lo, hi;
                asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
                xcr0 = lo | (u64)hi << 32;
                MEASURE(xsetbv);
        }

        measure_touch();

        if (!in_x2apic) measure_xapic(have_deadline);

        if (have_x2apic) {
                wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
                set_gate(VEC_IPI, irq_x2apic);
                set_gate(VEC_TIMER, irq_x2apic);
                wrmsr(MSR_X2APIC + (APIC_SVR >> 4), 0x100 | VEC_SPURIOUS);
                wrmsr(MSR_X2APIC + (APIC_LVT_TIMER >> 4), 0x40000 | VEC_TIMER);
                MEASURE(x2apic_read_id);
                MEASURE(x2apic_read_version);
                MEASURE(x2apic_read_tpr);
                MEASURE(x2apic_read_timer);
                MEASURE(x2apic_write_tpr);
                MEASURE(x2apic_write_lint0);
                MEASURE(x2apic_write_eoi);
                measure_self("x2apic_icr_ipi_deliver", "x2apic_icr_ipi_full", send_x2apic);
                measure_self("x2apic_self_ipi_deliver", "x2apic_self_ipi_full", send_self_ipi);
                if (have_deadline) {
                        measure_timer("x2apic_timer_late_hlt", 1, 100000, 200);
                        measure_halt_cycle("x2apic_timer_hlt_cycle", 200);
                }
                wrmsr(MSR_X2APIC + (APIC_LVT_TIMER >> 4), 0x10000 | VEC_TIMER);
                MEASURE(x2apic_arm_timer);
                measure_oneshot("x2apic_oneshot_late_hlt", "x2apic_oneshot_late_spin", "x2apic_oneshot_hlt_cycle", 1, 100000, 200);
        } else not_available("x2apic_read_version");

        if (hv == HV_XEN && xen_init_evtchn()) {
                set_gate(VEC_EVTCHN, irq_evtchn);
                measure_self("evtchn_self_deliver", "evtchn_self_full", send_evtchn);
                if (xen_init_virq()) measure_singleshot("singleshot_late_hlt", "singleshot_hlt_cycle", 2000000, 200);
                else not_available("singleshot_late_hlt");
                measure_balloon("memory_decrease_4k", "memory_populate_4k", 200);
        }
}

void bench_main(struct hvm_start_info *si);
void bench_main(struct hvm_start_info *si)
{
        u32 r[4], base = 0;
        char sig[13] = { 0 };

        init_idt();
        outb(0x21, 0xff);                               /* no legacy interrupts, */
        outb(0xa1, 0xff);                               /* should there be a PIC */
        cpuid(1, 0, r);
        int have_x2apic = r[2] >> 21 & 1, have_deadline = r[2] >> 24 & 1;

        /* Who are we running on?  The last matching leaf wins. */
        if (r[2] >> 31)
                for (u32 leaf = 0x40000000; leaf < 0x40000400; leaf += 0x100) {
                        cpuid(leaf, 0, r);
                        if (r[0] < leaf || r[0] > leaf + 0xff) break;
                        base = leaf;
                        for (int i = 0; i < 12; i++) sig[i] = (char)(r[1 + i / 4] >> i % 4 * 8);
                        hv = streq(sig, "KVMKVMKVM") ? HV_KVM : streq(sig, "XenVMMXenVMM") ? HV_XEN : HV_OTHER;
                        if (hv == HV_KVM || hv == HV_XEN) break;
                }
        if (hv == HV_KVM) hc_nr = 1, have_hc = 1;       /* KVM_HC_VAPIC_POLL_IRQ: does nothing */
        if (hv == HV_XEN) {
                con_port = 0xe9;
                cpuid(base + 2, 0, r);
                wrmsr(r[1], (u64)hypercall_page);
        }
        if (si->magic == 0x336ec578 && si->cmdline_paddr) options((const char *)si->cmdline_paddr);

        puts("\nBENCH BEGIN hypervisor="); puts(base ? sig : "none");
        field("x2apic", (u64)have_x2apic); field("tsc_deadline", (u64)have_deadline);
        field("n", nsamples);
        puts("\nTSC at the first instruction: "); putdec(entry_tsc);
        puts(", here: "); putdec(stamp()); putc('\n');
        run_all(have_x2apic, have_deadline);
        puts("BENCH END ok\n");

        if (noend) return;
        if (hv == HV_XEN) {
                u32 reason = 0;                         /* SCHEDOP_shutdown, poweroff */
                xen_call2(29, 2, (u64)&reason);
        }
        outb(0xf4, 0);                                  /* isa-debug-exit, kvmvmm */
}
