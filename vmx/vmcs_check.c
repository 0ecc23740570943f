/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See vmcs_check.h. In the SDM's order, one line per rule: the field, its bits that are wrong (none: the rule
 * holds), what the rule demands. */
#include "vmx/vmcs_check.h"

#include "kernel/core/ksyms.h"
#include "kernel/core/log.h"
#include "kernel/core/printf.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/x86.h"
#include "vmx/context_check.h"
#include "vmx/vlapic.h"
#include "vmx/vmcs.h"

#define R(field) vmcs_raw_read(VMCS_##field)
#define F(field) {VMCS_##field, #field}
#define RULE(field, wrong, words) rule(c, VMCS_##field, #field, wrong, words)
#define UNLESS(holds) ((holds) ? 0UL : ~0UL)
#define PUSH_ERROR_CODE 0x27d00U /* #DF #TS #NP #SS #GP #PF #AC */
#define HIGH_HALF 0xffffffff00000000UL
#define DPL_BITS 0x60UL
#define MSR_VMX_BASIC 0x480U
enum group { PIN, PROC, PROC2, EXIT, ENTRY, GROUPS };
enum { BASIC = 0, MISC = 5, CR0_MUST, CR0_MAY, CR4_MUST, CR4_MAY, EPT_CAP = 12 }; /* of the capability MSRs */
enum { ACTIVE, HLT, SHUTDOWN, WAIT_SIPI };
enum { ES, CS, SS, DS, FS, GS, LDTR, TR, SEGMENTS };
struct named { uint32_t field; const char *name; };

struct check {
    const struct vmcs_limits *l;
    void (*found)(void *ctx, const struct vmcs_broken *b);
    void *ctx;
    const char *section;
    uint32_t ctl[GROUPS], event, type, vector; /* event: to be injected; 0: none */
    bool external, nmi, exception;             /* what it is */
    bool ia32e, unrestricted, v8086;
};

static void rule(const struct check *c, uint32_t field, const char *name, uint64_t wrong, const char *words)
{
    if (wrong != 0)
        c->found(c->ctx, &(struct vmcs_broken){field, name, vmcs_raw_read(field), wrong, words, c->section});
}

static bool on(const struct check *c, enum group g, unsigned bit) { return (c->ctl[g] >> bit & 1) != 0; }
static uint64_t beyond(const struct check *c, uint64_t a) { return a >> c->l->phys_bits << c->l->phys_bits; }
static uint64_t not_page(const struct check *c, uint64_t a) { return beyond(c, a) | (a & (PAGE_SIZE - 1)); }
static uint64_t fixed(uint64_t value, uint64_t must, uint64_t may) { return (must & ~value) | (value & ~may); }
static uint64_t not_canonical(uint64_t a) { return UNLESS(context_canonical(a)); }


static const struct named groups[GROUPS] = {F(PIN_CTLS), F(PROC_CTLS), F(PROC_CTLS2), F(EXIT_CTLS), F(ENTRY_CTLS)};
/* A control that needs another one. */
static const struct { uint8_t group, bit, other, other_bit; const char *words; } needs[] = {
    {PIN, 5, PIN, 3, "virtual NMIs need NMI exiting"}, {PROC, 22, PIN, 5, "NMI-window exiting needs virtual NMIs"},
    {PROC2, 4, PROC, 21, "x2APIC mode needs the TPR shadow"}, {PROC2, 8, PROC, 21, "APIC-register virtualization needs the TPR shadow"},
    {PROC2, 9, PROC, 21, "virtual-interrupt delivery needs the TPR shadow"}, {PROC2, 9, PIN, 0, "virtual-interrupt delivery needs external-interrupt exiting"},
    {PROC2, 7, PROC2, 1, "unrestricted guest needs EPT"}, {EXIT, 22, PIN, 6, "saving the preemption timer needs the timer"}};
