/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] EPT capabilities, MTRRs and INVEPT of this machine. SDM vol 3, appendix "VPID and EPT Capabilities". */
#include "ept/hw.h"

#include "ept/memtype.h"
#include "ept/walk.h"
#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/machine.h"

#define MSR_EPT_VPID_CAP 0x48cU
#define EPT_CAP_1G (1UL << 17)
#define ARCH_CAP_PSCHANGE_MC_NO (1UL << 6)

/* Each at its bit of the capabilities. */
static const char *const required[] = {[6] = "4-level EPT", [14] = "write-back EPT tables", [16] = "2 MiB EPT pages", [20] = "INVEPT",
                                       [25] = "single-context INVEPT"};
static struct mtrr_state mtrr;
static uint64_t ept_cap;
static bool nx_large;

static void read_mtrrs(struct mtrr_state *m)
{
    static const uint16_t fixed_msr[11] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    m->phys_bits = cpu_features.phys_bits;
    m->cap = rdmsr(MSR_MTRR_CAP);
    m->def_type = rdmsr(MSR_MTRR_DEF_TYPE);
    for (unsigned i = 0; i < ARRAY_SIZE(fixed_msr) && (m->cap & 0x100) != 0; i++)
        m->fixed[i] = rdmsr(fixed_msr[i]);
    for (uint32_t i = 0; i < MIN(m->cap & 0xff, MEMTYPE_MAX_VARIABLE); i++) {
        m->variable[i].base = rdmsr(0x200 + 2 * i);
        m->variable[i].mask = rdmsr(0x201 + 2 * i);
    }
}

/* CVE-2018-12207: a guest that changes the size of an executable page can halt the machine on Intel cores up to
 * Cascade Lake; Atoms and CPUs with PSCHANGE_MC_NO are free of it. Where affected, large leaves are not executable,
 * and one is split at its first instruction fetch. */
static bool multihit_affected(void)
{
    const struct cpu_features *f = &cpu_features;
    static const uint8_t models[] = {0x1a, 0x1e, 0x1f, 0x2e, 0x25, 0x2c, 0x2f, 0x2a, 0x2d, 0x3a, 0x3e, 0x3c, 0x3f, 0x45, 0x46, 0x3d,
                                     0x47, 0x4f, 0x56, 0x4e, 0x5e, 0x55, 0x8e, 0x9e, 0xa5, 0xa6};
    if (f->family != 6 || (f->arch_cap_msr & ARCH_CAP_PSCHANGE_MC_NO) != 0)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++) {
        if (f->model == models[i])
            return true;
    }
    return false;
}

enum status ept_global_init(void)
{
    if (ept_cap != 0)
        return STATUS_OK;
    uint64_t cap = rdmsr(MSR_EPT_VPID_CAP);
    for (unsigned i = 0; i < ARRAY_SIZE(required); i++) {
        if (required[i] != NULL && (cap >> i & 1) == 0) {
            log_error("this CPU lacks %s", required[i]);
            return STATUS_UNSUPPORTED;
        }
    }
    read_mtrrs(&mtrr);
    bool affected = multihit_affected();
    nx_large = affected && boot_info.options.mitigations != 0;
    if (affected)
        log_info("ITLB multihit: executable large pages are %s", nx_large ? "split on first use" : "kept (mitigations off)");
    ept_cap = cap;
    return STATUS_OK;
}

unsigned ept_max_order(void) { return (ept_cap & EPT_CAP_1G) != 0 ? FRAME_ORDER_1G : FRAME_ORDER_2M; }

unsigned hw_memtype(hfn_t h, unsigned order)
{
    unsigned type;
    if (!frame_is_ram(h) || !memtype_of_range(&mtrr, h, order, &type))
        return EPT_MEMTYPE_UC;
    return type;
}

bool hw_nx_large(void) { return nx_large; }

void hw_invept(uint64_t eptp)
{
    const struct { uint64_t eptp, zero; } operand = {eptp, 0};
    bool failed;
    __asm__ volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(operand), "r"(1UL) : "memory");
    if (failed)
        panic("INVEPT of 0x%lx failed", eptp);
}
