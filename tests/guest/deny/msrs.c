/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] RDMSR and WRMSR over both architectural ranges, the hypervisors' range and 10,000 others: #GP, but for the table below. */
#include "tests/guest/deny/deny.h"

#define SEEDED 10000U
#define X2APIC_FIRST 0x800U
#define X2APIC_LAST 0x83fU

enum write {
    REFUSED, /* #GP whatever the value */
    DROPPED, /* taken, and reads as before; with reserved bits it may be refused */
    OWN,     /* the guest's own state: what was taken is read back, then put back */
    PULSE,   /* write-only, a command */
    APART    /* has a test of its own */
};

/* All that a guest may reach. Some depend on the CPU. */
static const struct { uint32_t first, last; bool read; enum write write; } allowed[] = {
    {0x10, 0x10, true, APART},             /* TSC */
    {0x17, 0x17, true, REFUSED},           /* PLATFORM_ID */
    {0x1b, 0x1b, true, APART},             /* APIC_BASE */
    {0x3a, 0x3a, true, REFUSED},           /* FEATURE_CONTROL */
    {0x48, 0x48, true, OWN},               /* SPEC_CTRL */
    {0x49, 0x49, false, PULSE},            /* PRED_CMD */
    {0x8b, 0x8b, true, DROPPED},           /* BIOS_SIGN_ID */
    {0xfe, 0xfe, true, REFUSED},           /* MTRRCAP */
    {0x10a, 0x10a, true, REFUSED},         /* ARCH_CAPABILITIES */
    {0x174, 0x176, true, OWN},             /* SYSENTER_CS, _ESP, _EIP */
    {0x1a0, 0x1a0, true, DROPPED},         /* MISC_ENABLE */
    {0x1d9, 0x1d9, true, DROPPED},         /* DEBUGCTL */
    {0x277, 0x277, true, APART},           /* PAT */
    {0x2ff, 0x2ff, true, DROPPED},         /* MTRR_DEF_TYPE */
    {0x6e0, 0x6e0, true, APART},           /* TSC_DEADLINE */
    {X2APIC_FIRST, X2APIC_LAST, true, APART},
    {0x40000000, 0x40000000, false, APART}, /* the hypercall page */
    {0xc0000080, 0xc0000080, true, APART}, /* EFER */
    {0xc0000081, 0xc0000084, true, OWN},   /* STAR LSTAR CSTAR FMASK */
    {0xc0000100, 0xc0000102, true, OWN},   /* FS_BASE GS_BASE KERNEL_GS_BASE */
    {0xc0000103, 0xc0000103, true, OWN},   /* TSC_AUX */
};

static int row_of(uint32_t msr)
{
    for (unsigned i = 0; i < COUNT(allowed); i++) {
        if (msr >= allowed[i].first && msr <= allowed[i].last)
            return (int)i;
    }
    return -1;
}

static void refused(uint32_t msr)
{
    uint64_t value;
    const uint64_t values[] = {0, ~0UL, random_next()};
    check(try_rdmsr(msr, &value) == VECTOR_GP && trap_state.error == 0, "rdmsr %x gives vector %lu", msr, trap_state.vector);
    for (unsigned i = 0; i < COUNT(values); i++)
        check(try_wrmsr(msr, values[i]) == VECTOR_GP && trap_state.error == 0, "wrmsr %x, %lx gives vector %lu", msr, values[i], trap_state.vector);
}

static void offered(uint32_t msr, bool readable, enum write write)
{
    uint64_t before = 0, after;
    const uint64_t values[] = {0, ~0UL, random_next()};
    uint64_t vec = try_rdmsr(msr, &before);
    check(vec == VECTOR_GP || (vec == NO_TRAP && readable), "rdmsr %x gives vector %lu", msr, vec);
    bool exists = vec == NO_TRAP;
    for (unsigned i = 0; i < COUNT(values) && write != APART; i++) {
        vec = try_wrmsr(msr, values[i]);
        check(vec == VECTOR_GP || (vec == NO_TRAP && write != REFUSED), "wrmsr %x, %lx gives vector %lu", msr, values[i], vec);
        if (!exists)
            continue;
        (void)try_rdmsr(msr, &after);
        bool taken = vec == NO_TRAP && write == OWN;
        check(taken || after == before, "msr %x was %lx, is %lx after %lx", msr, before, after, values[i]);
        if (taken)
            check(try_wrmsr(msr, before) == NO_TRAP, "msr %x does not take back %lx", msr, before);
    }
}

static void one(uint32_t msr)
{
    int row = row_of(msr);
    if (row < 0)
        refused(msr);
    else
        offered(msr, allowed[row].read, allowed[row].write);
}

static void range(uint32_t first, uint32_t last)
{
    for (uint32_t msr = first; msr <= last; msr++)
        one(msr);
}

/* ---- the local APIC ---- */

/* Registers that can be read: ID VERSION TPR PPR LDR SVR, ISR TMR IRR ESR, ICR, LVTs, counts, divisor. */
static bool apic_readable(uint32_t reg)
{
    return reg == 2 || reg == 3 || reg == 8 || reg == 0xa || reg == 0xd || reg == 0xf || (reg >= 0x10 && reg <= 0x28) || reg == 0x30 ||
           (reg >= 0x32 && reg <= 0x39) || reg == 0x3e;
}

static bool apic_writable(uint32_t reg)
{
    return reg == 8 || reg == 0xb || reg == 0xf || reg == 0x28 || reg == 0x30 || (reg >= 0x32 && reg <= 0x38) || reg == 0x3e || reg == 0x3f;
}

