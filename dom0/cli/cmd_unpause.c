/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `unpause`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/manager.h"

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    if (!cli_args(&cmd_unpause, argc, argv, 1, 1))
        return EXIT_USAGE;
    return manager_unpause(argv[1], &e) ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_unpause = {
    "unpause", "DOMAIN", "Lets a paused domain go on.", "(virsh calls this resume.)\n", run, cli_complete_domain_arg};
