/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See context_check.h. */
#include "vmx/context_check.h"

#include "kernel/cpu/x86.h"

#define CR0_DEFINED (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define EFER_DEFINED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define RFLAGS_DEFINED 0x3f7fd7UL
#define INTERRUPTIBILITY_DEFINED 0xbU /* STI, MOV SS, NMI */

bool context_xcr0_valid(uint64_t value, uint64_t offer)
{
    bool avx512_ok = (value & 0xe0) == 0 || (value & 0xe6) == 0xe6;
    bool avx_ok = (value & 4) == 0 || (value & 2) != 0;
    return (value & ~offer) == 0 && (value & 1) != 0 && avx_ok && avx512_ok;
}

static bool control_valid(const struct cbl_vcpu_context *c, const struct vmx_caps *caps, unsigned phys_bits)
{
    bool paging = (c->cr0 & CR0_PG) != 0;
    if ((c->cr0 & ~CR0_DEFINED) != 0 || (paging && (c->cr0 & CR0_PE) == 0) || (c->cr0 & (CR0_CD | CR0_NW)) == CR0_NW)
        return false;
    if ((c->cr4 & ~caps->guest_cr4) != 0 || (c->efer & ~EFER_DEFINED) != 0 || c->cr3 >> phys_bits != 0)
        return false;
    bool long_mode = paging && (c->efer & EFER_LME) != 0;
    if (long_mode != ((c->efer & EFER_LMA) != 0) || (long_mode && (c->cr4 & CR4_PAE) == 0))
        return false;
    /* PAE paging outside long mode would need its four page-directory pointers in the context; PCIDs are long mode's. */
    return long_mode || ((!paging || (c->cr4 & CR4_PAE) == 0) && (c->cr4 & CR4_PCIDE) == 0);
}

static bool addresses_valid(const struct cbl_vcpu_context *c)
{
    const uint64_t must[] = {c->fs.base, c->gs.base, c->tr.base, c->ldtr.base, c->gdt_base, c->idt_base, c->lstar, c->cstar,
                             c->kernel_gs_base, c->sysenter_esp, c->sysenter_eip};
    for (unsigned i = 0; i < ARRAY_SIZE(must); i++) {
        if (!context_canonical(must[i]))
            return false;
    }
    bool long_mode = (c->efer & EFER_LMA) != 0;
    return long_mode ? context_canonical(c->rip) && context_canonical(c->rsp) : c->rip >> 32 == 0;
}

bool context_valid(const struct cbl_vcpu_context *c, const struct vmx_caps *caps, unsigned phys_bits)
{
    bool flags = (c->rflags & ~RFLAGS_DEFINED) == 0 && (c->interruptibility & ~INTERRUPTIBILITY_DEFINED) == 0 && c->activity == 0;
    bool debug = c->dr6 >> 32 == 0 && c->dr7 >> 32 == 0 && c->fmask >> 32 == 0;
    bool tables = c->gdt_limit <= 0xffff && c->idt_limit <= 0xffff && c->sysenter_cs >> 32 == 0;
    bool extended = (c->xcr0 == 0 || c->xcr0 == 1 || context_xcr0_valid(c->xcr0, caps->xcr0_offer)) && context_wrong_pat(c->pat) == 0;
    return flags && debug && tables && extended && control_valid(c, caps, phys_bits) && addresses_valid(c);
}
