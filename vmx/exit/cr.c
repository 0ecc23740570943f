/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] MOV to CR0 and CR4 that touches a bit which is ours. With unrestricted guest the CPU itself handles PE, PG
 * and EFER.LMA, and stores LMA into the entry control at every exit (SDM vol 3, "Saving Control Registers, Debug
 * Registers, and MSRs"). */
#include "kernel/cpu/x86.h"
#include "vmx/exit/decode.h"
#include "vmx/exit/handlers.h"
#include "vmx/setup.h"
#include "vmx/vmcs.h"

static uint64_t operand(struct vcpu *v, unsigned gpr)
{
    const uint64_t *reg = decode_gpr(&v->vmx.gprs, gpr);
    return reg != NULL ? *reg : vmreadn(VMCS_GUEST_RSP);
}

static bool in_64_bit_code(void)
{
    return (vmread64(VMCS_GUEST_EFER) & EFER_LMA) != 0 && (vmread32(VMCS_GUEST_CS_AR) & SEG_LONG) != 0;
}

/* Our bits of CR0 (NE, CD, NW) exist only in the shadow. With the shadow as the guest wants it, the same instruction
 * no longer exits: it runs again, and the CPU does the rest of it: mode changes, page-directory pointers. What would
 * fault then must fault before the shadow has changed. SDM vol 2, "MOV - Move to/from Control Registers". */
static enum exit_action guest_cr0(uint64_t value)
{
    bool paging = (value & CR0_PG) != 0;
    if ((value & (CR0_CD | CR0_NW)) == CR0_NW || value >> 32 != 0 || (paging ? (value & CR0_PE) == 0 : in_64_bit_code()))
        return EXIT_INJECT_GP;
    vmwriten(VMCS_CR0_SHADOW, (vmreadn(VMCS_CR0_SHADOW) & ~SETUP_CR0_MASK) | (value & SETUP_CR0_MASK));
    return EXIT_RESUME;
}

enum exit_action exit_cr(struct vcpu *v)
{
    struct cr_access a = decode_cr(v->vmx.exit.qualification);
    if (a.kind == CR_WRITE && a.cr == 0)
        return guest_cr0(operand(v, a.gpr));
    if (a.kind == CR_WRITE && a.cr == 4)
        return EXIT_INJECT_GP; /* all our bits of CR4 read 0; setting one asks for what CPUID does not offer */
    return exit_kill(v, "a control-register access that no control makes exit");
}
