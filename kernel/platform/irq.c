/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Vectors and who handles them; the I/O APICs that raise them (82093AA datasheet: an index and a data window). irq_lock guards
 * the tables and the index registers; handlers run without it. */
#include "kernel/platform/irq.h"

#include "kernel/core/log.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/trace.h"
#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/acpi.h"
#include "kernel/platform/lapic.h"

#define MAX_GSIS 256U
#define PIC_VECTORS 0x20U
#define MSI_ADDRESS 0xfee00000UL
#define IOAPIC_DEFAULT 0xfec00000UL
#define REG_VERSION 1U
#define REG_REDIRECT 0x10U
#define DATA 4U /* the data window's index in 32-bit words */
#define REDIRECT_LOW_ACTIVE (1U << 13)
#define REDIRECT_LEVEL (1U << 15)
#define REDIRECT_MASKED (1U << 16)

enum handler_kind { HANDLER_FREE, HANDLER_EDGE, HANDLER_LEVEL, HANDLER_MSI };

static struct handler {
    enum handler_kind kind;
    uint32_t gsi;
    void (*fn)(uint32_t gsi_or_vector, void *ctx);
    void *ctx;
} handlers[VECTOR_GSI_LAST - VECTOR_GSI_BASE + 1];
static struct line {
    volatile uint32_t *ioapic; /* NULL: no I/O APIC has it */
    uint32_t reg;              /* of its redirection entry there */
    uint8_t vector;            /* 0: not bound */
} lines[MAX_GSIS];
static uint32_t gsi_count;
static void (*system_handlers[256 - VECTOR_TIMER])(void);
static struct spinlock irq_lock;

static uint32_t ioapic_read(volatile uint32_t *regs, uint32_t reg)
{
    regs[0] = reg;
    return regs[DATA];
}
static void ioapic_write(volatile uint32_t *regs, uint32_t reg, uint32_t v)
{
    regs[0] = reg;
    regs[DATA] = v;
}

static void line_mask(uint32_t gsi, bool masked)
{
    const struct line *l = &lines[gsi];
    uint32_t v = ioapic_read(l->ioapic, l->reg);
    ioapic_write(l->ioapic, l->reg, masked ? v | REDIRECT_MASKED : v & ~REDIRECT_MASKED);
}

/* Maps an I/O APIC and masks its lines. */
static void ioapic_add(uint64_t addr, uint32_t gsi_base)
{
    void *va;
    if (pagetable_map_mmio(hpa(addr), 32, &va) != STATUS_OK)
        return;
    uint32_t version = ioapic_read(va, REG_VERSION);
    if (version == ~0U) {
        log_warn("irq: no I/O APIC at 0x%lx", addr);
        return;
    }
    uint32_t pins = (version >> 16 & 255) + 1;
    for (uint32_t i = 0; i < pins && gsi_base < MAX_GSIS - i; i++) {
        lines[gsi_base + i] = (struct line){.ioapic = va, .reg = REG_REDIRECT + 2 * i};
        ioapic_write(va, REG_REDIRECT + 2 * i, REDIRECT_MASKED);
        gsi_count = MAX(gsi_count, gsi_base + i + 1);
    }
}

/* The 8259s go to vectors of their own, so that a spurious IRQ 7 is not taken for an exception; then they are masked for good. */
static void pic_silence(void)
{
    static const uint8_t init[4][2] = {{0x11, 0x11}, {PIC_VECTORS, PIC_VECTORS + 8}, {0x04, 0x02}, {0x01, 0x01}};
    for (unsigned i = 0; i < 4; i++) {
        out8(i == 0 ? 0x20 : 0x21, init[i][0]);
        out8(i == 0 ? 0xa0 : 0xa1, init[i][1]);
    }
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
}

void irq_init(void)
{
    pic_silence();
    for (uint32_t i = 0; i < acpi_info.nr_ioapics; i++)
        ioapic_add(acpi_info.ioapics[i].addr, acpi_info.ioapics[i].gsi_base);
    if (acpi_info.nr_ioapics == 0)
        ioapic_add(IOAPIC_DEFAULT, 0);
    traps_set_irq_handler(irq_dispatch);
    log_debug("irq: %u lines", gsi_count);
}

uint32_t irq_gsi_count(void) { return gsi_count; }
uint32_t irq_gsi_of_isa(uint32_t irq) { return irq < ACPI_ISA_IRQS ? acpi_info.isa[irq].gsi : irq; }
void irq_set_system(uint8_t vector, void (*fn)(void)) { system_handlers[vector - VECTOR_TIMER] = fn; }

