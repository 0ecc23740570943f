/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] An access that the EPT does not allow. Nothing is emulated in root mode, so it ends the domain, in words. */
#include "kernel/core/log.h"
#include "vmx/exit/decode.h"
#include "vmx/exit/handlers.h"
#include "vmx/vmcs.h"

/* true: the access is allowed now, or has just been made so. */
static bool resolved(struct vcpu *v, gfn_t g, unsigned rights)
{
    struct ept_leaf leaf;
    struct domain_locked l DOMAIN_GUARD = domain_lock(v->domain);
    if (!ept_lookup(&l.d->ept, g, &leaf) || (leaf.rights & rights) != rights)
        return false;
    /* A fetch: a large page that is executable only once it is split. */
    enum status status = (rights & EPT_X) != 0 ? ept_split_exec(&l.d->ept, g) : STATUS_OK;
    return status == STATUS_OK || status == STATUS_NOT_FOUND;
}

enum exit_action exit_ept_violation(struct vcpu *v)
{
    gpa_t a = gpa(vmread64(VMCS_GUEST_PHYS_ADDR));
    struct ept_access access = decode_ept(v->vmx.exit.qualification);
    if (resolved(v, gfn_of_gpa(a), access.rights)) {
        if (access.unblocked_nmi && !v->vmx.reinject_valid) /* an IRET that runs again: NMIs are blocked until it is through */
            vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, vmread32(VMCS_GUEST_INTERRUPTIBILITY) | BLOCK_NMI);
        return EXIT_RESUME;
    }
    uint64_t linear = access.linear_valid ? vmreadn(VMCS_GUEST_LINEAR_ADDR) : 0;
    log_guest(v->domain->id, "v%u: %s of guest physical %lx%s, linear %lx", v->id,
              (access.rights & EPT_W) != 0 ? "write" : (access.rights & EPT_X) != 0 ? "fetch" : "read", a.v,
              access.walk ? " (its page tables)" : "", linear);
    return exit_kill(v, "access to memory that it does not have");
}

enum exit_action exit_ept_misconfig(struct vcpu *v)
{
    struct ept_leaf leaf = {0};
    gpa_t a = gpa(vmread64(VMCS_GUEST_PHYS_ADDR));
    (void)ept_lookup(&v->domain->ept, gfn_of_gpa(a), &leaf); /* absent: all zero */
    log_error("d%u: EPT entry for guest physical %lx is not valid: frame %lx order %u rights %x type %u", v->domain->id, a.v,
              leaf.hfn.v, leaf.order, leaf.rights, leaf.memtype);
    return exit_kill(v, "the hypervisor's own EPT entry is wrong");
}
