/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See vlapic.h. */
#include "vmx/vlapic.h"

#include "kernel/core/string.h"

#define LVT_MASKED 0x10000U
#define LVT_TIMER_MODE 0x60000U
#define LVT_PERIODIC 0x20000U
#define LVT_TSC_DEADLINE 0x40000U
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
    for (uint32_t reg = VLAPIC_LVT_TIMER; reg <= VLAPIC_LVT_LAST; reg++) {
        set(v, reg, LVT_MASKED);
    }
    v->vlapic.timer_tsc_deadline = 0;
    v->vlapic.timer_armed_tsc = 0;
    v->vlapic.esr_next = 0;
    v->vlapic.irr_dirty = false;
}

static bool enabled(const struct vmx_vcpu *v)
{
    return (get(v, VLAPIC_SVR) & VLAPIC_SVR_ENABLE) != 0;
}

/* ---- interrupts in and out ---- */

static int highest(const struct vmx_vcpu *v, uint32_t base)
{
    for (int i = 7; i >= 0; i--) {
        uint32_t word = get(v, base + (uint32_t)i);
        if (word != 0) {
            return i * 32 + 31 - __builtin_clz(word);
        }
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

int vlapic_highest_irr(const struct vmx_vcpu *v)
{
    return highest(v, VLAPIC_IRR);
}

void vlapic_error(struct vmx_vcpu *v, uint32_t esr_bit)
{
    v->vlapic.esr_next |= esr_bit;
    uint32_t lvt = get(v, VLAPIC_LVT_ERROR);
    if ((lvt & LVT_MASKED) == 0 && (lvt & 0xff) >= 16) {
        set_bit(v, VLAPIC_IRR, (uint8_t)lvt);
        __atomic_store_n(&v->vlapic.irr_dirty, true, __ATOMIC_RELEASE);
    }
}

void vlapic_set_irr(struct vmx_vcpu *v, uint8_t vector)
{
    if (vector < 16) {
        vlapic_error(v, VLAPIC_ESR_RECEIVE_ILLEGAL);
        return;
    }
    if (!enabled(v)) {
        return; /* software-disabled: fixed interrupts are not accepted */
    }
    set_bit(v, VLAPIC_IRR, vector);
    __atomic_store_n(&v->vlapic.irr_dirty, true, __ATOMIC_RELEASE);
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
    if (vector < 0 || ((uint32_t)vector & 0xf0U) <= (vlapic_ppr(v) & 0xf0U)) {
        return -1;
    }
    return vector;
}

bool vlapic_has_pending(struct vmx_vcpu *v)
{
    return vlapic_deliverable(v) >= 0;
}

void vlapic_accept(struct vmx_vcpu *v, uint8_t vector)
{
    set_bit(v, VLAPIC_ISR, vector);
    clear_bit(v, VLAPIC_IRR, vector);
}

void vlapic_take_back(struct vmx_vcpu *v, uint8_t vector)
{
    clear_bit(v, VLAPIC_ISR, vector);
    set_bit(v, VLAPIC_IRR, vector);
    __atomic_store_n(&v->vlapic.irr_dirty, true, __ATOMIC_RELEASE);
}

bool vlapic_is_addressed(const struct vmx_vcpu *v, uint32_t dest, bool logical)
{
    if (dest == 0xffffffffU) {
        return true;
    }
    if (!logical) {
        return dest == v->vlapic.id;
    }
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

static uint32_t timer_mode(const struct vmx_vcpu *v)
{
    return get(v, VLAPIC_LVT_TIMER) & LVT_TIMER_MODE;
}

static uint64_t period_ticks(const struct vmx_vcpu *v)
{
    uint64_t ticks = (uint64_t)get(v, VLAPIC_INITIAL_COUNT) << divide_shift(v);
    return timer_mode(v) == LVT_PERIODIC ? MAX(ticks, VLAPIC_MIN_PERIOD_TICKS) : ticks;
}

uint64_t vlapic_timer_due(const struct vmx_vcpu *v)
{
    if (timer_mode(v) == LVT_TSC_DEADLINE) {
        uint64_t deadline = v->vlapic.timer_tsc_deadline;
        return deadline == 0 ? 0 : MAX(deadline - v->tsc_offset, 1UL);
    }
    return v->vlapic.timer_armed_tsc == 0 ? 0 : v->vlapic.timer_armed_tsc + period_ticks(v);
}

void vlapic_timer_fired(struct vmx_vcpu *v, uint64_t now)
{
    uint32_t lvt = get(v, VLAPIC_LVT_TIMER);
    if (timer_mode(v) == LVT_PERIODIC) {
        v->vlapic.timer_armed_tsc += period_ticks(v);
        if (v->vlapic.timer_armed_tsc + period_ticks(v) < now) {
            v->vlapic.timer_armed_tsc = now; /* missed periods are not made up for */
        }
    } else {
        v->vlapic.timer_armed_tsc = 0;
        v->vlapic.timer_tsc_deadline = 0;
    }
    if ((lvt & LVT_MASKED) == 0) {
        vlapic_set_irr(v, (uint8_t)lvt);
    }
}

static uint32_t current_count(const struct vmx_vcpu *v, uint64_t now)
{
    uint64_t due = vlapic_timer_due(v);
    if (timer_mode(v) == LVT_TSC_DEADLINE || due <= now) {
        return 0;
    }
    return (uint32_t)MIN((due - now) >> divide_shift(v), (uint64_t)get(v, VLAPIC_INITIAL_COUNT));
}

uint64_t vlapic_tsc_deadline_read(const struct vmx_vcpu *v)
{
    return timer_mode(v) == LVT_TSC_DEADLINE ? v->vlapic.timer_tsc_deadline : 0;
}

void vlapic_tsc_deadline_write(struct vmx_vcpu *v, uint64_t value)
{
    if (timer_mode(v) == LVT_TSC_DEADLINE) {
        v->vlapic.timer_tsc_deadline = value;
    }
}

/* ---- registers ---- */

bool vlapic_read(const struct vmx_vcpu *v, uint32_t reg, uint64_t now, uint64_t *value)
{
    *value = 0;
    switch (reg) {
    case VLAPIC_PPR:
        *value = vlapic_ppr(v);
        return true;
    case VLAPIC_CURRENT_COUNT:
        *value = current_count(v, now);
        return true;
    case VLAPIC_ICR:
        *value = (uint64_t)reg_ptr(v, reg)[1] << 32 | get(v, reg);
        return true;
    case VLAPIC_ID:
    case VLAPIC_VERSION:
    case VLAPIC_TPR:
    case VLAPIC_LDR:
    case VLAPIC_SVR:
    case VLAPIC_ESR:
    case VLAPIC_INITIAL_COUNT:
    case VLAPIC_DIVIDE:
        *value = get(v, reg);
        return true;
    default:
        if ((reg >= VLAPIC_ISR && reg < VLAPIC_ESR) || (reg >= VLAPIC_LVT_TIMER && reg <= VLAPIC_LVT_LAST)) {
            *value = get(v, reg);
            return true;
        }
        return false;
    }
}

static void end_of_interrupt(struct vmx_vcpu *v)
{
    int vector = highest(v, VLAPIC_ISR);
    if (vector >= 0) {
        clear_bit(v, VLAPIC_ISR, (uint8_t)vector);
    }
}

static enum vlapic_result write_svr(struct vmx_vcpu *v, uint64_t value)
{
    if ((value & ~0x3ffUL) != 0) {
        return VLAPIC_GP;
    }
    set(v, VLAPIC_SVR, (uint32_t)value & 0x1ff); /* focus checking does not exist any more */
    for (uint32_t reg = VLAPIC_LVT_TIMER; reg <= VLAPIC_LVT_LAST && !enabled(v); reg++) {
        set(v, reg, get(v, reg) | LVT_MASKED);
    }
    return VLAPIC_DONE;
}

static enum vlapic_result write_lvt(struct vmx_vcpu *v, uint32_t reg, uint64_t value)
{
    static const uint32_t valid[] = {0x710ff, 0x117ff, 0x117ff, 0x1f7ff, 0x1f7ff, 0x110ff}; /* timer thermal PMC LINT0 LINT1 error */
    uint32_t allowed = valid[reg - VLAPIC_LVT_TIMER];
    if ((value & ~(uint64_t)allowed) != 0) {
        return VLAPIC_GP;
    }
    uint32_t old_mode = timer_mode(v);
    set(v, reg, ((uint32_t)value & ~0x1000U) | (enabled(v) ? 0 : LVT_MASKED)); /* bit 12 is delivery status, read-only */
    if (reg != VLAPIC_LVT_TIMER) {
        return VLAPIC_DONE;
    }
    if (((old_mode ^ timer_mode(v)) & LVT_TSC_DEADLINE) != 0) { /* SDM: changing to or from TSC-deadline mode disarms */
        v->vlapic.timer_armed_tsc = 0;
        v->vlapic.timer_tsc_deadline = 0;
    }
    return VLAPIC_TIMER;
}

static enum vlapic_result write_icr(struct vmx_vcpu *v, uint64_t value)
{
    if ((value & 0xfff32000UL) != 0) {
        return VLAPIC_GP;
    }
    set(v, VLAPIC_ICR, (uint32_t)value & ~0x1000U);
    reg_ptr(v, VLAPIC_ICR)[1] = (uint32_t)(value >> 32);
    return VLAPIC_SEND;
}

static enum vlapic_result write_initial_count(struct vmx_vcpu *v, uint32_t value, uint64_t now)
{
    if (timer_mode(v) == LVT_TSC_DEADLINE) {
        return VLAPIC_DONE;
    }
    set(v, VLAPIC_INITIAL_COUNT, value);
    v->vlapic.timer_armed_tsc = value == 0 ? 0 : now;
    return VLAPIC_TIMER;
}

static enum vlapic_result write_divide(struct vmx_vcpu *v, uint64_t value, uint64_t now)
{
    if ((value & ~0xbUL) != 0) {
        return VLAPIC_GP;
    }
    uint32_t left = current_count(v, now);
    uint32_t initial = get(v, VLAPIC_INITIAL_COUNT);
    set(v, VLAPIC_DIVIDE, (uint32_t)value);
    if (v->vlapic.timer_armed_tsc != 0) { /* what is left counts on at the new rate */
        uint64_t gone = (uint64_t)(initial - MIN(left, initial)) << divide_shift(v);
        v->vlapic.timer_armed_tsc = now > gone ? now - gone : 1;
    }
    return VLAPIC_TIMER;
}

enum vlapic_result vlapic_write(struct vmx_vcpu *v, uint32_t reg, uint64_t value, uint64_t now)
{
    if (reg >= VLAPIC_LVT_TIMER && reg <= VLAPIC_LVT_LAST) {
        return write_lvt(v, reg, value);
    }
    if (reg == VLAPIC_ICR) {
        return write_icr(v, value);
    }
    if (value >> 32 != 0) {
        return VLAPIC_GP;
    }
    switch (reg) {
    case VLAPIC_TPR:
        if (value > 0xff) {
            return VLAPIC_GP;
        }
        set(v, reg, (uint32_t)value);
        return VLAPIC_DONE;
    case VLAPIC_EOI:
        if (value != 0) {
            return VLAPIC_GP;
        }
        end_of_interrupt(v);
        return VLAPIC_DONE;
    case VLAPIC_SVR:
        return write_svr(v, value);
    case VLAPIC_ESR:
        if (value != 0) {
            return VLAPIC_GP;
        }
        set(v, VLAPIC_ESR, v->vlapic.esr_next);
        v->vlapic.esr_next = 0;
        return VLAPIC_DONE;
    case VLAPIC_INITIAL_COUNT:
        return write_initial_count(v, (uint32_t)value, now);
    case VLAPIC_DIVIDE:
        return write_divide(v, value, now);
    case VLAPIC_SELF_IPI:
        if (value > 0xff) {
            return VLAPIC_GP;
        }
        vlapic_set_irr(v, (uint8_t)value);
        return VLAPIC_DONE;
    default:
        return VLAPIC_GP;
    }
}
