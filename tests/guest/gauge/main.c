/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] gauge: what others leave of the machine, in ticks of the TSC, a line for each window. corbel.cmdline "share": it computes without a pause and counts what is taken
 * from it ("open": with interrupts on, so that under Bochs, too, it is left for each of the host's); "ask": it sleeps, asks xenstore, sleeps again, and measures the time
 * from when its timer was due to when it has Dom0's answer: two wake-ups and Dom0's work, as between a key and its echo.
 * Why: tests/system/test_dos.py holds other guests' attacks against these figures. Expected: "gauge: share N of 1000, longest gap N ticks",
 * "gauge: asked N times, longest N ticks, mean N ticks", for ever. */
#include "tests/guest/lib/pv.h"

#define WINDOW_TICKS 15000000UL /* 0.3 seconds in Bochs */
#define GAP 400UL               /* the loop itself is far below, an exit for the host's timer and back above it */
#define TICK_NS 20UL            /* Bochs's */
#define PAUSE_TICKS 450000UL    /* no divisor of a slice, so that it asks at all points of one */
#define SHARED_INFO 0x1f01000UL /* pv_init puts it there */

static uint64_t rdtsc(void) { return __builtin_ia32_rdtsc(); }

static void share(void)
{
    for (;;) {
        uint64_t begin = rdtsc(), last = begin, taken = 0, longest = 0;
        while (last - begin < WINDOW_TICKS) {
            uint64_t now = rdtsc(), gap = now - last;
            last = now;
            if (gap < GAP)
                continue;
            taken += gap;
            longest = gap > longest ? gap : longest;
        }
        say("gauge: share %lu of 1000, longest gap %lu ticks", 1000 - taken * 1000 / (last - begin), longest);
    }
}

/* ---- xenstore, without the library's loops: a yield would count as Dom0's ---- */

static volatile uint8_t *ring;
static uint32_t port;

static uint64_t param(uint32_t index)
{
    struct { uint16_t dom, pad; uint32_t index; uint64_t value; } p = {DOMID_SELF, 0, index, 0};
    hypercall(HC_HVM_OP, 1, (uint64_t)&p, 0);
    return p.value;
}

static volatile uint32_t *word(uint32_t at) { return (volatile uint32_t *)(ring + at); }

static void ask_once(void)
{
    static const char question[] = "memory/target"; /* read: type 2, request, transaction 0, length */
    uint32_t header[4] = {2, 7, 0, sizeof(question)}, at = *word(2052);
    pv_clear(port);
    for (uint32_t i = 0; i < sizeof(header) + sizeof(question); i++)
        ring[at++ % 1024] = i < sizeof(header) ? ((const uint8_t *)header)[i] : (uint8_t)question[i - sizeof(header)];
    *word(2052) = at;
    pv_send(port);
    while (*word(2060) - *word(2056) < sizeof(header)) {
        pv_poll(port, 1000000000);
        pv_clear(port);
    }
}

/* The rest of an answer, whatever it is. */
static void throw_away(void)
{
    for (pv_poll(port, 2000000); *word(2056) != *word(2060); pv_poll(port, 2000000))
        *word(2056) = *word(2060), pv_clear(port), pv_send(port);
}

static void ask(void)
{
    pv_init();
    ring = (volatile uint8_t *)(param(1) << 12);
    port = (uint32_t)param(2);
    volatile uint64_t *mask = (volatile uint64_t *)(SHARED_INFO + 2048 + 512);
    mask[port / 64] |= 1UL << port % 64;
    for (;;) {
        uint64_t begin = rdtsc(), longest = 0, sum = 0, n = 0;
        for (; rdtsc() - begin < WINDOW_TICKS; n++) {
            uint64_t due = rdtsc() + PAUSE_TICKS;
            pv_poll(0, PAUSE_TICKS * TICK_NS);
            ask_once();
            uint64_t ticks = rdtsc() - due;
            throw_away();
            sum += ticks;
            longest = ticks > longest ? ticks : longest;
        }
        say("gauge: asked %lu times, longest %lu ticks, mean %lu ticks", n, longest, sum / n);
    }
}

void guest_main(const void *start_info)
{
    traps_on();
    say("gauge: up");
    if (text_equal(guest_cmdline(start_info), "ask"))
        ask();
    if (text_equal(guest_cmdline(start_info), "open"))
        __asm__ volatile("sti");
    share();
}
