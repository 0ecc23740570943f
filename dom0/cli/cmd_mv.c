/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `mv`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/progress.h"
#include "dom0/fs/tree.h"
#include "dom0/fs/volume.h"
#include "dom0/lib/string.h"

/* DST as by `cp`; but a folder that is SRC itself gets its new spelling. */
static bool target(const char *src, const char *dst, char *to, struct error *e)
{
    char from[PATH_MAX_LEN];
    if (path_resolve(src, from, sizeof from, e) && path_resolve(dst, to, PATH_MAX_LEN, e) && strcasecmp(from, to) == 0)
        return true;
    return tree_target(src, dst, to, e);
}

static enum exit_code run(int argc, char **argv)
{
    char to[PATH_MAX_LEN];
    struct progress p;
    struct error e;
    if (!cli_args(&cmd_mv, argc, argv, 2, 2))
        return EXIT_USAGE;
    progress_begin(&p, "moving");
    bool ok = target(argv[1], argv[2], to, &e) && tree_move(argv[1], to, progress_fn, &p, &e);
    return progress_end(&p, ok, &e);
}

const struct cli_verb cmd_mv = {"mv",
                                "SRC DST",
                                "Renames or moves a file or a folder.",
                                "DST is the new name, or a folder that it goes into. A file that is there is replaced.\n"
                                "Within a folder that is mostly one step; else it is copied first and then removed, "
                                "so that no power cut loses it.\n"
                                "Ctrl-C stops the copying, and all is as before.\n",
                                run,
                                cli_complete_path_args};
