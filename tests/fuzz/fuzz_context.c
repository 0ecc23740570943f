/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Contexts of a vCPU, as a damaged or hostile file of a saved guest would have them: right ones with some words changed, or any bytes. One that is
 * refused changes nothing. After one that is taken, what root itself loads cannot fault, the controls and the host's half of the VMCS are as they were, no
 * rule of VM entry is broken but those that VM entry is left to check, and what is read back is taken again and is the same. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/input.h"
#include "vmcs_fakes.h"
#include "vmx/context_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(cond, what) do { if (!(cond)) { fprintf(stderr, "fuzz_context: %s (%s:%d)\n", what, __FILE__, __LINE__); abort(); } } while (0)
#define WORDS (sizeof(struct cbl_vcpu_context) / 8)
#define AT(member) (offsetof(struct cbl_vcpu_context, member) / 8)

/* ---- what is written, and back ---- */
static struct { uint32_t field; uint64_t old; } undo[1024];
static unsigned nr_undo;
static bool made;

/* Guest state (SDM vol 3, "Field Encodings in VMCS"), and what of the controls follows it. */
static bool may_change(uint32_t f)
{
    return (f >> 10 & 3) == 2 || f == VMCS_CR0_SHADOW || f == VMCS_CR4_SHADOW || f == VMCS_TSC_OFFSET || f == VMCS_ENTRY_CTLS || f == VMCS_ENTRY_INTR_INFO;
}

void vmcs_fake_write(uint32_t f, uint64_t value)
{
    must(!made || may_change(f), "a field is written that is no guest's");
    if (made) {
        must(nr_undo < ARRAY_SIZE(undo), "so many writes");
        undo[nr_undo].field = f;
        undo[nr_undo++].old = fields[f];
    }
    fields[f] = value;
}

/* ---- the input ---- */
/* Words that say the most are chosen the most. */
static size_t word(void)
{
    static const uint8_t telling[] = {AT(rip), AT(rsp), AT(rflags), AT(cr0), AT(cr3), AT(cr4), AT(efer), AT(dr6), AT(dr7), AT(gdt_base), AT(idt_base), AT(gdt_limit), AT(lstar),
                                      AT(cstar), AT(fmask), AT(kernel_gs_base), AT(tsc_aux), AT(sysenter_cs), AT(sysenter_esp), AT(sysenter_eip), AT(pat), AT(xcr0), AT(apic_base),
                                      AT(interruptibility), AT(cs), AT(cs) + 1, AT(cs) + 2, AT(ss) + 1, AT(fs), AT(gs), AT(tr), AT(tr) + 1, AT(ldtr), AT(ldtr) + 1};
    uint8_t b = next();
    return b < 0xc0 ? telling[b % ARRAY_SIZE(telling)] : next() % WORDS;
}

static uint64_t value(uint64_t old)
{
    static const uint64_t known[] = {0, 1, 2, 3, 7, 8, 0xb, 0x10, 0xe6, 0xe7, 0x1f, 0x400, 0x500, 0xd01, 0xffff, 0x10000, 0x80000011, 0x80050033, 0x60000010, 0x20, 0xa0, 0x2020, 0x3706f0,
                                     0xfee00c00, 0xfee00d00, 0x0007040600070406UL, 0x0707070707070707UL, 1UL << 32, 1UL << 40, 1UL << 47, 1UL << 63, 0xffff800000000000UL,
                                     0x7fffffffffffUL, ~0UL, 0x20000 | 2, 0x3f7fd7};
    uint8_t b = next();
    if (b < 0x40)
        return old ^ 1UL << (b & 63);
    return b < 0xc0 ? known[b % ARRAY_SIZE(known)] : raw(b < 0xe0 ? 4 : 8);
}

static struct cbl_vcpu_context context(void)
{
    uint64_t w[WORDS] = {0};
    uint8_t kind = next();
    struct cbl_vcpu_context c = kind % 8 < 2 ? pvh() : kind % 8 < 6 ? long_mode(kind % 8 < 4 ? 0 : 3) : (struct cbl_vcpu_context){0};
    if (kind % 8 == 7)
        for (size_t i = 0; i < WORDS; i++)
            w[i] = raw(8);
    else
        memcpy(w, &c, sizeof(c));
    for (unsigned n = kind >> 4; n > 0 && in.len > 0; n--) {
        size_t i = word();
        w[i] = value(w[i]);
    }
    memcpy(&c, w, sizeof(c));
    return c;
}

