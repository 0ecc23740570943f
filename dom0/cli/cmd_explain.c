/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `explain`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"
#include "dom0/manager/guest_file.h"

struct explain {
    bool json;
    unsigned ignored;
    struct pairs out;
};

static const char *const verdicts[] = {
    [VMX_TAKEN] = "accepted", [VMX_DEFAULTED] = "defaulted", [VMX_IGNORED] = "ignored", [VMX_REFUSED] = "refused"};

static void print_json(struct pairs *p, const struct vmx_finding *f)
{
    list_item(p);
    pairs_number(p, "line", f->line, "");
    pairs_text(p, "key", f->key);
    pairs_text(p, "value", f->value);
    pairs_text(p, "verdict", verdicts[f->verdict]);
    pairs_text(p, "text", f->text);
    pairs_end(p);
}

static void print(const struct vmx_finding *f, void *ctx)
{
    struct explain *x = ctx;
    char where[24] = "";
    x->ignored += f->verdict == VMX_IGNORED;
    if (x->json) {
        print_json(&x->out, f);
    } else {
        if (f->line != 0)
            snprintf(where, sizeof where, "line %u", f->line);
        console_printf("%-9s %-9s ", where, verdicts[f->verdict]);
        if (f->key[0] != '\0')
            console_printf("%s = \"%.60s\": ", f->key, f->value);
        out_text(f->text);
        out_text("\n");
    }
    thread_yield(); /* finding the nearest known name takes a while, and a file may have hundreds of unknown ones */
}

static enum exit_code run(int argc, char **argv)
{
    struct explain x = {.json = cli_flag(&argc, argv, "--json")};
    char path[PATH_MAX_LEN];
    struct error e;
    uint32_t refused = 0;
    if (!cli_args(&cmd_explain, argc, argv, 1, 1))
        return EXIT_USAGE;
    if (!guest_file_find(argv[1], path, &e))
        return cli_error(&e);
    if (x.json)
        list_begin(&x.out);
    bool ok = guest_file_explain(path, print, &x, &refused, &e);
    if (x.json)
        list_end(&x.out);
    if (ok && refused == 0 && !x.json)
        console_printf("`create` takes %s; %u of its settings are ignored.\n", path, x.ignored);
    if (ok && refused != 0)
        ok = error_set(&e, EXIT_FAILED, "%s: `create` refuses it for %u reason%s: repair what is shown as refused", path,
                       refused, refused == 1 ? "" : "s");
    return ok ? EXIT_OK : cli_error(&e);
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    if (arg != 1)
        return;
    cli_complete_domains(prefix, emit);
    cli_complete_paths(prefix, emit);
}

const struct cli_verb cmd_explain = {
    "explain",
    "[--json] GUEST",
    "Tells what each line of a guest's .vmx file means.",
    "GUEST is a domain, or what `create` takes. Every setting is shown: accepted, ignored or refused, with the reason and the name that\n"
    "was probably meant; then what is not set and has a default. Files that it names must be there. Nothing is changed.\n"
    "The exit code is 0 if `create` would take it, else 1.\n",
    run,
    complete};
