/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] How long single hypercalls take, by the guest's own TSC, and without end for `storm`. Each is measured some times and the shortest counts: in the others the host's
 * timer, or Dom0, came between. */
#include "tests/guest/storm/storm.h"

#define BATCH 512U
#define LARGE_GFN 0x2000UL  /* 32 MiB: nothing but memory is there */
#define TIMES 3U

struct reservation { uint64_t list, nr; uint32_t order, flags; uint16_t domid, pad[3]; };
struct copy { uint64_t src; uint16_t sdom, soff; uint32_t pad; uint64_t dst; uint16_t ddom, doff; uint32_t pad2; uint16_t len, flags; int16_t status, pad3; };
struct map { uint64_t host; uint32_t flags, ref; uint16_t dom; int16_t status; uint32_t handle; uint64_t bus; };

static uint64_t gfns[BATCH];
static struct copy copies[BATCH];
static struct map maps[BATCH];
static struct reservation all;
static char text[16384];

static struct { const char *name; uint64_t ticks; } results[40];
static unsigned nr_results;

static uint64_t timed(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, long *ret)
{
    __asm__ volatile("lfence");
    uint64_t begin = __builtin_ia32_rdtsc();
    *ret = hypercall(nr, a, b, c);
    return __builtin_ia32_rdtsc() - begin;
}

static void keep(const char *name, uint64_t ticks)
{
    unsigned i = 0;
    while (i < nr_results && results[i].name != name)
        i++;
    if (i == nr_results)
        results[nr_results++].ticks = ~0UL;
    results[i].name = name;
    if (ticks < results[i].ticks)
        results[i].ticks = ticks;
}

/* The call, which must answer WANT. */
static void measure(const char *name, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, long want)
{
    long ret;
    uint64_t ticks = timed(nr, a, b, c, &ret);
    check(ret == want, "%s: %ld, not %ld", name, ret, want);
    keep(name, ticks);
}

/* ---- memory ---- */

static const struct reservation *list(uint64_t first, uint64_t step, unsigned nr, uint32_t order)
{
    for (unsigned i = 0; i < nr; i++)
        gfns[i] = first + i * step;
    all = (struct reservation){.list = (uint64_t)gfns, .nr = nr, .order = order, .domid = DOMID_SELF};
    return &all;
}

static const struct reservation *small(void) { return list(LARGE_GFN, 1, BATCH, 0); }
static const struct reservation *large(void) { return list(LARGE_GFN, 512, 1, 9); }

static void memory(void)
{
    measure("decrease_reservation, one page of 2 MiB", HC_MEMORY_OP, 1, (uint64_t)large(), 0, 1);
    measure("populate_physmap, 512 pages of 4 KiB", HC_MEMORY_OP, 6, (uint64_t)small(), 0, BATCH);
    measure("decrease_reservation, 512 pages of 4 KiB", HC_MEMORY_OP, 1, (uint64_t)small(), 0, BATCH);
    hypercall(HC_MEMORY_OP, 6, (uint64_t)small(), 0);
    measure("decrease_reservation, 2 MiB that are 512 pages", HC_MEMORY_OP, 1, (uint64_t)large(), 0, 1);
    measure("populate_physmap, one page of 2 MiB", HC_MEMORY_OP, 6, (uint64_t)large(), 0, 1);
}

static void frames(void)
{
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } m = {DOMID_SELF, 0, 1, 63, 0x1e00};
    static bool once;
    if (!once)
        measure("add_to_physmap, the last grant frame", HC_MEMORY_OP, 7, (uint64_t)&m, 0, 0);
    once = true;
    for (unsigned i = 0; i < 2; i++) {
        m.gpfn = 0x1e00 + i;
        measure("add_to_physmap, a frame that moves", HC_MEMORY_OP, 7, (uint64_t)&m, 0, 0);
    }
}

/* ---- grants ---- */

static void fill_copies(bool ref)
{
    for (unsigned i = 0; i < BATCH; i++)
        copies[i] = (struct copy){.src = ref ? i : LARGE_GFN + i, .sdom = DOMID_SELF, .dst = LARGE_GFN + 1024 + i, .ddom = DOMID_SELF, .len = 4096, .flags = ref};
}

static void own_domid_grants(void)
{
    uint32_t a = 0x40000004, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    for (uint32_t i = 0; i < BATCH; i++)
        pv_grant(i, LARGE_GFN + i, (uint16_t)c, 0);
}

static void grants(void)
{
    fill_copies(false);
    measure("grant copy, 512 times 4096 bytes", HC_GRANT, 5, (uint64_t)copies, BATCH, 0);
    check(copies[0].status == 0 && copies[BATCH - 1].status == 0, "copies: status %d", copies[0].status);
    own_domid_grants();
    fill_copies(true);
    measure("grant copy, 512 times 4096 bytes by reference", HC_GRANT, 5, (uint64_t)copies, BATCH, 0);
    check(copies[0].status == 0 && copies[BATCH - 1].status == 0, "copies by reference: status %d", copies[0].status);
    for (unsigned i = 0; i < BATCH; i++)
        maps[i] = (struct map){.host = (0x20000UL + i) << 12, .flags = 2, .ref = i, .dom = 0};
    measure("map_grant_ref, 512 that are refused", HC_GRANT, 0, (uint64_t)maps, BATCH, 0);
    for (unsigned i = 0; i < BATCH; i++)
        ((uint32_t *)maps)[i * 6 + 4] = i;
    measure("unmap_grant_ref, 512 that are refused", HC_GRANT, 1, (uint64_t)maps, BATCH, 0);
    for (unsigned i = 0; i < BATCH; i++)
        ((uint32_t *)maps)[i * 4] = DOMID_SELF;
    measure("query_size, 512", HC_GRANT, 6, (uint64_t)maps, BATCH, 0);
}

