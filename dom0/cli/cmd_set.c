/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `set`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/manager/guest_file.h"

static void warn(const char *line, void *ctx)
{
    (void)ctx;
    console_printf("warning: %s\n", line);
}

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    bool remove = cli_flag(&argc, argv, "--remove");
    if (argc != (remove ? 3 : 4) || argv[1][0] == '-' || argv[2][0] == '-')
        return cli_usage(&cmd_set);
    return guest_file_set(argv[1], argv[2], remove ? NULL : argv[3], warn, NULL, &e) ? EXIT_OK : cli_error(&e);
}

static void emit_key(const char *key, const char *value, const char *meaning, void *ctx)
{
    (void)value;
    (void)meaning;
    (*(void (**)(const char *))ctx)(key);
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    static struct vm_config usual;
    if (arg == 1)
        cmd_explain.complete(arg, prefix, emit);
    if (arg != 2)
        return;
    vmx_defaults(&usual);
    vmx_show(&usual, emit_key, &emit);
}

const struct cli_verb cmd_set = {
    "set",
    "GUEST KEY VALUE | GUEST KEY --remove",
    "Changes one setting in the .vmx file of a guest that does not run.",
    "GUEST is what `create` takes. VALUE is checked as `create` does, and nothing is written if it is refused. All else in the file stays as\n"
    "it is; a new KEY becomes the last line. A power cut leaves the old file or the new one. Quote a VALUE with blanks.\n"
    "  --remove  takes the setting out, so that its default applies\n"
    "A domain that was made of the file must have ended (code 4): it would not follow. mem-set, vcpu-set, sched, block-attach and\n"
    "network-attach change one that runs.\n",
    run,
    complete};
