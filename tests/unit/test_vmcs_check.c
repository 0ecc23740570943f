/* SPDX-License-Identifier: Apache-2.0
 * [HOST] vmx/vmcs_check.c: the states that setup and contexts make break no rule; each rule is broken once, alone, and is the one
 * that is named. Rules without a case here fail the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "vmcs_fakes.h"

#define CR4_VMXE_MCE (CR4_VMXE | CR4_MCE)

void vmcs_fake_write(uint32_t f, uint64_t value) { fields[f] = value; }

/* ---- what was found ---- */

static struct vmcs_broken found[16];
static unsigned nr_found;
static struct { char name[24], rule[160]; } hits[256];
static unsigned nr_hits;

static void note(void *ctx, const struct vmcs_broken *b)
{
    assert_ptr_equal(ctx, &limits);
    assert_int_equal(b->value, fields[b->field]);
    assert_non_null(b->section);
    assert_true(nr_found < ARRAY_SIZE(found));
    found[nr_found++] = *b;
}

static void check(bool guest_state)
{
    nr_found = 0;
    vmcs_check(&limits, guest_state, note, &limits);
}

static bool was_hit(const char *name, const char *rule)
{
    for (unsigned i = 0; i < nr_hits; i++) {
        if ((name == NULL || strcmp(hits[i].name, name) == 0) && strcmp(hits[i].rule, rule) == 0)
            return true;
    }
    return false;
}

/* ---- valid states, made as Corbel makes them ---- */

enum state { REAL, PROTECTED, LONG, LONG_USER, COMPAT, V8086, PAE, NESTED_PAGED, STRICT, SOFT_APIC, STATES };

static void set(const struct cbl_vcpu_context *c) { assert_int_equal(vmx_context_set(&v, c), STATUS_OK); }

static void v8086(void)
{
    fields[VMCS_GUEST_RFLAGS] |= 1UL << 17;
    for (unsigned i = ES; i <= GS; i++) {
        fields[SEG(SEL, i)] = 0x1230 + i;
        fields[SEG(BASE, i)] = (0x1230 + i) << 4;
        fields[SEG(LIMIT, i)] = 0xffff;
        fields[SEG(AR, i)] = 0xf3;
    }
}

static void paged_32(bool pae)
{
    fields[VMCS_GUEST_CR0] |= CR0_PG;
    fields[VMCS_GUEST_CR4] |= pae ? CR4_PAE : 0;
    for (uint32_t i = 0; i < 4; i++)
        fields[VMCS_GUEST_PDPTE0 + 2 * i] = pae && i != 2 ? 0x7001 + 0x1000 * i : 0x1e6; /* what is not present may hold anything */
}

static void make(enum state s)
{
    vmcs_made(s == SOFT_APIC);
    struct cbl_vcpu_context flat = pvh(), kernel = long_mode(0), user = long_mode(3), compat = long_mode(3);
    compat.cs.ar = 0xc0fb;
    compat.rip = 0x8048000;
    compat.ds = compat.es = user.ds = (struct cbl_segment){.selector = 0x2b, .limit = ~0U, .ar = 0xc0f3};
    kernel.ldtr = (struct cbl_segment){.selector = 0x50, .base = 0xfffffe0000002000UL, .limit = 0xfff, .ar = 0x82};
    if (s != REAL)
        set(s == LONG ? &kernel : s == LONG_USER ? &user : s == COMPAT ? &compat : &flat);
    if (s == PAE || s == NESTED_PAGED || s == STRICT || s == V8086)
        paged_32(s == PAE);
    if (s == V8086)
        v8086();
    if (s == STRICT) {
        fields[VMCS_PROC_CTLS2] &= ~(1UL << 7);
        fields[SEG(SEL, CS)] = 8;
        fields[SEG(SEL, SS)] = fields[SEG(SEL, DS)] = 0x10;
    }
}

static void valid(void)
{
    for (unsigned late = 0; late < 2; late++) {
        check(late != 0);
        if (nr_found != 0)
            fail_msg("%s 0x%lx: %s", found[0].name, (unsigned long)found[0].value, found[0].rule);
    }
}

