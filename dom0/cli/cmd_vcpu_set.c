/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `vcpu-set`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/manager/adjust.h"

#define WAIT_S 10UL

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint64_t wait_ns = 0;
    uint32_t count = 0;
    if (!cli_wait_option(&cmd_vcpu_set, &argc, argv, 0, WAIT_S, &wait_ns) ||
        !cli_args(&cmd_vcpu_set, argc, argv, 2, 2) || !cli_number(&cmd_vcpu_set, argv[2], VM_VCPUS_MAX, &count))
        return EXIT_USAGE;
    cli_interrupt_begin();
    return manager_vcpu_set(argv[1], count, wait_ns, cli_interrupt_seen, &e) ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_vcpu_set = {
    "vcpu-set",
    "[-t SECONDS] DOMAIN COUNT",
    "Asks a guest to run on so many virtual CPUs.",
    "The guest takes virtual CPUs online or offline itself, from number COUNT on; corbel.maxvcpus in its .vmx file is the most.\n"
    "Linux gives a new one to its udev, which takes it online; without udev: echo 1 > /sys/devices/system/cpu/cpuN/online in the guest.\n"
    "  -t SECONDS  wait so long until it has done it (10 without it)\n",
    run,
    cli_complete_domain_arg};
