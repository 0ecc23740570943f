/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `network-detach`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/manager/manager.h"
#include "dom0/manager/vif.h"

#define SECOND_NS 1000000000UL
#define WAIT_S    10UL
#define WAIT_MAX  3600UL

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint64_t seconds = WAIT_S;
    bool forced = false;
    if (!cli_number_option(&cmd_network_detach, &argc, argv, "-t", 0, WAIT_MAX, &seconds) || !cli_args(&cmd_network_detach, argc, argv, 2, 2))
        return EXIT_USAGE;
    cli_interrupt_begin();
    if (!manager_nic_detach(argv[1], argv[2], seconds * SECOND_NS, cli_interrupt_seen, &forced, &e))
        return cli_error(&e);
    if (forced)
        console_printf("warning: the guest did not let go of the card in time: it was taken away all the same\n");
    return EXIT_OK;
}

const struct cli_verb cmd_network_detach = {
    "network-detach",
    "[-t SECONDS] DOMAIN DEV",
    "Takes a network card away from a running guest.",
    "DEV is the card's number or its address, as network-list shows them.\n"
    "  -t SECONDS  how long the guest may take to let go of it (10 without it); then it goes all the same\n",
    run,
    cli_complete_domain_arg};
