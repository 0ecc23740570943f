/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `rm`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/progress.h"
#include "dom0/cli/words.h"
#include "dom0/fs/tree.h"

static enum exit_code run(int argc, char **argv)
{
    bool all = cli_flag(&argc, argv, "-r"), ok = true;
    struct progress p;
    struct error e;
    if (!cli_args(&cmd_rm, argc, argv, 1, WORDS_MAX))
        return EXIT_USAGE;
    progress_begin(&p, "removing");
    for (int i = 1; i < argc && ok; i++)
        ok = tree_remove(argv[i], all, progress_fn, &p, &e);
    return progress_end(&p, ok, &e);
}

const struct cli_verb cmd_rm = {"rm",
                                "[-r] PATH…",
                                "Removes files and empty folders.",
                                "  -r  removes folders with all in them; Ctrl-C stops it, what is removed is gone\n"
                                "A file that a guest's start is reading can be removed: the reading goes on.\n",
                                run,
                                cli_complete_path_args};
