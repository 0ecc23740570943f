/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The IDT and what happens behind it. */
#include "kernel/cpu/traps.h"

#include "kernel/cpu/gdt.h"
#include "kernel/cpu/percpu.h"

#define VECTOR_NMI 2U
#define VECTOR_DOUBLE_FAULT 8U
#define VECTOR_MACHINE_CHECK 18U
#define FIRST_INTERRUPT 0x20U
#define STUB_BYTES 16U

struct idt_gate { /* SDM vol 3, "64-Bit Mode IDT" */
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct idt_gate) == 16, "hardware layout");

struct fixup {
    uint64_t at, resume;
};

extern const uint8_t traps_stubs[];
extern const struct fixup traps_fixups[], traps_fixups_end[];
void traps_handle(struct trap_frame *frame);

static struct idt_gate idt[256] __attribute__((aligned(16)));
static void (*irq_handler)(uint8_t vector);
static void (*fatal_handler)(const struct trap_frame *frame);

static void set_gate(unsigned vector, uint8_t ist)
{
    uint64_t offset = (uint64_t)traps_stubs + vector * STUB_BYTES;
    idt[vector] = (struct idt_gate){
        .offset_low = (uint16_t)offset,
        .selector = GDT_CODE,
        .ist = ist,
        .type = 0x8e, /* present, DPL 0, interrupt gate */
        .offset_mid = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
    };
}

void traps_load(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } idtr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

void traps_init(void)
{
    for (unsigned i = 0; i < 256; i++)
        set_gate(i, 0);
    set_gate(VECTOR_NMI, IST_NMI);
    set_gate(VECTOR_DOUBLE_FAULT, IST_DOUBLE_FAULT);
    set_gate(VECTOR_MACHINE_CHECK, IST_MACHINE_CHECK);
    traps_load();
}

uint64_t traps_idt_base(void) { return (uint64_t)idt; }
void traps_set_irq_handler(void (*fn)(uint8_t vector)) { irq_handler = fn; }
void traps_set_fatal_handler(void (*fn)(const struct trap_frame *frame)) { fatal_handler = fn; }

bool traps_nmi_take(void)
{
    bool seen = this_cpu()->nmi_seen;
    this_cpu()->nmi_seen = false;
    return seen;
}

static bool fix_up(struct trap_frame *frame)
{
    for (const struct fixup *f = traps_fixups; f < traps_fixups_end; f++) {
        if (f->at == frame->rip) {
            frame->rip = f->resume;
            return true;
        }
    }
    return false;
}

/* Called by traps.asm with interrupts off. */
void traps_handle(struct trap_frame *frame)
{
    if (frame->vector >= FIRST_INTERRUPT) {
        if (irq_handler != NULL)
            irq_handler((uint8_t)frame->vector);
        return;
    }
    if (frame->vector == VECTOR_NMI) {
        this_cpu()->nmi_seen = true;
        return;
    }
    if (fix_up(frame))
        return;
    while (fatal_handler == NULL || this_cpu()->in_root_trap) /* nothing can be said, or it faulted while saying it */
        __asm__ volatile("cli\n\thlt");
    this_cpu()->in_root_trap = true;
    fatal_handler(frame);
}
