/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `rename`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/adjust.h"

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    if (!cli_args(&cmd_rename, argc, argv, 2, 2))
        return EXIT_USAGE;
    return manager_rename(argv[1], argv[2], &e) ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_rename = {
    "rename",
    "DOMAIN NAME",
    "Gives a domain another name.",
    "Its number stays, and the new name goes on through restarts. The .vmx file is not changed: the next `create` takes the name from there.\n",
    run,
    cli_complete_domain_arg};
