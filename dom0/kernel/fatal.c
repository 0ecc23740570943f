/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] How Dom0 ends by its own fault: registers, backtrace, thread; then the hypervisor is told. */
#include "dom0/kernel/fatal.h"

#include <stdarg.h>
#include <xen/sched.h>
#include <xen/xen.h>

#include "dom0/kernel/boot.h"
#include "dom0/kernel/console_priv.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/paging.h"
#include "dom0/kernel/thread_priv.h"
#include "dom0/kernel/traps.h"
#include "dom0/lib/string.h"
#include "drivers/io.h"

#define TRACE_MAX 24U
#define EXIT_PORT 0xf4U
#define VECTOR_PF 14U

static bool dying;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    console_print_now(fmt, ap);
    va_end(ap);
}

void fatal_exit_test(uint8_t status)
{
    io_out8(EXIT_PORT, status); /* QEMU ends with 2 * status + 1 */
    cpu_halt();
}

_Noreturn static void stop(void)
{
    if (!boot_on_corbel()) {
        fatal_exit_test(0x11);
    }
    struct sched_shutdown op = {.reason = SHUTDOWN_crash};
    hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uint64_t)&op);
    cpu_halt();
}

/* A fault while a fault is told: tell no more. */
static void begin(void)
{
    __asm__ volatile("cli" : : : "memory");
    if (dying) {
        stop();
    }
    dying = true;
}

static bool is_code(uint64_t address) { return address >= (uint64_t)image_start && address < (uint64_t)text_end; }

/* Frame pointers upward; each frame must be mapped, aligned and above the one before. */
static void backtrace(uint64_t rbp)
{
    for (unsigned i = 0; i < TRACE_MAX; i++) {
        uint64_t unused;
        const uint64_t *frame = (const uint64_t *)rbp;
        if (rbp % 8 != 0 || !paging_lookup(frame, &unused) || !paging_lookup(frame + 1, &unused) ||
            !is_code(frame[1])) {
            return;
        }
        say("  from %016lx\n", frame[1]);
        if (frame[0] <= rbp) {
            return;
        }
        rbp = frame[0];
    }
}

void fatal(const char *fmt, ...)
{
    begin();
    va_list ap;
    say("\nDom0 cannot go on: ");
    va_start(ap, fmt);
    console_print_now(fmt, ap);
    va_end(ap);
    say("\n  thread %s\n", thread_name(thread_self()));
    backtrace((uint64_t)__builtin_frame_address(0));
    stop();
}

static const char *exception_name(uint64_t vector)
{
    static const char *const names[32] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",   "#TS",
                                          "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
    return vector < 32 && names[vector] != NULL ? names[vector] : "exception";
}

void traps_exception(const struct cpu_frame *f)
{
    begin();
    uint64_t cr2;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    bool overflow = f->vector == VECTOR_PF && thread_in_guard(cr2);
    say("\nDom0 cannot go on: %s error %lx at rip %016lx%s\n", exception_name(f->vector), f->error, f->rip,
        overflow ? ": the thread's stack is full" : "");
    say("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    say("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    say("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    say("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    say("  cr2 %016lx rflags %lx thread %s\n", cr2, f->rflags, thread_name(thread_self()));
    backtrace(f->rbp);
    stop();
}
