/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `create`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/lib/string.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/time.h"
#include "dom0/manager/manager.h"

#define SHOW_AFTER_NS 200000000UL /* what is done sooner needs no progress */
#define SHOW_EVERY_NS 100000000UL

struct progress {
    char label[VM_NAME_MAX];
    uint64_t next_ns;
    bool shown;
};

static bool show(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;
    uint64_t now = time_now_ns();
    if (cli_interrupted())
        return false;
    if (now < p->next_ns)
        return true;
    p->next_ns = now + SHOW_EVERY_NS;
    p->shown = true;
    cli_partial_line(true);
    console_printf("\r\x1b[Kbuilding %.40s: %s %u%% ...", p->label, what,
                   (unsigned)(total == 0      ? 100
                              : done >= total ? 100
                                              : done * 100 / total));
    return true;
}

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
    struct progress p = {.next_ns = time_now_ns() + SHOW_AFTER_NS};
    struct vm_view v;
    struct error e;
    uint16_t domid = 0;
    char number[8];
    if (!cli_args(&cmd_create, argc, argv, 1, 1))
        return EXIT_USAGE;
    label_of(argv[1], p.label);
    bool ok = manager_create(argv[1], paused, show, &p, &domid, &e);
    cli_partial_line(false);
    if (p.shown)
        console_write("\r\x1b[K", 4);
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
