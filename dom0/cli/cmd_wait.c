/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `wait`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/manager.h"

static enum exit_code run(int argc, char **argv)
{
    struct vm_view v;
    struct error e;
    uint64_t ns = 0;
    if (!cli_wait_option(&cmd_wait, &argc, argv, 1, CLI_END_S, &ns))
        return EXIT_USAGE;
    if (!cli_args(&cmd_wait, argc, argv, 1, 1))
        return EXIT_USAGE;
    if (!manager_find(argv[1], &v, &e))
        return cli_error(&e);
    return cli_wait_end(&v, ns);
}

const struct cli_verb cmd_wait = {"wait",
                                  "[-t SECONDS] DOMAIN",
                                  "Waits until a domain has ended by itself.",
                                  "  -t SECONDS  at most so long (600 without it)\n"
                                  "Ctrl-C stops the waiting. A reboot counts as an end.\n",
                                  run,
                                  cli_complete_domain_arg};
