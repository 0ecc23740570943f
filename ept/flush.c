/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Who still may use an old entry: a CPU whose guest translates by it, and a CPU in root mode that looked it up without the domain's lock
 * to copy from or to the frame. Before a CPU enters a guest again it executes INVEPT when the EPT is marked for it; so a frame is safe to reuse
 * as soon as every CPU has come round its run loop, has waited for a lock (it holds no looked-up entry there), or rests. Lock: `lock` guards the
 * quarantine; an EPT's marks are atomic bits. */
#include "ept/flush.h"

#include "ept/hw.h"
#include "kernel/core/panic.h"
#include "kernel/core/spinlock.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/frame.h"
#include "kernel/smp/smp.h"

#define QUARANTINE_SLOTS 512U
#define ORDER_MASK 31UL
#define ORDER_BITS 5U
#define SPIN_LIMIT 100000000UL

static struct spinlock lock;
static uint64_t quarantine[QUARANTINE_SLOTS]; /* hfn << ORDER_BITS | order */
static uint32_t quarantined;
static uint64_t generations;                  /* the last one given; atomic */

_Static_assert(MAX_CPUS <= 32, "one word of cpus_dirty");

void flush_mark(struct ept *e)
{
    /* Two CPUs may mark at once and leave the lower number: each changed its entry before, and x86 keeps the order of stores.
     * Release: the changed entry is visible before the generation and the mark; pairs with the acquires in physmap_open and flush_before_entry. */
    __atomic_store_n(&e->generation, __atomic_add_fetch(&generations, 1, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
    __atomic_store_n(&e->cpus_dirty[0], ~0U >> (32 - cpu_count()), __ATOMIC_RELEASE);
    e->unsynced = true;
}

void flush_marked(struct ept *e)
{
    uint32_t me = 1U << cpu_id();
    /* The bit first: a mark that comes after it is seen at the next entry. */
    if ((__atomic_fetch_and(&e->cpus_dirty[0], ~me, __ATOMIC_ACQ_REL) & me) != 0)
        hw_invept(e->eptp);
}

static bool passed(const struct cpu *cpu, uint64_t epoch)
{
    return __atomic_load_n(&cpu->epoch, __ATOMIC_ACQUIRE) >= epoch || __atomic_load_n(&cpu->resting, __ATOMIC_SEQ_CST); /* pairs with cpu_awake */
}

/* Waits until every other CPU has passed a place where it uses no old entry. Whoever waits for a lock of ours passes, so no circle can form. */
static void pass_epoch(void)
{
    uint64_t epoch = __atomic_add_fetch(&spin_epoch, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < cpu_count(); i++) {
        if (i != cpu_id() && !passed(cpu_get(i), epoch))
            smp_kick(i);
    }
    for (uint32_t i = 0; i < cpu_count(); i++) {
        for (uint64_t spins = 0; i != cpu_id() && !passed(cpu_get(i), epoch); spins++) {
            if (spins > SPIN_LIMIT)
                panic("CPU %u does not leave its guest", i);
            cpu_relax();
        }
    }
}

static void drain(void)
{
    pass_epoch();
    while (quarantined > 0) {
        uint64_t e = quarantine[--quarantined];
        frame_free(hfn(e >> ORDER_BITS), (unsigned)(e & ORDER_MASK));
    }
}

void flush_defer_free(struct ept *e, hfn_t first, unsigned order)
{
    flush_mark(e);
    SPIN_GUARD(&lock);
    if (quarantined == QUARANTINE_SLOTS)
        drain();
    quarantine[quarantined++] = first.v << ORDER_BITS | order;
}

void flush_sync(struct ept *e)
{
    SPIN_GUARD(&lock); /* also when nothing changed since: another CPU may just wait for what did before */
    if (!e->unsynced && quarantined == 0) /* somebody without E's lock (grants) may have cleared it between our mark and our frame */
        return;
    e->unsynced = false;
    drain(); /* also with nothing to free: no CPU may go on with a right that was taken away */
}
