/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `block-list`. */
#include "dom0/backend/block_backend.h"
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

#define XVDA 51712U /* Xen's number of xvda; 16 for each disk */

struct block_list_args {
    bool json;
    struct pairs out;
};

static const char *state_text(enum block_state s)
{
    static const char *const text[] = {[BLOCK_WAITING] = "waiting",
                                       [BLOCK_CONNECTED] = "connected",
                                       [BLOCK_CLOSING] = "closing",
                                       [BLOCK_CLOSED] = "closed",
                                       [BLOCK_DROPPED] = "dropped"};
    return text[s];
}

static const char *mode_text(const struct block_view *b)
{
    return b->config.cdrom ? "cdrom" : b->config.read_only ? "ro" : "rw";
}

static void print_json(struct pairs *p, const struct vm_view *v, const struct block_view *b, const char *state)
{
    list_item(p);
    pairs_text(p, "name", v->name);
    pairs_number(p, "id", v->domid, "");
    pairs_text(p, "device", b->name);
    pairs_number(p, "number", b->number, "");
    pairs_text(p, "state", state);
    pairs_text(p, "mode", mode_text(b));
    pairs_text(p, "image", b->config.path);
    pairs_number(p, "bytes", b->bytes, "");
    pairs_number(p, "reads", b->reads, "");
    pairs_number(p, "read_bytes", b->read_bytes, "");
    pairs_number(p, "writes", b->writes, "");
    pairs_number(p, "written_bytes", b->written_bytes, "");
    pairs_number(p, "flushes", b->flushes, "");
    pairs_number(p, "discards", b->discards, "");
    pairs_number(p, "errors", b->errors, "");
    pairs_end(p);
}

static void print_one(const struct vm_view *v, const struct block_view *b, const char *state, struct block_list_args *a)
{
    if (a->json)
        print_json(&a->out, v, b, state);
    else
        console_printf("%-24s %4u %-5s %-9s %-5s %6lu %8lu %8lu %8lu %6lu  %s\n", v->name, v->domid, b->name, state,
                       mode_text(b), b->bytes >> 20, b->reads, b->writes, b->flushes, b->errors, b->config.path);
}

/* Drives without a CD: the back end knows nothing of them. */
static void print_empty(const struct vm_view *v, struct block_list_args *a)
{
    static struct vm_config c;
    if (!manager_config(v->domid, &c))
        return;
    for (uint32_t i = 0; i < c.disks; i++) {
        struct block_view b = {.config = {.cdrom = true, .read_only = true}, .number = XVDA + 16U * c.disk[i].index};
        block_name(c.disk[i].index, b.name);
        if (c.disk[i].path[0] == '\0')
            print_one(v, &b, "empty", a);
    }
}

static bool print_disks(const struct vm_view *v, void *ctx)
{
    struct block_view b;
    for (uint16_t i = 0; block_next(v->domid, i, &b); i = (uint16_t)(b.config.index + 1))
        print_one(v, &b, state_text(b.state), ctx);
    print_empty(v, ctx);
    return true;
}

static enum exit_code run(int argc, char **argv)
{
    struct block_list_args a = {.json = cli_flag(&argc, argv, "--json")};
    struct vm_view v;
    struct error e;
    if (!cli_args(&cmd_block_list, argc, argv, 0, 1))
        return EXIT_USAGE;
    if (argc > 1 && !manager_find(argv[1], &v, &e))
        return cli_error(&e);
    if (a.json)
        list_begin(&a.out);
    else
        out_text("Name                       ID Disk  State     Mode     MiB    Reads   Writes  Flushes Errors  Image\n");
    if (argc > 1)
        print_disks(&v, &a);
    else
        manager_list(print_disks, &a);
    if (a.json)
        list_end(&a.out);
    return EXIT_OK;
}

const struct cli_verb cmd_block_list = {
    "block-list",
    "[--json] [DOMAIN]",
    "Shows guests' disks: their images, states and what was done with them.",
    "State: waiting (the guest's driver has not come), connected, closing, closed (it let go), dropped (its driver broke the rules),\n"
    "empty (a drive without a CD, which the guest does not see).\n"
    "Mode: rw, ro (read-only), cdrom (an image of a CD, read-only). Reads, writes, flushes and errors are requests that were answered;\n"
    "--json has the bytes, too.\n",
    run,
    cli_complete_domain_arg};