static void apic(void)
{
    uint64_t value;
    for (uint32_t reg = 0; reg <= X2APIC_LAST - X2APIC_FIRST; reg++) {
        uint32_t msr = X2APIC_FIRST + reg;
        check(try_rdmsr(msr, &value) == (apic_readable(reg) ? NO_TRAP : VECTOR_GP), "rdmsr %x gives vector %lu", msr, trap_state.vector);
        check(try_wrmsr(msr, ~0UL) == VECTOR_GP, "wrmsr %x, all ones, gives vector %lu", msr, trap_state.vector); /* each has reserved bits */
        check(try_wrmsr(msr, 1UL << 32) == (reg == 0x30 ? NO_TRAP : VECTOR_GP), "wrmsr %x, bit 32, gives vector %lu", msr, trap_state.vector);
        check(try_wrmsr(msr, 0) == (apic_writable(reg) ? NO_TRAP : VECTOR_GP), "wrmsr %x, 0, gives vector %lu", msr, trap_state.vector);
    }
    /* Commands that mean nobody or nothing: SMI, reserved modes, INIT and SIPI to itself, vectors below 16, other destinations. */
    static const uint64_t commands[] = {0x200, 0x300, 0x700, 0x500, 0x4500, 0x8500, 0x608, 0x40005, 0x5, 0xffUL << 32 | 0x30, 0x1234567800000030UL, 0xc0030, 0x4000f,
                                        0xc4500, 0xc4608};
    for (unsigned i = 0; i < COUNT(commands); i++)
        check(try_wrmsr(0x830, commands[i]) == NO_TRAP, "ICR %lx gives vector %lu", commands[i], trap_state.vector);
    for (uint32_t reg = 0x32; reg <= 0x37; reg++)
        wrmsr(X2APIC_FIRST + reg, 0x10000); /* masked again */
}

/* ---- the others with tests of their own ---- */

static void tsc(void)
{
    uint64_t before, after;
    static const uint64_t values[] = {0, ~0UL, 1UL << 62};
    for (unsigned i = 0; i < COUNT(values); i++) {
        (void)try_rdmsr(0x10, &before);
        check(try_wrmsr(0x10, values[i]) == NO_TRAP, "a write of the TSC gives vector %lu", trap_state.vector);
        (void)try_rdmsr(0x10, &after);
        check(after > before && after - before < 1000000, "the TSC goes from %lx to %lx", before, after);
    }
}

static void special(void)
{
    uint64_t base, value, page = 0x300000;
    (void)try_rdmsr(0x1b, &base);
    check(base == 0xfee00d00, "APIC_BASE reads %lx", base);
    check(try_wrmsr(0x1b, base) == NO_TRAP, "APIC_BASE does not take what it is");
    check(try_wrmsr(0x1b, ~0UL) == VECTOR_GP, "APIC_BASE takes all ones");
    check(try_wrmsr(0x1b, base ^ 0x100) == VECTOR_GP, "APIC_BASE takes another boot flag");
    check(try_wrmsr(0x1b, base + 0x1000) == VECTOR_GP, "APIC_BASE takes another place");
    check(try_wrmsr(0x277, 0x0202020202020202UL) == VECTOR_GP, "PAT takes type 2");
    check(try_wrmsr(0x277, ~0UL) == VECTOR_GP, "PAT takes all ones");
    check(try_wrmsr(0x6e0, ~0UL) == NO_TRAP && try_rdmsr(0x6e0, &value) == NO_TRAP && value == 0, "TSC_DEADLINE outside its mode: %lx", value);
    check(try_wrmsr(0xc0000082, 1UL << 63) == VECTOR_GP, "LSTAR takes a non-canonical address");
    check(try_wrmsr(0xc0000101, 1UL << 47) == VECTOR_GP, "GS_BASE takes a non-canonical address");
    check(try_wrmsr(0x176, 1UL << 47) == VECTOR_GP, "SYSENTER_EIP takes a non-canonical address");
    static const uint64_t no_page[] = {1, 0xfff, ~0UL, 0xf0000000, 0xfee00000, 1UL << 40, 1UL << 52, 1UL << 63, 0xfffffffffffff000UL};
    for (unsigned i = 0; i < COUNT(no_page); i++)
        check(try_wrmsr(0x40000000, no_page[i]) == VECTOR_GP, "the hypercall page is written at %lx", no_page[i]);
    check(try_wrmsr(0x40000000, page) == NO_TRAP && *(volatile uint32_t *)(page + 32) == 0x000001b8, "no hypercall page");
}

static void efer(void)
{
    uint64_t before, after;
    (void)try_rdmsr(0xc0000080, &before);
    for (unsigned bit = 0; bit < 64; bit++) {
        if (bit == 0 || bit == 10 || bit == 11)
            continue; /* SCE and NXE are the guest's; LMA is not writable and ignored by some */
        check(try_wrmsr(0xc0000080, before ^ 1UL << bit) == VECTOR_GP, "EFER takes bit %u changed", bit);
    }
    (void)try_rdmsr(0xc0000080, &after);
    check(after == before, "EFER was %lx, is %lx", before, after);
}

void deny_msrs(void)
{
    range(0, 0x1fff);
    range(0x40000000, 0x400000ff);
    range(0xc0000000, 0xc0001fff);
    static const uint32_t edges[] = {0x2000, 0x3fffffff, 0x40000100, 0x7fffffff, 0x80000000, 0xbfffffff, 0xc0002000, 0xfffffffe, 0xffffffff};
    for (unsigned i = 0; i < COUNT(edges); i++)
        one(edges[i]);
    for (unsigned i = 0; i < SEEDED; i++)
        one((uint32_t)random_next());
    apic();
    tsc();
    special();
    efer();
}