static const struct { uint8_t bit; struct named at; } pages[] = {
    {25, F(IO_BITMAP_A)}, {25, F(IO_BITMAP_B)}, {28, F(MSR_BITMAP)}, {21, F(VIRTUAL_APIC_PAGE)}};

static uint64_t capability(const struct check *c, enum group g)
{
    static const uint8_t at[2][GROUPS] = {{1, 2, 11, 3, 4}, {13, 14, 11, 15, 16}};
    return c->l->msr[at[c->l->msr[BASIC] >> 55 & 1][g]];
}

static void control(const struct check *c, enum group g, uint64_t wrong, const char *words) { rule(c, groups[g].field, groups[g].name, wrong, words); }

static void check_controls(struct check *c)
{
    bool tpr_shadow = on(c, PROC, 21) && !on(c, PROC2, 9), ept = on(c, PROC2, 1);
    uint64_t eptp = R(EPTP), cap = c->l->msr[EPT_CAP];
    c->section = "VM-Execution Control Fields"; /* and the same for exit and entry */
    for (unsigned g = PIN; g < GROUPS; g++)
        control(c, g, g == PROC2 && !on(c, PROC, 31) ? 0 : fixed(c->ctl[g], (uint32_t)capability(c, g), capability(c, g) >> 32), "this CPU fixes it to the other value");
    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        control(c, needs[i].group, on(c, needs[i].other, needs[i].other_bit) ? 0 : c->ctl[needs[i].group] & 1UL << needs[i].bit, needs[i].words);
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        rule(c, pages[i].at.field, pages[i].at.name, on(c, PROC, pages[i].bit) ? not_page(c, vmcs_raw_read(pages[i].at.field)) : 0, "must be the physical address of a page");
    RULE(CR3_TARGETS, UNLESS(R(CR3_TARGETS) <= 4), "at most 4 CR3 targets");
    RULE(TPR_THRESHOLD, tpr_shadow ? R(TPR_THRESHOLD) & ~0xfUL : 0, "only bits 0 to 3 may be set");
    RULE(TPR_THRESHOLD, UNLESS(!tpr_shadow || (R(TPR_THRESHOLD) & 15) <= (c->l->tpr >> 4 & 15)), "must not be above the priority in the virtual TPR");
    RULE(VPID, UNLESS(!on(c, PROC2, 5) || R(VPID) != 0), "must not be 0: that is the host's");
    RULE(EPTP, ept && !((eptp & 7) == 0 && (cap >> 8 & 1) != 0) && !((eptp & 7) == 6 && (cap >> 14 & 1) != 0) ? 7UL : 0, "the memory type must be UC or WB, as the CPU offers");
    RULE(EPTP, ept && (eptp >> 3 & 7) != 3 ? 7UL << 3 : 0, "the walk must have 4 levels");
    RULE(EPTP, ept && (cap >> 21 & 1) == 0 ? eptp & 1UL << 6 : 0, "this CPU has no accessed and dirty flags");
    RULE(EPTP, ept ? (eptp & 0xf80) | beyond(c, eptp) : 0, "bits that must be 0");
    bool code = (c->event & INTR_ERROR_CODE) != 0, may_push = c->exception && (!c->unrestricted || (R(GUEST_CR0) & CR0_PE) != 0);
    bool soft = c->type == INTR_TYPE_SOFT_INTERRUPT || c->type == INTR_TYPE_PRIV_EXCEPTION || c->type == INTR_TYPE_SOFT_EXCEPTION;
    bool pushes = may_push && c->vector < 32 && (PUSH_ERROR_CODE >> c->vector & 1) != 0, free = may_push && (c->l->msr[BASIC] >> 56 & 1) != 0;
    uint64_t len = R(ENTRY_INSTR_LEN), len_min = (c->l->msr[MISC] >> 30 & 1) != 0 ? 0 : 1;
    c->section = "VM-Entry Control Fields";
    if (c->event == 0)
        return;
    RULE(ENTRY_INTR_INFO, c->type == 1 || (c->type == 7 && (capability(c, PROC) >> 59 & 1) == 0) ? 0x700UL : 0, "reserved type of event");
    RULE(ENTRY_INTR_INFO, c->vector > (c->nmi ? 2 : c->exception ? 31 : c->type == 7 ? 0 : 255U) || (c->nmi && c->vector < 2) ? 0xffUL : 0, "NMI has vector 2, exceptions at most 31");
    RULE(ENTRY_INTR_INFO, code == pushes || free ? 0 : INTR_ERROR_CODE, "an error code goes with #DF #TS #NP #SS #GP #PF #AC in protected mode, and only with them");
    RULE(ENTRY_INTR_INFO, c->event & 0x7ffff000U, "bits that must be 0");
    RULE(ENTRY_ERROR_CODE, code ? R(ENTRY_ERROR_CODE) & ~0xffffUL : 0, "an error code has 16 bits");
    RULE(ENTRY_INSTR_LEN, UNLESS(!soft || (len >= len_min && len <= 15)), "an instruction's length is 1 to 15");
}

