/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The local APIC. x2APIC when the CPU has it: no MMIO then. */
#include "kernel/platform/lapic.h"

#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/irq.h"

/* Register numbers: MSR 0x800 + n in x2APIC mode, offset n * 16 in xAPIC mode. SDM vol 3, "x2APIC Register Address Space". */
enum lapic_reg {
    REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_EOI = 0x0b, REG_SPURIOUS = 0x0f, REG_ESR = 0x28,
    REG_LVT_CMCI = 0x2f, REG_ICR = 0x30, REG_ICR_HIGH = 0x31, REG_LVT_TIMER = 0x32, REG_LVT_THERMAL = 0x33, REG_LVT_PMC = 0x34,
    REG_LVT_LINT0 = 0x35, REG_LVT_LINT1 = 0x36, REG_LVT_ERROR = 0x37, REG_TIMER_INITIAL = 0x38, REG_TIMER_CURRENT = 0x39,
    REG_TIMER_DIVIDE = 0x3e,
};

#define APIC_BASE_X2 (1UL << 10)
#define APIC_BASE_ENABLE (1UL << 11)
#define APIC_BASE_ADDR 0x000ffffffffff000UL
#define LVT_MASKED (1U << 16)
#define LVT_TSC_DEADLINE (2U << 17)
#define LVT_NMI 0x400U
#define ICR_PENDING (1U << 12)
#define DIVIDE_BY_1 0xbU
#define CALIBRATE_TICKS 100000U

static bool x2apic;
static bool tsc_deadline;
static volatile uint32_t *mmio;
static uint64_t counts_per_tick; /* one-shot mode: timer counts per TSC tick, 32.32 */

static uint32_t reg_read(enum lapic_reg reg) { return x2apic ? (uint32_t)rdmsr(0x800U + reg) : mmio[reg * 4U]; }

static void reg_write(enum lapic_reg reg, uint32_t v)
{
    if (x2apic)
        wrmsr(0x800U + reg, v);
    else
        mmio[reg * 4U] = v;
}

static void calibrate_one_shot(void)
{
    reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    uint64_t start = rdtsc();
    reg_write(REG_TIMER_INITIAL, ~0U);
    while (rdtsc() - start < CALIBRATE_TICKS)
        cpu_relax();
    uint64_t counts = ~0U - reg_read(REG_TIMER_CURRENT);
    uint64_t ticks = rdtsc() - start;
    reg_write(REG_TIMER_INITIAL, 0);
    counts_per_tick = MAX((counts << 32) / ticks, 1UL);
}

static void enable(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    x2apic = cpu_features.x2apic;
    wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE); /* x2APIC can be entered only from the enabled state */
    if (x2apic) {
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2);
        return;
    }
    void *va = (void *)(uintptr_t)mmio;
    if (va == NULL && pagetable_map_mmio(hpa(base & APIC_BASE_ADDR), PAGE_SIZE, &va) != STATUS_OK)
        panic("local APIC: cannot map its registers");
    mmio = va;
}

void lapic_init(void)
{
    enable();
    unsigned max_lvt = reg_read(REG_VERSION) >> 16 & 255;
    reg_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    reg_write(REG_LVT_LINT0, LVT_MASKED);
    reg_write(REG_LVT_LINT1, LVT_NMI);
    reg_write(REG_LVT_ERROR, LVT_MASKED | VECTOR_SPURIOUS);
    static const enum lapic_reg optional[] = {REG_LVT_PMC, REG_LVT_THERMAL, REG_LVT_CMCI};
    for (unsigned i = 0; i < ARRAY_SIZE(optional) && i + 4 <= max_lvt; i++)
        reg_write(optional[i], LVT_MASKED);
    reg_write(REG_TPR, 0);
    reg_write(REG_SPURIOUS, 0x100U | VECTOR_SPURIOUS);
    reg_write(REG_ESR, 0);
    tsc_deadline = cpu_features.tsc_deadline;
    if (!tsc_deadline && counts_per_tick == 0)
        calibrate_one_shot();
    reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    reg_write(REG_LVT_TIMER, VECTOR_TIMER | (tsc_deadline ? LVT_TSC_DEADLINE : 0));
    __asm__ volatile("mfence" : : : "memory"); /* SDM vol 3, "TSC-Deadline Mode": orders an MMIO write of the LVT before the MSR */
    this_cpu()->apic_id = lapic_id();
    log_debug("lapic: id %u, %s, timer %s", lapic_id(), x2apic ? "x2APIC" : "xAPIC", tsc_deadline ? "TSC deadline" : "one-shot");
}

uint32_t lapic_id(void) { return x2apic ? reg_read(REG_ID) : reg_read(REG_ID) >> 24; }

void lapic_eoi(void) { reg_write(REG_EOI, 0); }

void lapic_ipi(uint32_t apic_id, uint32_t icr)
{
    if (x2apic) {
        __asm__ volatile("mfence" : : : "memory"); /* this MSR does not wait for stores: SDM vol 3, "MSR Access in x2APIC Mode" */
        wrmsr(0x800U + REG_ICR, (uint64_t)apic_id << 32 | icr);
        return;
    }
    for (unsigned i = 0; i < 100000 && (reg_read(REG_ICR) & ICR_PENDING) != 0; i++)
        cpu_relax();
    reg_write(REG_ICR_HIGH, apic_id << 24);
    reg_write(REG_ICR, icr);
}

void lapic_timer_arm(uint64_t tsc)
{
    bool stop = tsc == UINT64_MAX;
    if (tsc_deadline) {
        wrmsr(MSR_TSC_DEADLINE, stop ? 0 : MAX(tsc, 1UL)); /* 0 disarms */
        return;
    }
    uint64_t now = rdtsc();
    uint64_t delta = tsc > now ? tsc - now : 0;
    unsigned __int128 counts = (unsigned __int128)delta * counts_per_tick >> 32;
    reg_write(REG_TIMER_INITIAL, stop ? 0 : counts > ~0U ? ~0U : MAX((uint32_t)counts, 1U));
}
