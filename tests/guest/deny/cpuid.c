/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] What CPUID may offer: only what is behind it. Bits named here must be clear; each offered control bit must work, others must fault. */
#include "tests/guest/deny/deny.h"

#define SUBLEAVES 4U

/* All bits that may ever be set, subleaf 0; what is not here must be zero. */
static const struct { uint32_t leaf; struct cpuid may; } rows[] = {
    {0, {0xf, ~0U, ~0U, ~0U}},
    {1, {~0U, ~0U, 0xfffa3203, 0x178bbb7f}},
    {2, {~0U, ~0U, ~0U, ~0U}},
    {6, {0x4, 0, 0, 0}},
    {7, {0, 0xf1bf27e9, 0x1a405f46, 0xac00451c}},
};

struct hidden { uint32_t leaf; unsigned reg, bit; const char *name; };
static const struct hidden hidden[] = {
    {1, 2, 2, "DTES64"}, {1, 2, 3, "MONITOR"}, {1, 2, 4, "DS-CPL"}, {1, 2, 5, "VMX"}, {1, 2, 6, "SMX"}, {1, 2, 7, "EIST"}, {1, 2, 8, "TM2"},
    {1, 2, 10, "CNXT-ID"}, {1, 2, 11, "SDBG"}, {1, 2, 14, "xTPR"}, {1, 2, 15, "PDCM"}, {1, 2, 18, "DCA"},
    {1, 3, 7, "MCE"}, {1, 3, 14, "MCA"}, {1, 3, 18, "PSN"}, {1, 3, 21, "DS"}, {1, 3, 22, "ACPI"}, {1, 3, 27, "SS"}, {1, 3, 29, "TM"}, {1, 3, 31, "PBE"},
    {7, 1, 1, "TSC_ADJUST"}, {7, 1, 2, "SGX"}, {7, 1, 4, "HLE"}, {7, 1, 11, "RTM"}, {7, 1, 12, "PQM"}, {7, 1, 14, "MPX"}, {7, 1, 15, "PQE"},
    {7, 1, 22, "PCOMMIT"}, {7, 1, 25, "PT"},
    {7, 2, 3, "PKU"}, {7, 2, 4, "OSPKE"}, {7, 2, 5, "WAITPKG"}, {7, 2, 7, "CET_SS"}, {7, 2, 13, "TME"}, {7, 2, 16, "LA57"}, {7, 2, 23, "KL"},
    {7, 2, 24, "BUS_LOCK"}, {7, 2, 29, "ENQCMD"}, {7, 2, 30, "SGX_LC"}, {7, 2, 31, "PKS"},
    {7, 3, 5, "UINTR"}, {7, 3, 11, "RTM_ALWAYS_ABORT"}, {7, 3, 13, "TSX_FORCE_ABORT"}, {7, 3, 15, "HYBRID"}, {7, 3, 16, "TSXLDTRK"},
    {7, 3, 18, "PCONFIG"}, {7, 3, 19, "ARCH_LBR"}, {7, 3, 20, "CET_IBT"}, {7, 3, 22, "AMX-BF16"}, {7, 3, 24, "AMX-TILE"}, {7, 3, 25, "AMX-INT8"},
    {7, 3, 28, "L1D_FLUSH"}, {7, 3, 30, "CORE_CAPABILITIES"},
    {0x80000001, 2, 2, "SVM"}, {0x80000001, 2, 3, "EXTAPIC"}, {0x80000001, 2, 10, "IBS"}, {0x80000001, 2, 12, "SKINIT"}, {0x80000001, 2, 23, "PERFCTR"},
    {0x80000001, 2, 29, "MWAITX"},
};

static uint32_t reg_of(const struct cpuid *r, unsigned reg)
{
    const uint32_t regs[] = {r->eax, r->ebx, r->ecx, r->edx};
    return regs[reg];
}

static bool zero(const struct cpuid *r) { return (r->eax | r->ebx | r->ecx | r->edx) == 0; }

static void features(void)
{
    for (unsigned i = 0; i < COUNT(hidden); i++) {
        const struct hidden *h = &hidden[i];
        struct cpuid r = cpuid(h->leaf, 0);
        check((reg_of(&r, h->reg) >> h->bit & 1) == 0, "cpuid %x offers %s", h->leaf, h->name);
    }
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct cpuid r = cpuid(rows[i].leaf, 0);
        const struct cpuid *may = &rows[i].may;
        bool beyond = (r.eax & ~may->eax) != 0 || (r.ebx & ~may->ebx) != 0 || (r.ecx & ~may->ecx) != 0 || (r.edx & ~may->edx) != 0;
        check(!beyond, "cpuid %x: %x %x %x %x", rows[i].leaf, r.eax, r.ebx, r.ecx, r.edx);
    }
    struct cpuid one = cpuid(1, 0);
    check((one.ecx >> 31 & 1) != 0, "no hypervisor bit");
    check((one.ecx >> 21 & 1) != 0, "no x2APIC");
    check((one.edx & 0x02000021U) != 0, "no FPU, MSR or SSE");
}

