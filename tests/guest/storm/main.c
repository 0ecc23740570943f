/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] storm: one way after the other to take more than one's share of the machine; corbel.cmdline says which. "cost" measures single hypercalls instead (cost.c).
 * Why: tests/system/test_dos.py measures what others keep meanwhile. Expected: it goes on until it is destroyed, and others notice it as any guest that computes. */
#include "tests/guest/storm/storm.h"

#define VECTOR 0x40U
#define EOI 0x80bU
#define SELF_IPI 0x83fU
#define LVT_TIMER 0x832U
#define INITIAL_COUNT 0x838U
#define SHARED ((volatile uint8_t *)0x1f01000UL) /* pv_init puts it there */

static char text[16384];

static uint64_t parameter(uint32_t index)
{
    struct { uint16_t dom, pad; uint32_t index; uint64_t value; } p = {DOMID_SELF, 0, index, 0};
    hypercall(HC_HVM_OP, 1, (uint64_t)&p, 0);
    return p.value;
}

/* ---- the log ---- */

static void fill_text(char c, char every_second)
{
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? every_second : c;
}

static void flood(void)
{
    for (;;)
        hypercall(HC_CONSOLE_IO, 0, sizeof(text), (uint64_t)text);
}
static void storm_lines(void) { fill_text('x', '\n'), flood(); }
static void storm_text(void) { fill_text('x', 'y'), flood(); }

/* ---- events ---- */

static void storm_events(void) /* a channel to itself */
{
    uint32_t a[2] = {DOMID_SELF | DOMID_SELF << 16, 0};
    hypercall(HC_EVTCHN, 6, (uint64_t)a, 0);
    uint32_t b[3] = {DOMID_SELF, a[1], 0};
    hypercall(HC_EVTCHN, 0, (uint64_t)b, 0);
    for (;;) {
        hypercall(HC_EVTCHN, 4, (uint64_t)&b[2], 0);
        for (unsigned i = 0; i < 64; i++) /* pending no more, so that each is delivered */
            ((volatile uint64_t *)(SHARED + 2048))[i] = 0;
    }
}

static void storm_ports(void) /* the search for a free one is the longest there is */
{
    uint32_t a[2] = {DOMID_SELF | DOMID_SELF << 16, 0};
    while (hypercall(HC_EVTCHN, 6, (uint64_t)a, 0) == 0)
        continue;
    for (;;)
        hypercall(HC_EVTCHN, 6, (uint64_t)a, 0);
}

/* Dom0 is woken again and again, for nothing. */
static void wake_dom0(uint32_t index)
{
    uint32_t port = (uint32_t)parameter(index);
    for (;;)
        pv_send(port);
}
static void storm_console_events(void) { wake_dom0(18); }
static void storm_store_events(void) { wake_dom0(2); }

/* Dom0 works: as many requests as the ring takes, all answers thrown away. */
static void storm_requests(void)
{
    volatile uint8_t *ring = (volatile uint8_t *)(parameter(1) << 12);
    volatile uint32_t *request_producer = (volatile uint32_t *)(ring + 2052), *request_consumer = (volatile uint32_t *)(ring + 2048);
    volatile uint32_t *answer_producer = (volatile uint32_t *)(ring + 2060), *answer_consumer = (volatile uint32_t *)(ring + 2056);
    static const char question[16] = "memory/target";
    uint32_t header[4] = {2, 7, 0, sizeof(question)}, port = (uint32_t)parameter(2);
    for (;;) {
        while (*request_producer - *request_consumer <= 1024 - 32) {
            uint32_t at = *request_producer;
            for (uint32_t i = 0; i < 32; i++)
                ring[at++ % 1024] = i < 16 ? ((const uint8_t *)header)[i] : (uint8_t)question[i - 16];
            *request_producer = at;
        }
        *answer_consumer = *answer_producer;
        pv_send(port);
    }
}

static void storm_output(void) /* on its own console, which Dom0 drains */
{
    volatile uint8_t *ring = (volatile uint8_t *)(parameter(17) << 12);
    volatile uint32_t *consumer = (volatile uint32_t *)(ring + 3072 + 8), *producer = (volatile uint32_t *)(ring + 3072 + 12);
    uint32_t port = (uint32_t)parameter(18);
    for (;;) {
        while (*producer - *consumer < 2048) {
            uint32_t at = *producer;
            ring[1024 + at % 2048] = at % 64 ? 'z' : '\n';
            *producer = at + 1;
        }
        pv_send(port);
    }
}

/* ---- interrupts and timers ---- */

static bool on_vector(struct frame *f)
{
    (void)f;
    wrmsr(EOI, 0);
    return true;
}

static void storm_all_ipis(unsigned cpu)
{
    (void)cpu;
    for (;;) {
        wrmsr(0x830, 2UL << 18 | VECTOR); /* to all, itself included */
        __asm__ volatile("sti; nop; nop; cli");
    }
}

static void storm_ipis(void)
{
    for (unsigned i = 1; i < 4; i++) {
        start_cpu(i, storm_all_ipis);
        pv_poll(0, 5000000);
    }
    storm_all_ipis(0);
}

static void storm_nmis(void)
{
    trap_hooks[2] = on_vector;
    for (;;)
        wrmsr(0x830, 1UL << 18 | 0x400);
}