/* The line's own trigger and polarity: ISA edge/high unless overridden, PCI level/low. */
static uint32_t default_flags(uint32_t gsi)
{
    for (uint32_t i = 0; i < ACPI_ISA_IRQS; i++) {
        uint32_t mps = acpi_info.isa[i].flags;
        if (acpi_info.isa[i].gsi == gsi)
            return ((mps >> 2 & 3) == 3 ? IRQ_TRIGGER_LEVEL : IRQ_TRIGGER_EDGE) | ((mps & 3) == 3 ? IRQ_POLARITY_LOW : 0);
    }
    return gsi < ACPI_ISA_IRQS ? IRQ_TRIGGER_EDGE : IRQ_TRIGGER_LEVEL | IRQ_POLARITY_LOW;
}

/* A free vector, taken; 0: none. */
static uint8_t take_vector(const struct handler *h)
{
    for (uint32_t i = 0; i < ARRAY_SIZE(handlers); i++) {
        if (handlers[i].kind == HANDLER_FREE) {
            handlers[i] = *h;
            return (uint8_t)(VECTOR_GSI_BASE + i);
        }
    }
    return 0;
}

enum status irq_bind_gsi(uint32_t gsi, uint32_t flags, void (*fn)(uint32_t gsi, void *ctx), void *ctx)
{
    if (gsi >= MAX_GSIS || lines[gsi].ioapic == NULL)
        return STATUS_NOT_FOUND;
    if (flags == ~0U)
        flags = default_flags(gsi);
    if ((flags & ~(IRQ_TRIGGER_LEVEL | IRQ_POLARITY_LOW)) != 0)
        return STATUS_INVALID;
    bool level = (flags & IRQ_TRIGGER_LEVEL) != 0;
    struct handler h = {level ? HANDLER_LEVEL : HANDLER_EDGE, gsi, fn, ctx};
    struct line *l = &lines[gsi];
    uint32_t mode = (level ? REDIRECT_LEVEL : 0) | ((flags & IRQ_POLARITY_LOW) != 0 ? REDIRECT_LOW_ACTIVE : 0);
    SPIN_GUARD(&irq_lock);
    if (l->vector != 0)
        return STATUS_EXISTS;
    l->vector = take_vector(&h);
    if (l->vector == 0)
        return STATUS_NO_SPACE;
    ioapic_write(l->ioapic, l->reg, REDIRECT_MASKED); /* never half old, half new */
    ioapic_write(l->ioapic, l->reg + 1, lapic_id() << 24);
    ioapic_write(l->ioapic, l->reg, l->vector | mode);
    return STATUS_OK;
}

void irq_unbind_gsi(uint32_t gsi)
{
    SPIN_GUARD(&irq_lock);
    if (gsi < MAX_GSIS && lines[gsi].vector != 0) {
        line_mask(gsi, true);
        handlers[lines[gsi].vector - VECTOR_GSI_BASE].kind = HANDLER_FREE;
        lines[gsi].vector = 0;
    }
}

void irq_unmask(uint32_t gsi)
{
    SPIN_GUARD(&irq_lock);
    if (gsi < MAX_GSIS && lines[gsi].vector != 0)
        line_mask(gsi, false);
}

enum status irq_alloc_msi(void (*fn)(uint32_t vector, void *ctx), void *ctx, uint8_t *vector, uint64_t *address, uint32_t *data)
{
    struct handler h = {HANDLER_MSI, 0, fn, ctx};
    SPIN_GUARD(&irq_lock);
    *vector = take_vector(&h);
    *address = MSI_ADDRESS | (uint64_t)(lapic_id() & 255) << 12;
    *data = *vector; /* fixed, edge */
    return *vector != 0 ? STATUS_OK : STATUS_NO_SPACE;
}

void irq_free_msi(uint8_t vector)
{
    SPIN_GUARD(&irq_lock);
    if (vector >= VECTOR_GSI_BASE && vector <= VECTOR_GSI_LAST && handlers[vector - VECTOR_GSI_BASE].kind == HANDLER_MSI)
        handlers[vector - VECTOR_GSI_BASE].kind = HANDLER_FREE;
}

static void dispatch_device(uint8_t vector)
{
    spin_lock(&irq_lock);
    struct handler h = handlers[vector - VECTOR_GSI_BASE];
    if (h.kind == HANDLER_LEVEL)
        line_mask(h.gsi, true); /* before the EOI, or the line fires again at once */
    spin_unlock(&irq_lock);
    lapic_eoi();
    if (h.kind != HANDLER_FREE) /* else it was unbound a moment ago */
        h.fn(h.kind == HANDLER_MSI ? vector : h.gsi, h.ctx);
}

void irq_dispatch(uint8_t vector)
{
    trace(TRACE_IRQ, vector, 0);
    if (vector >= VECTOR_GSI_BASE && vector <= VECTOR_GSI_LAST) {
        dispatch_device(vector);
    } else if (vector >= VECTOR_TIMER && vector != VECTOR_SPURIOUS) {
        lapic_eoi();
        if (system_handlers[vector - VECTOR_TIMER] != NULL)
            system_handlers[vector - VECTOR_TIMER]();
    } /* else a spurious vector or an 8259's last word: no EOI, SDM vol 3, "Spurious Interrupt" */
}
