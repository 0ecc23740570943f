/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See cpuid_policy.h. Bit names: SDM vol 2, "CPUID". */
#include "vmx/cpuid_policy.h"

#include "kernel/core/string.h"

#define XSAVE_COMPONENTS 8U
#define XSAVE_LEGACY_BYTES 576U
#define BIT(n) (1U << (n))

struct cpuid_regs cpuid_basic[CPUID_BASIC_MAX + 1];
static struct {
    struct cpuid_regs ext[CPUID_EXT_MAX + 1];
    struct cpuid_regs cache[4];                  /* leaf 4 */
    struct cpuid_regs xsave[XSAVE_COMPONENTS];   /* leaf 0xd: 1, and components 2..7 */
    uint64_t xcr0_offer;
} policy;

/* What else a bit needs, of those that the host has. */
enum need { NOTHING = 0, XSAVE = 1, AVX = 2, AVX512 = 4, INVPCID = 8, RDTSCP = 16, ARCH_CAPS = 32 };

/* The allow-list: all bits of the host that a guest may see, subleaf 0. */
static const struct row { uint32_t leaf; enum need need; struct cpuid_regs bits; } rows[] = {
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
    {CPUID_EXT_BASE + 1, NOTHING, {0, 0, BIT(0) | BIT(5) | BIT(8), BIT(11) | BIT(20) | BIT(26) | BIT(29)}},
    {CPUID_EXT_BASE + 1, RDTSCP, {.edx = BIT(27)}},
    {CPUID_EXT_BASE + 2, NOTHING, {~0U, ~0U, ~0U, ~0U}}, /* brand */
    {CPUID_EXT_BASE + 3, NOTHING, {~0U, ~0U, ~0U, ~0U}},
    {CPUID_EXT_BASE + 4, NOTHING, {~0U, ~0U, ~0U, ~0U}},
    {CPUID_EXT_BASE + 6, NOTHING, {.ecx = ~0U}},
    {CPUID_EXT_BASE + 7, NOTHING, {.edx = BIT(8)}},  /* invariant TSC */
    {CPUID_EXT_BASE + 8, NOTHING, {.eax = 0xff}},
};

static unsigned needs_met(const struct vmx_caps *caps)
{
    return (caps->xcr0_offer != 0 ? XSAVE : 0U) | ((caps->xcr0_offer & 4) != 0 ? AVX : 0U) |
           ((caps->xcr0_offer & 0xe0) != 0 ? AVX512 : 0U) | ((caps->proc2 & BIT(12)) != 0 ? INVPCID : 0U) |
           (caps->rdtscp ? RDTSCP : 0U) | (caps->arch_caps != 0 ? ARCH_CAPS : 0U);
}

/* Components' places and sizes are the host's; the totals are computed from them for what the guest turned on, because
 * hosts exist whose totals disagree with their parts. */
static void init_xsave(struct cpuid_regs (*host)(uint32_t, uint32_t), uint64_t offer)
{
    policy.xcr0_offer = offer;
    for (uint32_t i = 1; i < XSAVE_COMPONENTS && offer != 0; i++) {
        struct cpuid_regs r = host(0xd, i);
        if (i == 1) {
            policy.xsave[1] = (struct cpuid_regs){.eax = r.eax & 7}; /* XSAVEOPT XSAVEC XGETBV(1); XSAVES would bring IA32_XSS */
        } else if ((offer >> i & 1) != 0) {
            policy.xsave[i] = (struct cpuid_regs){.eax = r.eax, .ebx = r.ebx, .ecx = r.ecx & 2};
        }
    }
}

void cpuid_policy_init(struct cpuid_regs (*host)(uint32_t leaf, uint32_t subleaf), const struct vmx_caps *caps)
{
    uint32_t max = MIN(host(0, 0).eax, CPUID_BASIC_MAX);
    uint32_t max_ext = MAX(MIN(host(CPUID_EXT_BASE, 0).eax, CPUID_EXT_BASE + CPUID_EXT_MAX), CPUID_EXT_BASE);
    policy = (typeof(policy)){0};
    memset(cpuid_basic, 0, sizeof(cpuid_basic));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        bool extended = row->leaf >= CPUID_EXT_BASE;
        if (row->leaf > (extended ? max_ext : max) || (row->need & ~needs_met(caps)) != 0)
            continue;
        struct cpuid_regs r = host(row->leaf, 0);
        struct cpuid_regs *to = extended ? &policy.ext[row->leaf - CPUID_EXT_BASE] : &cpuid_basic[row->leaf];
        to->eax |= r.eax & row->bits.eax;
        to->ebx |= r.ebx & row->bits.ebx;
        to->ecx |= r.ecx & row->bits.ecx;
        to->edx |= r.edx & row->bits.edx;
    }
    cpuid_basic[0].eax = max;
    cpuid_basic[1].ecx |= BIT(21) | BIT(24) | BIT(31); /* ours: x2APIC, TSC deadline, hypervisor */
    cpuid_basic[6].eax = BIT(2);                       /* ARAT: our APIC timer never stops */
    policy.ext[0].eax = max_ext;
    policy.ext[8].eax |= max_ext >= CPUID_EXT_BASE + 8 ? 48U << 8 : 0; /* no LA57 */
    for (uint32_t i = 0; i < ARRAY_SIZE(policy.cache) && max >= 4; i++) {
        policy.cache[i] = host(4, i);
        policy.cache[i].eax &= 0x00003fffU; /* one logical CPU shares it, one core in the package */
    }
    init_xsave(host, max >= 0xd ? caps->xcr0_offer : 0);
}

