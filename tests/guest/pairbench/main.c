/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] pairbench: what two domains do with each other without Dom0, and two vCPUs on two CPUs. With corbel.cmdline "peer" it grants pages to the domain
 * that is created next and answers its events, for ever; with "ipi" (two vCPUs, on a host with two CPUs) it measures IPIs; else it measures what it does with
 * the peer, whose number is one less than its own.
 * Why: `make bench`. Expected: lines BENCH as the benchmark guest prints them; then it powers off. */
#include "tests/guest/lib/bench.h"
#include "tests/guest/lib/pv.h"

#include <xen/grant_table.h>

#define SAMPLES 2000U
#define WARMUP 100U
#define FEW 200U
#define REF 8U /* one page for data, and one that holds the peer's port */
#define REF_PORT 9U
#define HOLE_GFN 0x3000UL /* above the guest's memory */
#define SETTLE_TICKS 20000U
#define PRINT_TICKS 1000000U
#define IPI_VECTOR 0x50U
#define APIC_EOI 0x80bU
#define XEN_CPUID_HVM 0x40000004U

static uint8_t shared_page[4096] __attribute__((aligned(4096))), own_page[4096] __attribute__((aligned(4096)));
static volatile uint32_t port_page[1024] __attribute__((aligned(4096)));

static uint16_t own_domid(void)
{
    uint32_t eax = XEN_CPUID_HVM, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    check((eax & 1U << 4) != 0, "CPUID does not tell the domain's number");
    return (uint16_t)ecx;
}

/* ---- the one that answers ---- */

static void answer_for_ever(void)
{
    uint16_t other = (uint16_t)(own_domid() + 1);
    struct { uint16_t dom, remote; uint32_t port; } alloc = {DOMID_SELF, other, 0};
    check(hypercall(HC_EVTCHN, 6, (uint64_t)&alloc, 0) == 0, "no event channel");
    pv_grant(REF, (uint64_t)shared_page >> 12, other, 0);
    pv_grant(REF_PORT, (uint64_t)port_page >> 12, other, 0);
    port_page[0] = alloc.port;
    for (;;) {
        pv_block(alloc.port);
        pv_send(alloc.port);
    }
}

/* ---- grants ---- */

static struct gnttab_map_grant_ref map_args(uint16_t peer, uint32_t ref, unsigned at)
{
    return (struct gnttab_map_grant_ref){.host_addr = (HOLE_GFN + at) << 12, .flags = GNTMAP_host_map, .ref = ref, .dom = peer};
}

/* A mapping and its end; the one that MEASURED says is the sample. */
static void map_and_unmap(uint16_t peer, unsigned measured, unsigned i, unsigned n)
{
    struct gnttab_map_grant_ref m = map_args(peer, REF, 0);
    uint64_t took[2];
    if (measured == 0)
        bench_mark(i, n);
    uint64_t from = stamp();
    hypercall(HC_GRANT, GNTTABOP_map_grant_ref, (uint64_t)&m, 1);
    took[0] = stamp() - from;
    if (measured == 0)
        bench_mark(i, n);
    check(m.status == GNTST_okay, "the peer's page cannot be mapped: %d", m.status);
    struct gnttab_unmap_grant_ref u = {.host_addr = m.host_addr, .handle = m.handle};
    if (measured == 1)
        bench_mark(i, n);
    from = stamp();
    hypercall(HC_GRANT, GNTTABOP_unmap_grant_ref, (uint64_t)&u, 1);
    took[1] = stamp() - from;
    if (measured == 1)
        bench_mark(i, n);
    check(u.status == GNTST_okay, "the peer's page stays mapped: %d", u.status);
    bench_samples[i] = took[measured];
}

static void measure_maps(uint16_t peer)
{
    static const char *const names[] = {"grant_map_4k", "grant_unmap_4k"};
    for (unsigned measured = 0; measured < COUNT(names); measured++) {
        bench_row(names[measured]);
        for (unsigned i = 0; i < WARMUP; i++)
            map_and_unmap(peer, measured, 0, SAMPLES);
        for (unsigned i = 0; i < SAMPLES; i++)
            map_and_unmap(peer, measured, i, SAMPLES);
        bench_report(names[measured], SAMPLES);
    }
}

