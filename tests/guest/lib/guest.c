/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Runtime of the tiny test guests. */
#include "tests/guest/lib/guest.h"

#include <stdarg.h>

#define SEL_TSS 0x38U
#define SHOWN_FAILURES 40U /* the hypervisor takes a limited number of lines */

extern char ap_code[], ap_code_end[], guest_stubs[], run_back[];
extern uint64_t gdt[], pd[], run_rsp;
void guest_trap(struct frame *f);
void run_at(const struct run *r);
volatile struct trap_state trap_state;
trap_hook *trap_hooks[256];
struct gate idt[256];
struct tss tss;
static bool running; /* run_at's code */
static char trap_stack[8192] __attribute__((aligned(16)));
static uint64_t window[512] __attribute__((aligned(4096)));
static char window_pages[WINDOW_FREE][4096] __attribute__((aligned(4096)));
static unsigned passed, failed;

static void (*ap_function)(unsigned cpu);
#define AP_PAGE 0x8000UL

void *memset(void *d, int c, size_t n)
{
    char *p = d;
    while (n--)
        *p++ = (char)c;
    return d;
}

static void put(char *buf, size_t *at, size_t cap, char c)
{
    if (*at < cap)
        buf[(*at)++] = c;
}

static void put_number(char *buf, size_t *at, size_t cap, uint64_t v, unsigned base)
{
    char digits[24];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n)
        put(buf, at, cap, digits[--n]);
}

static void vsay(const char *fmt, va_list ap)
{
    char buf[240];
    size_t at = 0;
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(buf, &at, sizeof(buf) - 1, *fmt);
            continue;
        }
        bool is_long = *++fmt == 'l';
        if (is_long)
            fmt++;
        if (*fmt == 's') {
            for (const char *s = va_arg(ap, const char *); *s; s++)
                put(buf, &at, sizeof(buf) - 1, *s);
        } else if (*fmt == 'd') {
            int64_t v = is_long ? va_arg(ap, long) : va_arg(ap, int);
            if (v < 0)
                put(buf, &at, sizeof(buf) - 1, '-');
            put_number(buf, &at, sizeof(buf) - 1, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
        } else if (*fmt == 'u' || *fmt == 'x') {
            uint64_t v = is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned);
            put_number(buf, &at, sizeof(buf) - 1, v, *fmt == 'x' ? 16 : 10);
        } else {
            put(buf, &at, sizeof(buf) - 1, *fmt);
        }
    }
    buf[at++] = '\n';
    hypercall(HC_CONSOLE_IO, 0, at, (uint64_t)buf);
}

void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsay(fmt, ap);
    va_end(ap);
}

void check(bool cond, const char *name, ...)
{
    if (cond) {
        passed++;
        return;
    }
    if (++failed > SHOWN_FAILURES)
        return;
    va_list ap;
    va_start(ap, name);
    say("FAILED:");
    vsay(name, ap);
    va_end(ap);
}

void summary(const char *name) { say("%s: %u passed, %u failed", name, passed, failed); }

void shut_down(unsigned reason)
{
    hypercall(HC_SCHED_OP, 2, (uint64_t)&reason, 0);
    say("shutdown returned");
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* The way back from run_at. */
static void leave_run(struct frame *f)
{
    running = false;
    f->rip = (uint64_t)run_back;
    f->cs = 8;
    f->ss = 16;
    f->rsp = run_rsp;
    f->rflags = 2;
}

void guest_trap(struct frame *f)
{
    if (trap_hooks[f->vector & 255] != NULL && trap_hooks[f->vector & 255](f))
        return;
    trap_state.vector = f->vector;
    trap_state.error = f->error;
    trap_state.rip = f->rip;
    trap_state.rflags = f->rflags;
    trap_state.rax = f->rax;
    if (trap_state.resume != 0) {
        f->rip = trap_state.resume;
    } else if (running) {
        leave_run(f);
    } else {
        say("unexpected exception %lu error %lx at %lx", f->vector, f->error, f->rip);
        shut_down(3);
    }
}

static void set_gates(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t a = (uint64_t)guest_stubs + 16 * i;
        idt[i] = (struct gate){(uint16_t)a, 8, 0, i == 3 ? 0xee : 0x8e, (uint16_t)(a >> 16), (uint32_t)(a >> 32), 0};
    }
}

