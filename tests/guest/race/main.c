/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] race: four CPUs of one guest get into each other's way: pages go while another CPU's hypercall reads or writes them, ports are closed under a
 * sender, CPUs are started while they start. And what must not get lost between CPUs does not: interrupts, wake-ups from HLT and from poll.
 * Why: on several CPUs of the host two hypercalls of one guest run at once. Expected: errors of the ABI, "race: N passed, 0 failed", then it powers off. */
#include "tests/guest/lib/guest.h"

#define CPUS 4U
#define ROUNDS 1000U
#define HOT_GFN 0xa00UL
#define SHARED_GFN 0xb00UL
#define HOT ((uint64_t)(HOT_GFN << 12))
#define PORTS 64U
#define LAST_ERROR 4095
#define VECTOR 0x41U
#define EOI 0x80bU
#define GIVE 1
#define TAKE 6

static volatile bool stop;
static volatile unsigned phase, parked[CPUS]; /* by CPU: the phase behind which it waits for the next */
static volatile unsigned ticks[CPUS];  /* interrupts taken, rounds begun: by phase */
static unsigned bad[CPUS];             /* results that no operation may have */

static void yield(void) { hypercall(HC_SCHED_OP, 0, 0, 0); }

/* Those from CPU 1 to LAST wait. */
static bool all_parked(unsigned last)
{
    bool all = true;
    for (unsigned i = 1; i <= last; i++)
        all = all && parked[i] == phase;
    return all;
}

static void expect(unsigned cpu, long ret) { bad[cpu] += ret < -LAST_ERROR || ret > 0x7fffffff; }

static uint32_t dice(unsigned cpu)
{
    static uint64_t state[CPUS];
    state[cpu] = state[cpu] * 6364136223846793005UL + 1442695040888963407UL + cpu;
    return (uint32_t)(state[cpu] >> 33);
}

struct reservation { uint64_t list, nr; uint32_t order, flags; uint16_t domid, pad[3]; };

static long reserve(uint64_t op, uint64_t gfn)
{
    struct reservation r = {.list = (uint64_t)&gfn, .nr = 1, .domid = DOMID_SELF};
    return hypercall(HC_MEMORY_OP, op, (uint64_t)&r, 0);
}

static long add_to_physmap(uint32_t space, uint64_t gfn)
{
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } map = {DOMID_SELF, 0, space, 0, gfn};
    return hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0);
}

/* ---- pages ---- */

static void give_and_take(unsigned cpu)
{
    uint64_t gfn = HOT_GFN + dice(cpu) % 2;
    expect(cpu, reserve(GIVE, gfn));
    expect(cpu, reserve(TAKE, gfn));
}

static volatile bool grant_frame; /* may be there */

static void map_over(unsigned cpu)
{
    grant_frame = true;
    give_and_take(cpu);
    expect(cpu, reserve(GIVE, HOT_GFN));
    expect(cpu, add_to_physmap(1, HOT_GFN)); /* a grant frame: it stays there */
    expect(cpu, reserve(TAKE, HOT_GFN));
}

/* Hypercalls that read and write their argument, there or on its way from one page to the next. */
static void call_there(unsigned cpu)
{
    static const struct { uint8_t nr, op, at; uint64_t other; } calls[] = {
        {HC_XEN_VERSION, 1, 2, 0}, {HC_XEN_VERSION, 3, 2, 0}, {HC_XEN_VERSION, 6, 2, 0}, {HC_MEMORY_OP, 1, 2, 0}, {HC_MEMORY_OP, 6, 2, 0},
        {HC_GRANT, 6, 2, 1}, {HC_GRANT, 5, 2, 4}, {HC_VCPU_OP, 8, 3, 0}, {HC_EVTCHN, 5, 2, 0}, {HC_HVM_OP, 1, 2, 0}, {HC_XEN_VERSION, 0, 2, 0}};
    unsigned i = dice(cpu) % COUNT(calls);
    uint64_t at = HOT + (dice(cpu) % 2 ? 4096 - 4 : 512);
    expect(cpu, calls[i].at == 2 ? hypercall(calls[i].nr, calls[i].op, at, calls[i].other) : hypercall(calls[i].nr, calls[i].op, calls[i].other, at));
}

/* The areas into which the hypervisor writes by itself. */
static void areas_there(unsigned cpu)
{
    uint64_t at = HOT + dice(cpu) % 2 * 4096;
    expect(cpu, hypercall(HC_VCPU_OP, 5, cpu, (uint64_t)&at));
    expect(cpu, hypercall(HC_VCPU_OP, 13, cpu, (uint64_t)&at));
    yield();
}