static void check_host(struct check *c)
{
    static const struct named selectors[] = {F(HOST_ES_SEL), F(HOST_CS_SEL), F(HOST_SS_SEL), F(HOST_DS_SEL), F(HOST_FS_SEL), F(HOST_GS_SEL), F(HOST_TR_SEL)};
    static const struct named addresses[] = {F(HOST_SYSENTER_ESP), F(HOST_SYSENTER_EIP), F(HOST_FS_BASE), F(HOST_GS_BASE), F(HOST_TR_BASE), F(HOST_GDTR_BASE), F(HOST_IDTR_BASE), F(HOST_RIP)};
    uint64_t efer = R(HOST_EFER), lma = EFER_LMA | EFER_LME;
    c->section = "Checks on Host Control Registers, MSRs, and SSP";
    RULE(HOST_CR0, fixed(R(HOST_CR0), c->l->msr[CR0_MUST], c->l->msr[CR0_MAY]) & ~(CR0_CD | CR0_NW), "VMX operation fixes it to the other value");
    RULE(HOST_CR4, fixed(R(HOST_CR4), c->l->msr[CR4_MUST], c->l->msr[CR4_MAY]), "VMX operation fixes it to the other value");
    RULE(HOST_CR3, beyond(c, R(HOST_CR3)), "must be a physical address");
    RULE(HOST_PAT, on(c, EXIT, 19) ? context_wrong_pat(R(HOST_PAT)) : 0, "no such memory type");
    RULE(HOST_EFER, on(c, EXIT, 21) ? fixed(efer, lma, EFER_SCE | lma | EFER_NXE) : 0, "LMA and LME must be 1 for a 64-bit host, reserved bits 0");
    c->section = "Checks on Host Segment and Descriptor-Table Registers";
    for (unsigned i = 0; i < ARRAY_SIZE(selectors); i++)
        rule(c, selectors[i].field, selectors[i].name, vmcs_raw_read(selectors[i].field) & 7, "RPL and TI must be 0");
    RULE(HOST_CS_SEL, UNLESS(R(HOST_CS_SEL) != 0), "must not be null");
    RULE(HOST_TR_SEL, UNLESS(R(HOST_TR_SEL) != 0), "must not be null");
    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++)
        rule(c, addresses[i].field, addresses[i].name, not_canonical(vmcs_raw_read(addresses[i].field)), "must be canonical");
    c->section = "Checks Related to Address-Space Size";
    RULE(EXIT_CTLS, ~c->ctl[EXIT] & 1UL << 9, "in IA-32e mode the host must be a 64-bit one");
    RULE(HOST_CR4, ~R(HOST_CR4) & CR4_PAE, "a 64-bit host needs PAE");
}

