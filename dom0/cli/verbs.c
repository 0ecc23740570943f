/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The table of verbs, their options and their help. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"
#include "dom0/manager/nearest.h"

static const struct cli_verb *const verbs[] = {
#define CLI_VERB(name) &cmd_##name,
#include "dom0/cli/verbs.def"
#undef CLI_VERB
};

size_t cli_verb_count(void) { return sizeof verbs / sizeof verbs[0]; }

const struct cli_verb *cli_verb_at(size_t i) { return verbs[i]; }

const struct cli_verb *cli_verb_find(const char *name, const char **near)
{
    struct nearest n;
    nearest_begin(&n, name);
    for (size_t i = 0; i < cli_verb_count(); i++) {
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
        nearest_offer(&n, verbs[i]->name);
    }
    *near = nearest_result(&n);
    return NULL;
}

static void print_usage(const struct cli_verb *v)
{
    console_printf("usage: %s%s%s\n", v->name, v->args[0] != '\0' ? " " : "", v->args);
}

void cli_verb_help(const struct cli_verb *v)
{
    print_usage(v);
    out_text(v->summary);
    out_text("\n");
    out_text(v->help);
}

enum exit_code cli_usage(const struct cli_verb *v)
{
    struct error e;
    error_set(&e, EXIT_USAGE, "%s: wrong arguments: write `%s%s%s`", v->name, v->name, v->args[0] != '\0' ? " " : "",
              v->args);
    return cli_error(&e);
}

bool cli_flag(int *argc, char **argv, const char *flag)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], flag) != 0)
            continue;
        for (int k = i; k < *argc; k++)
            argv[k] = argv[k + 1];
        (*argc)--;
        return true;
    }
    return false;
}

bool cli_number_option(const struct cli_verb *v, int *argc, char **argv, const char *flag, uint64_t min, uint64_t max,
                       uint64_t *value)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], flag) != 0)
            continue;
        if (i + 1 >= *argc || !parse_u64(argv[i + 1], value) || *value < min || *value > max) {
            cli_usage(v);
            return false;
        }
        for (int k = i; k + 1 < *argc; k++)
            argv[k] = argv[k + 2];
        *argc -= 2;
        break;
    }
    return true;
}

bool cli_number(const struct cli_verb *v, const char *text, uint64_t max, uint32_t *value)
{
    uint64_t n = 0;
    if (!parse_u64(text, &n) || n > max) {
        cli_usage(v);
        return false;
    }
    *value = (uint32_t)n;
    return true;
}

bool cli_args(const struct cli_verb *v, int argc, char **argv, int min, int max)
{
    bool ok = argc - 1 >= min && argc - 1 <= max;
    for (int i = 1; i < argc; i++)
        ok = ok && (argv[i][0] != '-' || argv[i][1] == '\0');
    if (!ok)
        cli_usage(v);
    return ok;
}

enum exit_code cli_control_failed(const char *what, long rc)
{
    struct error e;
    error_set(&e, EXIT_FAILED, "%s: the hypervisor refused: %s: look at `dmesg`", what, errno_text(rc));
    return cli_error(&e);
}