/* ---- afterwards ---- */
static void none(void *ctx, const struct vmcs_broken *b)
{
    (void)ctx;
    fprintf(stderr, "%s 0x%lx: %s\n", b->name, (unsigned long)b->value, b->rule);
    must(false, "a rule on controls or on the host is broken");
}

static void left_to_entry(void *ctx, const struct vmcs_broken *b)
{
    (void)ctx;
    static const char *const sections[] = {"Checks on Guest Segment Registers", "Checks on Guest RIP, RFLAGS, and SSP", "Checks on Guest Non-Register State"};
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        if (strcmp(b->section, sections[i]) == 0 && b->bits != 0 && !(b->field == VMCS_GUEST_RFLAGS && b->bits != 1UL << 17))
            return;
    fprintf(stderr, "%s 0x%lx: %s\n", b->name, (unsigned long)b->value, b->rule);
    must(false, "a rule is broken that a context has to keep");
}

static bool canonical(uint64_t a) { return a >> 47 == 0 || a >> 47 == 0x1ffff; }

/* WRMSR, XSETBV and MOV to DR6 in root: SDM vol 2. */
static void root_can_load(void)
{
    must(canonical(v.lstar) && canonical(v.cstar) && canonical(v.kernel_gs_base), "an address in an MSR that is none");
    must(v.fmask >> 32 == 0 && v.tsc_aux >> 32 == 0 && v.dr6 >> 32 == 0, "the upper half of what has none");
    uint64_t x = v.xcr0, avx512 = x & 0xe0;
    must((x & 1) && !(x & ~vmx_caps.xcr0_offer & ~1UL) && !((x & 4) && !(x & 2)) && (avx512 == 0 || (avx512 == 0xe0 && (x & 6) == 6)), "an XCR0 that XSETBV does not take");
    must(fields[VMCS_GUEST_ACTIVITY] == 0 && v.vlapic.base_msr == 0xfee00c00, "it sleeps, or its local APIC has moved");
}

static void reads_back(const struct cbl_vcpu_context *c)
{
    struct cbl_vcpu_context a, b;
    must(vmx_context_get(&v, &a) == STATUS_OK && memcmp(&a, c, AT(rflags) * 8) == 0, "registers are not what they were set to");
    must(a.cr0 == c->cr0 && a.cr2 == c->cr2 && a.cr3 == c->cr3 && a.cr4 == c->cr4 && a.efer == c->efer && a.tsc_offset == c->tsc_offset, "control registers are not what they were set to");
    must(vmx_context_set(&v, &a) == STATUS_OK && vmx_context_get(&v, &b) == STATUS_OK && memcmp(&a, &b, sizeof(a)) == 0, "what was read is not what it is set to");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vmx_vcpu fresh;
    if (!made) {
        vmcs_made(false);
        v.vlapic.base_msr = 0xfee00c00;
        fresh = v;
        made = true;
    }
    in.p = data;
    in.len = size;
    vmx_caps.xcr0_offer = (uint64_t[]){7, 3, 0xe7, 1}[next() % 4];
    for (unsigned n = 0; n < 4 && in.len > 0; n++) {
        struct cbl_vcpu_context c = context();
        struct vmx_vcpu before = v;
        unsigned written = nr_undo;
        if (vmx_context_set(&v, &c) != STATUS_OK) {
            must(written == nr_undo && memcmp(&before, &v, sizeof(v)) == 0, "a context was refused, but something has changed");
            continue;
        }
        vmcs_check(&limits, false, none, NULL);
        vmcs_check(&limits, true, left_to_entry, NULL);
        root_can_load();
        reads_back(&c);
    }
    while (nr_undo > 0) {
        nr_undo--;
        fields[undo[nr_undo].field] = undo[nr_undo].old;
    }
    v = fresh;
    return 0;
}
