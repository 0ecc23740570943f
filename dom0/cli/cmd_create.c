/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `create`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/progress.h"
#include "dom0/lib/string.h"
#include "dom0/kernel/console.h"
#include "dom0/manager/manager.h"

static void label_of(const char *path, char label[VM_NAME_MAX])
{
    const char *slash = strrchr(path, '/');
    strlcpy(label, slash != NULL && slash[1] != '\0' ? slash + 1 : path, VM_NAME_MAX);
    size_t len = strlen(label);
    if (len > 4 && strcasecmp(label + len - 4, ".vmx") == 0)
        label[len - 4] = '\0';
}

static enum exit_code attach(uint16_t domid)
{
    char number[8];
    char *argv[] = {"console", number, NULL};
    snprintf(number, sizeof number, "%u", domid);
    return cmd_console.run(2, argv);
}

static enum exit_code run(int argc, char **argv)
{
    bool paused = cli_flag(&argc, argv, "-p"), console = cli_flag(&argc, argv, "-c");
    char label[VM_NAME_MAX], doing[VM_NAME_MAX + 16];
    struct progress p;
    struct vm_view v;
    struct error e;
    uint16_t domid = 0;
    char number[8];
    if (!cli_args(&cmd_create, argc, argv, 1, 1))
        return EXIT_USAGE;
    label_of(argv[1], label);
    snprintf(doing, sizeof doing, "building %.40s:", label);
    progress_begin(&p, doing);
    bool ok = manager_create(argv[1], paused, progress_fn, &p, &domid, &e);
    progress_clear(&p);
    if (!ok)
        return cli_error(&e);
    snprintf(number, sizeof number, "%u", domid);
    if (manager_find(number, &v, &e))
        console_printf("Domain %s (%u) created%s\n", v.name, domid, paused ? ", paused" : "");
    return console ? attach(domid) : EXIT_OK;
}

const struct cli_verb cmd_create = {"create",
                                    "[-p] [-c] GUEST",
                                    "Builds a domain from a .vmx file and starts it.",
                                    "GUEST is a .vmx file, a folder that holds a .vmx file of the same name, or such a "
                                    "folder's name in the guest folder (`ls`).\n"
                                    "  -p  leave it paused; `unpause` starts it\n"
                                    "  -c  go to its console at once\n"
                                    "Ctrl-C stops it, and nothing is left.\n",
                                    run,
                                    cli_complete_path_arg};