static void check_registers(struct check *c)
{
    uint64_t cr0 = R(GUEST_CR0), cr4 = R(GUEST_CR4), efer = R(GUEST_EFER), lme = (cr0 & CR0_PG) == 0 ? 0 : EFER_LME;
    uint64_t free = CR0_CD | CR0_NW | (c->unrestricted ? CR0_PE | CR0_PG : 0), lma = c->ia32e ? EFER_LMA | EFER_LME : 0;
    uint64_t rip = R(GUEST_RIP), flags = R(GUEST_RFLAGS);
    bool debug = on(c, ENTRY, 2), code_64 = c->ia32e && (R(GUEST_CS_AR) & SEG_LONG) != 0;
    c->section = "Checks on Guest Control Registers, Debug Registers, and MSRs";
    RULE(GUEST_CR0, fixed(cr0, c->l->msr[CR0_MUST], c->l->msr[CR0_MAY]) & ~free, "VMX operation fixes it to the other value");
    RULE(GUEST_CR0, (cr0 & CR0_PE) != 0 ? 0 : cr0 & CR0_PG, "paging needs protected mode");
    RULE(GUEST_CR4, fixed(cr4, c->l->msr[CR4_MUST], c->l->msr[CR4_MAY]), "VMX operation fixes it to the other value");
    RULE(GUEST_CR0, c->ia32e ? ~cr0 & CR0_PG : 0, "an IA-32e guest needs paging");
    RULE(GUEST_CR4, c->ia32e ? ~cr4 & CR4_PAE : cr4 & CR4_PCIDE, "an IA-32e guest needs PAE, and PCIDE is for it alone");
    RULE(GUEST_CR3, beyond(c, R(GUEST_CR3)), "must be a physical address");
    RULE(GUEST_DEBUGCTL, debug ? R(GUEST_DEBUGCTL) & ~0xffc7UL : 0, "bits that must be 0");
    RULE(GUEST_DR7, debug ? R(GUEST_DR7) & HIGH_HALF : 0, "bits that must be 0");
    RULE(GUEST_SYSENTER_ESP, not_canonical(R(GUEST_SYSENTER_ESP)), "must be canonical");
    RULE(GUEST_SYSENTER_EIP, not_canonical(R(GUEST_SYSENTER_EIP)), "must be canonical");
    RULE(GUEST_PAT, on(c, ENTRY, 14) ? context_wrong_pat(R(GUEST_PAT)) : 0, "no such memory type");
    RULE(GUEST_EFER, on(c, ENTRY, 15) ? efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE) : 0, "bits that must be 0");
    RULE(GUEST_EFER, on(c, ENTRY, 15) ? (efer ^ lma) & (EFER_LMA | lme) : 0, "LMA, and with paging LME, must equal the entry control for an IA-32e guest");
    c->section = "Checks on Guest Descriptor-Table Registers";
    RULE(GUEST_GDTR_BASE, not_canonical(R(GUEST_GDTR_BASE)), "must be canonical");
    RULE(GUEST_IDTR_BASE, not_canonical(R(GUEST_IDTR_BASE)), "must be canonical");
    RULE(GUEST_GDTR_LIMIT, R(GUEST_GDTR_LIMIT) & ~0xffffUL, "bits that must be 0");
    RULE(GUEST_IDTR_LIMIT, R(GUEST_IDTR_LIMIT) & ~0xffffUL, "bits that must be 0");
    c->section = "Checks on Guest RIP, RFLAGS, and SSP";
    RULE(GUEST_RIP, code_64 ? not_canonical(rip) : rip & HIGH_HALF, "must be canonical in 64-bit code, below 4 GiB elsewhere");
    RULE(GUEST_RFLAGS, fixed(flags, 2, 0x3f7fd7), "bit 1 must be 1, reserved bits 0");
    RULE(GUEST_RFLAGS, c->v8086 && (c->ia32e || (R(GUEST_CR0) & CR0_PE) == 0) ? 1UL << 17 : 0, "no virtual-8086 mode in IA-32e or real mode");
    RULE(GUEST_RFLAGS, c->external ? ~flags & RFLAGS_IF : 0, "IF must be 1 when an interrupt is injected");
}

