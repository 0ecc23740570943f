/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the verbs that change files have in common: progress, Ctrl-C, completion. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"

#define SHOW_AFTER_NS 200000000UL /* what is done sooner needs no progress */
#define SHOW_EVERY_NS 100000000UL

void cli_files_begin(struct cli_files *f, const char *doing)
{
    *f = (struct cli_files){.doing = doing, .next_ns = time_now_ns() + SHOW_AFTER_NS};
}

bool cli_files_progress(void *ctx, const char *path, uint64_t done, uint64_t total)
{
    struct cli_files *f = ctx;
    uint64_t now = time_now_ns();
    if (cli_interrupted())
        return false;
    if (now < f->next_ns)
        return true;
    f->next_ns = now + SHOW_EVERY_NS;
    f->shown = true;
    cli_partial_line(true);
    const char *slash = strrchr(path, '/');
    console_printf("\r\x1b[K%s %.50s", f->doing, slash != NULL ? slash + 1 : path);
    if (total != 0)
        console_printf(": %u%%", (unsigned)(done >= total ? 100 : done * 100 / total));
    out_text(" ...");
    return true;
}

enum exit_code cli_files_end(struct cli_files *f, bool ok, const struct error *e)
{
    cli_partial_line(false);
    if (f->shown)
        console_write("\r\x1b[K", 4);
    return ok ? EXIT_OK : cli_error(e);
}

void cli_complete_path_args(int arg, const char *prefix, void (*emit)(const char *word))
{
    (void)arg;
    cli_complete_paths(prefix, emit);
}
