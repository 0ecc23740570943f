/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The CPUs: started by INIT and SIPI (SDM vol 3, "MP Initialization Protocol Algorithm for MP Systems"), kicked by an interrupt. */
#include "kernel/smp/smp.h"

#include "boot/boot_info.h"
#include "kernel/core/log.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/string.h"
#include "kernel/core/trace.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/window.h"
#include "kernel/platform/irq.h"
#include "kernel/platform/lapic.h"
#include "kernel/platform/machine.h"
#include "kernel/time/clock.h"

#define PTE_TABLE 0x23UL /* present, writable, accessed */
#define PTE_LARGE 0xe3UL /* present, writable, accessed, dirty, 2 MiB */
#define INIT_NS 10000000UL
#define SIPI_NS 200000UL
#define ONLINE_NS 100000000UL
#define TRACE_ORDER 2U
#define RELEASING ~0U /* as stopper: whoever stands still goes on, and nobody is stopped anew before all do */

struct __attribute__((packed)) trampoline { /* the parameters at the end of boot/trampoline.asm */
    uint32_t cr0, cr3, cr4, far_target;
    uint16_t far_selector, gdt_limit;
    uint32_t gdt_base;
    uint64_t root_cr3, stack, cpu, entry;
};

extern const char trampoline_start[], trampoline_params[], trampoline_end[];
extern uint64_t boot_pml4[];
void trampoline_high(void);
void smp_cpu_main(struct cpu *cpu);

static void (*cpu_main)(void);
static uint64_t started_tsc; /* when the newest CPU came up, by its own TSC */
static uint32_t stopper;     /* the CPU that made the others stand still, + 1 */

static void on_resched(void) { this_cpu()->need_resched = true; }

/* 0: the trampoline; PML4, PDPT and PD of its temporary tables. */
static void *low_page(uint64_t base, unsigned n) { return window_open(hfn_of_hpa(hpa(base + n * PAGE_SIZE))); }

/* Root's map, and the first 2 MiB at their own place. */
static struct trampoline *prepare(uint64_t base)
{
    uint64_t *pml4 = low_page(base, 1), *pdpt = low_page(base, 2), *pd = low_page(base, 3);
    memcpy(pml4, boot_pml4, PAGE_SIZE);
    memset(pdpt, 0, PAGE_SIZE);
    memset(pd, 0, PAGE_SIZE);
    pml4[0] = (base + 2 * PAGE_SIZE) | PTE_TABLE;
    pdpt[0] = (base + 3 * PAGE_SIZE) | PTE_TABLE;
    pd[0] = PTE_LARGE;
    char *code = low_page(base, 0);
    memcpy(code, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    struct trampoline *t = (void *)(code + (trampoline_params - trampoline_start));
    t->cr0 = (uint32_t)read_cr0();
    t->cr3 = (uint32_t)(base + PAGE_SIZE);
    t->cr4 = (uint32_t)read_cr4();
    t->far_target += (uint32_t)base;
    t->gdt_base += (uint32_t)base;
    t->root_cr3 = pagetable_cr3();
    t->entry = (uint64_t)trampoline_high;
    return t;
}

static bool wait_online(const struct cpu *cpu, uint64_t ns)
{
    uint64_t end = clock_now_ns() + ns;
    while (!__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE) && clock_now_ns() < end)
        cpu_relax();
    return __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE); /* pairs with smp_cpu_main */
}

/* A stack with a hole below it, and a trace ring; NULL: no memory. */
static char *make_stacks(uint32_t id)
{
    hfn_t stacks, ring;
    if (frame_alloc(CPU_STACK_ORDER, FRAME_OWNER_ROOT, FRAME_ROOT, &stacks) != STATUS_OK)
        return NULL;
    pagetable_unmap_root(hfn_add(stacks, CPU_STACK_HOLE), FRAME_ORDER_4K);
    if (trace_rings[id] == NULL && frame_alloc(TRACE_ORDER + 1, FRAME_OWNER_ROOT, FRAME_ROOT, &ring) == STATUS_OK)
        trace_rings[id] = root_va(hpa_of_hfn(ring));
    return root_va(hpa_of_hfn(stacks));
}
_Static_assert(sizeof(struct trace_ring) <= PAGE_SIZE << (TRACE_ORDER + 1), "fits its block");

