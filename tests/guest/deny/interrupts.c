/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Interrupts and NMIs that the guest sends itself: none is lost or doubled, shadows of STI and MOV SS hold across exits, NMIs do not nest. */
#include "tests/guest/deny/deny.h"

#define SVR 0x80fU
#define TPR 0x808U
#define EOI 0x80bU
#define ICR 0x830U
#define SELF_IPI 0x83fU
#define ICR_NMI 0x400UL
#define RFLAGS_IF (1UL << 9)
#define LOW 0x31U
#define HIGH 0x81U

static unsigned low_count, high_count, nmi_count, nmi_depth, nmi_deepest;
static uint64_t low_rip, nmi_rip;
static bool nest; /* the low handler sends the high one */

static bool on_low(struct frame *f)
{
    low_count++;
    low_rip = f->rip - WINDOW;
    if (nest) {
        wrmsr(SELF_IPI, HIGH);
        __asm__ volatile("sti; nop; cli");
    }
    wrmsr(EOI, 0);
    return true;
}

static bool on_high(struct frame *f)
{
    (void)f;
    high_count++;
    wrmsr(EOI, 0);
    return true;
}

static void send_nmi(void) { wrmsr(ICR, ICR_NMI); /* to APIC id 0: itself */ }

static bool on_nmi(struct frame *f)
{
    nmi_rip = f->rip - WINDOW;
    nmi_depth++;
    nmi_deepest = nmi_depth > nmi_deepest ? nmi_depth : nmi_deepest;
    if (++nmi_count == 1) {
        send_nmi(); /* blocked until the IRET of this one */
        for (unsigned i = 0; i < 4; i++)
            (void)cpuid(0, 0);
    }
    nmi_depth--;
    return true;
}

static void reset(void) { low_count = high_count = nmi_count = nmi_depth = nmi_deepest = 0; low_rip = nmi_rip = ~0UL; }

/* An interrupt is pending while IF is 0; the code turns interrupts on: it is taken once, at offset AT. */
static const struct { const char *name, *code; uint8_t len, at; uint64_t rax, rcx, rdx; } rows[] = {
    {"sti, nop", "\xfb\x90\x90\xfa", 4, 2, 0, 0, 0},
    {"sti, cpuid", "\xfb\x0f\xa2\x90\xfa", 5, 3, 0, 0, 0},
    {"sti, vmcall", "\xfb\x0f\x01\xc1\x90\xfa", 6, 4, HC_XEN_VERSION, 0, 0},
    {"sti, hlt", "\xfb\xf4\x90\xfa", 4, 2, 0, 0, 0},
    {"sti, in", "\xfb\xec\x90\xfa", 4, 2, 0, 0, 0x80},
    {"sti, wrmsr", "\xfb\x0f\x30\x90\xfa", 5, 3, 0, 0x1a0, 0},
    {"sti, mov cr0", "\xfb\x0f\x22\xc0\x90\x0f\x22\xc1\xfa", 9, 4, 0xc0010031, 0x80010031, 0},
    {"sti, mov ss, cpuid", "\xfb\x8e\xd0\x0f\xa2\x90\xfa", 7, 5, 0x10, 0, 0},
    {"popf, nop", "\x9d\x90\xfa", 3, 1, 0, 0, 0},
};

static void shadows(void)
{
    for (unsigned i = 0; i < COUNT(rows); i++) {
        reset();
        wrmsr(SELF_IPI, LOW);
        ((uint64_t *)(WINDOW + 4096UL * WINDOW_STACK))[511] = RFLAGS_IF | 2; /* what POPF takes */
        struct run r = {.rax = rows[i].rax, .rcx = rows[i].rcx, .rdx = rows[i].rdx};
        bool popf = rows[i].code[0] == (char)0x9d;
        const char *code = rows[i].code;
        char with_stack[16] = "\x48\x83\xec\x08"; /* sub rsp, 8 */
        for (unsigned k = 0; popf && k < rows[i].len; k++)
            with_stack[4 + k] = code[k];
        uint64_t vec = popf ? run_bytes(KERNEL64, with_stack, rows[i].len + 4UL, &r) : run_bytes(KERNEL64, code, rows[i].len, &r);
        uint64_t at = rows[i].at + (popf ? 4UL : 0UL);
        check(vec == RAN_THROUGH && low_count == 1 && low_rip == at, "%s: vector %lu, %u interrupts, at %lx", rows[i].name, vec, low_count, low_rip);
    }
}

