/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `host-poweroff`. */
#include "dom0/cli/cli_priv.h"

static enum exit_code run(int argc, char **argv) { return cli_host_reset(&cmd_host_poweroff, argc, argv, true); }

const struct cli_verb cmd_host_poweroff = {"host-poweroff",
                                           "[-f]",
                                           "Switches the machine off.",
                                           "  -f  also while domains are left; they end as if the plug were pulled\n",
                                           run,
                                           NULL};
