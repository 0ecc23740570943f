/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] I/O APIC registers: an index and a data window (82093AA datasheet). No lock of its own: irq.c's. */
#include "kernel/platform/ioapic.h"

#include "kernel/core/log.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/acpi.h"

#define IOAPIC_DEFAULT 0xfec00000UL
#define REG_VERSION 1U
#define REG_REDIRECT 0x10U
#define DATA 4U /* the data window's index in 32-bit words */
#define REDIRECT_LOW_ACTIVE (1U << 13)
#define REDIRECT_LEVEL (1U << 15)
#define REDIRECT_MASKED (1U << 16)

static struct ioapic {
    volatile uint32_t *regs;
    uint32_t gsi_base, pins;
} ioapics[ACPI_MAX_IOAPICS];
static uint32_t nr_ioapics;

static uint32_t reg_read(const struct ioapic *io, uint32_t reg)
{
    io->regs[0] = reg;
    return io->regs[DATA];
}
static void reg_write(const struct ioapic *io, uint32_t reg, uint32_t v)
{
    io->regs[0] = reg;
    io->regs[DATA] = v;
}

static const struct ioapic *find(uint32_t gsi)
{
    for (uint32_t i = 0; i < nr_ioapics; i++)
        if (gsi - ioapics[i].gsi_base < ioapics[i].pins)
            return &ioapics[i];
    return NULL;
}

static uint32_t pin_reg(const struct ioapic *io, uint32_t gsi) { return REG_REDIRECT + 2 * (gsi - io->gsi_base); }

static void add(uint64_t addr, uint32_t gsi_base)
{
    struct ioapic *io = &ioapics[nr_ioapics];
    void *va;
    if (pagetable_map_mmio(hpa(addr), 32, &va) != STATUS_OK)
        return;
    *io = (struct ioapic){.regs = va, .gsi_base = gsi_base};
    uint32_t version = reg_read(io, REG_VERSION);
    if (version == ~0U) {
        log_warn("ioapic: nothing at 0x%lx", addr);
        return;
    }
    io->pins = (version >> 16 & 255) + 1;
    nr_ioapics++;
    for (uint32_t i = 0; i < io->pins; i++)
        reg_write(io, REG_REDIRECT + 2 * i, REDIRECT_MASKED);
}

void ioapic_init(void)
{
    for (uint32_t i = 0; i < acpi_info.nr_ioapics; i++)
        add(acpi_info.ioapics[i].addr, acpi_info.ioapics[i].gsi_base);
    if (acpi_info.nr_ioapics == 0)
        add(IOAPIC_DEFAULT, 0);
}

uint32_t ioapic_gsi_count(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < nr_ioapics; i++)
        count = MAX(count, ioapics[i].gsi_base + ioapics[i].pins);
    return count;
}

bool ioapic_has(uint32_t gsi) { return find(gsi) != NULL; }

void ioapic_route(uint32_t gsi, uint8_t vector, bool level, bool low, uint32_t apic_id)
{
    const struct ioapic *io = find(gsi);
    uint32_t reg = pin_reg(io, gsi);
    reg_write(io, reg, REDIRECT_MASKED); /* never half old, half new */
    reg_write(io, reg + 1, apic_id << 24);
    reg_write(io, reg, vector | (level ? REDIRECT_LEVEL : 0) | (low ? REDIRECT_LOW_ACTIVE : 0));
}

void ioapic_mask(uint32_t gsi, bool masked)
{
    const struct ioapic *io = find(gsi);
    uint32_t reg = pin_reg(io, gsi);
    uint32_t v = reg_read(io, reg);
    reg_write(io, reg, masked ? v | REDIRECT_MASKED : v & ~REDIRECT_MASKED);
}
