/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `vcpu-pin`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/lib/string.h"
#include "dom0/manager/adjust.h"
#include "dom0/manager/cpulist.h"

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint64_t mask = 0;
    uint32_t vcpu = VM_ALL_VCPUS;
    if (!cli_args(&cmd_vcpu_pin, argc, argv, 3, 3))
        return EXIT_USAGE;
    if (strcmp(argv[2], "all") != 0 && !cli_number(&cmd_vcpu_pin, argv[2], UINT32_MAX - 1, &vcpu))
        return EXIT_USAGE;
    if (!cpu_list_parse(argv[3], &mask)) {
        error_set(&e, EXIT_USAGE, "vcpu-pin: %.40s: not a list of CPUs: write such as 0-2,4 or all", argv[3]);
        return cli_error(&e);
    }
    return manager_vcpu_pin(argv[1], vcpu, mask, &e) ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_vcpu_pin = {"vcpu-pin",
                                      "DOMAIN VCPU|all CPUS",
                                      "Sets on which host CPUs virtual CPUs may run.",
                                      "CPUS is a list such as 0-2,4, or all. It holds at once and until the domain ends; "
                                      "sched.cpu.affinity in a .vmx file sets it from the start.\n",
                                      run,
                                      cli_complete_domain_arg};
