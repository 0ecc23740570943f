/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `df`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/console.h"

static void show(const struct volume_info *v, struct pairs *json)
{
    uint64_t used = v->total_bytes - v->free_bytes;
    if (json == NULL) {
        console_printf("%-10s %-8s %12lu %12lu %12lu %3u%%  %s%s%s\n", v->name, v->fs, v->total_bytes >> 10, used >> 10,
                       v->free_bytes >> 10, (unsigned)(v->total_bytes != 0 ? used * 100 / v->total_bytes : 100),
                       v->what, v->read_only ? ", read-only" : "", v->is_default ? ", holds the guest folder" : "");
        return;
    }
    list_item(json);
    pairs_text(json, "name", v->name);
    pairs_text(json, "fs", v->fs);
    pairs_text(json, "what", v->what);
    pairs_number(json, "total_bytes", v->total_bytes, "");
    pairs_number(json, "used_bytes", used, "");
    pairs_number(json, "free_bytes", v->free_bytes, "");
    pairs_text(json, "access", v->read_only ? "read-only" : "read-write");
    pairs_end(json);
}

static enum exit_code run(int argc, char **argv)
{
    bool as_json = cli_flag(&argc, argv, "--json");
    enum exit_code code = EXIT_OK;
    struct pairs json;
    struct volume_info v;
    struct error e;
    if (!cli_args(&cmd_df, argc, argv, 0, 0))
        return EXIT_USAGE;
    if (as_json)
        list_begin(&json);
    else
        out_text("Volume     Type          Size KiB     Used KiB     Free KiB Use%  What\n");
    for (size_t i = 0; i < volume_count(); i++) {
        if (volume_measure(i, &v, &e))
            show(&v, as_json ? &json : NULL);
        else
            code = EXIT_FAILED;
    }
    if (as_json)
        list_end(&json);
    return code == EXIT_OK ? code : cli_error(&e);
}

const struct cli_verb cmd_df = {"df",
                                "[--json]",
                                "Shows how full the volumes are.",
                                "  --json  the same for programs\n",
                                run,
                                NULL};
