/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `ls`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"

struct ls_args {
    bool json;
    bool plain;
    struct pairs out;
    unsigned count;
};

static void print_date(const struct dir_entry *d, char *text, size_t len)
{
    if (d->date == 0)
        strlcpy(text, "-", len);
    else
        snprintf(text, len, "%04u-%02u-%02u %02u:%02u", 1980U + (d->date >> 9), d->date >> 5 & 15U, d->date & 31U,
                 d->time >> 11, d->time >> 5 & 63U);
}

static bool print_entry(const struct dir_entry *d, void *ctx)
{
    struct ls_args *a = ctx;
    char date[24];
    if (cli_interrupted())
        return false;
    print_date(d, date, sizeof date);
    if (a->json) {
        list_item(&a->out);
        pairs_text(&a->out, "name", d->name);
        pairs_text(&a->out, "type", d->is_dir ? "folder" : "file");
        pairs_number(&a->out, "size", d->size, "");
        pairs_end(&a->out);
        return true;
    }
    console_printf("%12lu  %-16s  ", d->size, date);
    out_text(d->name);
    out_text(d->is_dir ? "/\n" : "\n");
    return true;
}

static enum exit_code volumes(bool json)
{
    struct ls_args a = {.json = json};
    if (json)
        list_begin(&a.out);
    for (size_t i = 0; i < volume_count(); i++) {
        struct volume_info v;
        if (!volume_get(i, &v))
            continue;
        if (json) {
            list_item(&a.out);
            pairs_text(&a.out, "name", v.name);
            pairs_text(&a.out, "fs", v.fs);
            pairs_text(&a.out, "what", v.what);
            pairs_number(&a.out, "total_bytes", v.total_bytes, "");
            pairs_number(&a.out, "free_bytes", v.free_bytes, "");
            pairs_end(&a.out);
            continue;
        }
        console_printf("%-8s %-8s %8lu MiB, %lu free%s%s  %s\n", v.name, v.fs, v.total_bytes >> 20, v.free_bytes >> 20,
                       v.read_only ? ", read-only" : "", v.is_default ? ", holds the guest folder" : "", v.what);
    }
    if (json)
        list_end(&a.out);
    return EXIT_OK;
}

static enum exit_code run(int argc, char **argv)
{
    struct ls_args a = {.json = cli_flag(&argc, argv, "--json")};
    struct error e;
    bool all_volumes = cli_flag(&argc, argv, "-v");
    if (!cli_args(&cmd_ls, argc, argv, 0, all_volumes ? 0 : 1))
        return EXIT_USAGE;
    if (all_volumes)
        return volumes(a.json);
    const char *path = argc > 1 ? argv[1] : "";
    struct dir_entry folder;
    bool frame = a.json && path_stat(path, &folder, &e) && folder.is_dir; /* an error is no empty list */
    if (frame)
        list_begin(&a.out);
    bool ok = dir_list(path, print_entry, &a, &e);
    if (frame)
        list_end(&a.out);
    return ok ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_ls = {"ls",
                                "[--json] [PATH] | -v",
                                "Lists a folder: the guest folder, or PATH.",
                                "PATH is VOLUME:/FOLDER, or relative to the guest folder.\n"
                                "  -v      lists the volumes\n"
                                "  --json  the same for programs\n",
                                run,
                                cli_complete_path_arg};