static void measure_copy(uint16_t peer)
{
    bench_row("grant_copy_4k");
    for (unsigned i = 0; i < WARMUP + SAMPLES; i++) {
        struct gnttab_copy c = {.len = 4096, .flags = GNTCOPY_source_gref};
        c.source.u.ref = REF;
        c.source.domid = (uint16_t)peer;
        c.dest.u.gmfn = (uint64_t)own_page >> 12;
        c.dest.domid = DOMID_SELF;
        bench_mark(i, WARMUP + SAMPLES);
        uint64_t from = stamp();
        hypercall(HC_GRANT, GNTTABOP_copy, (uint64_t)&c, 1);
        uint64_t took = stamp() - from;
        bench_mark(i, WARMUP + SAMPLES);
        check(c.status == GNTST_okay, "the peer's page cannot be copied: %d", c.status);
        if (i >= WARMUP)
            bench_samples[i - WARMUP] = took;
    }
    bench_report("grant_copy_4k", SAMPLES);
}

/* ---- events ---- */

/* Both ends of the two domains sleep meanwhile. */
static void measure_event(uint16_t peer)
{
    struct gnttab_map_grant_ref m = map_args(peer, REF_PORT, 1);
    hypercall(HC_GRANT, GNTTABOP_map_grant_ref, (uint64_t)&m, 1);
    check(m.status == GNTST_okay, "the peer's port cannot be seen: %d", m.status);
    struct { uint16_t remote, pad; uint32_t remote_port, port; } bind = {peer, 0, *(volatile uint32_t *)m.host_addr, 0};
    check(hypercall(HC_EVTCHN, 0, (uint64_t)&bind, 0) == 0, "no channel to the peer's port %u", bind.remote_port);
    pv_clear(bind.port); /* a new channel begins with an event */
    bench_row("event_domu_and_back");
    for (unsigned i = 0; i < WARMUP + SAMPLES; i++) {
        bench_mark(i, WARMUP + SAMPLES);
        uint64_t from = stamp();
        pv_send(bind.port);
        pv_block(bind.port);
        uint64_t took = stamp() - from;
        bench_mark(i, WARMUP + SAMPLES);
        if (i >= WARMUP)
            bench_samples[i - WARMUP] = took;
    }
    bench_report("event_domu_and_back", SAMPLES);
}

/* ---- IPIs ---- */

static volatile uint64_t seen_at;
static volatile bool ready, sleeps;

static bool on_ipi(struct frame *f)
{
    (void)f;
    seen_at = stamp();
    wrmsr(APIC_EOI, 0);
    return true;
}

static void second_cpu(unsigned cpu)
{
    (void)cpu;
    for (;;) {
        ready = true;
        if (sleeps)
            __asm__ volatile("sti; hlt; cli" : : : "memory");
        else
            __asm__ volatile("sti; pause; pause; cli" : : : "memory");
    }
}

static void spin(uint64_t ticks)
{
    for (uint64_t until = stamp() + ticks; stamp() < until;)
        ;
}

static void send_and_wait(void)
{
    seen_at = 0;
    send_ipi(1, IPI_VECTOR);
    while (seen_at == 0)
        ;
}

/* From before the ICR is written until the handler on the other CPU reads the time, or until the sender sees that (BACK). The line is printed while the other
 * CPU is awake: with a CPU asleep the serial console garbles text (docs/status.md). */
static void measure_ipi(const char *name, bool asleep, bool back)
{
    sleeps = asleep;
    for (unsigned i = 0; i < WARMUP + FEW; i++) {
        spin(SETTLE_TICKS); /* it is out of its handler, and asleep if it is to be */
        uint64_t from = stamp();
        send_and_wait();
        uint64_t now = stamp();
        if (i >= WARMUP)
            bench_samples[i - WARMUP] = (back ? now : seen_at) - from;
    }
    sleeps = false;
    send_and_wait();
    bench_report(name, FEW);
    spin(PRINT_TICKS);
}

static void measure_ipis(void)
{
    trap_hooks[IPI_VECTOR] = on_ipi;
    start_cpu(1, second_cpu);
    while (!ready)
        pv_yield();
    measure_ipi("ipi_other_cpu_awake", false, false);
    measure_ipi("ipi_other_cpu_awake_seen", false, true);
    measure_ipi("ipi_other_cpu_asleep", true, false);
    measure_ipi("ipi_other_cpu_asleep_seen", true, true);
}

void guest_main(const void *start_info)
{
    const char *role = guest_cmdline(start_info);
    traps_on();
    bench_init(start_info);
    pv_init();
    if (text_equal(role, "peer"))
        answer_for_ever();
    if (text_equal(role, "ipi")) {
        measure_ipis();
    } else {
        uint16_t peer = (uint16_t)(own_domid() - 1);
        measure_maps(peer);
        measure_copy(peer);
        measure_event(peer);
    }
    summary("pairbench");
    shut_down(0);
}