static void test_valid_states(void **state)
{
    (void)state;
    for (enum state s = REAL; s < STATES; s++) {
        make(s);
        valid();
        /* What an entry may carry with it. */
        static const uint32_t events[] = {0x80000202, 0x80000301, 0x80000306, 0x80000412, 0x80000512, 0x80000603, 0x80000703};
        for (unsigned i = 0; i < ARRAY_SIZE(events) - 1; i++) {
            fields[VMCS_ENTRY_INTR_INFO] = events[i];
            fields[VMCS_ENTRY_INSTR_LEN] = 2;
            valid();
        }
        bool protected = (fields[VMCS_GUEST_CR0] & CR0_PE) != 0;
        fields[VMCS_ENTRY_INTR_INFO] = protected ? 0x80000b0e : 0x8000030e;
        fields[VMCS_ENTRY_ERROR_CODE] = 0xffff;
        valid();
        fields[VMCS_ENTRY_INTR_INFO] = 0x800000f3;
        fields[VMCS_GUEST_RFLAGS] |= RFLAGS_IF;
        valid();
        fields[VMCS_ENTRY_INTR_INFO] = 0x000000f3; /* not valid: nothing else of it counts */
        fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCK_STI | BLOCK_NMI;
        valid();
        fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCK_MOV_SS;
        fields[VMCS_GUEST_RFLAGS] |= RFLAGS_TF;
        fields[VMCS_GUEST_PENDING_DEBUG] = PENDING_DEBUG_BS | 0x100f;
        valid();
        fields[VMCS_GUEST_DEBUGCTL] = 2;
        fields[VMCS_GUEST_PENDING_DEBUG] = 0;
        valid();
        fields[VMCS_GUEST_INTERRUPTIBILITY] = 0;
        fields[VMCS_GUEST_ACTIVITY] = (SEG_DPL(fields[VMCS_GUEST_SS_AR])) == 0 ? 1 : 2;
        valid();
    }
    make(LONG);
    fields[VMCS_GUEST_CR0] &= ~CR0_WP;
    fields[SEG(AR, SS)] |= SEG_UNUSABLE;
    valid();
    make(SOFT_APIC);
    fields[VMCS_TPR_THRESHOLD] = 3;
    valid();
}

/* ---- each rule broken ---- */

struct change { uint32_t field; uint64_t value; };
struct breach {
    enum state state;
    const char *name, *rule;
    uint64_t bits; /* 0: not looked at */
    struct change change[4];
};
#define FIX "VMX operation fixes it to the other value"
#define CPU "this CPU fixes it to the other value"
#define ZERO "bits that must be 0"
#define CANON "must be canonical"
#define PAGE "must be the physical address of a page"
#define PHYS "must be a physical address"
#define RPL "RPL and TI must be 0"
#define BAD 0x0000900000000000UL
#define TYPE "no such type here (CS: accessed code; SS: writable data; LDTR: 2; TR: busy TSS; others: accessed, readable)"
#define CS_DPL "DPL must be that of SS, conforming: at most; type 3: 0"
#define CODE "an error code goes with #DF #TS #NP #SS #GP #PF #AC in protected mode, and only with them"
#define INFO VMCS_ENTRY_INTR_INFO

