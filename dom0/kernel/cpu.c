/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] GDT, TSS and IDT. Exceptions run on a stack of their own: a thread that ran into its guard page must still
 * be able to say so. Intel SDM volume 3A, "Interrupt and Exception Handling", "Task State Segment Format in 64-bit
 * mode". */
#include "dom0/kernel/cpu.h"

#include "dom0/kernel/traps.h"

#define SEL_CODE       0x08U
#define SEL_TSS        0x18U
#define GATE_INTERRUPT 0x8eU /* present, DPL 0, 64-bit interrupt gate */
#define EXCEPTIONS     32U

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, zero;
};
_Static_assert(sizeof(struct gate) == 16, "IDT layout");

struct tss {
    uint32_t zero;
    uint64_t rsp[3], zero2, ist[7], zero3;
    uint16_t zero4, io_map;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "TSS layout");

static uint64_t gdt[5];
static struct gate idt[256];
static struct tss tss;
static uint8_t exception_stack[8192] __attribute__((aligned(16)));

static void gate_set(unsigned vector, uint64_t address, uint8_t ist)
{
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)address,
        .selector = SEL_CODE,
        .ist = ist,
        .type = GATE_INTERRUPT,
        .offset_mid = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

static void gdt_load(void)
{
    uint64_t base = (uint64_t)&tss, limit = sizeof(tss) - 1;
    gdt[1] = 0x00af9b000000ffffUL; /* code, 64-bit, accessed */
    gdt[2] = 0x00cf93000000ffffUL; /* data, accessed */
    gdt[3] = limit | (base & 0xffffffUL) << 16 | 0x89UL << 40 | (base >> 24 & 0xffUL) << 56;
    gdt[4] = base >> 32;
    struct table_register r = {sizeof(gdt) - 1, (uint64_t)gdt};
    __asm__ volatile("lgdt %0" : : "m"(r));
    uint64_t scratch;
    __asm__ volatile("push %1; lea 1f(%%rip), %0; push %0; lretq; 1:"
                     : "=&r"(scratch)
                     : "i"((long)SEL_CODE)
                     : "memory");
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs"
                     :
                     : "r"(SEL_CODE + 8), "r"(0));
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

void cpu_init(void)
{
    tss.ist[0] = (uint64_t)(exception_stack + sizeof(exception_stack));
    tss.io_map = sizeof(tss);
    gdt_load();
    for (unsigned v = 0; v < EXCEPTIONS; v++) {
        gate_set(v, traps_exception_stubs[v], 1);
    }
    gate_set(TRAPS_UPCALL_VECTOR, (uint64_t)traps_upcall_stub, 0);
    struct table_register r = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(r));
}

uint64_t cpu_irq_save(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

void cpu_irq_restore(uint64_t flags)
{
    if ((flags & 0x200U) != 0) {
        __asm__ volatile("sti" : : : "memory");
    }
}

void cpu_wait(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

void cpu_halt(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt" : : : "memory");
    }
}
