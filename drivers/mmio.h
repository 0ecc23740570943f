/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Device registers in memory, one access of the named width each. A host test supplies the same functions
 * itself and models the device behind them. */
#pragma once

#include <stdint.h>

#ifdef CORBEL_HOST_TEST

uint8_t mmio_read8(volatile void *base, uint32_t off);
uint16_t mmio_read16(volatile void *base, uint32_t off);
uint32_t mmio_read32(volatile void *base, uint32_t off);
void mmio_write8(volatile void *base, uint32_t off, uint8_t v);
void mmio_write16(volatile void *base, uint32_t off, uint16_t v);
void mmio_write32(volatile void *base, uint32_t off, uint32_t v);

#else

/* The compiler keeps the order of volatile accesses and, by the barriers, that of memory beside them; the CPU keeps
 * the order of stores to memory and of uncached accesses (SDM volume 3A, "Memory Ordering"). */
static inline volatile uint8_t *mmio_at(volatile void *base, uint32_t off) { return (volatile uint8_t *)base + off; }

static inline uint8_t mmio_read8(volatile void *base, uint32_t off)
{
    uint8_t v = *mmio_at(base, off);
    __asm__ volatile("" : : : "memory");
    return v;
}

static inline uint16_t mmio_read16(volatile void *base, uint32_t off)
{
    uint16_t v = *(volatile uint16_t *)(volatile void *)mmio_at(base, off);
    __asm__ volatile("" : : : "memory");
    return v;
}

static inline uint32_t mmio_read32(volatile void *base, uint32_t off)
{
    uint32_t v = *(volatile uint32_t *)(volatile void *)mmio_at(base, off);
    __asm__ volatile("" : : : "memory");
    return v;
}

static inline void mmio_write8(volatile void *base, uint32_t off, uint8_t v)
{
    __asm__ volatile("" : : : "memory");
    *mmio_at(base, off) = v;
}

static inline void mmio_write16(volatile void *base, uint32_t off, uint16_t v)
{
    __asm__ volatile("" : : : "memory");
    *(volatile uint16_t *)(volatile void *)mmio_at(base, off) = v;
}

static inline void mmio_write32(volatile void *base, uint32_t off, uint32_t v)
{
    __asm__ volatile("" : : : "memory");
    *(volatile uint32_t *)(volatile void *)mmio_at(base, off) = v;
}

#endif

/* Registers of 64 bits are written as two halves, which every device of ours allows. */
static inline void mmio_write64(volatile void *base, uint32_t off, uint64_t v)
{
    mmio_write32(base, off, (uint32_t)v);
    mmio_write32(base, off + 4U, (uint32_t)(v >> 32));
}

static inline uint64_t mmio_read64(volatile void *base, uint32_t off)
{
    uint64_t low = mmio_read32(base, off);
    return low | (uint64_t)mmio_read32(base, off + 4U) << 32;
}