static const struct breach controls[] = {
    {LONG, "PIN_CTLS", CPU, 1UL << 1, {{VMCS_PIN_CTLS, 0x7d}}},
    {LONG, "PIN_CTLS", CPU, 1UL << 8, {{VMCS_PIN_CTLS, 0x17f}}},
    {LONG, "PROC_CTLS", CPU, 1UL << 1, {{VMCS_PROC_CTLS, 0xb6206df8 & ~(1U << 22 | 4)}}},
    {LONG, "PROC_CTLS2", CPU, 1UL << 20, {{VMCS_PROC_CTLS2, 0x1013ba}}},
    {LONG, "EXIT_CTLS", CPU, 1UL << 0, {{VMCS_EXIT_CTLS, 0x3feffe}}},
    {LONG, "ENTRY_CTLS", CPU, 1UL << 17, {{VMCS_ENTRY_CTLS, 0x2d3ff}}},
    {LONG, "PIN_CTLS", "virtual NMIs need NMI exiting", 1UL << 5, {{VMCS_PIN_CTLS, 0x77}}},
    {LONG, "PROC_CTLS", "NMI-window exiting needs virtual NMIs", 1UL << 22, {{VMCS_PIN_CTLS, 0x5f}, {VMCS_PROC_CTLS, 0xb6606dfa & ~4U}}},
    {SOFT_APIC, "PROC_CTLS2", "x2APIC mode needs the TPR shadow", 1UL << 4, {{VMCS_PROC_CTLS2, 0x10ba}, {VMCS_PROC_CTLS, 0xb6006dfa & ~4U}}},
    {SOFT_APIC, "PROC_CTLS2", "APIC-register virtualization needs the TPR shadow", 1UL << 8, {{VMCS_PROC_CTLS2, 0x11aa}, {VMCS_PROC_CTLS, 0xb6006dfa & ~4U}}},
    {SOFT_APIC, "PROC_CTLS2", "virtual-interrupt delivery needs the TPR shadow", 1UL << 9, {{VMCS_PROC_CTLS2, 0x12aa}, {VMCS_PROC_CTLS, 0xb6006dfa & ~4U}}},
    {LONG, "PROC_CTLS2", "virtual-interrupt delivery needs external-interrupt exiting", 1UL << 9, {{VMCS_PIN_CTLS, 0x7e}}},
    {LONG, "PROC_CTLS2", "unrestricted guest needs EPT", 1UL << 7, {{VMCS_PROC_CTLS2, 0x13b8}}},
    {LONG, "EXIT_CTLS", "saving the preemption timer needs the timer", 1UL << 22, {{VMCS_PIN_CTLS, 0x3f}, {VMCS_EXIT_CTLS, 0x7fefff}}},
    {LONG, "IO_BITMAP_A", PAGE, 4, {{VMCS_IO_BITMAP_A, 0x2004}}},
    {LONG, "IO_BITMAP_B", PAGE, 1UL << 40, {{VMCS_IO_BITMAP_B, 1UL << 40}}},
    {LONG, "MSR_BITMAP", PAGE, 1UL << 11, {{VMCS_MSR_BITMAP, 0x1800}}},
    {LONG, "VIRTUAL_APIC_PAGE", PAGE, 0xffffffUL << 40, {{VMCS_VIRTUAL_APIC_PAGE, ~0xfffUL}}},
    {LONG, "CR3_TARGETS", "at most 4 CR3 targets", 0, {{VMCS_CR3_TARGETS, 5}}},
    {SOFT_APIC, "TPR_THRESHOLD", "only bits 0 to 3 may be set", 1UL << 4, {{VMCS_TPR_THRESHOLD, 0x12}}},
    {SOFT_APIC, "TPR_THRESHOLD", "must not be above the priority in the virtual TPR", 0, {{VMCS_TPR_THRESHOLD, 4}}},
    {LONG, "VPID", "must not be 0: that is the host's", 0, {{VMCS_VPID, 0}}},
    {LONG, "EPTP", "the memory type must be UC or WB, as the CPU offers", 7, {{VMCS_EPTP, 0x1691018}}}, /* UC is not offered here */
    {LONG, "EPTP", "the memory type must be UC or WB, as the CPU offers", 7, {{VMCS_EPTP, 0x169101d}}},
    {LONG, "EPTP", "the walk must have 4 levels", 7UL << 3, {{VMCS_EPTP, 0x1691026}}},
    {LONG, "EPTP", ZERO, 1UL << 7, {{VMCS_EPTP, 0x169109e}}},
    {LONG, "EPTP", ZERO, 1UL << 41, {{VMCS_EPTP, 0x2000169101eUL}}},
    {LONG, "ENTRY_INTR_INFO", "reserved type of event", 0x700, {{INFO, 0x80000120}}},
    {LONG, "ENTRY_INTR_INFO", "NMI has vector 2, exceptions at most 31", 0xff, {{INFO, 0x80000203}}},
    {LONG, "ENTRY_INTR_INFO", "NMI has vector 2, exceptions at most 31", 0xff, {{INFO, 0x80000320}}},
    {LONG, "ENTRY_INTR_INFO", "NMI has vector 2, exceptions at most 31", 0xff, {{INFO, 0x80000701}}},
    {LONG, "ENTRY_INTR_INFO", CODE, 1UL << 11, {{INFO, 0x80000b06}}},
    {LONG, "ENTRY_INTR_INFO", CODE, 1UL << 11, {{INFO, 0x8000030d}}},
    {REAL, "ENTRY_INTR_INFO", CODE, 1UL << 11, {{INFO, 0x80000b0d}}},
    {LONG, "ENTRY_INTR_INFO", CODE, 1UL << 11, {{INFO, 0x80000820}, {VMCS_GUEST_RFLAGS, 0x202}}},
    {LONG, "ENTRY_INTR_INFO", ZERO, 1UL << 12, {{INFO, 0x80001306}}},
    {LONG, "ENTRY_ERROR_CODE", "an error code has 16 bits", 1UL << 16, {{INFO, 0x80000b0e}, {VMCS_ENTRY_ERROR_CODE, 0x10000}}},
    {LONG, "ENTRY_INSTR_LEN", "an instruction's length is 1 to 15", 0, {{INFO, 0x80000480}, {VMCS_ENTRY_INSTR_LEN, 16}}},
    {LONG, "HOST_CR0", FIX, 1UL << 5, {{VMCS_HOST_CR0, 0x80010013}}},
    {LONG, "HOST_CR4", FIX, 1UL << 13, {{VMCS_HOST_CR4, CR4_PAE}}},
    {LONG, "HOST_CR4", FIX, 1UL << 30, {{VMCS_HOST_CR4, CR4_PAE | CR4_VMXE | 1UL << 30}}},
    {LONG, "HOST_CR3", PHYS, 1UL << 63, {{VMCS_HOST_CR3, 1UL << 63}}},
    {LONG, "HOST_PAT", "no such memory type", 0x200, {{VMCS_HOST_PAT, 0x0007040600070206}}},
    {LONG, "HOST_EFER", "LMA and LME must be 1 for a 64-bit host, reserved bits 0", EFER_LMA, {{VMCS_HOST_EFER, EFER_LME}}},
    {LONG, "HOST_EFER", "LMA and LME must be 1 for a 64-bit host, reserved bits 0", 2, {{VMCS_HOST_EFER, EFER_LMA | EFER_LME | 2}}},
    {LONG, "HOST_ES_SEL", RPL, 3, {{VMCS_HOST_ES_SEL, 0x13}}},
    {LONG, "HOST_CS_SEL", RPL, 4, {{VMCS_HOST_CS_SEL, 0xc}}},
    {LONG, "HOST_SS_SEL", RPL, 1, {{VMCS_HOST_SS_SEL, 0x11}}},
    {LONG, "HOST_DS_SEL", RPL, 1, {{VMCS_HOST_DS_SEL, 0x11}}},
    {LONG, "HOST_FS_SEL", RPL, 1, {{VMCS_HOST_FS_SEL, 0x11}}},
    {LONG, "HOST_GS_SEL", RPL, 1, {{VMCS_HOST_GS_SEL, 0x11}}},
    {LONG, "HOST_TR_SEL", RPL, 2, {{VMCS_HOST_TR_SEL, 0x1a}}},
    {LONG, "HOST_CS_SEL", "must not be null", 0, {{VMCS_HOST_CS_SEL, 0}}},
    {LONG, "HOST_TR_SEL", "must not be null", 0, {{VMCS_HOST_TR_SEL, 0}}},
    {LONG, "HOST_SYSENTER_ESP", CANON, 0, {{VMCS_HOST_SYSENTER_ESP, BAD}}},
    {LONG, "HOST_SYSENTER_EIP", CANON, 0, {{VMCS_HOST_SYSENTER_EIP, BAD}}},
    {LONG, "HOST_FS_BASE", CANON, 0, {{VMCS_HOST_FS_BASE, BAD}}},
    {LONG, "HOST_GS_BASE", CANON, 0, {{VMCS_HOST_GS_BASE, BAD}}},
    {LONG, "HOST_TR_BASE", CANON, 0, {{VMCS_HOST_TR_BASE, BAD}}},
    {LONG, "HOST_GDTR_BASE", CANON, 0, {{VMCS_HOST_GDTR_BASE, BAD}}},
    {LONG, "HOST_IDTR_BASE", CANON, 0, {{VMCS_HOST_IDTR_BASE, BAD}}},
    {LONG, "HOST_RIP", CANON, 0, {{VMCS_HOST_RIP, BAD}}},
    {LONG, "EXIT_CTLS", "in IA-32e mode the host must be a 64-bit one", 1UL << 9, {{VMCS_EXIT_CTLS, 0x3fedff}}},
    {LONG, "HOST_CR4", "a 64-bit host needs PAE", CR4_PAE, {{VMCS_HOST_CR4, CR4_VMXE}}},
};

