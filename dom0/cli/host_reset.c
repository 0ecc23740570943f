/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What host-reboot and host-poweroff have in common. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

struct running {
    uint32_t count;
    char first[VM_NAME_MAX];
};

static bool count_running(const struct vm_view *v, void *ctx)
{
    struct running *r = ctx;
    if (v->domid != 0 && r->count++ == 0)
        strlcpy(r->first, v->name, sizeof r->first);
    return true;
}

enum exit_code cli_host_reset(const struct cli_verb *v, int argc, char **argv, bool poweroff)
{
    struct cbl_host_reset reset = {.poweroff = poweroff};
    struct running r = {0};
    struct error e;
    bool force = cli_flag(&argc, argv, "-f");
    if (!cli_args(v, argc, argv, 0, 0))
        return EXIT_USAGE;
    manager_list(count_running, &r);
    if (r.count > 0 && !force) {
        error_set(&e, EXIT_WRONG_STATE, "%s: %u domain%s left (%s%s): shut them down or destroy them, or `%s -f`",
                  v->name, r.count, r.count == 1 ? " is" : "s are", r.first, r.count > 1 ? ", …" : "", v->name);
        return cli_error(&e);
    }
    console_printf("%s\n", poweroff ? "powering off" : "rebooting");
    long rc = control(CTL_HOST_RESET, &reset);
    return cli_control_failed(v->name, rc);
}
