/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] endings: what no guest survives, and what keeps one busy for ever; corbel.cmdline says which.
 * Why: whatever a guest does to itself, the host and the others go on. Expected: the ending that tests/system/test_deny.py has beside each name;
 * "FAILED" in the log if the guest lives on where it must not. */
#include "tests/guest/lib/guest.h"

#define ABSENT 0xf0000000UL
#define SPARE 0xa00000UL
#define APIC_BASE 0x1bU
#define EOI 0x80bU
#define ICR 0x830U
#define SELF_IPI 0x83fU
#define VECTOR 0x40U

void task_jump(void);
void task_call(void);
void task_gate(void);
void ac_loop(void);

extern uint64_t gdt[], pd[];

/* ---- hardware tasks ---- */

static uint32_t tasks[2][26]; /* 32-bit TSS: nothing of it is used */

static void with_tasks(void (*code32)(void))
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = (uint64_t)tasks[i];
        gdt[9 + i] = (sizeof(tasks[i]) - 1) | (at & 0xffffff) << 16 | 0x89UL << 40 | (at >> 24 & 0xff) << 56;
    }
    legacy_run(code32);
}
static void end_task_jump(void) { with_tasks(task_jump); }
static void end_task_call(void) { with_tasks(task_call); }
static void end_task_gate(void) { with_tasks(task_gate); }

/* ---- faults without end ---- */

static void end_triple(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none = {0, 0};
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void loop_ac(void) { legacy_run(ac_loop); }

/* The frame of #DB is pushed over a data breakpoint: to deliver it raises it. */
static void loop_db(void)
{
    static uint64_t stack[64] __attribute__((aligned(16)));
    tss.ist[0] = (uint64_t)&stack[64];
    idt[1].ist = 1;
    __asm__ volatile("mov %0, %%dr0" : : "r"(&stack[61])); /* RFLAGS */
    __asm__ volatile("mov %0, %%dr7; .byte 0xf1" : : "r"(0x90401UL)); /* on a write of eight bytes; INT1 */
}

/* ---- memory that is not there ---- */

static void end_read(void) { (void)*(volatile uint64_t *)ABSENT; }
static void end_write(void) { *(volatile uint64_t *)ABSENT = 1; }
static void end_fetch(void) { ((void (*)(void))ABSENT)(); }
static void end_lapic(void) { (void)*(volatile uint32_t *)0xfee00020UL; }
static void end_tables(void) { __asm__ volatile("mov %0, %%cr3" : : "r"(ABSENT) : "memory"); }
static void end_stack(void) { __asm__ volatile("mov %0, %%rsp; push %%rax" : : "r"(ABSENT) : "memory"); }

static void end_idt(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) there = {4095, ABSENT};
    __asm__ volatile("lidt %0; int3" : : "m"(there));
}

/* Gives away the page of the instruction that follows. */
static void end_give_code(void)
{
    static const uint64_t gfn = SPARE >> 12;
    static const struct { const uint64_t *list; uint64_t nr; uint32_t order, flags; uint16_t domid, pad[3]; } r = {&gfn, 1, 0, 0, DOMID_SELF, {0}};
    static const unsigned char code[] = {0x0f, 0x01, 0xc1, 0x90, 0xc3}; /* vmcall; nop; ret */
    for (unsigned i = 0; i < sizeof(code); i++)
        ((volatile unsigned char *)SPARE)[i] = code[i];
    long ret;
    __asm__ volatile("call *%%rcx" : "=a"(ret) : "a"(HC_MEMORY_OP), "D"(1), "S"(&r), "c"(SPARE) : "memory");
}

/* ---- the last instruction of the lower half ---- */

static void edge(void)
{
    static uint64_t tables[3][512] __attribute__((aligned(4096)));
    static unsigned char page[4096] __attribute__((aligned(4096)));
    uint64_t cr3, vec;
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    ((uint64_t *)cr3)[255] = (uint64_t)tables[0] | PTE_P | PTE_RW;
    tables[0][511] = (uint64_t)tables[1] | PTE_P | PTE_RW;
    tables[1][511] = (uint64_t)tables[2] | PTE_P | PTE_RW;
    tables[2][511] = (uint64_t)page | PTE_P | PTE_RW;
    page[4093] = 0x0f;
    page[4094] = 0x01;
    page[4095] = 0xc1; /* VMCALL */
    TRY(vec, "jmp *%%rcx", : : "c"(0x00007ffffffffffdUL), "a"(HC_XEN_VERSION), "D"(0) : "r11", "memory");
    say("endings: edge: vector %lu", vec);
    shut_down(vec == 13 ? 0 : 3);
}

