/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `status`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"

static const char *words(enum exit_code c)
{
    switch (c) {
    case EXIT_OK:
        return "ok";
    case EXIT_FAILED:
        return "failed";
    case EXIT_USAGE:
        return "wrong usage";
    case EXIT_NO_DOMAIN:
        return "no such domain";
    case EXIT_WRONG_STATE:
        return "wrong state";
    case EXIT_REFUSED:
        return "refused by policy";
    case EXIT_NO_RESOURCE:
        return "not enough resources";
    case EXIT_TIMEOUT:
        return "timed out";
    case EXIT_INCOMPATIBLE:
        return "not possible in this version or on this host";
    }
    return "unknown";
}

static enum exit_code run(int argc, char **argv)
{
    struct pairs p;
    enum exit_code c = cli_last_code();
    bool json = cli_flag(&argc, argv, "--json");
    if (!cli_args(&cmd_status, argc, argv, 0, 0))
        return EXIT_USAGE;
    if (json) {
        pairs_begin(&p, PAIRS_JSON);
        pairs_number(&p, "code", (uint64_t)c, "");
        pairs_text(&p, "meaning", words(c));
        pairs_end(&p);
    } else {
        console_printf("%d %s\n", (int)c, words(c));
    }
    return c;
}

const struct cli_verb cmd_status = {"status",
                                    "[--json]",
                                    "Prints the exit code of the line before.",
                                    "0 ok, 1 failed, 2 wrong usage, 3 no such domain, 4 wrong state, 5 refused by "
                                    "policy, 6 not enough resources, 7 timed out,\n"
                                    "8 not possible in this version or on this host. `status` does not change it.\n",
                                    run,
                                    NULL};
