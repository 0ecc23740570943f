/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] regress-0010: one CPU of this guest makes the longest hypercalls one after the other, the other computes and counts the longest time that is taken from it.
 * Why: where an entered guest is not left for what is pending (Bochs, with its interrupts off), the hypervisor let interrupts in after every 32nd exit only; with hypercalls of
 * 1.2 million ticks nobody else ran for three quarters of a second, and extents of 2 MiB were done 4096 pages in one call. Expected: "regress-0010: 12 passed, 0 failed". */
#include "tests/guest/lib/guest.h"

#define BATCH 512U
#define CALLS 40U
#define LONGEST_GAP 6500000UL /* four calls, and a slice */
#define GFN 0x1000UL          /* 16 MiB: nothing but memory is there */

struct copy { uint64_t src; uint16_t sdom, soff; uint32_t pad; uint64_t dst; uint16_t ddom, doff; uint32_t pad2; uint16_t len, flags; int16_t status, pad3; };

static struct copy copies[BATCH];
static volatile bool going, stop;
static volatile uint64_t longest;

static void count(unsigned cpu)
{
    (void)cpu;
    going = true;
    for (uint64_t last = __builtin_ia32_rdtsc(); !stop;) {
        uint64_t now = __builtin_ia32_rdtsc();
        if (now - last > longest)
            longest = now - last;
        last = now;
    }
}

static void many_copies(void)
{
    for (unsigned i = 0; i < BATCH; i++)
        copies[i] = (struct copy){.src = GFN + i, .sdom = DOMID_SELF, .dst = GFN + 1024 + i, .ddom = DOMID_SELF, .len = 4096};
    long bad = 0;
    for (unsigned i = 0; i < CALLS; i++)
        bad += hypercall(HC_GRANT, 5, (uint64_t)copies, BATCH);
    check(bad == 0 && copies[BATCH - 1].status == 0, "copies are refused");
}

/* As many as are done in one call; the rest in the next ones. */
static void large_extents(void)
{
    static uint64_t gfns[4] = {GFN, GFN + 512, GFN + 1024, GFN + 1536};
    struct { const uint64_t *list; uint64_t nr; uint32_t order, flags; uint16_t domid, pad[3]; } r = {gfns, COUNT(gfns), 9, 0, DOMID_SELF, {0}};
    for (uint64_t op = 1; op < 7; op += 5) { /* give, take */
        uint64_t calls = 0;
        for (long done = 0; done >= 0 && done < (long)COUNT(gfns) && calls < 8; calls++) {
            long now = hypercall(HC_MEMORY_OP, op | (uint64_t)done << 6, (uint64_t)&r, 0);
            check(now - done <= 1, "%ld extents of 2 MiB in one call", now - done);
            done = now;
        }
        check(calls == COUNT(gfns), "%lu calls for %lu extents", calls, COUNT(gfns));
    }
}

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    wrmsr(0x80f, 0x1ff);
    start_cpu(1, count);
    while (!going)
        hypercall(HC_SCHED_OP, 0, 0, 0);
    many_copies();
    stop = true;
    check(longest < LONGEST_GAP, "nobody else ran for %lu ticks", longest);
    say("regress-0010: longest gap %lu ticks", longest);
    large_extents();
    summary("regress-0010");
    shut_down(0);
}
