/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Interrupts of the host: vectors, I/O APIC lines, local APIC. Root runs with IF=0; vectors arrive
 * as external-interrupt exits (acknowledged on exit) or in idle. Both end in irq_dispatch. */
#pragma once

#include "kernel/core/status.h"
#include "kernel/core/types.h"

#define VECTOR_GSI_BASE 0x30U /* device lines and MSIs, 0x30..0xef */
#define VECTOR_GSI_LAST 0xefU
#define VECTOR_TIMER 0xf0U
#define VECTOR_RESCHED 0xf1U
#define VECTOR_SPURIOUS 0xffU

#define IRQ_TRIGGER_EDGE 0U
#define IRQ_TRIGGER_LEVEL 1U
#define IRQ_POLARITY_LOW 2U

/* 8259s remapped and masked, I/O APICs found and masked. Precondition: acpi_init, lapic_init. */
void irq_init(void);
/* The GSI that ISA interrupt IRQ (0..15) arrives on. */
uint32_t irq_gsi_of_isa(uint32_t irq);
/* Who handles a system vector (VECTOR_TIMER .. 0xfe). */
void irq_set_system(uint8_t vector, void (*fn)(void));
/* Handles one arrived vector: EOI as its kind needs, then its handler. */
void irq_dispatch(uint8_t vector);
/* Routes GSI to this CPU. FLAGS: IRQ_TRIGGER_LEVEL | IRQ_POLARITY_LOW, or ~0U for the line's default (ISA: edge/high unless the
 * MADT overrides; PCI: level/low). FN runs in root. Level lines are masked before FN runs, until irq_unmask(gsi).
 * STATUS_NOT_FOUND: no I/O APIC has that line. STATUS_EXISTS: taken. */
enum status irq_bind_gsi(uint32_t gsi, uint32_t flags, void (*fn)(uint32_t gsi, void *ctx), void *ctx);
void irq_unbind_gsi(uint32_t gsi);
void irq_unmask(uint32_t gsi);
/* A vector for a message-signalled interrupt to this CPU; ADDRESS and DATA are what the device must write. */
enum status irq_alloc_msi(void (*fn)(uint32_t vector, void *ctx), void *ctx, uint8_t *vector, uint64_t *address, uint32_t *data);
void irq_free_msi(uint8_t vector);
uint32_t irq_gsi_count(void);