/* ---- the ABI's ends ---- */

static void end_down(void) { hypercall(HC_VCPU_OP, 2, 0, 0); }
static void end_halt(void) { __asm__ volatile("cli; hlt"); }
static void end_shutdown_poweroff(void) { shut_down(0); }
static void end_watchdog(void) { shut_down(4); }
static void end_soft_reset(void) { shut_down(5); }
static void wait_block(void) { hypercall(HC_SCHED_OP, 1, 0, 0); }

static void wait_poll(void)
{
    struct { uint64_t ports; uint32_t nr, pad; uint64_t timeout; } poll = {0, 0, 0, 0};
    hypercall(HC_SCHED_OP, 3, (uint64_t)&poll, 0);
}

/* It left the only mode there is. */
static void end_xapic(void) { wrmsr(APIC_BASE, 0xfee00900); }
static void end_no_apic(void) { wrmsr(APIC_BASE, 0); }

/* ---- storms ---- */

static bool on_ipi(struct frame *f)
{
    (void)f;
    wrmsr(EOI, 0);
    wrmsr(SELF_IPI, VECTOR);
    return true;
}

static bool on_nmi(struct frame *f)
{
    (void)f;
    wrmsr(ICR, 0x400);
    return true;
}

static void storm_ipi(void)
{
    trap_hooks[VECTOR] = on_ipi;
    wrmsr(0x80f, 0x1ff);
    wrmsr(SELF_IPI, VECTOR);
    for (;;)
        __asm__ volatile("sti; nop");
}

static void storm_nmi(void)
{
    trap_hooks[2] = on_nmi;
    wrmsr(ICR, 0x400);
    for (;;)
        __asm__ volatile("" : : : "memory");
}

static void storm_port(void)
{
    for (;;)
        __asm__ volatile("outb %%al, $0x80" : : "a"(0));
}

static void storm_string(void)
{
    char buf[8];
    for (uint64_t vec = 13; vec == 13;)
        TRY(vec, "rep insb", : : "D"(buf), "c"(8), "d"(0xe9) : "r11", "memory");
}

static void storm_msr(void)
{
    for (uint64_t value;;)
        (void)try_rdmsr(0x480, &value);
}

static void storm_hypercall(void)
{
    for (;;)
        hypercall(HC_SCHED_OP, 0, 0, 0);
}

static void storm_timer(void)
{
    trap_hooks[VECTOR] = on_ipi;
    wrmsr(0x80f, 0x1ff);
    wrmsr(0x83e, 0xb);
    wrmsr(0x832, VECTOR);
    for (;;) {
        wrmsr(0x838, 1);
        __asm__ volatile("sti; nop");
    }
}

static void storm_deadline(void)
{
    for (;;)
        hypercall(HC_SET_TIMER, 1, 0, 0);
}

static const struct { const char *name; void (*run)(void); } cases[] = {
    {"task-jump", end_task_jump}, {"task-call", end_task_call}, {"task-gate", end_task_gate}, {"triple", end_triple},
    {"read", end_read}, {"write", end_write}, {"fetch", end_fetch}, {"lapic", end_lapic}, {"tables", end_tables}, {"stack", end_stack},
    {"idt", end_idt}, {"give-code", end_give_code}, {"edge", edge}, {"down", end_down}, {"halt", end_halt}, {"poweroff", end_shutdown_poweroff},
    {"watchdog", end_watchdog}, {"soft-reset", end_soft_reset}, {"xapic", end_xapic}, {"no-apic", end_no_apic},
    {"block", wait_block}, {"poll", wait_poll},
    {"loop-ac", loop_ac}, {"loop-db", loop_db}, {"ipi", storm_ipi}, {"nmi", storm_nmi}, {"port", storm_port}, {"string", storm_string},
    {"msr", storm_msr}, {"hypercall", storm_hypercall}, {"timer", storm_timer}, {"deadline", storm_deadline},
};

void guest_main(const void *start_info)
{
    const char *name = guest_cmdline(start_info);
    traps_on();
    for (unsigned i = 0; i < COUNT(cases); i++) {
        if (!text_equal(name, cases[i].name))
            continue;
        say("endings: %s: going", name);
        cases[i].run();
        say("endings: %s: FAILED: it goes on", name);
        for (;;)
            __asm__ volatile("sti; hlt");
    }
    say("endings: FAILED: no case \"%s\"", name);
}