#define SEG(part, wrong, words) rule(c, VMCS_GUEST_ES_##part + 2 * i, names[i], wrong, words)

static void check_segment(const struct check *c, unsigned i)
{
    static const char *const names[SEGMENTS] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};
    static const uint16_t types[SEGMENTS] = {[ES] = 0x88aa, [CS] = 0xaa00, [SS] = 0x88, [DS ... GS] = 0x88aa, [LDTR] = 4, [TR] = 0x800};
    uint64_t sel = vmcs_raw_read(VMCS_GUEST_ES_SEL + 2 * i), base = vmcs_raw_read(VMCS_GUEST_ES_BASE + 2 * i);
    uint64_t limit = vmcs_raw_read(VMCS_GUEST_ES_LIMIT + 2 * i), ar = vmcs_raw_read(VMCS_GUEST_ES_AR + 2 * i);
    unsigned type = ar & 15, dpl = SEG_DPL(ar), rpl = sel & 3, cs_type = R(GUEST_CS_AR) & 15, ss_dpl = SEG_DPL(R(GUEST_SS_AR)), granular = (ar >> 15 & 1) != 0;
    bool system = i >= LDTR, usable = i == CS || i == TR || (ar & SEG_UNUSABLE) == 0, data = i != CS && i != SS && !system, strict = !c->unrestricted;
    bool also_3 = (i == CS && c->unrestricted) || (i == TR && !c->ia32e);
    if (c->v8086 && !system) {
        SEG(BASE, UNLESS(base == sel << 4), "the base in virtual-8086 mode is the selector times 16");
        SEG(LIMIT, UNLESS(limit == 0xffff), "the limit in virtual-8086 mode is 0xffff");
        SEG(AR, UNLESS(ar == 0xf3), "the access rights in virtual-8086 mode are 0xf3");
        return;
    }
    SEG(SEL, i == SS && strict ? (sel ^ vmcs_raw_read(VMCS_GUEST_ES_SEL + 2 * CS)) & 3 : 0, "RPL must equal that of CS");
    SEG(AR, i == SS && strict && dpl != rpl ? DPL_BITS : 0, "DPL must equal RPL");
    SEG(AR, i == SS && (cs_type == 3 || (R(GUEST_CR0) & CR0_PE) == 0) ? ar & DPL_BITS : 0, "DPL must be 0 in real mode and beside a CS of type 3");
    SEG(BASE, i == FS || i == GS || (system && usable) ? not_canonical(base) : 0, "the base must be canonical");
    SEG(AR, i == TR ? ar & SEG_UNUSABLE : 0, "TR must be usable");
    if (!usable)
        return;
    SEG(BASE, i < FS ? base & HIGH_HALF : 0, "the base must be below 4 GiB");
    SEG(SEL, system ? sel & 4 : 0, "must lie in the GDT");
    SEG(AR, (types[i] >> type & 1) != 0 || (also_3 && type == 3) ? 0 : 15UL, "no such type here (CS: accessed code; SS: writable data; LDTR: 2; TR: busy TSS; others: accessed, readable)");
    SEG(AR, (ar >> 4 & 1) == system ? 1UL << 4 : 0, "S must be 1 for code and data, 0 for LDTR and TR");
    SEG(AR, i == CS && (type == 3 ? dpl != 0 : (type & 4) != 0 ? dpl > ss_dpl : dpl != ss_dpl) ? DPL_BITS : 0, "DPL must be that of SS, conforming: at most; type 3: 0");
    SEG(AR, data && strict && type < 12 && dpl < rpl ? DPL_BITS : 0, "DPL must not be below RPL");
    SEG(AR, ~ar & 1UL << 7, "must be present");
    SEG(AR, ar & 0xfffe0f00UL, "bits that must be 0");
    SEG(AR, i == CS && c->ia32e && (ar & SEG_LONG) != 0 ? ar & 1UL << 14 : 0, "D must be 0 with L");
    SEG(AR, ((limit & 0xfff) != 0xfff && granular) || (limit >> 20 != 0 && !granular) ? 1UL << 15 : 0, "G must be 0 unless limit bits 0 to 11 are all 1, 1 unless bits 20 to 31 are all 0");
}

