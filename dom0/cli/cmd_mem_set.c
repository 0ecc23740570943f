/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `mem-set`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/manager/adjust.h"

#define WAIT_S 30UL

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint64_t wait_ns = 0;
    uint32_t mib = 0, now = 0;
    if (!cli_wait_option(&cmd_mem_set, &argc, argv, 0, WAIT_S, &wait_ns) ||
        !cli_args(&cmd_mem_set, argc, argv, 2, 2) || !cli_number(&cmd_mem_set, argv[2], UINT32_MAX, &mib))
        return EXIT_USAGE;
    cli_interrupt_begin();
    if (!manager_mem_set(argv[1], mib, wait_ns, cli_interrupt_seen, &now, &e))
        return cli_error(&e);
    console_printf("%s: %u MiB\n", argv[1], now);
    return EXIT_OK;
}

const struct cli_verb cmd_mem_set = {
    "mem-set",
    "[-t SECONDS] DOMAIN MiB",
    "Asks a guest to make do with so much memory, or gives it more.",
    "The guest's balloon driver does it; corbel.maxmem in its .vmx file (memsize without it) is the most. The hypervisor's limit follows.\n"
    "  -t SECONDS  wait so long until it has done it (30 without it)\n",
    run,
    cli_complete_domain_arg};
