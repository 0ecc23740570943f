/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Single steps over instructions that exit: one #DB after each, RIP past it, as on a CPU without a hypervisor. */
#include "tests/guest/deny/deny.h"

#define RFLAGS_TF (1UL << 8)
#define MAX_STEPS 16U
#define DR6_BS (1UL << 14)

static uint64_t steps[MAX_STEPS], dr6s[MAX_STEPS];
static unsigned nr_steps;

static bool on_debug(struct frame *f)
{
    uint64_t dr6;
    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    __asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0UL));
    if (nr_steps < MAX_STEPS) {
        steps[nr_steps] = f->rip - WINDOW;
        dr6s[nr_steps++] = dr6;
    }
    return true;
}

/* The code, and where steps are seen: the length after each instruction that gives one, 0 ends the list. MOV to CR0 is not here: it runs a second
 * time after its exit, and Bochs marks a step before an instruction that it then leaves the guest for, so that it shows one too many. */
static const struct { const char *name, *code; uint8_t len, at[6]; uint64_t rax, rcx, rdx; } rows[] = {
    {"nop", "\x90\x90", 2, {1, 2}, 0, 0, 0},
    {"cpuid", "\x0f\xa2\x90", 3, {2, 3}, 0, 0, 0},
    {"vmcall", "\x0f\x01\xc1\x90", 4, {3, 4}, HC_XEN_VERSION, 0, 0},
    {"two vmcalls", "\x0f\x01\xc1\x0f\x01\xc1", 6, {3, 6}, HC_XEN_VERSION, 0, 0},
    {"in", "\xec\x90", 2, {1, 2}, 0, 0, 0x80},
    {"out", "\xee\x90", 2, {1, 2}, 0, 0, 0x80},
    {"rdmsr", "\x0f\x32\x90", 3, {2, 3}, 0, 0x1a0, 0},
    {"wrmsr", "\x0f\x30\x90", 3, {2, 3}, 0, 0x1a0, 0},
    {"wbinvd", "\x0f\x09\x90", 3, {2, 3}, 0, 0, 0},
    {"mov ss, cpuid", "\x8e\xd0\x0f\xa2\x90", 5, {4, 5}, 0x10, 0, 0},
    {"mov ss, vmcall", "\x8e\xd2\x0f\x01\xc1\x90", 6, {5, 6}, HC_XEN_VERSION, 0, 0x10},
    {"sti, cpuid", "\xfb\x0f\xa2\xfa", 4, {1, 3, 4}, 0, 0, 0},
    {"hlt", "\xfb\xf4\xfa", 3, {1, 2, 3}, 0, 0, 0},
    {"hlt with interrupts off", "\xf4\x90", 2, {1, 2}, 0, 0, 0},
};

static void one(unsigned row)
{
    struct run r = {.rax = rows[row].rax, .rcx = rows[row].rcx, .rdx = rows[row].rdx, .rflags = RFLAGS_TF};
    unsigned want = 0;
    while (rows[row].at[want] != 0)
        want++;
    nr_steps = 0;
    uint64_t vec = run_bytes(KERNEL64, rows[row].code, rows[row].len, &r);
    /* INT3 is stepped onto, not over: its own trap takes TF away. */
    check(vec == RAN_THROUGH && nr_steps == want, "%s: vector %lu, %u steps", rows[row].name, vec, nr_steps);
    for (unsigned i = 0; i < want && i < nr_steps; i++) {
        check(steps[i] == rows[row].at[i], "%s: step %u at %lx", rows[row].name, i, steps[i]);
        check((dr6s[i] & DR6_BS) != 0, "%s: step %u with dr6 %lx", rows[row].name, i, dr6s[i]);
    }
}