static const struct breach guests[] = {
    {LONG, "GUEST_CR0", FIX, CR0_NE, {{VMCS_GUEST_CR0, 0x80050013}}},
    {LONG, "GUEST_CR0", FIX, 1UL << 35, {{VMCS_GUEST_CR0, 0x880050033}}},
    {STRICT, "GUEST_CR0", FIX, CR0_PG, {{VMCS_GUEST_CR0, 0x31}}},
    {REAL, "GUEST_CR0", "paging needs protected mode", CR0_PG, {{VMCS_GUEST_CR0, 0x80000030}}},
    {LONG, "GUEST_CR4", FIX, CR4_VMXE, {{VMCS_GUEST_CR4, CR4_PAE}}},
    {LONG, "GUEST_CR4", FIX, 1UL << 15, {{VMCS_GUEST_CR4, CR4_PAE | CR4_VMXE | 1UL << 15}}},
    {LONG, "GUEST_CR0", "an IA-32e guest needs paging", CR0_PG, {{VMCS_GUEST_CR0, 0x33}}},
    {LONG, "GUEST_CR4", "an IA-32e guest needs PAE, and PCIDE is for it alone", CR4_PAE, {{VMCS_GUEST_CR4, CR4_VMXE}}},
    {PROTECTED, "GUEST_CR4", "an IA-32e guest needs PAE, and PCIDE is for it alone", CR4_PCIDE, {{VMCS_GUEST_CR4, CR4_VMXE | CR4_PCIDE}}},
    {LONG, "GUEST_CR3", PHYS, 1UL << 40, {{VMCS_GUEST_CR3, 1UL << 40}}},
    {LONG, "GUEST_DEBUGCTL", ZERO, 1UL << 3, {{VMCS_GUEST_DEBUGCTL, 9}}},
    {LONG, "GUEST_DR7", ZERO, 1UL << 32, {{VMCS_GUEST_DR7, 0x100000400}}},
    {LONG, "GUEST_SYSENTER_ESP", CANON, 0, {{VMCS_GUEST_SYSENTER_ESP, BAD}}},
    {LONG, "GUEST_SYSENTER_EIP", CANON, 0, {{VMCS_GUEST_SYSENTER_EIP, BAD}}},
    {LONG, "GUEST_PAT", "no such memory type", 1UL << 59, {{VMCS_GUEST_PAT, 0x0807040600070406}}},
    {LONG, "GUEST_PAT", "no such memory type", 2, {{VMCS_GUEST_PAT, 0x0007040600070403}}},
    {LONG, "GUEST_EFER", ZERO, 1UL << 12, {{VMCS_GUEST_EFER, 0x1501}}},
    {LONG, "GUEST_EFER", "LMA, and with paging LME, must equal the entry control for an IA-32e guest", EFER_LME, {{VMCS_GUEST_EFER, EFER_LMA}}},
    {PROTECTED, "GUEST_EFER", "LMA, and with paging LME, must equal the entry control for an IA-32e guest", EFER_LMA, {{VMCS_GUEST_EFER, EFER_LMA}}},
    {NESTED_PAGED, "GUEST_EFER", "LMA, and with paging LME, must equal the entry control for an IA-32e guest", EFER_LME, {{VMCS_GUEST_EFER, EFER_LME}}},
    {LONG, "GUEST_GDTR_BASE", CANON, 0, {{VMCS_GUEST_GDTR_BASE, BAD}}},
    {LONG, "GUEST_IDTR_BASE", CANON, 0, {{VMCS_GUEST_IDTR_BASE, BAD}}},
    {LONG, "GUEST_GDTR_LIMIT", ZERO, 1UL << 16, {{VMCS_GUEST_GDTR_LIMIT, 0x10000}}},
    {LONG, "GUEST_IDTR_LIMIT", ZERO, 1UL << 31, {{VMCS_GUEST_IDTR_LIMIT, 0x80000000}}},
    {LONG, "GUEST_RIP", "must be canonical in 64-bit code, below 4 GiB elsewhere", 0, {{VMCS_GUEST_RIP, BAD}}},
    {COMPAT, "GUEST_RIP", "must be canonical in 64-bit code, below 4 GiB elsewhere", 1UL << 32, {{VMCS_GUEST_RIP, 1UL << 32}}},
    {LONG, "GUEST_RFLAGS", "bit 1 must be 1, reserved bits 0", 2, {{VMCS_GUEST_RFLAGS, 0}}},
    {LONG, "GUEST_RFLAGS", "bit 1 must be 1, reserved bits 0", 1UL << 22, {{VMCS_GUEST_RFLAGS, 0x400002}}},
    {LONG, "GUEST_RFLAGS", "bit 1 must be 1, reserved bits 0", 8, {{VMCS_GUEST_RFLAGS, 0xa}}},
    {V8086, "GUEST_RFLAGS", "no virtual-8086 mode in IA-32e or real mode", 1UL << 17, {{VMCS_GUEST_CR0, 0x30}}},
    {LONG, "GUEST_RFLAGS", "IF must be 1 when an interrupt is injected", RFLAGS_IF, {{INFO, 0x80000020}, {VMCS_GUEST_RFLAGS, 2}}},
    {LONG, "GUEST_ACTIVITY", "no such activity state", 0, {{VMCS_GUEST_ACTIVITY, 4}}},
    {LONG_USER, "GUEST_ACTIVITY", "HLT is for privilege level 0", 0, {{VMCS_GUEST_ACTIVITY, 1}}},
    {LONG, "GUEST_ACTIVITY", "must be active under blocking by STI or MOV SS", 0, {{VMCS_GUEST_ACTIVITY, 2}, {VMCS_GUEST_INTERRUPTIBILITY, 1}}},
    {LONG, "GUEST_ACTIVITY", "the event to inject does not end this activity state", 0, {{VMCS_GUEST_ACTIVITY, 1}, {INFO, 0x8000030d}}},
    {LONG, "GUEST_ACTIVITY", "the event to inject does not end this activity state", 0, {{VMCS_GUEST_ACTIVITY, 2}, {INFO, 0x80000020}}},
    {LONG, "GUEST_ACTIVITY", "the event to inject does not end this activity state", 0, {{VMCS_GUEST_ACTIVITY, 3}, {INFO, 0x80000202}}},
    {LONG, "GUEST_INTERRUPTIBILITY", "bits that must be 0 (blocking by SMI, too, outside SMM)", 1UL << 2, {{VMCS_GUEST_INTERRUPTIBILITY, 4}}},
    {LONG, "GUEST_INTERRUPTIBILITY", "bits that must be 0 (blocking by SMI, too, outside SMM)", 1UL << 31, {{VMCS_GUEST_INTERRUPTIBILITY, 1UL << 31}}},
    {LONG, "GUEST_INTERRUPTIBILITY", "blocking by STI and by MOV SS exclude each other", 3, {{VMCS_GUEST_INTERRUPTIBILITY, 3}}},
    {PROTECTED, "GUEST_INTERRUPTIBILITY", "blocking by STI needs RFLAGS.IF", 1, {{VMCS_GUEST_INTERRUPTIBILITY, 1}}},
    {LONG, "GUEST_INTERRUPTIBILITY", "no interrupt or NMI is injected under blocking by STI or MOV SS", 1, {{VMCS_GUEST_INTERRUPTIBILITY, 1}, {INFO, 0x80000020}}},
    {LONG, "GUEST_INTERRUPTIBILITY", "no interrupt or NMI is injected under blocking by STI or MOV SS", 2, {{VMCS_GUEST_INTERRUPTIBILITY, 2}, {INFO, 0x80000202}}},
    {LONG, "GUEST_INTERRUPTIBILITY", "no NMI is injected under blocking by NMI", 8, {{VMCS_GUEST_INTERRUPTIBILITY, 8}, {INFO, 0x80000202}}},
    {LONG, "GUEST_PENDING_DEBUG", ZERO, 1UL << 13, {{VMCS_GUEST_PENDING_DEBUG, 0x2000}}},
    {LONG, "GUEST_PENDING_DEBUG", "BS must equal TF (without BTF) under blocking by STI, MOV SS, HLT", 1UL << 14,
     {{VMCS_GUEST_PENDING_DEBUG, 0x4000}, {VMCS_GUEST_INTERRUPTIBILITY, 2}}},
    {LONG, "GUEST_PENDING_DEBUG", "BS must equal TF (without BTF) under blocking by STI, MOV SS, HLT", 1UL << 14,
     {{VMCS_GUEST_RFLAGS, 0x302}, {VMCS_GUEST_INTERRUPTIBILITY, 1}}},
    {LONG, "GUEST_PENDING_DEBUG", "BS must equal TF (without BTF) under blocking by STI, MOV SS, HLT", 1UL << 14, {{VMCS_GUEST_RFLAGS, 0x302}, {VMCS_GUEST_ACTIVITY, 1}}},
    {LONG, "VMCS_LINK", "must be all ones or the physical address of a page", 1, {{VMCS_VMCS_LINK, 0x1001}}},
    {PAE, "GUEST_PDPTE", ZERO, 2, {{VMCS_GUEST_PDPTE0 + 6, 0x9003}}},
    {PAE, "GUEST_PDPTE", ZERO, 1UL << 45, {{VMCS_GUEST_PDPTE0, 1UL << 45 | 1}}},
};