static void fill_neighbours(void)
{
    for (unsigned i = 0; i < 512; i++)
        ((volatile uint64_t *)(HOT - 4096))[i] = ((volatile uint64_t *)(HOT + 2 * 4096))[i] = i;
}

static void check_neighbours(void)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < 512; i++)
        wrong += ((volatile uint64_t *)(HOT - 4096))[i] != i || ((volatile uint64_t *)(HOT + 2 * 4096))[i] != i;
    check(wrong == 0, "%u words of the neighbours have changed", wrong);
    for (uint64_t gfn = HOT_GFN; gfn < HOT_GFN + 2; gfn++) { /* whoever came last: it can be given, and comes back empty */
        long had = reserve(GIVE, gfn), got = reserve(TAKE, gfn);
        bool special = grant_frame && had == 0 && got == 0;
        check(special || got == 1, "page %lx: given %ld, taken %ld", gfn, had, got);
        for (unsigned i = 0; i < 512 && !special; i++)
            wrong += ((volatile uint64_t *)(gfn << 12))[i] != 0;
    }
    check(wrong == 0, "%u words of fresh pages are not 0", wrong);
}

static void stop_areas(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        hypercall(HC_VCPU_OP, 5, cpu, 0);
    check_neighbours();
}

/* ---- ports ---- */

static long port_op(unsigned op, uint32_t a, uint32_t b)
{
    uint32_t arg[8] = {a, b};
    long ret = hypercall(HC_EVTCHN, op, (uint64_t)arg, 0);
    return ret != 0 || op != 6 ? ret : arg[1];
}

static void make_channels(unsigned cpu)
{
    long port = port_op(6, DOMID_SELF | DOMID_SELF << 16, 0);
    expect(cpu, port);
    if (port > 0) {
        expect(cpu, port_op(0, DOMID_SELF, (uint32_t)port)); /* its other end */
        expect(cpu, port_op(4, (uint32_t)port, 0));
    }
    expect(cpu, port_op(7, dice(cpu) % CPUS, 0));
}

static void upset_channels(unsigned cpu)
{
    static const uint8_t ops[] = {3, 3, 4, 4, 9, 8, 0};
    unsigned op = ops[dice(cpu) % COUNT(ops)];
    uint32_t port = 1 + dice(cpu) % PORTS;
    expect(cpu, op == 0 ? port_op(0, DOMID_SELF, port) : port_op(op, port, dice(cpu) % CPUS));
}

/* All can be had again: none was lost, none is there twice. */
static void check_ports(void)
{
    static bool seen[4096];
    for (uint32_t port = 1; port < 2048; port++)
        (void)port_op(3, port, 0);
    unsigned got = 0, twice = 0;
    for (unsigned i = 0; i < 500; i++) {
        long port = port_op(6, DOMID_SELF | DOMID_SELF << 16, 0);
        if (port <= 0 || port >= 4096)
            break;
        twice += seen[port];
        seen[port] = true;
        got++;
    }
    check(got == 500 && twice == 0, "%u of 500 ports, %u of them twice", got, twice);
    for (uint32_t port = 1; port < 2048; port++)
        (void)port_op(3, port, 0);
}

/* ---- what must not get lost ---- */

static bool on_ipi(struct frame *f)
{
    (void)f;
    __atomic_fetch_add(&ticks[cpu_number()], 1, __ATOMIC_SEQ_CST);
    wrmsr(EOI, 0);
    return true;
}

static void sleep_for_ipi(unsigned cpu)
{
    (void)cpu;
    __asm__ volatile("sti; hlt; cli");
}

/* One interrupt to each, and the next when all have come: a lost one, or a lost wake-up, is the end of the test. */
static void ping(unsigned cpu)
{
    unsigned before[CPUS];
    (void)cpu;
    for (unsigned i = 1; i < CPUS; i++) {
        before[i] = ticks[i];
        send_ipi(i, VECTOR);
    }
    for (unsigned i = 1; i < CPUS; i++)
        while (ticks[i] == before[i])
            yield();
}

static void free_sleepers(void)
{
    for (unsigned n = 0; !all_parked(CPUS - 1); n++) {
        for (unsigned i = 1; i < CPUS && n % 64 == 0; i++)
            send_ipi(i, VECTOR);
        yield();
    }
}

static uint32_t poll_port, other_end;

