/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The IDT and what happens behind it. */
#include "kernel/cpu/traps.h"

#include "kernel/cpu/gdt.h"
#include "kernel/cpu/idle.h"
#include "kernel/cpu/x86.h"

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
static bool halt_at_nmi;

void traps_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(idt); i++) {
        uint64_t offset = (uint64_t)traps_stubs + i * STUB_BYTES;
        idt[i] = (struct idt_gate){
            .offset_low = (uint16_t)offset,
            .selector = GDT_CODE,
            .type = 0x8e, /* present, DPL 0, interrupt gate */
            .offset_mid = (uint16_t)(offset >> 16),
            .offset_high = (uint32_t)(offset >> 32),
        };
    }
    idt[VECTOR_NMI].ist = IST_NMI;
    idt[VECTOR_DOUBLE_FAULT].ist = IST_DOUBLE_FAULT;
    idt[VECTOR_MACHINE_CHECK].ist = IST_MACHINE_CHECK;
    traps_load();
}

void traps_load(void)
{
    struct table_register idtr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

void traps_halt_at_nmi(void) { __atomic_store_n(&halt_at_nmi, true, __ATOMIC_RELEASE); }

uint64_t traps_idt_base(void) { return (uint64_t)idt; }
void traps_set_irq_handler(void (*fn)(uint8_t vector)) { irq_handler = fn; }

/* Called by traps.asm with interrupts off. */
void traps_handle(struct trap_frame *frame)
{
    if (frame->vector >= FIRST_INTERRUPT) {
        cpu_awake();
        if (irq_handler != NULL)
            irq_handler((uint8_t)frame->vector);
        return;
    }
    while (frame->vector == VECTOR_NMI && __atomic_load_n(&halt_at_nmi, __ATOMIC_ACQUIRE))
        __asm__ volatile("cli\n\thlt");
    if (frame->vector == VECTOR_NMI) /* means nothing else to root */
        return;
    for (const struct fixup *f = traps_fixups; f < traps_fixups_end; f++) {
        if (f->at == frame->rip) {
            frame->rip = f->resume;
            return;
        }
    }
    traps_fatal(frame);
}
