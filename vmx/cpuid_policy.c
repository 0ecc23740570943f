/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See cpuid_policy.h. Bit names: SDM vol 2, "CPUID". */
#include "vmx/cpuid_policy.h"

#define XSAVE_COMPONENTS 8U
#define XSAVE_LEGACY_BYTES 576U
#define BIT(n) (1U << (n))

/* Leaf 1 ECX: SSE3 PCLMUL SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 x2APIC MOVBE POPCNT AES XSAVE AVX F16C RDRAND. */
#define L1_ECX (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(17) | BIT(19) | BIT(20) | BIT(21) | BIT(22) | BIT(23) | BIT(25) | \
                BIT(26) | BIT(28) | BIT(29) | BIT(30))
#define L1_ECX_X2APIC BIT(21)
#define L1_ECX_TSC_DEADLINE BIT(24) /* ours, whatever the host has */
#define L1_ECX_XSAVE (BIT(12) | BIT(26) | BIT(28) | BIT(29)) /* and what lives in AVX registers */
#define L1_ECX_OSXSAVE BIT(27)
#define L1_ECX_HYPERVISOR BIT(31)
/* Leaf 1 EDX: FPU VME DE PSE TSC MSR PAE CX8 APIC SEP MTRR PGE CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2. No MCE, MCA,
 * DS, SS, TM. */
#define L1_EDX 0x078bbb7fU
#define L1_EDX_HTT BIT(28)
/* Leaf 7 EBX: FSGSBASE BMI1 AVX2 FDP_EXCPTN SMEP BMI2 ERMS INVPCID FCS_FDS AVX512F/DQ RDSEED ADX SMAP IFMA CLFLUSHOPT
 * CLWB AVX512CD SHA BW VL. */
#define L7_EBX (BIT(0) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(13) | BIT(16) | BIT(17) | BIT(18) | BIT(19) | \
                BIT(20) | BIT(21) | BIT(23) | BIT(24) | BIT(28) | BIT(29) | BIT(30) | BIT(31))
#define L7_EBX_INVPCID BIT(10)
#define L7_EBX_AVX BIT(5)
#define L7_EBX_AVX512 (BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31))
/* Leaf 7 ECX: AVX512_VBMI UMIP VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNTDQ RDPID CLDEMOTE MOVDIRI MOVDIR64B. */
#define L7_ECX (BIT(1) | BIT(2) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14) | BIT(22) | BIT(25) | BIT(27) | BIT(28))
#define L7_ECX_AVX (BIT(9) | BIT(10))
#define L7_ECX_AVX512 (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
#define L7_ECX_RDPID BIT(22)
/* Leaf 7 EDX: 4VNNIW 4FMAPS FSRM VP2INTERSECT MD_CLEAR SERIALIZE IBRS STIBP ARCH_CAPABILITIES SSBD. */
#define L7_EDX (BIT(2) | BIT(3) | BIT(4) | BIT(8) | BIT(10) | BIT(14) | BIT(26) | BIT(27) | BIT(29) | BIT(31))
#define L7_EDX_AVX512 (BIT(2) | BIT(3) | BIT(8))
#define L7_EDX_ARCH_CAPS BIT(29)
/* Leaf 0xd.1 EAX: XSAVEOPT XSAVEC XGETBV(1). No XSAVES: it would bring IA32_XSS. */
#define LD_1_EAX 7U
#define E1_ECX (BIT(0) | BIT(5) | BIT(8))                       /* LAHF LZCNT PREFETCHW */
#define E1_EDX (BIT(11) | BIT(20) | BIT(26) | BIT(27) | BIT(29)) /* SYSCALL NX 1G RDTSCP LM */
#define E1_EDX_RDTSCP BIT(27)
#define E7_EDX BIT(8) /* invariant TSC */

