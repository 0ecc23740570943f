/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] fuzz: four CPUs throw random operations at the hypervisor, in batches: hypercalls (hypercalls.c), instructions that exit (cpu.c), code in other modes (modes.c).
 * Why: what nobody thought of. Expected: it lives to the end of its batches, or is ended in words; no invariant breaks, nobody else notices.
 * corbel.cmdline: "seed=N ops=N batches=N first=N": OPS operations per batch, BATCHES of them (0: without end), numbered from FIRST on. Seed 0: of the TSC.
 * A guest that is started again (corbel.on_crash = "restart") goes on with the next seed: its domain number is added. "fix" on the command line: it is not. */
#include "tests/guest/fuzz/fuzz.h"

#define LINE_EVERY_NS 70000000UL /* the hypervisor takes 16 lines a second */

extern uint64_t gdt[];

static struct fuzz all[CPUS];
static char pages[CPUS][3][4096] __attribute__((aligned(4096))); /* the last is no one's: it must stay as it is */
static uint64_t lists[CPUS][512] __attribute__((aligned(4096)));
static volatile unsigned batch, parked[CPUS];
static volatile uint64_t at[CPUS]; /* the operation that a CPU is at */
static uint64_t seed, per_cpu;
static struct { uint64_t ns, tsc; uint32_t mul; int8_t shift; } clock;

static uint64_t rdtsc(void) { return __builtin_ia32_rdtsc(); }

uint64_t fuzz_now_ns(void)
{
    uint64_t delta = rdtsc() - clock.tsc;
    delta = clock.shift < 0 ? delta >> -clock.shift : delta << clock.shift;
    return clock.ns + (uint64_t)((unsigned __int128)delta * clock.mul >> 32);
}

static void read_clock(void)
{
    const volatile uint8_t *shared = (const volatile uint8_t *)(SHARED_GFN << 12);
    clock.tsc = *(const volatile uint64_t *)(shared + 40);
    clock.ns = *(const volatile uint64_t *)(shared + 48);
    clock.mul = *(const volatile uint32_t *)(shared + 56);
    clock.shift = *(const volatile int8_t *)(shared + 60);
}

/* ---- traps ---- */

static bool on_fault(struct frame *f)
{
    uint64_t resume = f->r11;
    if (f->vector >= 32 || resume < f->rip || resume - f->rip > FAULT_SPAN || (f->cs & 3) != 0 || f->rip >= WINDOW)
        return false;
    f->rip = resume;
    f->r11 = f->vector;
    return true;
}

static bool on_debug(struct frame *f)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x400UL));
    if ((f->cs & 3) == 0)
        f->rflags &= ~0x100UL; /* TF: one step is enough */
    return true;
}

static bool on_breakpoint(struct frame *f) { return (f->cs & 3) == 0 && f->rip < WINDOW; }

static bool on_nmi(struct frame *f)
{
    (void)f;
    return true;
}

/* Nothing that came in is waited for, but by user code, which may go on for ever: its timer's interrupt ends it, or one of many others, for where the hypervisor orders
 * them an event that nobody takes comes before the timer each time. */
static bool on_interrupt(struct frame *f)
{
    static unsigned in_user; /* CPU 0's: no other runs user code */
    (void)fuzz_wrmsr(0x80b, 0);
    if ((f->cs & 3) != 0)
        return f->vector != 0x41 && ++in_user % 64 != 0;
    f->rflags &= ~0x200UL; /* one is enough: an event's comes again as long as the event is there */
    if (*(const uint8_t *)f->rip == 0xf4)
        f->rip++; /* an NMI ended STI's shadow before the HLT: with interrupts off that would be this CPU's end */
    return true;
}

static void set_hooks(void)
{
    for (unsigned i = 0; i < 256; i++)
        trap_hooks[i] = i < 32 ? on_fault : on_interrupt;
    trap_hooks[1] = on_debug;
    trap_hooks[2] = on_nmi;
    trap_hooks[3] = on_breakpoint;
}

/* ---- batches ---- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
    return (x ^ x >> 31) | 1;
}

static void operation(struct fuzz *f, uint64_t number)
{
    f->random = mix(seed * 0x9e3779b97f4a7c15UL + ((uint64_t)batch << 40) + ((uint64_t)f->cpu << 36) + number);
    uint32_t kind = one_of(f, 16);
    if (kind < 11)
        fuzz_hypercall(f);
    else if (kind < 15 || f->cpu != 0)
        fuzz_cpu(f);
    else
        fuzz_modes(f);
}

static void yield(void) { hypercall(HC_SCHED_OP, 0, 0, 0); }

/* All but CPU 0. The victim comes here again whenever it was started again, and goes on where it was. */
static void run_batches(unsigned cpu)
{
    struct fuzz *f = &all[cpu];
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) table = {17 * 8 - 1, (uint64_t)gdt}; /* with the guest's own descriptors */
    __asm__ volatile("lgdt %0" : : "m"(table));
    for (;;) {
        while (parked[cpu] == batch)
            yield();
        while (at[cpu] < per_cpu)
            operation(f, at[cpu]++);
        at[cpu] = 0;
        parked[cpu] = batch;
    }
}

