/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `debug-keys`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"

static enum exit_code run(int argc, char **argv)
{
    if (!cli_args(&cmd_debug_keys, argc, argv, 1, 1))
        return EXIT_USAGE;
    for (const char *c = argv[1]; *c != '\0'; c++) {
        struct cbl_debug_key k = {.key = (uint8_t)*c};
        long rc = control(CTL_DEBUG_KEY, &k);
        if (rc == -22 || rc == -2 || rc == -38) { /* EINVAL, ENOENT, ENOSYS */
            struct error e;
            error_set(&e, EXIT_FAILED, "debug-keys %c: the hypervisor knows no such key: `debug-keys h` lists them",
                      *c);
            return cli_error(&e);
        }
        if (rc != 0)
            return cli_control_failed("debug-keys", rc);
    }
    return EXIT_OK;
}

const struct cli_verb cmd_debug_keys = {"debug-keys",
                                        "KEYS",
                                        "Presses keys of the hypervisor.",
                                        "`debug-keys h` lists them. What they print goes to the hypervisor's log "
                                        "(`dmesg`) and console. The same keys work after Ctrl-A three times.\n",
                                        run,
                                        NULL};
