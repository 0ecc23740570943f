/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] VT-d units. VT-d specification, "Register Descriptions". */
#include "kernel/platform/vtd.h"

#include "kernel/core/log.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/acpi.h"

#define REG_GCMD (0x18U / 4)
#define REG_GSTS (0x1cU / 4)
#define TRANSLATION (1U << 31)
#define INTERRUPT_REMAP (1U << 25)
#define ONE_SHOT_BITS 0x69000000U /* commands, not states: written as 0 unless meant */
#define SPINS 1000000U

static bool turn_off(volatile uint32_t *regs, uint32_t bit)
{
    regs[REG_GCMD] = regs[REG_GSTS] & ~ONE_SHOT_BITS & ~bit;
    for (unsigned i = 0; i < SPINS && (regs[REG_GSTS] & bit) != 0; i++)
        cpu_relax();
    return (regs[REG_GSTS] & bit) == 0;
}

void vtd_init(void)
{
    for (uint32_t i = 0; i < acpi_info.nr_dmar_units; i++) {
        void *va;
        if (pagetable_map_mmio(hpa(acpi_info.dmar_units[i]), PAGE_SIZE, &va) != STATUS_OK)
            continue;
        volatile uint32_t *regs = va;
        uint32_t state = regs[REG_GSTS];
        if (state == ~0U || (state & (TRANSLATION | INTERRUPT_REMAP)) == 0)
            continue;
        bool off = turn_off(regs, TRANSLATION) && turn_off(regs, INTERRUPT_REMAP);
        log_warn("vtd: unit %u at 0x%lx was on (0x%x): %s", i, acpi_info.dmar_units[i], state,
                 off ? "turned off" : "it does not turn off; devices may fail");
    }
}