/* Some sleep for an interrupt that may have come before, or for an event. */
static void wait_for_others(void)
{
    for (unsigned n = 1; parked[1] != batch || parked[2] != batch; n++) {
        for (unsigned i = 1; i < VICTIM && n % 8 == 0; i++) {
            hypercall(HC_VCPU_OP, 1, i, 0); /* up */
            send_ipi(i, IPI_NMI);
        }
        yield();
    }
    if (parked[VICTIM] != batch) { /* it may be down */
        send_ipi(VICTIM, IPI_INIT);
        send_ipi(VICTIM, IPI_STARTUP | 8);
    }
}

/* The pages beside those where answers are written. */
static unsigned check_neighbours(void)
{
    unsigned wrong = 0;
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        for (unsigned i = 0; i < 4096; i++)
            wrong += pages[cpu][2][i] != 0;
    return wrong;
}

static void tell(uint64_t ops)
{
    static uint64_t last;
    struct { uint64_t ports; uint32_t nr, pad; uint64_t timeout; } until = {0, 0, 0, last + LINE_EVERY_NS};
    uint64_t done = 0, refused = 0, mapped = 0, wrong = check_neighbours(), sum = 0;
    for (unsigned i = 0; i < CPUS; i++) {
        done += all[i].done;
        refused += all[i].refused;
        wrong += all[i].wrong;
        mapped += all[i].mapped;
        sum ^= i == VICTIM ? 0 : all[i].sum; /* where the victim was stopped is nobody's to say */
        all[i].done = all[i].refused = all[i].wrong = all[i].mapped = 0;
    }
    while (last != 0 && fuzz_now_ns() < until.timeout)
        hypercall(HC_SCHED_OP, 3, (uint64_t)&until, 0);
    last = fuzz_now_ns();
    say("\nfuzz: seed %lu batch %u: %lu operations, %lu done, %lu refused, %lu wrong, %lu mapped, sum %lx", seed, batch, ops, done, refused, wrong, mapped, sum);
}

static void one_batch(unsigned number)
{
    for (unsigned i = 0; i < CPUS; i++)
        all[i].sum = number;
    batch = number;
    for (at[0] = 0; at[0] < per_cpu;)
        operation(&all[0], at[0]++);
    wait_for_others();
    tell((CPUS - 1) * per_cpu + (parked[VICTIM] == batch ? per_cpu : at[VICTIM]));
}

/* ---- the beginning ---- */

static uint64_t option(const char *text, const char *name, uint64_t other)
{
    for (; *text != '\0'; text++) {
        unsigned n = 0;
        while (name[n] != '\0' && text[n] == name[n])
            n++;
        if (name[n] != '\0')
            continue;
        uint64_t v = 0;
        for (text += n; *text >= '0' && *text <= '9'; text++)
            v = v * 10 + (uint64_t)(*text - '0');
        return v;
    }
    return other;
}

static void map_here(uint32_t space, uint64_t gfn)
{
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } map = {DOMID_SELF, 0, space, 0, gfn};
    check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) == 0, "space %u cannot be mapped", space);
}

static uint32_t my_domid(void)
{
    uint32_t a = 0x40000004, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c;
}

static void begin(const char *text)
{
    seed = option(text, "seed=", 1);
    seed = seed == 0 ? rdtsc() % 1000000000 : seed;
    seed += option(text, "fix", 1) == 1 ? my_domid() : 0;
    per_cpu = option(text, "ops=", 20000) / CPUS;
    batch = (unsigned)option(text, "first=", 1) - 1;
    for (unsigned i = 0; i < CPUS; i++) {
        all[i] = (struct fuzz){.cpu = i, .domid = (uint16_t)my_domid(), .page = pages[i][0], .list = lists[i]};
        parked[i] = batch;
        for (unsigned k = 0; k < 512; k++)
            lists[i][k] = PLAY_GFN; /* stale entries are read, too */
    }
}

void guest_main(const void *start_info)
{
    const char *text = guest_cmdline(start_info);
    traps_on();
    set_hooks();
    wrmsr(0x80f, 0x1ff);
    map_here(0, SHARED_GFN);
    map_here(1, GRANT_GFN);
    read_clock();
    begin(text);
    for (unsigned i = 1; i < CPUS; i++)
        start_cpu(i, run_batches);
    uint64_t batches = option(text, "batches=", 1);
    for (unsigned n = 0, first = batch + 1; batches == 0 || n < batches; n++)
        one_batch(first + n);
    say("fuzz: the end");
    shut_down(0);
}
