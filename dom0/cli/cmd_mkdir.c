/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `mkdir`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/words.h"
#include "dom0/fs/volume.h"

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    if (!cli_args(&cmd_mkdir, argc, argv, 1, WORDS_MAX))
        return EXIT_USAGE;
    for (int i = 1; i < argc; i++)
        if (!path_mkdir(argv[i], &e))
            return cli_error(&e);
    return EXIT_OK;
}

const struct cli_verb cmd_mkdir = {"mkdir",
                                   "PATH…",
                                   "Makes folders.",
                                   "PATH is VOLUME:/FOLDER/NAME, or relative to the guest folder. The folder that it "
                                   "lies in must be there.\n",
                                   run,
                                   cli_complete_path_args};
