/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `destroy`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/manager.h"

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    if (!cli_args(&cmd_destroy, argc, argv, 1, 1))
        return EXIT_USAGE;
    return manager_destroy(argv[1], &e) ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_destroy = {
    "destroy",
    "DOMAIN",
    "Ends a domain at once, as pulling the plug does.",
    "The guest is not asked and its memory is gone; its files stay as they are. `shutdown` asks the guest.\n",
    run,
    cli_complete_domain_arg};