/* A refused instruction does not step: its fault comes alone, with RIP on it and RF set. */
static void faults_do_not_step(void)
{
    struct run r = {.rcx = 0x480, .rflags = RFLAGS_TF};
    nr_steps = 0;
    uint64_t vec = run_bytes(KERNEL64, "\x0f\x32", 2, &r);
    check(vec == VECTOR_GP && trap_state.rip == WINDOW && nr_steps == 0, "rdmsr that faults: vector %lu, %u steps", vec, nr_steps);
    check((trap_state.rflags >> 16 & 1) != 0 && (trap_state.rflags & RFLAGS_TF) != 0, "rdmsr that faults: flags %lx", trap_state.rflags);
}

static uint64_t breakpoint_dr6;
static unsigned breakpoints;
static bool on_breakpoint(struct frame *f)
{
    __asm__ volatile("mov %%dr6, %0" : "=r"(breakpoint_dr6));
    __asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0UL));
    breakpoints++;
    f->rflags |= 1UL << 16; /* RF: go over it */
    return true;
}

/* An instruction breakpoint on one that exits comes before it, once; a data breakpoint of MOV SS waits for the end of the next instruction. */
static void with_breakpoints(void)
{
    trap_hooks[VECTOR_DB] = on_breakpoint;
    breakpoints = 0;
    __asm__ volatile("mov %0, %%dr0" : : "r"(WINDOW));
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x402UL));
    struct run r = {0};
    uint64_t vec = run_bytes(KERNEL64, "\x0f\xa2", 2, &r);
    check(vec == RAN_THROUGH && breakpoints == 1 && (breakpoint_dr6 & 0xf) == 1, "breakpoint on cpuid: vector %lu, %u, dr6 %lx", vec, breakpoints, breakpoint_dr6);
    static uint64_t selector = 0x10;
    breakpoints = 0;
    __asm__ volatile("mov %0, %%dr0" : : "r"(&selector));
    __asm__ volatile("mov %0, %%dr7" : : "r"(0xd0402UL | 0x30000UL)); /* four bytes, read or write */
    r = (struct run){.rbx = (uint64_t)&selector, .rax = HC_XEN_VERSION};
    vec = run_bytes(KERNEL64, "\x8e\x13\x0f\x01\xc1", 5, &r);
    check(vec == RAN_THROUGH && r.rax == 0x40011 && breakpoints <= 1, "MOV SS with a breakpoint, vmcall: vector %lu, rax %lx, %u", vec, r.rax, breakpoints);
    /* General detect: touching a debug register while DR7.GD. */
    breakpoints = 0;
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x2400UL));
    r = (struct run){.rax = 0x400};
    vec = run_bytes(KERNEL64, "\x0f\x23\xf8", 3, &r);
    check(vec == RAN_THROUGH && breakpoints == 1 && (breakpoint_dr6 >> 13 & 1) != 0, "general detect: vector %lu, %u, dr6 %lx", vec, breakpoints, breakpoint_dr6);
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x400UL));
    trap_hooks[VECTOR_DB] = NULL;
}

/* INT1 and INT3 reach their handlers with RIP past them. */
static void int1(void)
{
    nr_steps = 0;
    trap_hooks[VECTOR_DB] = on_debug;
    struct run r = {0};
    uint64_t vec = run_bytes(KERNEL64, "\xf1\x90", 2, &r);
    check(vec == RAN_THROUGH && nr_steps == 1 && steps[0] == 1, "INT1: vector %lu, %u, rip %lx", vec, nr_steps, steps[0]);
    nr_steps = 0;
    vec = run_bytes(KERNEL64, "\x8e\xd0\xf1\x90", 4, &(struct run){.rax = 0x10});
    check(vec == RAN_THROUGH && nr_steps == 1 && steps[0] == 3, "MOV SS, INT1: vector %lu, %u, rip %lx", vec, nr_steps, steps[0]);
    trap_hooks[VECTOR_DB] = NULL;
}

void deny_steps(void)
{
    trap_hooks[VECTOR_DB] = on_debug;
    for (unsigned row = 0; row < COUNT(rows); row++)
        one(row);
    faults_do_not_step();
    trap_hooks[VECTOR_DB] = NULL;
    with_breakpoints();
    int1();
}
