/* SPDX-License-Identifier: Apache-2.0
 * [HOST] CPUs that run root's real run loop (kernel/run.c) over the real scheduler, kicks, domains, events, grants, EPT, flush epochs and frames. What is not
 * root: a guest is a list of steps, in guest mode (with a TLB that keeps what it has looked up until INVEPT) or as an exit that calls root. */
#pragma once

#define FAKES_REAL_MEMORY
#define FAKES_REAL_LOCKS
#define FAKES_REAL_SMP
#include "tests/unit/domain_fakes.h"

#include "kernel/run.h"
#include "kernel/platform/lapic.h"
#include "vmx/exit/dispatch.h"
#include "vmx/exit/handlers.h"

#define CPUS 3U
#define STEPS 8U

struct step { bool in_root; void (*fn)(struct vcpu *v); };
struct guest { struct step step[STEPS]; unsigned at; bool upcall; unsigned handled; };
static struct guest guests[8][2]; /* by domid and vCPU */
static struct guest *guest_of(const struct vcpu *v) { return &guests[v->domain->id & 7][v->id & 1]; }
static bool ipi[CPUS]; /* an interrupt is pending there; atomic */
static struct { bool valid; uint64_t eptp; gfn_t g; hfn_t h; } tlb[CPUS];
static void (*exit_fn[CPUS])(struct vcpu *v);

struct vmx_caps vmx_caps;
const char trampoline_start[1], trampoline_params[1], trampoline_end[1];
uint64_t boot_pml4[512];
void trampoline_high(void);
void trampoline_high(void) {}
void percpu_init_this(struct cpu *cpu) { (void)cpu; }
struct cpu *percpu_next(uint32_t apic_id, char *stacks) { (void)apic_id; (void)stacks; return NULL; }
void percpu_count_in(void) {}
void traps_load(void) {}
void lapic_init(void) {}
void irq_set_system(uint8_t vector, void (*fn)(void)) { (void)vector; (void)fn; }
uint64_t pagetable_cr3(void) { return 0; }
void uart_poll(void) {}
void uart_poll_silent(void) {}
void deadline_bring(struct deadline *d) { (void)d; }
void exit_apic_timer(struct vcpu *v) { (void)v; }
void vmx_load(struct vmx_vcpu *v) { (void)v; }
void vmx_clear_buffers(void) {}
void vmx_inject(struct vmx_vcpu *v, bool callback) { guest_of(vcpu_of_vmx(v))->upcall = callback; }
void lapic_ipi(uint32_t apic_id, uint32_t what)
{
    (void)what;
    __atomic_store_n(&ipi[apic_id], true, __ATOMIC_SEQ_CST);
}
void hw_invept(uint64_t eptp)
{
    if (tlb[cpu_id()].eptp == eptp)
        tlb[cpu_id()].valid = false;
}

/* An interrupt that came: its handler (on_resched in smp.c) sets the flag. */
static bool interrupted(void)
{
    if (!__atomic_exchange_n(&ipi[cpu_id()], false, __ATOMIC_SEQ_CST))
        return false;
    this_cpu()->need_resched = true;
    return true;
}

/* A stock guest's upcall: the flag, then the selector, then the bits that are not masked. */
static void guest_upcall(struct vcpu *v)
{
    struct shared_info *s = v->domain->shared_info;
    struct vcpu_info *info = &s->vcpu_info[v->id];
    __atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    uint64_t sel = __atomic_exchange_n(&info->evtchn_pending_sel, 0UL, __ATOMIC_SEQ_CST);
    for (unsigned w = 0; w < 64; w++) {
        uint64_t bits = sel >> w & 1 ? __atomic_load_n(&s->evtchn_pending[w], __ATOMIC_SEQ_CST) & ~__atomic_load_n(&s->evtchn_mask[w], __ATOMIC_SEQ_CST) : 0;
        __atomic_fetch_and(&s->evtchn_pending[w], ~bits, __ATOMIC_SEQ_CST);
        guest_of(v)->handled += (unsigned)__builtin_popcountl(bits);
    }
}

static void guest_halts(struct vcpu *v) { vcpu_halt(v); }

enum status vmx_enter_asm(struct vmx_vcpu *vmx)
{
    struct vcpu *v = vcpu_of_vmx(vmx);
    struct guest *g = guest_of(v);
    exit_fn[cpu_id()] = NULL;
    if (g->upcall) {
        g->upcall = false;
        guest_upcall(v);
    }
    while (!interrupted()) {
        struct step *s = g->at < STEPS ? &g->step[g->at] : NULL;
        if (s && s->fn && !s->in_root) {
            g->at++;
            s->fn(v);
            continue;
        }
        exit_fn[cpu_id()] = s && s->fn ? s->fn : guest_halts;
        g->at += s && s->fn;
        break;
    }
    return STATUS_OK;
}

void exit_dispatch(struct vcpu *v)
{
    void (*fn)(struct vcpu *v) = exit_fn[cpu_id()];
    if (fn)
        fn(v);
}

/* ---- two guests and Dom0, each vCPU on a CPU of its own ---- */
static struct domain *dom0, *d, *e;

static void on_cpu(struct domain *x, unsigned vcpu, uint32_t cpu) { sched_set_affinity(&x->vcpus[vcpu]->sched, 1UL << cpu); }

/* CPUs at rest and the three, with grant tables; the guests may have up to MAX_PAGES. */
static void three_domains(uint32_t max_pages)
{
    cpu_features.phys_bits = 26;
    fake_boot_info.dom0_scratch = 1UL << 13;
    fake_machine();
    for (uint32_t i = 0; i < CPUS; i++)
        fake_cpus[i] = (struct cpu){.self = &fake_cpus[i], .id = i, .apic_id = i, .resting = true};
    fake_nr_cpus = CPUS;
    dom0 = fake_dom0();
    d = fake_domu(16, 2);
    e = fake_domu(16, 1);
    d->max_pages = d->created_pages = e->max_pages = e->created_pages = max_pages;
    on_cpu(dom0, 0, 0);
    on_cpu(d, 0, 1);
    on_cpu(d, 1, 2);
    on_cpu(e, 0, 2);
    struct domain *all[] = {dom0, d, e};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        for (uint32_t k = 0; k < all[i]->nr_vcpus; k++)
            all[i]->vcpus[k]->vmx.callback_vector = 0xf3;
        struct domain_locked l = domain_lock(all[i]);
        if (grant_map_frame(l, 0, gfn(0x20)) != STATUS_OK)
            abort();
        flush_sync(&all[i]->ept);
        domain_unlock(l);
    }
}