static const struct breach segments[] = {
    {V8086, "DS", "the base in virtual-8086 mode is the selector times 16", 0, {{SEG(BASE, DS), 0x10000}}},
    {V8086, "GS", "the limit in virtual-8086 mode is 0xffff", 0, {{SEG(LIMIT, GS), 0xfffff}}},
    {V8086, "CS", "the access rights in virtual-8086 mode are 0xf3", 0, {{SEG(AR, CS), 0xfb}}},
    {STRICT, "SS", "RPL must equal that of CS", 1, {{SEG(SEL, SS), 0x11}, {SEG(AR, SS), 0xc0b3}, {SEG(AR, CS), 0xc0bb}}},
    {STRICT, "SS", "DPL must equal RPL", 0x60, {{SEG(AR, SS), 0xc0b3}, {SEG(AR, CS), 0xc0bb}}},
    {REAL, "SS", "DPL must be 0 in real mode and beside a CS of type 3", 0x60, {{SEG(AR, SS), 0xf3}, {SEG(AR, CS), 0xfb}}},
    {PROTECTED, "SS", "DPL must be 0 in real mode and beside a CS of type 3", 0x20, {{SEG(AR, SS), 0xc0b3}, {SEG(AR, CS), 0xc093}}},
    {LONG, "FS", "the base must be canonical", 0, {{SEG(BASE, FS), BAD}}},
    {LONG, "GS", "the base must be canonical", 0, {{SEG(BASE, GS), BAD}}},
    {LONG, "TR", "the base must be canonical", 0, {{SEG(BASE, TR), BAD}}},
    {LONG, "LDTR", "the base must be canonical", 0, {{SEG(BASE, LDTR), BAD}}},
    {LONG, "TR", "TR must be usable", SEG_UNUSABLE, {{SEG(AR, TR), 0x1008b}}},
    {LONG, "CS", "the base must be below 4 GiB", 1UL << 32, {{SEG(BASE, CS), 1UL << 32}}},
    {PROTECTED, "ES", "the base must be below 4 GiB", 1UL << 63, {{SEG(BASE, ES), 1UL << 63}}},
    {LONG, "TR", "must lie in the GDT", 4, {{SEG(SEL, TR), 0x44}}},
    {LONG, "LDTR", "must lie in the GDT", 4, {{SEG(SEL, LDTR), 0x54}}},
    {LONG, "CS", TYPE, 15, {{SEG(AR, CS), 0xa098}}},
    {LONG, "CS", TYPE, 15, {{SEG(AR, CS), 0xa091}}},
    {STRICT, "CS", TYPE, 15, {{SEG(AR, CS), 0xc093}}},
    {LONG, "SS", TYPE, 15, {{SEG(AR, SS), 0xc091}}},
    {PROTECTED, "DS", TYPE, 15, {{SEG(AR, DS), 0xc092}}},
    {PROTECTED, "ES", TYPE, 15, {{SEG(AR, ES), 0xc099}}},
    {LONG, "TR", TYPE, 15, {{SEG(AR, TR), 0x83}}},
    {PROTECTED, "TR", TYPE, 15, {{SEG(AR, TR), 0x89}}},
    {LONG, "LDTR", TYPE, 15, {{SEG(AR, LDTR), 0x80}}},
    {LONG, "CS", "S must be 1 for code and data, 0 for LDTR and TR", 16, {{SEG(AR, CS), 0xa08b}}},
    {LONG, "TR", "S must be 1 for code and data, 0 for LDTR and TR", 16, {{SEG(AR, TR), 0x9b}}},
    {LONG, "CS", CS_DPL, 0x60, {{SEG(AR, CS), 0xa0fb}}},
    {LONG, "CS", CS_DPL, 0x60, {{SEG(AR, CS), 0xa0ff}}},
    {PROTECTED, "CS", CS_DPL, 0x60, {{SEG(AR, CS), 0xc0f3}}},
    {STRICT, "DS", "DPL must not be below RPL", 0x60, {{SEG(SEL, DS), 0x13}}},
    {LONG, "CS", "must be present", 0x80, {{SEG(AR, CS), 0xa01b}}},
    {LONG, "TR", "must be present", 0x80, {{SEG(AR, TR), 0xb}}},
    {PROTECTED, "DS", "must be present", 0x80, {{SEG(AR, DS), 0xc013}}},
    {LONG, "CS", ZERO, 1UL << 9, {{SEG(AR, CS), 0xa29b}}},
    {LONG, "LDTR", ZERO, 1UL << 20, {{SEG(AR, LDTR), 0x100082}}},
    {LONG, "CS", "D must be 0 with L", 1UL << 14, {{SEG(AR, CS), 0xe09b}}},
    {LONG, "CS", "G must be 0 unless limit bits 0 to 11 are all 1, 1 unless bits 20 to 31 are all 0", 1UL << 15, {{SEG(LIMIT, CS), 0xfffe}}},
    {LONG, "TR", "G must be 0 unless limit bits 0 to 11 are all 1, 1 unless bits 20 to 31 are all 0", 1UL << 15, {{SEG(LIMIT, TR), 0x100fff}}},
};

