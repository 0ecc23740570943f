/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `config`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "dom0/manager/guest_file.h"
#include "dom0/manager/vmx_edit.h"

static void print_json(const char *key, const char *value, const char *meaning, void *ctx)
{
    (void)meaning;
    pairs_text(ctx, key, value);
}

/* As a .vmx file has it. */
static void print_text(const char *key, const char *value, const char *meaning, void *ctx)
{
    char encoded[3 * VMX_VALUE_MAX];
    (void)meaning;
    (void)ctx;
    vmx_edit_encode(encoded, sizeof encoded, value);
    out_text(key);
    out_text(" = \"");
    out_text(encoded);
    out_text("\"\n");
}

static bool find(const char *who, struct vm_config *c, struct error *e)
{
    char path[PATH_MAX_LEN];
    struct vm_view v;
    if (manager_find(who, &v, e) && manager_config(v.domid, c))
        return true;
    return guest_file_find(who, path, e) && guest_file_read(path, c, NULL, NULL, e);
}

static void show(const struct vm_config *c, bool json)
{
    struct pairs p;
    if (json)
        pairs_begin(&p, PAIRS_JSON);
    vmx_show(c, json ? print_json : print_text, &p);
    if (json)
        pairs_end(&p);
}

static enum exit_code run(int argc, char **argv)
{
    bool json = cli_flag(&argc, argv, "--json");
    struct error e;
    if (!cli_args(&cmd_config, argc, argv, 1, 1))
        return EXIT_USAGE;
    struct vm_config *c = heap_alloc(sizeof *c);
    bool ok = c != NULL ? find(argv[1], c, &e)
                        : error_set(&e, EXIT_NO_RESOURCE, "config: no memory: destroy a domain that is not needed");
    if (ok)
        show(c, json);
    heap_free(c);
    return ok ? EXIT_OK : cli_error(&e);
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word)) { cmd_explain.complete(arg, prefix, emit); }

const struct cli_verb cmd_config = {
    "config",
    "[--json] GUEST",
    "Shows a guest's configuration with all defaults filled in.",
    "Of a domain what it was made with, and what was attached and inserted since; else what its .vmx file gives.\n"
    "The lines are those of a .vmx file.\n",
    run,
    complete};