static struct {
    struct cpuid_regs basic[CPUID_BASIC_MAX + 1];
    struct cpuid_regs ext[CPUID_EXT_MAX + 1];
    struct cpuid_regs cache[4];                  /* leaf 4 */
    struct cpuid_regs xsave[XSAVE_COMPONENTS];   /* leaf 0xd: 1, and components 2..7 */
    uint64_t xcr0_offer;
} policy;

static void init_leaf_1(struct cpuid_regs r, const struct vmx_caps *caps)
{
    r.ebx &= 0x0000ff00U; /* CLFLUSH size; the ids are the vCPU's */
    r.ecx = (r.ecx & L1_ECX) | L1_ECX_X2APIC | L1_ECX_TSC_DEADLINE | L1_ECX_HYPERVISOR;
    if (caps->xcr0_offer == 0) {
        r.ecx &= ~L1_ECX_XSAVE;
    } else if ((caps->xcr0_offer & 4) == 0) {
        r.ecx &= ~(L1_ECX_XSAVE & ~BIT(26));
    }
    r.edx &= L1_EDX;
    policy.basic[1] = r;
}

static void init_leaf_7(struct cpuid_regs r, const struct vmx_caps *caps)
{
    r.eax = 0;
    r.ebx &= L7_EBX;
    r.ecx &= L7_ECX;
    r.edx &= L7_EDX;
    if ((caps->xcr0_offer & 4) == 0) {
        r.ebx &= ~L7_EBX_AVX;
        r.ecx &= ~L7_ECX_AVX;
    }
    if ((caps->xcr0_offer & 0xe0) == 0) {
        r.ebx &= ~L7_EBX_AVX512;
        r.ecx &= ~L7_ECX_AVX512;
        r.edx &= ~L7_EDX_AVX512;
    }
    if ((caps->proc2 & BIT(12)) == 0) { /* "enable INVPCID" */
        r.ebx &= ~L7_EBX_INVPCID;
    }
    if (!caps->rdtscp)
        r.ecx &= ~L7_ECX_RDPID;
    if (caps->arch_caps == 0)
        r.edx &= ~L7_EDX_ARCH_CAPS;
    policy.basic[7] = r;
}

/* Components' places and sizes are the host's; the totals are computed from them for what the guest turned on, because
 * hosts exist whose totals disagree with their parts. */
static void init_xsave(struct cpuid_regs (*host)(uint32_t, uint32_t), uint64_t offer)
{
    policy.xcr0_offer = offer;
    for (uint32_t i = 1; i < XSAVE_COMPONENTS && offer != 0; i++) {
        struct cpuid_regs r = host(0xd, i);
        if (i == 1) {
            policy.xsave[1] = (struct cpuid_regs){.eax = r.eax & LD_1_EAX};
        } else if ((offer >> i & 1) != 0) {
            policy.xsave[i] = (struct cpuid_regs){.eax = r.eax, .ebx = r.ebx, .ecx = r.ecx & 2};
        }
    }
}

static void init_extended(struct cpuid_regs (*host)(uint32_t, uint32_t), const struct vmx_caps *caps)
{
    uint32_t max = host(CPUID_EXT_BASE, 0).eax;
    max = max < CPUID_EXT_BASE ? 0 : MIN(max - CPUID_EXT_BASE, CPUID_EXT_MAX);
    policy.ext[0].eax = CPUID_EXT_BASE + max;
    for (uint32_t i = 1; i <= max; i++) {
        struct cpuid_regs r = host(CPUID_EXT_BASE + i, 0);
        if (i == 1) {
            r = (struct cpuid_regs){.ecx = r.ecx & E1_ECX, .edx = r.edx & E1_EDX & (caps->rdtscp ? ~0U : ~E1_EDX_RDTSCP)};
        } else if (i == 6) {
            r = (struct cpuid_regs){.ecx = r.ecx};
        } else if (i == 7) {
            r = (struct cpuid_regs){.edx = r.edx & E7_EDX};
        } else if (i == 8) {
            r = (struct cpuid_regs){.eax = (r.eax & 0xff) | 48U << 8}; /* no LA57 */
        } else if (i == 5) {
            r = (struct cpuid_regs){0};
        }
        policy.ext[i] = r; /* 2..4: the brand string */
    }
}