static struct cpuid_regs leaf_1(const struct cpuid_vcpu *v)
{
    struct cpuid_regs r = cpuid_basic[1];
    r.ebx |= v->apic_id << 24 | (v->nr_vcpus > 1 ? (2 * v->nr_vcpus & 0xffU) << 16 : 0);
    r.ecx |= v->osxsave ? BIT(27) : 0;
    r.edx |= v->nr_vcpus > 1 ? BIT(28) : 0; /* HTT: the ids count */
    return r;
}

/* Ids are even: the lowest bit is an unused thread, the next five number the cores. */
static struct cpuid_regs leaf_b(uint32_t subleaf, const struct cpuid_vcpu *v)
{
    if (subleaf == 0)
        return (struct cpuid_regs){1, 1, 1U << 8, v->apic_id};
    if (subleaf == 1)
        return (struct cpuid_regs){6, v->nr_vcpus, 2U << 8 | 1, v->apic_id};
    return (struct cpuid_regs){.ecx = subleaf & 0xff, .edx = v->apic_id};
}

static uint32_t xsave_bytes(uint64_t xcr0, bool compact)
{
    uint32_t end = XSAVE_LEGACY_BYTES;
    for (uint32_t i = 2; i < XSAVE_COMPONENTS; i++) {
        const struct cpuid_regs *part = &policy.xsave[i];
        if ((xcr0 >> i & 1) == 0)
            continue;
        uint32_t aligned = (part->ecx & 2) != 0 ? (end + 63) & ~63U : end;
        end = compact ? aligned + part->eax : MAX(end, part->ebx + part->eax);
    }
    return end;
}

static struct cpuid_regs leaf_d(uint32_t subleaf, const struct cpuid_vcpu *v)
{
    if (policy.xcr0_offer == 0 || subleaf >= XSAVE_COMPONENTS)
        return (struct cpuid_regs){0};
    struct cpuid_regs r = policy.xsave[subleaf];
    if (subleaf == 0) {
        r.eax = (uint32_t)policy.xcr0_offer;
        r.ebx = xsave_bytes(v->xcr0, false);
        r.ecx = xsave_bytes(policy.xcr0_offer, false);
    } else if (subleaf == 1) {
        r.ebx = xsave_bytes(v->xcr0, true);
    }
    return r;
}

/* XEN-ABI: the public header arch-x86/cpuid.h. */
static struct cpuid_regs leaf_xen(uint32_t leaf, uint32_t subleaf, const struct cpuid_vcpu *v)
{
    switch (leaf) {
    case 0:
        return (struct cpuid_regs){CPUID_XEN_BASE + CPUID_XEN_MAX, 0x566e6558U, 0x65584d4dU, 0x4d4d566eU};
    case 1:
        return (struct cpuid_regs){.eax = CPUID_XEN_VERSION};
    case 2:
        return (struct cpuid_regs){.eax = 1, .ebx = 0x40000000U};
    case 3:
        if (subleaf == 0)
            return (struct cpuid_regs){.eax = BIT(1), .ebx = 2, .ecx = (uint32_t)v->tsc_khz}; /* host TSC is safe; mode "never emulate" */
        if (subleaf == 1)
            return (struct cpuid_regs){.ecx = v->tsc_mul, .edx = (uint32_t)v->tsc_shift};
        return (struct cpuid_regs){.eax = subleaf == 2 ? (uint32_t)v->tsc_khz : 0};
    case 4: /* vCPU id and domid valid; no per-vCPU upcall vector, so guests use the callback vector */
        return (struct cpuid_regs){BIT(3) | BIT(4) | (v->virtual_interrupts ? BIT(0) | BIT(1) : 0), v->vcpu_id, v->domid, 0};
    default:
        return (struct cpuid_regs){0};
    }
}

struct cpuid_regs cpuid_policy_get(uint32_t leaf, uint32_t subleaf, const struct cpuid_vcpu *v)
{
    struct cpuid_regs r = {0};
    const struct cpuid_regs *constant = cpuid_policy_constant(leaf);
    if (constant != NULL)
        return *constant;
    if (leaf <= CPUID_BASIC_MAX && leaf > cpuid_basic[0].eax)
        return r;
    if (leaf - CPUID_EXT_BASE <= CPUID_EXT_MAX)
        return policy.ext[leaf - CPUID_EXT_BASE];
    if (leaf - CPUID_XEN_BASE <= CPUID_XEN_MAX)
        return leaf_xen(leaf - CPUID_XEN_BASE, subleaf, v);
    switch (leaf) {
    case 1:
        return leaf_1(v);
    case 4:
        return subleaf < ARRAY_SIZE(policy.cache) ? policy.cache[subleaf] : r;
    case 7:
        return subleaf == 0 ? cpuid_basic[7] : r;
    case 0xb:
        return leaf_b(subleaf, v);
    case 0xd:
        return leaf_d(subleaf, v);
    default:
        return r;
    }
}