/* Polls its port, masked, and takes the bit; CPU 1 sends once a round. */
static void poll_once(unsigned cpu)
{
    volatile uint64_t *pending = (volatile uint64_t *)((SHARED_GFN << 12) + 2048);
    struct { uint64_t ports; uint32_t nr, pad; uint64_t timeout; } poll = {(uint64_t)&poll_port, 1, 0, 0};
    ticks[cpu]++;
    while ((__atomic_fetch_and(&pending[poll_port / 64], ~(1UL << poll_port % 64), __ATOMIC_SEQ_CST) >> poll_port % 64 & 1) == 0)
        expect(cpu, hypercall(HC_SCHED_OP, 3, (uint64_t)&poll, 0));
}

static void wake_poller(unsigned cpu)
{
    if (cpu == 1 && ticks[1] != ticks[0]) {
        ticks[1] = ticks[0];
        for (volatile unsigned i = dice(cpu) % 400; i != 0; i--)
            ;
        expect(cpu, port_op(4, other_end, 0));
    } else {
        yield();
    }
}

static void prepare_poll(void)
{
    ticks[0] = ticks[1] = 0;
    poll_port = (uint32_t)port_op(6, DOMID_SELF | DOMID_SELF << 16, 0);
    uint32_t bind[3] = {DOMID_SELF, poll_port, 0};
    check(hypercall(HC_EVTCHN, 0, (uint64_t)bind, 0) == 0, "no other end");
    ((volatile uint64_t *)((SHARED_GFN << 12) + 2048 + 512))[poll_port / 64] |= 1UL << poll_port % 64; /* masked */
    other_end = bind[2];
}

/* ---- CPUs that start ---- */

static void run_phases(unsigned cpu);

/* The last CPU, by all others at once, while it starts. */
static void start_last(unsigned cpu)
{
    if (cpu == CPUS - 1) {
        yield();
        return;
    }
    switch (dice(cpu) % 4) {
    case 0: send_ipi(CPUS - 1, IPI_INIT); break;
    case 1: send_ipi(CPUS - 1, IPI_STARTUP | 8); break;
    case 2: expect(cpu, hypercall(HC_VCPU_OP, 3, CPUS - 1, 0)); break;
    default: send_ipi(CPUS - 1, IPI_INIT), send_ipi(CPUS - 1, IPI_STARTUP | 8), yield(); break;
    }
}

static void start_it_again(void)
{
    while (!all_parked(CPUS - 2)) /* nobody stops it again */
        yield();
    start_cpu(CPUS - 1, run_phases);
}

/* ---- all of them ---- */

static const struct phase {
    const char *name;
    void (*before)(void), (*first)(unsigned cpu), (*others)(unsigned cpu), (*release)(void), (*after)(void);
} phases[] = {
    {"pages under hypercalls", fill_neighbours, call_there, give_and_take, NULL, check_neighbours},
    {"pages on both sides", fill_neighbours, give_and_take, give_and_take, NULL, check_neighbours},
    {"pages with areas", fill_neighbours, areas_there, give_and_take, NULL, stop_areas},
    {"interrupts and HLT", NULL, ping, sleep_for_ipi, free_sleepers, NULL},
    {"poll", prepare_poll, poll_once, wake_poller, NULL, NULL},
    {"ports", NULL, make_channels, upset_channels, NULL, check_ports},
    {"starting CPUs", NULL, start_last, start_last, start_it_again, NULL},
    {"a grant frame among pages", fill_neighbours, call_there, map_over, NULL, check_neighbours},
};

static void run_phases(unsigned cpu)
{
    for (;;) {
        unsigned done = parked[cpu] = phase;
        while (phase == done)
            yield();
        for (done = phase; !stop;)
            phases[done - 1].others(cpu);
    }
}

static void run_phase(const struct phase *p)
{
    if (p->before != NULL)
        p->before();
    stop = false;
    phase++;
    for (unsigned i = 0; i < ROUNDS; i++)
        p->first(0);
    stop = true;
    if (p->release != NULL)
        p->release();
    while (!all_parked(CPUS - 1))
        yield();
    if (p->after != NULL)
        p->after();
    unsigned wrong = 0;
    for (unsigned i = 0; i < CPUS; i++)
        wrong += bad[i];
    check(wrong == 0, "%s: %u results that cannot be", p->name, wrong);
    say("race: %s", p->name);
}

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    trap_hooks[VECTOR] = on_ipi;
    wrmsr(0x80f, 0x1ff);
    check(add_to_physmap(0, SHARED_GFN) == 0, "no shared_info");
    for (unsigned i = 1; i < CPUS; i++)
        parked[i] = ~0U, start_cpu(i, run_phases);
    while (!all_parked(CPUS - 1))
        yield();
    for (unsigned i = 0; i < COUNT(phases); i++)
        run_phase(&phases[i]);
    summary("race");
    shut_down(0);
}
