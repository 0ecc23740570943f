/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `mem-max`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/adjust.h"

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint32_t mib = 0;
    if (!cli_args(&cmd_mem_max, argc, argv, 2, 2) || !cli_number(&cmd_mem_max, argv[2], UINT32_MAX, &mib))
        return EXIT_USAGE;
    return manager_mem_max(argv[1], mib, &e) ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_mem_max = {
    "mem-max",
    "DOMAIN MiB",
    "Sets the hypervisor's limit of a domain's memory.",
    "What it has above the limit stays, and it gets nothing more. `mem-set` moves the limit with the memory; `list -l` shows it.\n",
    run,
    cli_complete_domain_arg};
