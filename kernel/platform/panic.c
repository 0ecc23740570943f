/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The end of the hypervisor: everything that helps to find out why, polled, without locks; then a reset. Declared in
 * kernel/core/panic.h for all layers; lives here because it needs the console. */
#include "kernel/core/panic.h"

#include "kernel/core/ksyms.h"
#include "kernel/core/printf.h"
#include "kernel/core/trace.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "kernel/platform/console.h"
#include "kernel/platform/lapic.h"
#include "kernel/platform/reset.h"
#include "kernel/platform/uart.h"

#define MAX_FRAMES 24U
#define TRACE_TAIL 12U
#define WAIT_SPINS 20000000U /* of a port read each, where there is a port */

extern const char text_start[], text_end[], data_start[], image_end[];

static unsigned panics;
static uint32_t panicking; /* the CPU that does it, + 1 */

__attribute__((format(printf, 1, 0))) static void say_args(const char *fmt, va_list args)
{
    char line[320];
    int n = vsnprintf(line, sizeof(line), fmt, args);
    console_write_sync(line, MIN((size_t)n, sizeof(line) - 1));
}

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say_args(fmt, args);
    va_end(args);
}

static void say_symbol(uint64_t rip)
{
    uint64_t offset;
    const char *name = ksyms_lookup(rip, &offset);
    say("(CBL)   %016lx %s+0x%lx\n", rip, name, offset);
}

/* Stacks lie in the image's data or are this CPU's own; a frame pointer that is nowhere there is the end (or damage). */
static bool stack_pointer_ok(uint64_t rbp)
{
    uint64_t own = (uint64_t)this_cpu()->stacks;
    bool in_image = rbp >= (uint64_t)data_start && rbp + 16 <= (uint64_t)image_end;
    return rbp % 8 == 0 && (in_image || (rbp >= own && rbp + 16 <= own + (PAGE_SIZE << CPU_STACK_ORDER)));
}

static void backtrace(uint64_t rip, uint64_t rbp)
{
    say("(CBL) backtrace:\n");
    if (rip != 0)
        say_symbol(rip);
    for (unsigned i = 0; i < MAX_FRAMES && stack_pointer_ok(rbp); i++) {
        const uint64_t *frame = (const uint64_t *)rbp;
        if (frame[1] < (uint64_t)text_start || frame[1] >= (uint64_t)text_end)
            return;
        say_symbol(frame[1]);
        rbp = frame[0] > rbp ? frame[0] : 0;
    }
}

static void trace_tail(void)
{
    const struct trace_ring *ring = trace_rings[cpu_id()];
    uint64_t end = ring != NULL ? ring->next : 0;
    say("(CBL) trace (tsc, kind, a, b):\n");
    for (uint64_t i = end - MIN(end, TRACE_TAIL); i < end; i++) {
        const struct trace_record *r = &ring->records[i % TRACE_RECORDS];
        say("(CBL)   %lu %u %lx %lx\n", r->tsc, (unsigned)(uint32_t)r->kind_cpu, r->a, r->b);
    }
}

__attribute__((noreturn)) static void finish(uint64_t rip, uint64_t rbp)
{
    say("(CBL) cpu %u cr0 %lx cr2 %lx cr3 %lx cr4 %lx\n", cpu_id(), read_cr0(), read_cr2(), read_cr3(), read_cr4());
    backtrace(rip, rbp);
    trace_tail();
    say("(CBL) any key reboots now; otherwise in some seconds\n");
    for (unsigned i = 0; i < WAIT_SPINS && uart_poll_byte() < 0; i++) /* not timed: there may be no clock, or it may be what failed */
        cpu_relax();
    reset_machine();
}

/* A second call means that the first one failed: no more words then; a third that even the reset did. */
static void begin(void)
{
    uint32_t first = 0, me = cpu_id() + 1;
    __asm__ volatile("cli");
    bool mine = __atomic_compare_exchange_n(&panicking, &first, me, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) || first == me;
    while (!mine)
        __asm__ volatile("hlt"); /* another CPU was first: it has the word */
    if (panics++ == 1)
        reset_machine();
    while (panics > 2)
        __asm__ volatile("hlt");
    traps_halt_at_nmi();
    if (cpu_count() > 1)
        lapic_ipi(0, LAPIC_NMI | LAPIC_TO_OTHERS);
}

static const char *const exception_names[] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode", "no FPU", "double fault", "9", "invalid TSS",
    "segment not present", "stack fault", "general protection", "page fault", "15", "x87 error", "alignment check", "machine check",
};

void traps_fatal(const struct trap_frame *f)
{
    begin();
    const char *name = f->vector < ARRAY_SIZE(exception_names) ? exception_names[f->vector] : "exception";
    say("\n(CBL) PANIC: %s in the hypervisor\n", name);
    say("(CBL) vector %lu error 0x%lx rip %04lx:%016lx rflags %lx rsp %04lx:%016lx\n", f->vector, f->error, f->cs, f->rip, f->rflags,
        f->ss, f->rsp);
    say("(CBL) rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    say("(CBL) rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
    say("(CBL) r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
    say("(CBL) r13 %016lx r14 %016lx r15 %016lx\n", f->r13, f->r14, f->r15);
    finish(f->rip, f->rbp);
}

void panic(const char *fmt, ...)
{
    begin();
    say("\n(CBL) PANIC: ");
    va_list args;
    va_start(args, fmt);
    say_args(fmt, args);
    va_end(args);
    say("\n");
    finish(0, (uint64_t)__builtin_frame_address(0));
}