static void check_non_register(struct check *c)
{
    uint64_t activity = R(GUEST_ACTIVITY), blocked = R(GUEST_INTERRUPTIBILITY), pending = R(GUEST_PENDING_DEBUG), link = R(VMCS_LINK);
    uint64_t shadow = blocked & (BLOCK_STI | BLOCK_MOV_SS), flags = R(GUEST_RFLAGS);
    uint64_t step = (flags & RFLAGS_TF) != 0 && (R(GUEST_DEBUGCTL) & 2) == 0 ? PENDING_DEBUG_BS : 0;
    bool pae = (R(GUEST_CR0) & CR0_PG) != 0 && (R(GUEST_CR4) & CR4_PAE) != 0 && !c->ia32e;
    bool wakes_shutdown = c->nmi || (c->exception && c->vector == 18), wakes_hlt = wakes_shutdown || c->external || (c->exception && c->vector == 1) || c->type == 7;
    bool wakes = activity == HLT ? wakes_hlt : activity == SHUTDOWN && wakes_shutdown;
    c->section = "Checks on Guest Non-Register State";
    RULE(GUEST_ACTIVITY, UNLESS(activity == ACTIVE || (activity <= WAIT_SIPI && (c->l->msr[MISC] >> (5 + activity) & 1) != 0)), "no such activity state");
    RULE(GUEST_ACTIVITY, UNLESS(activity != HLT || SEG_DPL(R(GUEST_SS_AR)) == 0), "HLT is for privilege level 0");
    RULE(GUEST_ACTIVITY, UNLESS(activity == ACTIVE || shadow == 0), "must be active under blocking by STI or MOV SS");
    RULE(GUEST_ACTIVITY, UNLESS(activity == ACTIVE || c->event == 0 || wakes), "the event to inject does not end this activity state");
    RULE(GUEST_INTERRUPTIBILITY, blocked & ~0x1bUL, "bits that must be 0 (blocking by SMI, too, outside SMM)");
    RULE(GUEST_INTERRUPTIBILITY, shadow == (BLOCK_STI | BLOCK_MOV_SS) ? shadow : 0, "blocking by STI and by MOV SS exclude each other");
    RULE(GUEST_INTERRUPTIBILITY, (flags & RFLAGS_IF) != 0 ? 0 : blocked & BLOCK_STI, "blocking by STI needs RFLAGS.IF");
    RULE(GUEST_INTERRUPTIBILITY, c->external || c->nmi ? shadow : 0, "no interrupt or NMI is injected under blocking by STI or MOV SS");
    RULE(GUEST_INTERRUPTIBILITY, c->nmi && on(c, PIN, 5) ? blocked & BLOCK_NMI : 0, "no NMI is injected under blocking by NMI");
    RULE(GUEST_PENDING_DEBUG, pending & ~0x1580fUL, "bits that must be 0");
    RULE(GUEST_PENDING_DEBUG, shadow != 0 || activity == HLT ? (pending ^ step) & PENDING_DEBUG_BS : 0, "BS must equal TF (without BTF) under blocking by STI, MOV SS, HLT");
    RULE(VMCS_LINK, link == ~0UL ? 0 : not_page(c, link), "must be all ones or the physical address of a page");
    c->section = "Checks on Guest Page-Directory-Pointer-Table Entries";
    for (uint32_t at = VMCS_GUEST_PDPTE0; at <= VMCS_GUEST_PDPTE0 + 6; at += 2)
        rule(c, at, "GUEST_PDPTE", pae && (vmcs_raw_read(at) & 1) != 0 ? (vmcs_raw_read(at) & 0x1e6) | beyond(c, vmcs_raw_read(at)) : 0, "bits that must be 0");
}

