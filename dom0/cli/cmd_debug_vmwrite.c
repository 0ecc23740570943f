/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `debug-vmwrite`: makes the next entry into a guest fail, to see how that is explained. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

#define MAX_FIELD 0x7fff

static enum exit_code refused(const char *who, uint16_t domid, uint64_t field, long rc)
{
    struct error e;
    struct cbl_host_info info = {.abi_version = 0};
    if (control(CTL_HOST_INFO, &info) == 0 && info.debug == 0)
        error_set(&e, EXIT_REFUSED, "debug-vmwrite: debug is off: boot with `debug = on` in corbel.cfg");
    else if (domid == 0)
        error_set(&e, EXIT_REFUSED, "debug-vmwrite: %s manages the others: its VMCS is left alone: choose another domain", who);
    else if (rc == -16) /* EBUSY */
        error_set(&e, EXIT_WRONG_STATE, "debug-vmwrite: %s runs: pause it first", who);
    else if (rc == -1) /* EPERM */
        error_set(&e, EXIT_REFUSED,
                  "debug-vmwrite: field 0x%lx: no such field, or the entry would succeed with this value: write another",
                  field);
    else
        return cli_control_failed("debug-vmwrite", rc);
    return cli_error(&e);
}

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    struct vm_view vm;
    uint64_t vcpu, field, value;
    if (!cli_args(&cmd_debug_vmwrite, argc, argv, 4, 4))
        return EXIT_USAGE;
    bool numbers = parse_u64(argv[2], &vcpu) && parse_u64(argv[3], &field) && parse_u64(argv[4], &value);
    if (!numbers || vcpu > UINT32_MAX || field > MAX_FIELD)
        return cli_usage(&cmd_debug_vmwrite);
    if (!manager_find(argv[1], &vm, &e))
        return cli_error(&e);
    struct cbl_vmwrite w = {.domid = vm.domid, .vcpu = (uint32_t)vcpu, .field = (uint32_t)field, .value = value};
    long rc = control(CTL_DEBUG_VMWRITE, &w);
    if (rc != 0)
        return refused(argv[1], vm.domid, field, rc);
    console_printf("field 0x%lx is written: the entry breaks %u rule%s\n", field, w.broken, w.broken == 1 ? "" : "s");
    return EXIT_OK;
}

const struct cli_verb cmd_debug_vmwrite = {
    "debug-vmwrite",
    "DOMAIN VCPU FIELD VALUE",
    "Breaks a paused domain's VMCS, to see how a refused VM entry is explained.",
    "Only with `debug = on` in corbel.cfg. FIELD is an encoding of the SDM's, as 0x6804 for guest CR4. Fields that are\n"
    "not guest state take only values with which the entry fails.\n",
    run,
    cli_complete_domain_arg};
