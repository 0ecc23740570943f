/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `cd-insert`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/disks.h"

#define WAIT_S 10UL

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint64_t wait_ns = 0;
    if (!cli_wait_option(&cmd_cd_insert, &argc, argv, 0, WAIT_S, &wait_ns) ||
        !cli_args(&cmd_cd_insert, argc, argv, 3, 3))
        return EXIT_USAGE;
    cli_interrupt_begin();
    return manager_cd_insert(argv[1], argv[2], argv[3], wait_ns, cli_interrupt_seen, &e) ? EXIT_OK
                                                                                                     : cli_error(&e);
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    if (arg == 1)
        cli_complete_domains(prefix, emit);
    else if (arg == 3)
        cli_complete_paths(prefix, emit);
}

const struct cli_verb cmd_cd_insert = {
    "cd-insert",
    "[-t SECONDS] DOMAIN DRIVE IMAGE",
    "Puts the image of a CD into a drive of a running guest.",
    "DRIVE is its name as block-list shows it (xvdb), or the one in the .vmx file (ide1:0). The drive must be there: deviceType = \"cdrom-image\".\n"
    "A CD that is in it is taken out first, as by cd-eject. Xen's disks have no change of media: the guest sees the device come when a CD is\n"
    "in, and go when it is out. It stays through reboots of the guest; the .vmx file is not changed.\n"
    "  -t SECONDS  wait so long for the guest to let go of the old one (10 without it)\n",
    run,
    complete};
