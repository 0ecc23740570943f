/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `shutdown`. */
#include "dom0/cli/cli_priv.h"

static enum exit_code run(int argc, char **argv) { return cli_ask_guest(&cmd_shutdown, argc, argv, "poweroff"); }

const struct cli_verb cmd_shutdown = {"shutdown",
                                      "[-w] [-t SECONDS] DOMAIN [soft|hard]",
                                      "Asks a guest to shut down in order, or ends it at once.",
                                      "  -w          wait until it has ended (Ctrl-C stops the waiting)\n"
                                      "  -t SECONDS  wait, at most so long (600 without it)\n"
                                      "  soft, hard  ask the guest, or end it at once; without it as powerType.powerOff of its .vmx file says (soft)\n"
                                      "The guest must have booted far enough to listen; `destroy` ends it otherwise.\n",
                                      run,
                                      cli_complete_power};