void vmcs_check(const struct vmcs_limits *l, bool guest_state, void (*found)(void *ctx, const struct vmcs_broken *b), void *ctx)
{
    struct check all = {.l = l, .found = found, .ctx = ctx}, *c = &all;
    uint32_t info = (uint32_t)R(ENTRY_INTR_INFO);
    for (unsigned g = PIN; g < GROUPS; g++)
        c->ctl[g] = g == PROC2 && !on(c, PROC, 31) ? 0 : (uint32_t)vmcs_raw_read(groups[g].field);
    c->event = (info & INTR_VALID) != 0 ? info : 0, c->type = INTR_TYPE(c->event), c->vector = c->event & 0xff;
    c->external = c->event != 0 && c->type == INTR_TYPE_EXTERNAL, c->nmi = c->type == INTR_TYPE_NMI, c->exception = c->type == INTR_TYPE_EXCEPTION;
    c->ia32e = on(c, ENTRY, 9), c->unrestricted = on(c, PROC2, 7), c->v8086 = (R(GUEST_RFLAGS) >> 17 & 1) != 0;
    if (guest_state) {
        check_registers(c);
        c->section = "Checks on Guest Segment Registers";
        for (unsigned i = 0; i < SEGMENTS; i++)
            check_segment(c, i);
        check_non_register(c);
    } else {
        check_controls(c);
        check_host(c);
    }
}

/* ---- the explanation ---- */

struct story { struct vmx_vcpu *v; unsigned broken; bool quiet; };

static void tell(void *ctx, const struct vmcs_broken *b)
{
    struct story *s = ctx;
    const struct vmcs_write *w = &s->v->wrote[vmcs_slot(b->field)];
    uint64_t at, at2, first = (uint64_t)__builtin_ctzl(b->bits);
    const char *site = ksyms_lookup(HIGH_HALF | w->site, &at), *caller = ksyms_lookup(HIGH_HALF | w->caller, &at2); /* "?": not kept */
    char which[32] = "";
    s->broken++;
    if (s->quiet)
        return;
    if (b->bits == 1UL << first)
        snprintf(which, sizeof(which), ", bit %lu is %lu", first, b->value >> first & 1);
    else if (b->bits != ~0UL)
        snprintf(which, sizeof(which), ", bits 0x%lx", b->bits);
    log_error("d%uv%u entry refused: %s (0x%x) 0x%lx%s: %s [SDM vol 3, \"%s\"]", s->v->domid, s->v->vcpu_id, b->name, b->field, b->value, which, b->rule, b->section);
    log_error("d%uv%u   written last by %s+0x%lx, called by %s+0x%lx%s", s->v->domid, s->v->vcpu_id, site, at, caller, at2,
              w->caller == ~0U || w->value == b->value ? "" : "; since then another value was saved at an exit (RIP: or stepped)");
}

unsigned vmcs_explain(struct vmx_vcpu *v, bool guest_state, bool quiet)
{
    struct vmcs_limits l = {.phys_bits = cpu_features.phys_bits, .tpr = ((const uint32_t *)v->apic_page)[VLAPIC_TPR << 2]};
    struct story story = {v, 0, quiet};
    l.msr[BASIC] = rdmsr(MSR_VMX_BASIC);
    for (uint32_t i = 1; i < ((l.msr[BASIC] >> 55 & 1) != 0 ? ARRAY_SIZE(l.msr) : 13); i++)
        l.msr[i] = rdmsr(MSR_VMX_BASIC + i);
    vmcs_check(&l, guest_state, tell, &story);
    if (story.broken == 0 && !quiet)
        log_error("d%uv%u entry refused, and no rule that Corbel knows is broken: the dump and SDM vol 3, \"VM Entries\"", v->domid, v->vcpu_id);
    return story.broken;
}