static void storm_periodic(void)
{
    wrmsr(0x83e, 0xb);
    wrmsr(LVT_TIMER, 0x20000 | VECTOR);
    wrmsr(INITIAL_COUNT, 1);
    for (;;)
        __asm__ volatile("sti; nop");
}

static void storm_oneshot(void)
{
    wrmsr(0x83e, 0xb);
    wrmsr(LVT_TIMER, VECTOR);
    for (;;) {
        wrmsr(INITIAL_COUNT, 1);
        __asm__ volatile("sti; nop; nop; cli");
    }
}

static void storm_tsc_deadline(void)
{
    wrmsr(LVT_TIMER, 0x40000 | VECTOR);
    for (;;) {
        wrmsr(0x6e0, 1);
        __asm__ volatile("sti; nop; nop; cli");
    }
}

static void storm_singleshot(void)
{
    struct { uint64_t timeout; uint32_t flags, pad; } s = {0, 0, 0};
    uint32_t virq[3] = {0, 0, 0};
    hypercall(HC_EVTCHN, 1, (uint64_t)virq, 0);
    for (;;) {
        s.timeout = pv_now_ns() + 1;
        hypercall(HC_VCPU_OP, 8, 0, (uint64_t)&s);
    }
}

/* ---- sleeping and waking ---- */

static void sleep_and_wake(unsigned cpu) /* each wakes the next and sleeps */
{
    for (;;) {
        send_ipi((cpu + 1) % 4, VECTOR);
        __asm__ volatile("sti; hlt; cli");
    }
}

static void storm_ping_pong(void)
{
    for (unsigned i = 1; i < 4; i++) {
        start_cpu(i, sleep_and_wake);
        pv_poll(0, 5000000);
    }
    sleep_and_wake(0);
}

static void storm_naps(void) /* a timer and HLT: it always comes back as one that slept */
{
    wrmsr(0x83e, 0xb);
    wrmsr(LVT_TIMER, VECTOR);
    for (;;) {
        wrmsr(INITIAL_COUNT, 100);
        __asm__ volatile("sti; hlt; cli");
    }
}

static void storm_long_naps(void) /* it computes most of the time, and always sleeps a little before its slice is over */
{
    wrmsr(0x83e, 0xb);
    wrmsr(LVT_TIMER, VECTOR);
    for (;;) {
        for (uint64_t end = __builtin_ia32_rdtsc() + 45000; __builtin_ia32_rdtsc() < end;)
            continue;
        wrmsr(INITIAL_COUNT, 2000);
        __asm__ volatile("sti; hlt; cli");
    }
}

static void storm_poll(void)
{
    for (;;)
        pv_poll(0, 1);
}

static void storm_pause(void)
{
    for (;;)
        __asm__ volatile("pause");
}

static void storm_starts(void) /* the others are started without end */
{
    for (;;) {
        for (unsigned i = 1; i < 4; i++) {
            send_ipi(i, IPI_INIT);
            send_ipi(i, IPI_STARTUP | 8);
        }
    }
}

/* ---- exits ---- */

static void storm_cpuid(void)
{
    for (;;) {
        uint32_t a = 0, c = 0;
        __asm__ volatile("cpuid" : "+a"(a), "+c"(c) : : "rbx", "rdx");
    }
}

static void storm_caches(void)
{
    for (;;)
        __asm__ volatile("wbinvd");
}

static void storm_xsetbv(void)
{
    uint64_t cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 1UL << 18));
    for (;;) {
        __asm__ volatile("xsetbv" : : "a"(1), "d"(0), "c"(0));
        __asm__ volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
    }
}

static void storm_hypercall_page(void)
{
    for (;;)
        wrmsr(0x40000000, 0x800000);
}

static void storm_controls(void)
{
    uint64_t cr0;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    for (;;) {
        __asm__ volatile("mov %0, %%cr0" : : "r"(cr0 ^ 1UL << 30));
        __asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
    }
}

static const struct { const char *name; void (*run)(void); } cases[] = {
    {"lines", storm_lines}, {"text", storm_text}, {"events", storm_events}, {"ports", storm_ports}, {"console-events", storm_console_events}, {"store-events", storm_store_events},
    {"requests", storm_requests}, {"output", storm_output}, {"ipis", storm_ipis}, {"nmis", storm_nmis}, {"periodic", storm_periodic}, {"oneshot", storm_oneshot},
    {"tsc-deadline", storm_tsc_deadline}, {"singleshot", storm_singleshot}, {"ping-pong", storm_ping_pong}, {"naps", storm_naps}, {"long-naps", storm_long_naps}, {"poll", storm_poll},
    {"pause", storm_pause}, {"starts", storm_starts}, {"cpuid", storm_cpuid}, {"caches", storm_caches}, {"xsetbv", storm_xsetbv}, {"hypercall-page", storm_hypercall_page},
    {"controls", storm_controls}, {"copies", storm_copies}, {"flushes", storm_flushes}, {"small-balloon", storm_small_balloon}, {"large-balloon", storm_large_balloon}, {"cost", cost},
};

void guest_main(const void *start_info)
{
    const char *name = guest_cmdline(start_info);
    traps_on();
    pv_init();
    trap_hooks[VECTOR] = on_vector;
    wrmsr(0x80f, 0x1ff);
    for (unsigned i = 0; i < COUNT(cases); i++) {
        if (!text_equal(name, cases[i].name))
            continue;
        say("storm: %s: going", name);
        cases[i].run();
        return;
    }
    say("storm: FAILED: no case \"%s\"", name);
}