static void start(uint32_t apic_id, struct trampoline *t, uint64_t base)
{
    char *stacks = make_stacks(cpu_count());
    struct cpu *cpu = stacks != NULL ? percpu_next(apic_id, stacks) : NULL;
    if (cpu == NULL) {
        log_warn("CPU with APIC id %u is not used: %s", apic_id, stacks != NULL ? "there are too many" : "no memory for its stack");
        return;
    }
    t->cpu = (uint64_t)cpu;
    t->stack = (uint64_t)stacks + (PAGE_SIZE << CPU_STACK_ORDER);
    uint64_t before = rdtsc(), end = clock_now_ns() + INIT_NS;
    lapic_ipi(apic_id, LAPIC_INIT);
    while (clock_now_ns() < end)
        cpu_relax();
    lapic_ipi(apic_id, LAPIC_SIPI | (uint32_t)(base >> PAGE_SHIFT));
    if (!wait_online(cpu, SIPI_NS))
        lapic_ipi(apic_id, LAPIC_SIPI | (uint32_t)(base >> PAGE_SHIFT));
    if (!wait_online(cpu, ONLINE_NS)) {
        lapic_ipi(apic_id, LAPIC_INIT); /* should it come later, it must not */
        log_warn("CPU with APIC id %u does not start: it is not used", apic_id);
    } else if (started_tsc < before || started_tsc > rdtsc()) {
        lapic_ipi(apic_id, LAPIC_INIT);
        log_warn("CPU with APIC id %u is not used: its time stamp counter is not in step with the boot CPU's", apic_id);
    } else {
        percpu_count_in();
        __atomic_store_n(&cpu->need_resched, true, __ATOMIC_RELEASE); /* it may go on: pairs with smp_cpu_main */
    }
}

/* Each other CPU's C code begins here, on its own stack. */
void smp_cpu_main(struct cpu *cpu)
{
    started_tsc = rdtsc();
    percpu_init_this(cpu);
    traps_load();
    lapic_init();
    __atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE); /* pairs with wait_online */
    while (!__atomic_load_n(&cpu->need_resched, __ATOMIC_ACQUIRE)) /* until it is counted */
        cpu_relax();
    cpu_main();
}

void smp_init(void (*main)(void))
{
    uint64_t base = boot_info.low_pages;
    struct trampoline *t = base != 0 ? prepare(base) : NULL;
    irq_set_system(VECTOR_RESCHED, on_resched);
    cpu_main = main;
    if (t == NULL && boot_info.nr_cpus > 1)
        log_warn("one CPU only: the loader found no 16 KiB below 640 KiB to start the others");
    for (uint32_t i = 0; t != NULL && i < boot_info.nr_cpus; i++) {
        if ((boot_info.cpus[i].flags & 1) != 0 && boot_info.cpus[i].apic_id != this_cpu()->apic_id)
            start(boot_info.cpus[i].apic_id, t, base);
    }
    for (unsigned i = 0; t != NULL && i < BOOT_LOW_PAGES; i++)
        memset(low_page(base, i), 0, PAGE_SIZE);
    log_info("%u of %u CPUs", cpu_count(), boot_info.nr_cpus);
}

void smp_kick(uint32_t cpu)
{
    struct cpu *target = cpu_get(cpu);
    /* Release: pairs with the run loop's test after its interrupt or at its next turn. Who set the flag before has sent the interrupt. */
    bool was = __atomic_exchange_n(&target->need_resched, true, __ATOMIC_ACQ_REL);
    if (!was && cpu != cpu_id())
        lapic_ipi(target->apic_id, VECTOR_RESCHED);
}

void smp_park_point(void)
{
    struct cpu *cpu = this_cpu();
    uint32_t by = __atomic_load_n(&stopper, __ATOMIC_ACQUIRE);
    if (by == 0 || by == RELEASING || by == cpu->id + 1)
        return;
    __atomic_store_n(&cpu->parked, true, __ATOMIC_SEQ_CST); /* pairs with smp_stop_others: what this CPU wrote is seen there */
    while (__atomic_load_n(&stopper, __ATOMIC_SEQ_CST) == by) {
        spin_pass();
        cpu_relax();
    }
    __atomic_store_n(&cpu->parked, false, __ATOMIC_RELEASE);
}

static void wait_parked(bool parked)
{
    for (uint32_t i = 0; i < cpu_count(); i++) {
        while (i != cpu_id() && __atomic_load_n(&cpu_get(i)->parked, __ATOMIC_ACQUIRE) != parked) {
            spin_pass();
            cpu_relax();
        }
    }
}

void smp_stop_others(void)
{
    uint32_t nobody = 0;
    while (!__atomic_compare_exchange_n(&stopper, &nobody, cpu_id() + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        smp_park_point(); /* somebody else does it: be one of the others first */
        nobody = 0;
    }
    for (uint32_t i = 0; i < cpu_count(); i++)
        smp_kick(i);
    wait_parked(true);
}

void smp_release_others(void)
{
    __atomic_store_n(&stopper, RELEASING, __ATOMIC_SEQ_CST);
    wait_parked(false);
    __atomic_store_n(&stopper, 0, __ATOMIC_SEQ_CST);
}