/* ---- the rest ---- */

static void texts(void)
{
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = 'x';
    measure("console_io write, 16 KiB of text", HC_CONSOLE_IO, 0, sizeof(text), (uint64_t)text, 0);
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = '\n';
    measure("console_io write, 16384 empty lines", HC_CONSOLE_IO, 0, sizeof(text), (uint64_t)text, 0);
}

static void events(void)
{
    static bool full;
    uint32_t a[6] = {DOMID_SELF | DOMID_SELF << 16, 0};
    while (!full && hypercall(HC_EVTCHN, 6, (uint64_t)a, 0) == 0)
        continue;
    full = true;
    measure("alloc_unbound, no port free", HC_EVTCHN, 6, (uint64_t)a, 0, -28);
    a[0] = 4095;
    measure("event channel close", HC_EVTCHN, 3, (uint64_t)a, 0, 0);
    a[0] = 0;
    measure("bind_ipi, only the last port free", HC_EVTCHN, 7, (uint64_t)a, 0, 0);
    measure("event channel send", HC_EVTCHN, 4, (uint64_t)&a[1], 0, 0);
    static uint32_t ports[128];
    struct { uint64_t ports; uint32_t nr, pad; uint64_t timeout; } p = {(uint64_t)ports, 128, 0, 0};
    ports[127] = 4095; /* pending: it does not sleep */
    measure("poll, 128 ports", HC_SCHED_OP, 3, (uint64_t)&p, 0, 0);
}

static void small_ones(void)
{
    static uint64_t area[32] __attribute__((aligned(64)));
    uint64_t at = (uint64_t)area, single[2] = {~0UL >> 2, 0};
    struct { uint16_t dom, pad; uint32_t index; uint64_t value; } p = {DOMID_SELF, 0, 0, 0};
    uint32_t feature[2] = {0, 0};
    measure("vcpu_op, runstate area", HC_VCPU_OP, 5, 0, (uint64_t)&at, 0);
    measure("vcpu_op, singleshot timer", HC_VCPU_OP, 8, 0, (uint64_t)single, 0);
    measure("set_timer_op", HC_SET_TIMER, ~0UL >> 2, 0, 0, 0);
    measure("hvm_op, callback vector", HC_HVM_OP, 0, (uint64_t)&p, 0, 0);
    measure("xen_version, features", HC_XEN_VERSION, 6, (uint64_t)feature, 0, 0);
    measure("vm_assist", HC_VM_ASSIST, 0, 5, 0, 0);
    measure("control, refused", HC_CONTROL, 9, (uint64_t)&p, 0, -1);
    measure("sched_op, yield", HC_SCHED_OP, 0, 0, 0, 0);
    hypercall(HC_SET_TIMER, 0, 0, 0);
    uint64_t begin = __builtin_ia32_rdtsc();
    wrmsr(0x40000000, LARGE_GFN << 12);
    keep("the MSR of the hypercall page", __builtin_ia32_rdtsc() - begin);
    begin = __builtin_ia32_rdtsc();
    wrmsr(0x830, 3UL << 18 | 0x41);
    keep("an interrupt to all other virtual CPUs", __builtin_ia32_rdtsc() - begin);
}

void cost(void)
{
    for (unsigned i = 0; i < TIMES; i++) {
        memory();
        frames();
        grants();
        small_ones();
        texts();
        events();
    }
    pv_poll(0, 1000000000); /* the log has patience again */
    for (unsigned i = 0; i < nr_results; i++) {
        say("cost %s: %lu ticks", results[i].name, results[i].ticks);
        pv_poll(0, 70000000);
    }
    summary("cost");
}

/* ---- without end ---- */

void storm_copies(void)
{
    for (fill_copies(false);;)
        hypercall(HC_GRANT, 5, (uint64_t)copies, BATCH);
}

void storm_flushes(void) /* a page at a time: every CPU must forget it */
{
    uint64_t gfn = LARGE_GFN;
    struct reservation one = {.list = (uint64_t)&gfn, .nr = 1, .domid = DOMID_SELF};
    for (;;) {
        hypercall(HC_MEMORY_OP, 1, (uint64_t)&one, 0);
        hypercall(HC_MEMORY_OP, 6, (uint64_t)&one, 0);
    }
}

void storm_small_balloon(void)
{
    for (;;) {
        hypercall(HC_MEMORY_OP, 1, (uint64_t)small(), 0);
        hypercall(HC_MEMORY_OP, 6, (uint64_t)&all, 0);
    }
}

void storm_large_balloon(void)
{
    for (;;) {
        hypercall(HC_MEMORY_OP, 1, (uint64_t)large(), 0);
        hypercall(HC_MEMORY_OP, 6, (uint64_t)&all, 0);
    }
}
