/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `autostart`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "dom0/manager/autostart.h"

static const char *source(const struct autostart *a, uint32_t i)
{
    return i < a->configured ? "corbel.cfg" : "autostart.cfg";
}

static void show_all(const struct autostart *a, bool as_json)
{
    struct pairs p;
    if (as_json)
        list_begin(&p);
    for (uint32_t i = 0; i < a->count; i++) {
        if (as_json) {
            list_item(&p);
            pairs_text(&p, "name", a->names[i]);
            pairs_text(&p, "source", source(a, i));
            pairs_end(&p);
        } else {
            console_printf("%-24s %s\n", a->names[i], source(a, i));
        }
    }
    if (as_json)
        list_end(&p);
    else if (a->count == 0)
        out_text("No guest is started at boot.\n");
}

static void show_one(const struct autostart *a, const char *name)
{
    int at = autostart_find(a, name);
    console_printf("%s: %s%s%s\n", name, at >= 0 ? "on (" : "off", at >= 0 ? source(a, (uint32_t)at) : "",
                   at >= 0 ? ")" : "");
}

static enum exit_code show(const char *name, bool as_json)
{
    struct autostart *a = heap_alloc(sizeof *a);
    struct error e;
    bool ok = a != NULL ? autostart_load(a, &e)
                        : error_set(&e, EXIT_NO_RESOURCE, "autostart: no memory: destroy a domain that is not needed");
    if (ok && name == NULL)
        show_all(a, as_json);
    else if (ok)
        show_one(a, name);
    heap_free(a);
    return ok ? EXIT_OK : cli_error(&e);
}

static enum exit_code run(int argc, char **argv)
{
    bool as_json = cli_flag(&argc, argv, "--json");
    struct error e;
    if (!cli_args(&cmd_autostart, argc, argv, 0, as_json ? 0 : 2))
        return EXIT_USAGE;
    if (argc < 3)
        return show(argc > 1 ? argv[1] : NULL, as_json);
    bool on = strcmp(argv[2], "on") == 0;
    if (!on && strcmp(argv[2], "off") != 0)
        return cli_usage(&cmd_autostart);
    return autostart_set(argv[1], on, &e) ? EXIT_OK : cli_error(&e);
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    if (arg == 1)
        cli_complete_paths(prefix, emit);
    if (arg == 2) {
        emit("on");
        emit("off");
    }
}

const struct cli_verb cmd_autostart = {"autostart",
                                       "[--json] | GUEST [on|off]",
                                       "Shows and sets which guests are created at boot.",
                                       "GUEST is meant as by `create`. The list is kept in \\corbel\\autostart.cfg on "
                                       "the volume of the guest folder;\nthe guests that `autostart` in corbel.cfg "
                                       "names come first, and only that file changes them.\n",
                                       run,
                                       complete};
