/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See vlapic.h. */
#include "vmx/vlapic.h"

#include "kernel/core/string.h"

#define LVT_MASKED 0x10000U
#define LVT_TIMER_MODE 0x60000U
#define LVT_PERIODIC 0x20000U
#define LVT_TSC_DEADLINE 0x40000U
#define READ_ONLY 0x1000U /* delivery status */
#define VERSION 0x50014U /* LVTs up to the error one; no EOI-broadcast suppression */

static uint32_t *reg_ptr(const struct vmx_vcpu *v, uint32_t reg)
{
    return (uint32_t *)(void *)((char *)v->apic_page + (reg << 4));
}

static uint32_t get(const struct vmx_vcpu *v, uint32_t reg)
{
    return __atomic_load_n(reg_ptr(v, reg), __ATOMIC_RELAXED);
}

static void set(const struct vmx_vcpu *v, uint32_t reg, uint32_t value)
{
    __atomic_store_n(reg_ptr(v, reg), value, __ATOMIC_RELAXED);
}

void vlapic_reset(struct vmx_vcpu *v)
{
    memset(v->apic_page, 0, PAGE_SIZE);
    set(v, VLAPIC_ID, v->vlapic.id);
    set(v, VLAPIC_VERSION, VERSION);
    set(v, VLAPIC_LDR, (v->vlapic.id >> 4) << 16 | 1U << (v->vlapic.id & 15));
    set(v, VLAPIC_SVR, 0xff);
    for (uint32_t reg = VLAPIC_LVT_TIMER; reg <= VLAPIC_LVT_LAST; reg++)
        set(v, reg, LVT_MASKED);
    v->vlapic.timer_due = 0;
    v->irr_dirty = false;
}

static bool enabled(const struct vmx_vcpu *v) { return (get(v, VLAPIC_SVR) & VLAPIC_SVR_ENABLE) != 0; }

/* ---- interrupts in and out ---- */

static int highest(const struct vmx_vcpu *v, uint32_t base)
{
    for (int i = 7; i >= 0; i--) {
        uint32_t word = get(v, base + (uint32_t)i);
        if (word != 0)
            return i * 32 + 31 - __builtin_clz(word);
    }
    return -1;
}

static void set_bit(struct vmx_vcpu *v, uint32_t base, uint8_t vector)
{
    /* Release: pairs with entry's acquire of irr_dirty; what the sender wrote before is visible to the handler. */
    __atomic_fetch_or(reg_ptr(v, base + vector / 32U), 1U << (vector & 31), __ATOMIC_RELEASE);
}

static void clear_bit(struct vmx_vcpu *v, uint32_t base, uint8_t vector)
{
    __atomic_fetch_and(reg_ptr(v, base + vector / 32U), ~(1U << (vector & 31)), __ATOMIC_RELAXED);
}

int vlapic_highest_irr(const struct vmx_vcpu *v) { return highest(v, VLAPIC_IRR); }
int vlapic_highest_isr(const struct vmx_vcpu *v) { return highest(v, VLAPIC_ISR); }

void vlapic_set_irr(struct vmx_vcpu *v, uint8_t vector)
{
    if (vector < 16 || !enabled(v))
        return; /* vectors that do not exist; software-disabled: fixed interrupts are not accepted */
    set_bit(v, VLAPIC_IRR, vector);
    __atomic_store_n(&v->irr_dirty, true, __ATOMIC_RELEASE);
}