static void load_tss(void)
{
    uint64_t at = (uint64_t)&tss;
    tss.rsp[0] = (uint64_t)trap_stack + sizeof(trap_stack);
    tss.io_map = sizeof(tss); /* no I/O from user mode */
    gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (at & 0xffffff) << 16 | 0x89UL << 40 | (at >> 24 & 0xff) << 56;
    gdt[SEL_TSS / 8 + 1] = at >> 32;
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
}

static void open_window(void)
{
    for (unsigned i = 0; i < WINDOW_FREE; i++)
        window[i] = (uint64_t)window_pages[i] | PTE_P | PTE_RW | PTE_US;
    pd[WINDOW >> 21] = (uint64_t)window | PTE_P | PTE_RW | PTE_US;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
}

void traps_on(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) ptr = {sizeof(idt) - 1, (uint64_t)idt};
    set_gates();
    load_tss();
    open_window();
    __asm__ volatile("lidt %0" : : "m"(ptr));
}

uint64_t try_rdmsr(uint32_t msr, uint64_t *value)
{
    uint64_t vec;
    uint32_t low = 0, high = 0;
    TRY(vec, "rdmsr", : "=a"(low), "=d"(high) : "c"(msr) : "r11", "memory");
    *value = (uint64_t)high << 32 | low;
    return vec;
}

uint64_t try_wrmsr(uint32_t msr, uint64_t value)
{
    uint64_t vec;
    TRY(vec, "wrmsr", : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "r11", "memory");
    return vec;
}

char *window_set(unsigned slot, uint64_t pte)
{
    char *at = (char *)WINDOW + 4096UL * slot;
    window[slot] = pte;
    __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
    return at;
}

uint64_t run_bytes(enum mode mode, const char *code, size_t len, struct run *r)
{
    static const struct { uint16_t cs, ss; } selectors[MODES] = {[KERNEL64] = {0x08, 0x10}, [USER64] = {0x1b, 0x23}, [KERNEL32] = {0x28, 0x10}, [USER32] = {0x33, 0x23}};
    char *page = window_pages[WINDOW_CODE];
    for (size_t i = 0; i < len; i++)
        page[i] = code[i];
    page[len] = (char)0xcc; /* INT3 */
    r->rip = WINDOW + 4096UL * WINDOW_CODE;
    r->rsp = WINDOW + 4096UL * WINDOW_STACK + 4096;
    r->cs = selectors[mode].cs;
    r->ss = selectors[mode].ss;
    r->rflags |= 2;
    trap_state.vector = NO_TRAP;
    running = true;
    run_at(r);
    r->rax = trap_state.rax;
    return trap_state.vector;
}

const char *guest_cmdline(const void *start_info)
{
    const char *text = *(const char *const *)((const char *)start_info + 24); /* hvm_start_info.cmdline_paddr */
    return text != NULL ? text : "";
}

bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

uint64_t random_next(void)
{
    static uint64_t x = 0x9e3779b97f4a7c15UL;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* ---- other CPUs ---- */

void ap_main(unsigned cpu);
void ap_main(unsigned cpu)
{
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } ptr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(ptr));
    wrmsr(0x80f, 0x1ff); /* the APIC is on */
    ap_function(cpu);
}

void send_ipi(unsigned cpu, uint32_t command) { wrmsr(0x830, (uint64_t)cpu * 2 << 32 | command); }

void start_cpu(unsigned cpu, void (*main)(unsigned cpu))
{
    ap_function = main;
    for (size_t i = 0; i < (size_t)(ap_code_end - ap_code); i++)
        ((volatile char *)AP_PAGE)[i] = ap_code[i];
    send_ipi(cpu, IPI_INIT);
    send_ipi(cpu, IPI_STARTUP | AP_PAGE >> 12);
}
