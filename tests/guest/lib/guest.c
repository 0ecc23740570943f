/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Runtime of the tiny test guests. */
#include "tests/guest/lib/guest.h"

#include <stdarg.h>

struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
struct gate { uint16_t lo, sel; uint8_t ist, type; uint16_t mid; uint32_t hi, zero; };

extern char guest_stubs[];
void guest_trap(struct frame *f);
volatile struct trap_state trap_state;
static struct gate idt[256];
static unsigned passed, failed;

void *memset(void *d, int c, size_t n);
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
    failed++;
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

void guest_trap(struct frame *f)
{
    trap_state.vector = f->vector;
    trap_state.error = f->error;
    if (trap_state.resume) {
        f->rip = trap_state.resume;
        return;
    }
    say("unexpected exception %lu error %lx at %lx", f->vector, f->error, f->rip);
    shut_down(3);
}

void traps_on(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t a = (uint64_t)guest_stubs + 16 * i;
        idt[i] = (struct gate){(uint16_t)a, 8, 0, 0x8e, (uint16_t)(a >> 16), (uint32_t)(a >> 32), 0};
    }
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) ptr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(ptr));
}
