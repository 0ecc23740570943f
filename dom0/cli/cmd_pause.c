/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `pause`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/manager.h"

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    if (!cli_args(&cmd_pause, argc, argv, 1, 1))
        return EXIT_USAGE;
    return manager_pause(argv[1], &e) ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_pause = {"pause",
                                   "DOMAIN",
                                   "Stops a domain's virtual CPUs; it stays in memory.",
                                   "(virsh calls this suspend.) `unpause` lets it go on.\n",
                                   run,
                                   cli_complete_domain_arg};
