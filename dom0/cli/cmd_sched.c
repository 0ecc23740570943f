/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `sched`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"
#include "dom0/manager/adjust.h"

struct sched_args {
    bool json;
    struct pairs out;
};

static bool print_one(const struct vm_view *v, void *ctx)
{
    struct sched_args *a = ctx;
    if (!a->json) {
        console_printf("%-32s %5u %6u %5u\n", v->name, v->domid, v->info.weight, v->info.cap);
        return true;
    }
    list_item(&a->out);
    pairs_text(&a->out, "name", v->name);
    pairs_number(&a->out, "id", v->domid, "");
    pairs_number(&a->out, "weight", v->info.weight, "");
    pairs_number(&a->out, "cap", v->info.cap, "");
    pairs_end(&a->out);
    return true;
}

/* Takes "-d DOMAIN" out of the arguments. */
static bool domain_option(int *argc, char **argv, const char **who)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "-d") != 0)
            continue;
        if (i + 1 >= *argc)
            return false;
        *who = argv[i + 1];
        for (int k = i; k + 1 < *argc; k++)
            argv[k] = argv[k + 2];
        *argc -= 2;
        break;
    }
    return true;
}

static enum exit_code run(int argc, char **argv)
{
    struct sched_args a = {.json = cli_flag(&argc, argv, "--json")};
    const char *who = NULL;
    uint64_t weight = VM_KEEP, cap = VM_KEEP;
    struct vm_view v;
    struct error e;
    if (!cli_number_option(&cmd_sched, &argc, argv, "-w", 0, VM_KEEP - 1, &weight) ||
        !cli_number_option(&cmd_sched, &argc, argv, "-c", 0, VM_KEEP - 1, &cap))
        return EXIT_USAGE;
    bool set = weight != VM_KEEP || cap != VM_KEEP;
    if (!domain_option(&argc, argv, &who) || argc != 1 || (set && (who == NULL || a.json)))
        return cli_usage(&cmd_sched);
    if (set)
        return manager_sched(who, (uint32_t)weight, (uint32_t)cap, &e) ? EXIT_OK : cli_error(&e);
    if (who != NULL && !manager_find(who, &v, &e))
        return cli_error(&e);
    if (a.json)
        list_begin(&a.out);
    else
        out_text("Name                                ID Weight   Cap\n");
    if (who != NULL)
        print_one(&v, &a);
    else
        manager_list(print_one, &a);
    if (a.json)
        list_end(&a.out);
    return EXIT_OK;
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    if (arg == 2)
        cli_complete_domains(prefix, emit);
}

const struct cli_verb cmd_sched = {
    "sched",
    "[--json] [-d DOMAIN [-w WEIGHT] [-c CAP]]",
    "Shows or sets how much CPU time domains get.",
    "  -d DOMAIN  only this one; needed to set something\n"
    "  -w WEIGHT  1 to 65535, 256 is usual: who has twice the weight gets twice the time when CPUs are short\n"
    "  -c CAP     percent of one CPU that the whole domain gets at most, also when nobody else wants it; 0: no cap\n"
    "sched.cpu.shares and corbel.cap in a .vmx file set them from the start.\n",
    run,
    complete};
