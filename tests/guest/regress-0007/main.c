/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] regress-0007: takes an interrupt of its local APIC whose delivery raises #AC.
 * Why: with virtual-interrupt delivery the CPU had noted the vector as in service; root put it back among the requests but left that note, so it, and
 * all of its priority and below, were never delivered again. Expected: after #AC the interrupt is taken, once, and so are later ones.
 * Bochs does not note which event it delivers when that comes from the virtual APIC, and reports the one before: the guest lets that be the same
 * vector, as its callback. */
#include "tests/guest/lib/guest.h"

#define VECTOR 0x40U
#define LOWER 0x31U
#define SHARED 0xa00UL /* gfn */
#define EOI 0x80bU
#define SELF_IPI 0x83fU

void take_on_odd_stack(void);
extern uint32_t vectors_seen, acs_seen;
extern uint64_t gdt[];

static unsigned callbacks, lower;
static volatile uint8_t *const upcall_pending = (volatile uint8_t *)(SHARED << 12);

static bool on_callback(struct frame *f)
{
    (void)f;
    *upcall_pending = 0;
    callbacks++;
    return true;
}

static bool on_lower(struct frame *f)
{
    (void)f;
    lower++;
    wrmsr(EOI, 0);
    return true;
}

static void set_callback(uint64_t value)
{
    struct { uint16_t dom, pad; uint32_t index; uint64_t value; } param = {DOMID_SELF, 0, 0, value};
    check(hypercall(HC_HVM_OP, 0, (uint64_t)&param, 0) == 0, "the callback vector is refused");
}

static void callback_once(void)
{
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } map = {DOMID_SELF, 0, 0, 0, SHARED};
    check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) == 0, "no shared_info");
    trap_hooks[VECTOR] = on_callback;
    set_callback(2UL << 56 | VECTOR);
    *upcall_pending = 1;
    __asm__ volatile("sti; nop");
    for (unsigned i = 0; i < 1000 && callbacks == 0; i++)
        hypercall(HC_XEN_VERSION, 0, 0, 0);
    __asm__ volatile("cli");
    check(callbacks == 1, "%u callbacks", callbacks);
    set_callback(0);
}

void guest_main(const void *start_info)
{
    static uint32_t tss32[26];
    static char stack[4096] __attribute__((aligned(16)));
    uint64_t at = (uint64_t)tss32;
    (void)start_info;
    traps_on();
    tss32[1] = (uint32_t)(uint64_t)(stack + sizeof(stack)); /* ESP0, SS0 */
    tss32[2] = 0x10;
    gdt[9] = (sizeof(tss32) - 1) | (at & 0xffffff) << 16 | 0x89UL << 40 | (at >> 24 & 0xff) << 56;
    wrmsr(0x80f, 0x1ff);
    callback_once();
    wrmsr(SELF_IPI, VECTOR);
    legacy_run(take_on_odd_stack);
    traps_on();
    check(acs_seen == 1, "%u times #AC", acs_seen);
    check(vectors_seen == 1, "the interrupt came %u times", vectors_seen);
    wrmsr(EOI, 0);
    trap_hooks[LOWER] = on_lower;
    wrmsr(SELF_IPI, LOWER);
    __asm__ volatile("sti; nop; nop; cli");
    check(lower == 1, "a later interrupt came %u times", lower);
    summary("regress-0007");
}
