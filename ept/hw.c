/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] EPT capabilities, memory types and INVEPT of this machine. SDM vol 3, appendix "VPID and EPT Capabilities". */
#include "ept/hw.h"

#include "ept/walk.h"
#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/machine.h"

#define MSR_EPT_VPID_CAP 0x48cU
#define EPT_CAP_1G (1UL << 17)
#define EPT_CAP_NEEDED (1UL << 6 | 1UL << 14 | 1UL << 16 | 1UL << 20 | 1UL << 25) /* 4 levels, write-back, 2 MiB, INVEPT, of one context */

static uint64_t ept_cap;
static bool nx_large;

/* What is missing the loader says in words; this is for a loader that did not look. */
enum status ept_global_init(void)
{
    ept_cap = rdmsr(MSR_EPT_VPID_CAP);
    bool affected = boot_info.machine.itlb_multihit != 0;
    nx_large = affected && boot_info.options.mitigations != 0;
    if (affected)
        log_info("ITLB multihit: executable large pages are %s", nx_large ? "split on first use" : "kept (mitigations off)");
    return (ept_cap & EPT_CAP_NEEDED) == EPT_CAP_NEEDED ? STATUS_OK : STATUS_UNSUPPORTED;
}

unsigned ept_max_order(void) { return (ept_cap & EPT_CAP_1G) != 0 ? FRAME_ORDER_1G : FRAME_ORDER_2M; }

unsigned hw_memtype(hfn_t h) { return frame_is_ram(h) ? EPT_MEMTYPE_WB : EPT_MEMTYPE_UC; }

bool hw_nx_large(void) { return nx_large; }

void hw_invept(uint64_t eptp)
{
    const struct { uint64_t eptp, zero; } operand = {eptp, 0};
    bool failed;
    __asm__ volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(operand), "r"(1UL) : "memory");
    if (failed)
        panic("INVEPT of 0x%lx failed", eptp);
}