void cpuid_policy_init(struct cpuid_regs (*host)(uint32_t leaf, uint32_t subleaf), const struct vmx_caps *caps)
{
    struct cpuid_regs top = host(0, 0);
    uint32_t max = MIN(top.eax, CPUID_BASIC_MAX);
    policy = (typeof(policy)){0};
    policy.basic[0] = (struct cpuid_regs){max, top.ebx, top.ecx, top.edx};
    init_leaf_1(host(1, 0), caps);
    policy.basic[2] = max >= 2 ? host(2, 0) : (struct cpuid_regs){0};
    for (uint32_t i = 0; i < ARRAY_SIZE(policy.cache) && max >= 4; i++) {
        policy.cache[i] = host(4, i);
        policy.cache[i].eax &= 0x00003fffU; /* one logical CPU shares it, one core in the package */
    }
    policy.basic[6].eax = BIT(2); /* ARAT: our APIC timer never stops */
    if (max >= 7)
        init_leaf_7(host(7, 0), caps);
    init_xsave(host, max >= 0xd ? caps->xcr0_offer : 0);
    init_extended(host, caps);
}

static struct cpuid_regs leaf_1(const struct cpuid_vcpu *v)
{
    struct cpuid_regs r = policy.basic[1];
    r.ebx |= v->apic_id << 24;
    if (v->nr_vcpus > 1) {
        r.edx |= L1_EDX_HTT;
        r.ebx |= (2 * v->nr_vcpus & 0xffU) << 16;
    }
    if (v->osxsave)
        r.ecx |= L1_ECX_OSXSAVE;
    return r;
}

/* Ids are even: the lowest bit is an unused thread, the next five number the cores. */
static struct cpuid_regs leaf_b(uint32_t subleaf, const struct cpuid_vcpu *v)
{
    struct cpuid_regs r = {.ecx = subleaf & 0xff, .edx = v->apic_id};
    if (subleaf == 0) {
        r.eax = 1;
        r.ebx = 1;
        r.ecx |= 1U << 8;
    } else if (subleaf == 1) {
        r.eax = 6;
        r.ebx = v->nr_vcpus;
        r.ecx |= 2U << 8;
    }
    return r;
}

static uint32_t xsave_bytes(uint64_t xcr0, bool compact)
{
    uint32_t end = XSAVE_LEGACY_BYTES;
    for (uint32_t i = 2; i < XSAVE_COMPONENTS; i++) {
        const struct cpuid_regs *part = &policy.xsave[i];
        if ((xcr0 >> i & 1) == 0)
            continue;
        if (compact) {
            end = ((part->ecx & 2) != 0 ? (end + 63) & ~63U : end) + part->eax;
        } else {
            end = MAX(end, part->ebx + part->eax);
        }
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

const struct cpuid_regs *cpuid_policy_constant(uint32_t leaf)
{
    bool varies = leaf > CPUID_BASIC_MAX || (BIT(leaf) & (BIT(1) | BIT(4) | BIT(7) | BIT(0xb) | BIT(0xd))) != 0;
    return varies ? NULL : &policy.basic[leaf];
}

struct cpuid_regs cpuid_policy_get(uint32_t leaf, uint32_t subleaf, const struct cpuid_vcpu *v)
{
    struct cpuid_regs r = {0};
    const struct cpuid_regs *constant = cpuid_policy_constant(leaf);
    if (constant != NULL)
        return *constant;
    if (leaf <= CPUID_BASIC_MAX && leaf > policy.basic[0].eax)
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
        return subleaf == 0 ? policy.basic[7] : r;
    case 0xb:
        return leaf_b(subleaf, v);
    case 0xd:
        return leaf_d(subleaf, v);
    default:
        return r;
    }
}