static void priorities(void)
{
    struct run r = {0};
    reset();
    wrmsr(SELF_IPI, LOW);
    wrmsr(SELF_IPI, HIGH);
    wrmsr(SELF_IPI, LOW); /* merged */
    check(run_bytes(KERNEL64, "\xfb\x90\x90\x90\xfa", 5, &r) == RAN_THROUGH && low_count == 1 && high_count == 1, "two vectors: %u and %u", low_count, high_count);
    reset();
    nest = true;
    wrmsr(SELF_IPI, LOW);
    check(run_bytes(KERNEL64, "\xfb\x90\x90\xfa", 4, &r) == RAN_THROUGH && low_count == 1 && high_count == 1, "nested: %u and %u", low_count, high_count);
    nest = false;
    reset();
    wrmsr(TPR, 0x40);
    wrmsr(SELF_IPI, LOW);
    check(run_bytes(KERNEL64, "\xfb\x90\x90\xfa", 4, &r) == RAN_THROUGH && low_count == 0, "TPR does not hold it back");
    wrmsr(TPR, 0);
    check(run_bytes(KERNEL64, "\xfb\x90\x90\xfa", 4, &r) == RAN_THROUGH && low_count == 1, "lost while TPR was high");
    reset();
    wrmsr(SELF_IPI, LOW);
    r = (struct run){.rax = 0, .rcx = 15};
    /* mov cr8, rcx; sti; nop; nop; mov cr8, rax; nop; cli */
    check(run_bytes(KERNEL64, "\x44\x0f\x22\xc1\xfb\x90\x90\x44\x0f\x22\xc0\x90\xfa", 13, &r) == RAN_THROUGH && low_count == 1 && low_rip == 11,
          "CR8: %u interrupts, at %lx", low_count, low_rip);
}

static void nmis(void)
{
    struct run r = {0};
    reset();
    send_nmi();
    for (unsigned i = 0; i < 8; i++)
        (void)cpuid(0, 0);
    check(nmi_count == 2 && nmi_deepest == 1, "%u NMIs, %u deep", nmi_count, nmi_deepest);
    /* In a shadow it waits for the end of the next instruction. */
    reset();
    nmi_count = 1; /* alone this time */
    r = (struct run){.rax = ICR_NMI, .rcx = ICR, .rbx = 0x10};
    check(run_bytes(KERNEL64, "\x8e\xd3\x0f\x30\x90\x90", 6, &r) == RAN_THROUGH && nmi_count == 2 && nmi_rip == 4, "NMI by WRMSR after MOV SS: %u, at %lx", nmi_count - 1, nmi_rip);
    reset();
    nmi_count = 1;
    r = (struct run){.rax = ICR_NMI, .rcx = ICR};
    check(run_bytes(KERNEL64, "\xfb\x0f\x30\x90\xfa", 5, &r) == RAN_THROUGH && nmi_count == 2 && nmi_rip == 3, "NMI by WRMSR after STI: %u, at %lx", nmi_count - 1, nmi_rip);
}

void deny_interrupts(void)
{
    trap_hooks[LOW] = on_low;
    trap_hooks[HIGH] = on_high;
    trap_hooks[VECTOR_NMI] = on_nmi;
    wrmsr(SVR, 0x1ff);
    shadows();
    priorities();
    nmis();
    wrmsr(SVR, 0xff);
}
