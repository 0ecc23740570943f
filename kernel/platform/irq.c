/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Vectors and who handles them. irq_lock guards the tables and the I/O APICs' index registers; handlers run without it. */
#include "kernel/platform/irq.h"

#include "kernel/core/log.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/trace.h"
#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "kernel/platform/acpi.h"
#include "kernel/platform/ioapic.h"
#include "kernel/platform/lapic.h"

#define MAX_GSIS 256U
#define PIC_VECTORS 0x20U
#define MSI_ADDRESS 0xfee00000UL

enum handler_kind { HANDLER_FREE, HANDLER_EDGE, HANDLER_LEVEL, HANDLER_MSI };

static struct handler {
    enum handler_kind kind;
    uint32_t gsi;
    void (*fn)(uint32_t gsi_or_vector, void *ctx);
    void *ctx;
} handlers[VECTOR_GSI_LAST - VECTOR_GSI_BASE + 1];
static uint8_t vector_of_gsi[MAX_GSIS]; /* 0: not bound */
static void (*system_handlers[256 - VECTOR_TIMER])(void);
static struct spinlock irq_lock;
static uint64_t stray_count;

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
    ioapic_init();
    traps_set_irq_handler(irq_dispatch);
    log_debug("irq: %u lines", ioapic_gsi_count());
}

uint32_t irq_gsi_count(void) { return MIN(ioapic_gsi_count(), MAX_GSIS); }
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

static enum status bind_locked(uint32_t gsi, uint32_t flags, const struct handler *h)
{
    if (vector_of_gsi[gsi] != 0)
        return STATUS_EXISTS;
    uint8_t vector = take_vector(h);
    if (vector == 0)
        return STATUS_NO_SPACE;
    vector_of_gsi[gsi] = vector;
    ioapic_route(gsi, vector, (flags & IRQ_TRIGGER_LEVEL) != 0, (flags & IRQ_POLARITY_LOW) != 0, lapic_id());
    return STATUS_OK;
}

enum status irq_bind_gsi(uint32_t gsi, uint32_t flags, void (*fn)(uint32_t gsi, void *ctx), void *ctx)
{
    if (gsi >= MAX_GSIS || !ioapic_has(gsi))
        return STATUS_NOT_FOUND;
    if (flags == ~0U)
        flags = default_flags(gsi);
    if ((flags & ~(IRQ_TRIGGER_LEVEL | IRQ_POLARITY_LOW)) != 0)
        return STATUS_INVALID;
    struct handler h = {(flags & IRQ_TRIGGER_LEVEL) != 0 ? HANDLER_LEVEL : HANDLER_EDGE, gsi, fn, ctx};
    spin_lock(&irq_lock);
    enum status status = bind_locked(gsi, flags, &h);
    spin_unlock(&irq_lock);
    return status;
}

void irq_unbind_gsi(uint32_t gsi)
{
    spin_lock(&irq_lock);
    if (gsi < MAX_GSIS && vector_of_gsi[gsi] != 0) {
        ioapic_mask(gsi, true);
        handlers[vector_of_gsi[gsi] - VECTOR_GSI_BASE] = (struct handler){0};
        vector_of_gsi[gsi] = 0;
    }
    spin_unlock(&irq_lock);
}

void irq_unmask(uint32_t gsi)
{
    spin_lock(&irq_lock);
    if (gsi < MAX_GSIS && vector_of_gsi[gsi] != 0)
        ioapic_mask(gsi, false);
    spin_unlock(&irq_lock);
}

enum status irq_alloc_msi(void (*fn)(uint32_t vector, void *ctx), void *ctx, uint8_t *vector, uint64_t *address, uint32_t *data)
{
    struct handler h = {HANDLER_MSI, 0, fn, ctx};
    spin_lock(&irq_lock);
    uint8_t v = take_vector(&h);
    spin_unlock(&irq_lock);
    if (v == 0)
        return STATUS_NO_SPACE;
    *vector = v;
    *address = MSI_ADDRESS | (uint64_t)(lapic_id() & 255) << 12;
    *data = v; /* fixed, edge */
    return STATUS_OK;
}

void irq_free_msi(uint8_t vector)
{
    spin_lock(&irq_lock);
    if (vector >= VECTOR_GSI_BASE && vector <= VECTOR_GSI_LAST && handlers[vector - VECTOR_GSI_BASE].kind == HANDLER_MSI)
        handlers[vector - VECTOR_GSI_BASE] = (struct handler){0};
    spin_unlock(&irq_lock);
}

static void dispatch_device(uint8_t vector)
{
    spin_lock(&irq_lock);
    struct handler h = handlers[vector - VECTOR_GSI_BASE];
    if (h.kind == HANDLER_LEVEL)
        ioapic_mask(h.gsi, true); /* before the EOI, or the line fires again at once */
    spin_unlock(&irq_lock);
    lapic_eoi();
    if (h.kind == HANDLER_FREE)
        stray_count++; /* of a line or message unbound a moment ago */
    else
        h.fn(h.kind == HANDLER_MSI ? vector : h.gsi, h.ctx);
}

void irq_dispatch(uint8_t vector)
{
    trace(TRACE_IRQ, vector, 0);
    if (vector >= VECTOR_GSI_BASE && vector <= VECTOR_GSI_LAST) {
        dispatch_device(vector);
        return;
    }
    if (vector == VECTOR_SPURIOUS) /* needs no EOI: SDM vol 3, "Spurious Interrupt" */
        return;
    if (vector < VECTOR_GSI_BASE) { /* an 8259's last word; the local APIC knows nothing of it */
        stray_count++;
        return;
    }
    lapic_eoi();
    if (system_handlers[vector - VECTOR_TIMER] != NULL)
        system_handlers[vector - VECTOR_TIMER]();
}
