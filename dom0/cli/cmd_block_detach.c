/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `block-detach`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/disks.h"

static enum exit_code run(int argc, char **argv)
{
    bool force = cli_flag(&argc, argv, "-f");
    return cli_take_away(&cmd_block_detach, argc, argv, force, manager_block_detach);
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
