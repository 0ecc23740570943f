/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `host-reboot`. */
#include "dom0/cli/cli_priv.h"

static enum exit_code run(int argc, char **argv) { return cli_host_reset(&cmd_host_reboot, argc, argv, false); }

const struct cli_verb cmd_host_reboot = {"host-reboot",
                                         "[-f]",
                                         "Restarts the machine.",
                                         "  -f  also while domains are left; they end as if the plug were pulled\n",
                                         run,
                                         NULL};