uint32_t vlapic_ppr(const struct vmx_vcpu *v)
{
    uint32_t tpr = get(v, VLAPIC_TPR) & 0xff;
    int isr = highest(v, VLAPIC_ISR);
    uint32_t in_service = isr < 0 ? 0U : (uint32_t)isr & 0xf0U;
    return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

int vlapic_deliverable(const struct vmx_vcpu *v)
{
    int vector = vlapic_highest_irr(v);
    if (vector < 0 || ((uint32_t)vector & 0xf0U) <= (vlapic_ppr(v) & 0xf0U))
        return -1;
    return vector;
}

bool vlapic_has_pending(struct vmx_vcpu *v) { return vlapic_deliverable(v) >= 0; }

void vlapic_accept(struct vmx_vcpu *v, uint8_t vector)
{
    set_bit(v, VLAPIC_ISR, vector);
    clear_bit(v, VLAPIC_IRR, vector);
}

void vlapic_take_back(struct vmx_vcpu *v, uint8_t vector)
{
    clear_bit(v, VLAPIC_ISR, vector);
    set_bit(v, VLAPIC_IRR, vector);
    __atomic_store_n(&v->irr_dirty, true, __ATOMIC_RELEASE);
}

bool vlapic_is_addressed(const struct vmx_vcpu *v, uint32_t dest, bool logical)
{
    if (dest == 0xffffffffU)
        return true;
    if (!logical)
        return dest == v->vlapic.id;
    uint32_t ldr = get(v, VLAPIC_LDR);
    return (dest ^ ldr) >> 16 == 0 && (dest & ldr & 0xffff) != 0;
}

/* ---- the timer: its clock is the TSC ---- */

/* SDM "Divide Configuration Register": 000 is 2, 001 is 4, … 110 is 128, 111 is 1. */
static unsigned divide_shift(const struct vmx_vcpu *v)
{
    uint32_t d = get(v, VLAPIC_DIVIDE);
    return ((d & 3) + (d >> 1 & 4) + 1) & 7;
}

static uint32_t timer_mode(const struct vmx_vcpu *v) { return get(v, VLAPIC_LVT_TIMER) & LVT_TIMER_MODE; }

static uint64_t period_ticks(const struct vmx_vcpu *v)
{
    uint64_t ticks = (uint64_t)get(v, VLAPIC_INITIAL_COUNT) << divide_shift(v);
    return timer_mode(v) == LVT_PERIODIC ? MAX(ticks, VLAPIC_MIN_PERIOD_TICKS) : ticks;
}

bool vlapic_timer_silent(const struct vmx_vcpu *v)
{
    return timer_mode(v) == LVT_PERIODIC && (get(v, VLAPIC_LVT_TIMER) & LVT_MASKED) != 0;
}

void vlapic_timer_fired(struct vmx_vcpu *v, uint64_t now)
{
    uint32_t lvt = get(v, VLAPIC_LVT_TIMER);
    uint64_t next = v->vlapic.timer_due + period_ticks(v);
    next = next < now ? now + period_ticks(v) : next; /* missed periods are not made up for */
    v->vlapic.timer_due = timer_mode(v) == LVT_PERIODIC ? next : 0;
    if ((lvt & LVT_MASKED) == 0)
        vlapic_set_irr(v, (uint8_t)lvt);
}

static uint32_t current_count(const struct vmx_vcpu *v, uint64_t now)
{
    uint64_t due = v->vlapic.timer_due;
    if (timer_mode(v) == LVT_PERIODIC && due != 0 && due <= now) /* nobody was told: masked, or the vCPU did not run */
        due = now + period_ticks(v) - (now - due) % period_ticks(v);
    if (timer_mode(v) == LVT_TSC_DEADLINE || due <= now)
        return 0;
    return (uint32_t)MIN((due - now) >> divide_shift(v), (uint64_t)get(v, VLAPIC_INITIAL_COUNT));
}

uint64_t vlapic_tsc_deadline_read(const struct vmx_vcpu *v)
{
    bool running = timer_mode(v) == LVT_TSC_DEADLINE && v->vlapic.timer_due != 0;
    return running ? v->vlapic.timer_due + v->tsc_offset : 0;
}

void vlapic_tsc_deadline_write(struct vmx_vcpu *v, uint64_t value)
{
    if (timer_mode(v) != LVT_TSC_DEADLINE)
        return;
    int64_t due = (int64_t)(value - v->tsc_offset); /* below 1: before the host's clock began, so long past */
    v->vlapic.timer_due = value == 0 ? 0 : (uint64_t)MAX(due, 1L);
}

/* ---- registers ---- */

bool vlapic_read(const struct vmx_vcpu *v, uint32_t reg, uint64_t now, uint64_t *value)
{
    if (reg > 63 || (VLAPIC_READABLE >> reg & 1) == 0)
        return false;
    *value = get(v, reg);
    if (reg == VLAPIC_PPR)
        *value = vlapic_ppr(v);
    else if (reg == VLAPIC_CURRENT_COUNT)
        *value = current_count(v, now);
    else if (reg == VLAPIC_ICR)
        *value |= (uint64_t)reg_ptr(v, reg)[1] << 32;
    return true;
}

/* The registers that can be written, and which bits. Bit 12 of ICR and LVTs is read-only. */
static const struct { bool exists; uint64_t bits; } writable[64] = {
    [VLAPIC_TPR] = {true, 0xff},
    [VLAPIC_EOI] = {true, 0},
    [VLAPIC_SVR] = {true, 0x3ff},
    [VLAPIC_ESR] = {true, 0}, /* and it reads 0: a vector that does not exist is dropped */
    [VLAPIC_ICR] = {true, ~0xfff32000UL},
    [VLAPIC_LVT_TIMER] = {true, 0x710ff},
    [VLAPIC_LVT_TIMER + 1 ... VLAPIC_LVT_TIMER + 2] = {true, 0x117ff}, /* thermal sensor, performance counters */
    [VLAPIC_LVT_TIMER + 3 ... VLAPIC_LVT_TIMER + 4] = {true, 0x1f7ff}, /* LINT0, LINT1 */
    [VLAPIC_LVT_LAST] = {true, 0x110ff},      /* error */
    [VLAPIC_INITIAL_COUNT] = {true, 0xffffffff},
    [VLAPIC_DIVIDE] = {true, 0xb},
    [VLAPIC_SELF_IPI] = {true, 0xff},
};

static enum vlapic_result write_lvt(struct vmx_vcpu *v, uint32_t reg, uint32_t value)
{
    uint32_t old_mode = timer_mode(v);
    set(v, reg, (value & ~READ_ONLY) | (enabled(v) ? 0 : LVT_MASKED));
    if (((old_mode ^ timer_mode(v)) & LVT_TSC_DEADLINE) != 0)
        v->vlapic.timer_due = 0; /* SDM: changing to or from TSC-deadline mode disarms */
    return reg == VLAPIC_LVT_TIMER ? VLAPIC_TIMER : VLAPIC_DONE;
}

enum vlapic_result vlapic_write(struct vmx_vcpu *v, uint32_t reg, uint64_t value, uint64_t now)
{
    uint32_t low = (uint32_t)value;
    if (reg > 63 || !writable[reg].exists || (value & ~writable[reg].bits) != 0)
        return VLAPIC_GP;
    if (reg >= VLAPIC_LVT_TIMER && reg <= VLAPIC_LVT_LAST)
        return write_lvt(v, reg, low);
    switch (reg) {
    case VLAPIC_EOI:
        if (highest(v, VLAPIC_ISR) >= 0)
            clear_bit(v, VLAPIC_ISR, (uint8_t)highest(v, VLAPIC_ISR));
        return VLAPIC_DONE;
    case VLAPIC_SELF_IPI:
        vlapic_set_irr(v, (uint8_t)low);
        return VLAPIC_DONE;
    case VLAPIC_SVR:
        set(v, reg, low & 0x1ff); /* focus checking does not exist any more */
        for (uint32_t lvt = VLAPIC_LVT_TIMER; lvt <= VLAPIC_LVT_LAST && !enabled(v); lvt++)
            set(v, lvt, get(v, lvt) | LVT_MASKED);
        return VLAPIC_DONE;
    case VLAPIC_ICR:
        set(v, reg, low & ~READ_ONLY);
        reg_ptr(v, reg)[1] = (uint32_t)(value >> 32);
        return VLAPIC_SEND;
    case VLAPIC_INITIAL_COUNT:
        if (timer_mode(v) == LVT_TSC_DEADLINE)
            return VLAPIC_DONE;
        set(v, reg, low);
        v->vlapic.timer_due = low == 0 ? 0 : now + period_ticks(v);
        return VLAPIC_TIMER;
    default: /* TPR; DIVIDE, which counts from the next initial count on; ESR, always 0 */
        set(v, reg, low);
        return VLAPIC_DONE;
    }
}