static void break_all(const struct breach *b, size_t n, bool guest_state)
{
    for (size_t i = 0; i < n; i++, b++) {
        make(b->state);
        valid();
        for (unsigned k = 0; k < ARRAY_SIZE(b->change) && (k == 0 || b->change[k].field != 0); k++)
            fields[b->change[k].field] = b->change[k].value;
        check(guest_state);
        for (unsigned k = 0; k < nr_found; k++) {
            if (nr_found != 1 || strcmp(found[k].name, b->name) != 0 || strcmp(found[k].rule, b->rule) != 0 || (b->bits != 0 && found[k].bits != b->bits))
                print_error("%zu: %s 0x%lx, bits 0x%lx: %s\n", i, found[k].name, (unsigned long)found[k].value, (unsigned long)found[k].bits, found[k].rule);
        }
        if (nr_found != 1)
            fail_msg("%zu: %s: %s: %u complaints", i, b->name, b->rule, nr_found);
        assert_string_equal(found[0].name, b->name);
        assert_string_equal(found[0].rule, b->rule);
        assert_true(b->bits == 0 || found[0].bits == b->bits);
        assert_true(nr_hits < ARRAY_SIZE(hits));
        strcpy(hits[nr_hits].name, b->name);
        strcpy(hits[nr_hits++].rule, b->rule);
    }
}

