/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `nslookup`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/net/address.h"
#include "dom0/net/client.h"

#define ADDRESSES 16U

static enum exit_code run(int argc, char **argv)
{
    uint32_t addresses[ADDRESSES];
    unsigned count = 0;
    char text[IPV4_TEXT];
    struct error e;
    if (!cli_args(&cmd_nslookup, argc, argv, 1, 1))
        return EXIT_USAGE;
    cli_interrupt_begin();
    if (!net_resolve("nslookup", argv[1], addresses, ADDRESSES, &count, cli_interrupt_seen, &e))
        return cli_error(&e);
    for (unsigned i = 0; i < count; i++) {
        ipv4_format(text, addresses[i]);
        console_printf("%s has the address %s\n", argv[1], text);
    }
    return EXIT_OK;
}

const struct cli_verb cmd_nslookup = {"nslookup",
                                      "NAME",
                                      "Asks the name server for a host's addresses.",
                                      "The name server is the one that `network-config` shows.\n",
                                      run,
                                      NULL};