/* Leaves that mean what is not offered, and those that do not exist, are zero in all subleaves. */
static void absent(void)
{
    static const uint32_t leaves[] = {3, 5, 8, 9, 0xa, 0xc};
    for (uint32_t sub = 0; sub < SUBLEAVES; sub++) {
        for (unsigned i = 0; i < COUNT(leaves); i++) {
            struct cpuid r = cpuid(leaves[i], sub);
            check(zero(&r), "cpuid %x.%x is not zero", leaves[i], sub);
        }
        for (uint32_t leaf = cpuid(0, 0).eax + 1; leaf <= 0x20; leaf++) {
            struct cpuid r = cpuid(leaf, sub);
            check(zero(&r), "cpuid %x.%x is not zero", leaf, sub);
        }
        for (uint32_t leaf = cpuid(0x80000000, 0).eax + 1; leaf <= 0x80000020; leaf++) {
            struct cpuid r = cpuid(leaf, sub);
            check(zero(&r), "cpuid %x.%x is not zero", leaf, sub);
        }
        for (uint32_t leaf = 0x40000100; leaf <= 0x4000ff00; leaf += 0x100) {
            struct cpuid r = cpuid(leaf, sub);
            check(zero(&r), "cpuid %x.%x is not zero", leaf, sub);
        }
        for (uint32_t leaf = 0x40000006; leaf <= 0x400000ff; leaf++) {
            struct cpuid r = cpuid(leaf, sub);
            check(zero(&r), "cpuid %x.%x is not zero", leaf, sub);
        }
    }
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t leaf = (uint32_t)random_next();
        if (leaf <= 0x20 || leaf >> 16 == 0x4000 || leaf >> 16 == 0x8000)
            continue;
        struct cpuid r = cpuid(leaf, (uint32_t)random_next());
        check(zero(&r), "cpuid %x is not zero", leaf);
    }
    for (uint32_t sub = 1; sub < 8; sub++) {
        struct cpuid r = cpuid(7, sub);
        check(zero(&r), "cpuid 7.%x is not zero", sub);
    }
}

static void leaves(void)
{
    struct cpuid r = cpuid(0, 0), x = cpuid(0x80000000, 0);
    check(r.eax >= 0xb && r.eax <= 0xd, "highest leaf %x", r.eax);
    check(x.eax == 0x80000008, "highest extended leaf %x", x.eax);
    r = cpuid(0x40000000, 0);
    check(r.eax == 0x40000005 && r.ebx == 0x566e6558 && r.ecx == 0x65584d4d && r.edx == 0x4d4d566e, "signature %x %x %x %x", r.eax, r.ebx, r.ecx, r.edx);
    r = cpuid(0x80000001, 0);
    check((r.ecx & ~0x121U) == 0 && (r.edx & ~0x2c100800U) == 0, "cpuid 80000001: %x %x", r.ecx, r.edx);
    r = cpuid(0x80000007, 0);
    check((r.eax | r.ebx | r.ecx | (r.edx & ~0x100U)) == 0, "cpuid 80000007: %x %x %x %x", r.eax, r.ebx, r.ecx, r.edx);
    r = cpuid(0x80000008, 0);
    check((r.ebx | r.ecx | r.edx) == 0 && (r.eax >> 8) == 48, "cpuid 80000008: %x %x %x %x", r.eax, r.ebx, r.ecx, r.edx);
    r = cpuid(0xd, 0);
    check((r.eax & ~0xe7U) == 0 && r.edx == 0 && r.ecx <= 4096, "cpuid d.0: %x %x %x %x", r.eax, r.ebx, r.ecx, r.edx);
    r = cpuid(0xd, 1);
    check((r.eax & ~7U) == 0 && (r.ecx | r.edx) == 0, "cpuid d.1 offers XSAVES: %x %x %x", r.eax, r.ecx, r.edx);
    for (uint32_t sub = 8; sub < 64; sub++) {
        r = cpuid(0xd, sub);
        check(zero(&r), "cpuid d.%x is not zero", sub);
    }
    for (uint32_t sub = 0; sub < SUBLEAVES; sub++) {
        r = cpuid(4, sub);
        check((r.eax >> 14) == 0, "cpuid 4.%x: more than one CPU: %x", sub, r.eax);
    }
}

void deny_cpuid(void)
{
    features();
    absent();
    leaves();
}