static void test_controls_and_host(void **state) { (void)state; break_all(controls, ARRAY_SIZE(controls), false); }
static void test_guest(void **state) { (void)state; break_all(guests, ARRAY_SIZE(guests), true); }
static void test_segments(void **state) { (void)state; break_all(segments, ARRAY_SIZE(segments), true); }

/* What another CPU would say. */
static void test_capabilities(void **state)
{
    (void)state;
    make(LONG);
    limits.msr[12] &= ~(1UL << 21);
    fields[VMCS_EPTP] |= 1UL << 6;
    check(false);
    assert_int_equal(nr_found, 1);
    assert_string_equal(found[0].rule, "this CPU has no accessed and dirty flags");
    strcpy(hits[nr_hits].name, "EPTP");
    strcpy(hits[nr_hits++].rule, found[0].rule);
    make(LONG);
    limits.msr[0] |= 1UL << 56; /* error codes as software likes */
    fields[INFO] = 0x80000b06;
    valid();
    make(REAL);
    limits.msr[0] |= 1UL << 56;
    fields[INFO] = 0x80000b0d;
    check(false);
    assert_int_equal(nr_found, 1);
    make(LONG);
    fields[INFO] = 0x80000480;
    fields[VMCS_ENTRY_INSTR_LEN] = 0;
    limits.msr[5] |= 1UL << 30;
    valid();
    limits.msr[5] &= ~(1UL << 30);
    check(false);
    assert_int_equal(nr_found, 1);
    make(LONG);
    limits.msr[5] &= ~(1UL << 6); /* no HLT */
    fields[VMCS_GUEST_ACTIVITY] = 1;
    check(true);
    assert_int_equal(nr_found, 1);
    make(LONG);
    limits.msr[0] &= ~(1UL << 55); /* only the old MSRs: CR3 exits are fixed to 1 */
    check(false);
    assert_int_equal(nr_found, 1);
    assert_int_equal(found[0].bits, 3UL << 15);
    make(LONG);
    fields[VMCS_PROC_CTLS] &= ~(1UL << 31); /* secondary controls off: none of them counts */
    fields[VMCS_PROC_CTLS2] = 0xffffffff;
    fields[VMCS_VPID] = 0;
    fields[VMCS_EPTP] = 0xfff;
    check(false);
    assert_int_equal(nr_found, 0);
}

