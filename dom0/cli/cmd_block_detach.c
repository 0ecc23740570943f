/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `block-detach`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/disks.h"

#define SECOND_NS 1000000000UL
#define WAIT_S    10UL
#define WAIT_MAX  86400UL

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint64_t seconds = WAIT_S;
    bool force = cli_flag(&argc, argv, "-f");
    if (!cli_number_option(&cmd_block_detach, &argc, argv, "-t", 0, WAIT_MAX, &seconds) ||
        !cli_args(&cmd_block_detach, argc, argv, 2, 2))
        return EXIT_USAGE;
    cli_interrupt_begin();
    return manager_block_detach(argv[1], argv[2], force, seconds * SECOND_NS, cli_interrupt_seen, &e) ? EXIT_OK
                                                                                                      : cli_error(&e);
}

const struct cli_verb cmd_block_detach = {
    "block-detach",
    "[-f] [-t SECONDS] DOMAIN DISK",
    "Takes a disk away from a running guest.",
    "DISK is its name as block-list shows it. The guest is asked to let go; unmount it there first: Linux lets go at once, also of what is mounted.\n"
    "  -t SECONDS  wait so long for it (10 without it)\n"
    "  -f          do not ask: what the guest writes from now on is lost\n",
    run,
    cli_complete_domain_arg};
