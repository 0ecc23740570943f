/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `cp`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/progress.h"
#include "dom0/fs/tree.h"
#include "dom0/fs/volume.h"

static enum exit_code run(int argc, char **argv)
{
    bool all = cli_flag(&argc, argv, "-r");
    char to[PATH_MAX_LEN];
    struct progress p;
    struct error e;
    if (!cli_args(&cmd_cp, argc, argv, 2, 2))
        return EXIT_USAGE;
    progress_begin(&p, "copying");
    bool ok = tree_target(argv[1], argv[2], to, &e) && tree_copy(argv[1], to, all, progress_fn, &p, &e);
    return progress_end(&p, ok, &e);
}

const struct cli_verb cmd_cp = {"cp",
                                "[-r] SRC DST",
                                "Copies a file, or a folder with all in it.",
                                "DST is the copy's name, or a folder that it goes into. A file that is there is "
                                "replaced when the copy is complete.\n"
                                "  -r  copies a folder\n"
                                "Ctrl-C stops it, and nothing is left of the copy.\n",
                                run,
                                cli_complete_path_args};