/* The source is read: each rule in it was broken above. */
static void test_no_rule_without_a_case(void **state)
{
    char line[512], name[64];
    unsigned rules = 0;
    (void)state;
    FILE *f = fopen("vmx/vmcs_check.c", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        bool named = sscanf(line, " RULE(%63[A-Z0-9_]", name) == 1, table = strncmp(line, "    {P", 6) == 0 || strncmp(line, "    {EXIT", 9) == 0;
        if (!named && !table && strncmp(line, "    SEG(", 8) != 0 && strncmp(line, "        control(c, ", 19) != 0 && strncmp(line, "        SEG(", 12) != 0 && strstr(line, " rule(c, ") == NULL)
            continue;
        for (char *at = strchr(line, '"'), *end; at != NULL && (end = strchr(at + 1, '"')) != NULL; at = strchr(end + 1, '"')) {
            *end = '\0';
            if (strcmp(at + 1, "GUEST_PDPTE") == 0)
                continue;
            rules++;
            if (!was_hit(named ? name : NULL, at + 1))
                fail_msg("no case breaks %s: %s", named ? name : "the rule", at + 1);
        }
    }
    fclose(f);
    assert_true(rules > 80);
}

/* Fields that are written have a place of their own. */
static void test_slots(void **state)
{
    (void)state;
    static const uint32_t written[] = {
        VMCS_VPID, SEG(SEL, ES), SEG(SEL, TR), VMCS_GUEST_INTR_STATUS, VMCS_HOST_ES_SEL, VMCS_HOST_TR_SEL, VMCS_IO_BITMAP_A, VMCS_EOI_EXIT3, VMCS_VMCS_LINK,
        VMCS_GUEST_EFER, VMCS_HOST_PAT, VMCS_HOST_EFER, VMCS_PIN_CTLS, VMCS_PROC_CTLS2, SEG(LIMIT, ES), SEG(AR, TR), VMCS_PREEMPTION_TIMER, VMCS_HOST_SYSENTER_CS,
        VMCS_CR0_MASK, VMCS_CR4_SHADOW, VMCS_GUEST_CR0, SEG(BASE, TR), VMCS_GUEST_SYSENTER_EIP, VMCS_HOST_CR0, VMCS_HOST_RIP};
    for (unsigned i = 0; i < ARRAY_SIZE(written); i++) {
        assert_in_range(vmcs_slot(written[i]), 1, VMCS_SLOTS - 1);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(vmcs_slot(written[i]), vmcs_slot(written[k]));
    }
    assert_int_equal(vmcs_slot(VMCS_EXIT_REASON), 0);
    assert_int_equal(vmcs_slot(VMCS_GUEST_PDPTE0), 0);
    for (uint32_t f = 0; f < 0x8000; f++)
        assert_in_range(vmcs_slot(f), 0, VMCS_SLOTS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_states), cmocka_unit_test(test_controls_and_host), cmocka_unit_test(test_guest), cmocka_unit_test(test_segments),
        cmocka_unit_test(test_capabilities), cmocka_unit_test(test_no_rule_without_a_case), cmocka_unit_test(test_slots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
