/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] Pure: see guest_cpuid.h. Bit names: SDM vol 2, "CPUID". */
#include "boot/efi/guest_cpuid.h"

#include "boot/efi/lib.h"

#define EXT_BASE 0x80000000U
#define BIT(n)   (1U << (n))

/* What else a bit needs, of those that the host has. */
enum need { NOTHING = 0, XSAVE = 1, AVX = 2, AVX512 = 4, INVPCID = 8, RDTSCP = 16, ARCH_CAPS = 32 };

/* The allow-list: all bits of the host that a guest may see, subleaf 0. */
static const struct row { uint32_t leaf; enum need need; struct boot_cpuid_leaf bits; } rows[] = {
    /* The vendor and the cache descriptors; the highest leaf is limited below. */
    {0, NOTHING, {~0U, ~0U, ~0U, ~0U}},
    {2, NOTHING, {~0U, ~0U, ~0U, ~0U}},
    /* EAX: signature. EBX: CLFLUSH size; the ids are the vCPU's. ECX: SSE3 PCLMUL SSSE3 CX16 PCID SSE4.1 SSE4.2 x2APIC
     * MOVBE POPCNT AES RDRAND. EDX: FPU VME DE PSE TSC MSR PAE CX8 APIC SEP MTRR PGE CMOV PAT PSE36 CLFSH MMX FXSR SSE
     * SSE2; no MCE, MCA, DS, SS, TM. */
    {1, NOTHING, {~0U, 0xff00, 0x42fa2203, 0x078bbb7f}},
    {1, XSAVE, {.ecx = BIT(26)}},
    {1, AVX, {.ecx = BIT(12) | BIT(28) | BIT(29)}}, /* FMA AVX F16C */
    /* EBX: FSGSBASE BMI1 FDP_EXCPTN SMEP BMI2 ERMS FCS_FDS RDSEED ADX SMAP CLFLUSHOPT CLWB SHA. ECX: UMIP GFNI CLDEMOTE
     * MOVDIRI MOVDIR64B. EDX: FSRM MD_CLEAR SERIALIZE IBRS STIBP SSBD. */
    {7, NOTHING, {0, 0x219c23c9, 0x1a000104, 0x8c004410}},
    {7, AVX, {0, BIT(5), BIT(9) | BIT(10), 0}}, /* AVX2; VAES VPCLMUL */
    /* EBX: F DQ IFMA CD BW VL. ECX: VBMI VBMI2 VNNI BITALG VPOPCNTDQ. EDX: 4VNNIW 4FMAPS VP2INTERSECT. */
    {7, AVX512, {0, 0xd0230000, 0x00005842, 0x0000010c}},
    {7, INVPCID, {.ebx = BIT(10)}},
    {7, RDTSCP, {.ecx = BIT(22)}}, /* RDPID */
    {7, ARCH_CAPS, {.edx = BIT(29)}},
    /* ECX: LAHF LZCNT PREFETCHW. EDX: SYSCALL NX 1G LM. */
    {EXT_BASE + 1, NOTHING, {0, 0, BIT(0) | BIT(5) | BIT(8), BIT(11) | BIT(20) | BIT(26) | BIT(29)}},
    {EXT_BASE + 1, RDTSCP, {.edx = BIT(27)}},
    {EXT_BASE + 2, NOTHING, {~0U, ~0U, ~0U, ~0U}}, /* brand */
    {EXT_BASE + 3, NOTHING, {~0U, ~0U, ~0U, ~0U}},
    {EXT_BASE + 4, NOTHING, {~0U, ~0U, ~0U, ~0U}},
    {EXT_BASE + 6, NOTHING, {.ecx = ~0U}},
    {EXT_BASE + 7, NOTHING, {.edx = BIT(8)}},  /* invariant TSC */
    {EXT_BASE + 8, NOTHING, {.eax = 0xff}},
};

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static unsigned needs_met(const struct vmx_caps *caps)
{
    return (caps->xcr0_offer != 0 ? XSAVE : 0U) | ((caps->xcr0_offer & 4) != 0 ? AVX : 0U) |
           ((caps->xcr0_offer & 0xe0) != 0 ? AVX512 : 0U) | ((caps->proc2 & BIT(12)) != 0 ? INVPCID : 0U) |
           (caps->rdtscp ? RDTSCP : 0U) | (caps->arch_caps != 0 ? ARCH_CAPS : 0U);
}

/* Components' places and sizes are the host's; the totals are computed from them for what the guest turned on, because
 * hosts exist whose totals disagree with their parts. */
static void build_xsave(guest_cpuid_function *host, uint64_t offer, struct boot_cpuid *to)
{
    for (uint32_t i = 1; i < BOOT_CPUID_XSAVE && offer != 0; i++) {
        struct boot_cpuid_leaf r = host(0xd, i);
        if (i == 1) { /* XSAVEOPT XSAVEC XGETBV(1); XSAVES would bring IA32_XSS */
            to->xsave[1] = (struct boot_cpuid_leaf){.eax = r.eax & 7};
        } else if ((offer >> i & 1) != 0) {
            to->xsave[i] = (struct boot_cpuid_leaf){.eax = r.eax, .ebx = r.ebx, .ecx = r.ecx & 2};
        }
    }
}

void guest_cpuid_build(guest_cpuid_function *host, const struct vmx_caps *caps, struct boot_cpuid *to)
{
    uint32_t max = least(host(0, 0).eax, BOOT_CPUID_BASIC - 1);
    uint32_t max_ext = least(host(EXT_BASE, 0).eax, EXT_BASE + BOOT_CPUID_EXT - 1);

    max_ext = max_ext < EXT_BASE ? EXT_BASE : max_ext;
    memset(to, 0, sizeof(*to));
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        bool extended = row->leaf >= EXT_BASE;
        if (row->leaf > (extended ? max_ext : max) || (row->need & ~needs_met(caps)) != 0) {
            continue;
        }
        struct boot_cpuid_leaf r = host(row->leaf, 0);
        struct boot_cpuid_leaf *leaf = extended ? &to->ext[row->leaf - EXT_BASE] : &to->basic[row->leaf];
        leaf->eax |= r.eax & row->bits.eax;
        leaf->ebx |= r.ebx & row->bits.ebx;
        leaf->ecx |= r.ecx & row->bits.ecx;
        leaf->edx |= r.edx & row->bits.edx;
    }
    to->basic[0].eax = max;
    to->basic[1].ecx |= BIT(21) | BIT(24) | BIT(31); /* ours: x2APIC, TSC deadline, hypervisor */
    to->basic[6].eax = BIT(2);                       /* ARAT: our APIC timer never stops */
    to->ext[0].eax = max_ext;
    to->ext[8].eax |= max_ext >= EXT_BASE + 8 ? 48U << 8 : 0; /* no LA57 */
    for (uint32_t i = 0; i < BOOT_CPUID_CACHE && max >= 4; i++) {
        to->cache[i] = host(4, i);
        to->cache[i].eax &= 0x00003fffU; /* one logical CPU shares it, one core in the package */
    }
    build_xsave(host, max >= 0xd ? caps->xcr0_offer : 0, to);
}
