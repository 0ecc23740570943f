/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `help`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"

static void list_verbs(void)
{
    for (size_t i = 0; i < cli_verb_count(); i++) {
        const struct cli_verb *v = cli_verb_at(i);
        console_printf("  %-14s %s\n", v->name, v->summary);
    }
    out_text(
        "`help VERB` tells more. DOMAIN is a name or a number. \"…\" keeps blanks in a word; Tab completes; the arrow "
        "keys edit and recall;\n"
        "`status` prints the last exit code. Ctrl-A three times reaches the hypervisor's own keys and comes back.\n");
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    (void)prefix;
    for (size_t i = 0; arg == 1 && i < cli_verb_count(); i++)
        emit(cli_verb_at(i)->name);
}

static enum exit_code run(int argc, char **argv)
{
    const char *near = NULL;
    struct error e;
    if (!cli_args(&cmd_help, argc, argv, 0, 1))
        return EXIT_USAGE;
    if (argc == 1) {
        list_verbs();
        return EXIT_OK;
    }
    const struct cli_verb *v = cli_verb_find(argv[1], &near);
    if (v != NULL) {
        cli_verb_help(v);
        return EXIT_OK;
    }
    if (near != NULL)
        error_set(&e, EXIT_USAGE, "%.40s: no such verb: did you mean `%s`?", argv[1], near);
    else
        error_set(&e, EXIT_USAGE, "%.40s: no such verb: `help` lists all", argv[1]);
    return cli_error(&e);
}

const struct cli_verb cmd_help = {"help", "[VERB]", "Lists the verbs, or explains one.", "", run, complete};
