/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What shutdown, reboot and wait have in common: asking the guest and waiting for its end. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

#define SECOND_NS  1000000000UL
#define LET_GO_S   10UL
#define WAIT_MAX_S 86400UL

bool cli_wait_option(const struct cli_verb *v, int *argc, char **argv, uint64_t least_s, uint64_t default_s, uint64_t *ns)
{
    uint64_t seconds = default_s;
    if (!cli_number_option(v, argc, argv, "-t", least_s, WAIT_MAX_S, &seconds))
        return false;
    *ns = seconds * SECOND_NS;
    return true;
}

static bool was_interrupted;

void cli_interrupt_begin(void) { was_interrupted = false; }

bool cli_interrupt_seen(void)
{
    was_interrupted = was_interrupted || cli_interrupted();
    return was_interrupted;
}

enum exit_code cli_take_away(const struct cli_verb *v, int argc, char **argv, bool force,
                             bool (*take)(const char *who, const char *which, bool force, uint64_t wait_ns, bool (*interrupted)(void), struct error *e))
{
    struct error e;
    uint64_t ns = 0;
    if (!cli_wait_option(v, &argc, argv, 0, LET_GO_S, &ns) || !cli_args(v, argc, argv, 2, 2))
        return EXIT_USAGE;
    cli_interrupt_begin();
    return take(argv[1], argv[2], force, ns, cli_interrupt_seen, &e) ? EXIT_OK : cli_error(&e);
}

enum exit_code cli_wait_end(const struct vm_view *v, uint64_t ns)
{
    struct error e;
    cli_interrupt_begin();
    if (v->domid == 0)
        error_set(&e, EXIT_REFUSED, "wait Domain-0: it does not end while you can wait for it: name another domain");
    else if (manager_wait_end(v->domid, ns, cli_interrupt_seen))
        return EXIT_OK;
    else if (was_interrupted)
        error_set(&e, EXIT_FAILED, "wait %s: interrupted: it runs on", v->name);
    else
        error_set(&e, EXIT_TIMEOUT, "wait %s: still running after %lu s: look at `console %s`, or `destroy` it",
                  v->name, ns / SECOND_NS, v->name);
    return cli_error(&e);
}

/* "soft" or "hard" as the last word, else what powerType.* of the domain's .vmx file says. */
static bool is_hard(const struct vm_view *v, const char *word, bool reboot)
{
    static struct vm_config c;
    if (word != NULL)
        return strcmp(word, "hard") == 0;
    return manager_config(v->domid, &c) && (reboot ? c.power_reset : c.power_off) == VM_HARD;
}

enum exit_code cli_ask_guest(const struct cli_verb *verb, int argc, char **argv, const char *how)
{
    struct vm_view v;
    struct error e;
    uint64_t ns = 0;
    bool wait = cli_flag(&argc, argv, "-w"), reboot = strcmp(how, "reboot") == 0;
    int before = argc;
    if (!cli_wait_option(verb, &argc, argv, 1, CLI_END_S, &ns))
        return EXIT_USAGE;
    wait = wait || argc != before; /* who says how long means to wait */
    if (!cli_args(verb, argc, argv, 1, 2))
        return EXIT_USAGE;
    const char *word = argc > 2 ? argv[2] : NULL;
    if (word != NULL && strcmp(word, "soft") != 0 && strcmp(word, "hard") != 0)
        return cli_usage(verb);
    if (!manager_find(argv[1], &v, &e))
        return cli_error(&e);
    if (is_hard(&v, word, reboot)) {
        if (!manager_cut(argv[1], reboot, &e))
            return cli_error(&e);
        console_printf("%s: %s without asking the guest%s\n", v.name, reboot ? "restarted" : "ended",
                       word != NULL ? "" : reboot ? " (powerType.reset is hard)" : " (powerType.powerOff is hard)");
        return EXIT_OK;
    }
    if (!manager_shutdown(argv[1], how, 0, &e))
        return cli_error(&e);
    return wait ? cli_wait_end(&v, ns) : EXIT_OK;
}

void cli_complete_power(int arg, const char *prefix, void (*emit)(const char *word))
{
    if (arg == 1)
        cli_complete_domains(prefix, emit);
    if (arg == 2) {
        emit("soft");
        emit("hard");
    }
}
