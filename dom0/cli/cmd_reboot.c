/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `reboot`. */
#include "dom0/cli/cli_priv.h"

static enum exit_code run(int argc, char **argv) { return cli_ask_guest(&cmd_reboot, argc, argv, "reboot"); }

const struct cli_verb cmd_reboot = {"reboot",
                                    "[-w] [-t SECONDS] DOMAIN [soft|hard]",
                                    "Asks a guest to restart in order, or restarts it at once.",
                                    "It comes back under the same name with a new number.\n"
                                    "  -w          wait until the old one has ended (Ctrl-C stops the waiting)\n"
                                    "  -t SECONDS  wait, at most so long (600 without it)\n"
                                    "  soft, hard  ask the guest, or reset it at once; without it as powerType.reset of its .vmx file says (soft)\n",
                                    run,
                                    cli_complete_power};
