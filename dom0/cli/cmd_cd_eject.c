/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `cd-eject`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/disks.h"

static enum exit_code run(int argc, char **argv)
{
    bool force = cli_flag(&argc, argv, "--force");
    force = cli_flag(&argc, argv, "-f") || force;
    return cli_take_away(&cmd_cd_eject, argc, argv, force, manager_cd_eject);
}

const struct cli_verb cmd_cd_eject = {
    "cd-eject",
    "[--force] [-t SECONDS] DOMAIN DRIVE",
    "Takes the CD out of a drive of a running guest.",
    "DRIVE as for cd-insert. The guest is asked to let go; unmount the CD there first. The drive stays, empty; an empty one is fine.\n"
    "  -t SECONDS  wait so long for it (10 without it)\n"
    "  --force     do not ask\n",
    run,
    cli_complete_domain_arg};
