/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `history`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"

static enum exit_code run(int argc, char **argv)
{
    const char *text;
    if (!cli_args(&cmd_history, argc, argv, 0, 0))
        return EXIT_USAGE;
    for (uint32_t i = 0; (text = lineedit_history(cli_line(), i)) != NULL; i++) {
        console_printf("%4u  ", i + 1);
        out_text(text);
        out_text("\n");
    }
    return EXIT_OK;
}

const struct cli_verb cmd_history = {
    "history", "", "Lists the lines that were typed.", "The last 32; the arrow keys bring them back.\n", run, NULL};
