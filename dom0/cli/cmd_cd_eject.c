/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `cd-eject`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/disks.h"

#define SECOND_NS 1000000000UL
#define WAIT_S    10UL
#define WAIT_MAX  86400UL

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint64_t seconds = WAIT_S;
    bool force = cli_flag(&argc, argv, "--force");
    force = cli_flag(&argc, argv, "-f") || force;
    if (!cli_number_option(&cmd_cd_eject, &argc, argv, "-t", 0, WAIT_MAX, &seconds) ||
        !cli_args(&cmd_cd_eject, argc, argv, 2, 2))
        return EXIT_USAGE;
    cli_interrupt_begin();
    return manager_cd_eject(argv[1], argv[2], force, seconds * SECOND_NS, cli_interrupt_seen, &e) ? EXIT_OK
                                                                                                  : cli_error(&e);
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
