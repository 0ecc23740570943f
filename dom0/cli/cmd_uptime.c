/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `uptime`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

static uint64_t domain_seconds(const struct vm_view *v, const struct cbl_host_info *h)
{
    uint64_t since = v->domid == 0 ? h->tsc_dom0_start : v->info.create_tsc, now = time_tsc();
    return h->tsc_khz == 0 || now < since ? 0 : (now - since) / h->tsc_khz / 1000;
}

struct uptime_args {
    const struct cbl_host_info *host;
    bool json;
    struct pairs out;
};

static bool print_one(const struct vm_view *v, void *ctx)
{
    struct uptime_args *a = ctx;
    char text[40];
    uint64_t seconds = domain_seconds(v, a->host);
    if (a->json) {
        list_item(&a->out);
        pairs_text(&a->out, "name", v->name);
        pairs_number(&a->out, "id", v->domid, "");
        pairs_number(&a->out, "seconds", seconds, "");
        pairs_end(&a->out);
        return true;
    }
    format_uptime(text, sizeof text, seconds);
    console_printf("%-33s %4u %s\n", v->name, v->domid, text);
    return true;
}

static enum exit_code run(int argc, char **argv)
{
    static struct cbl_host_info h;
    struct uptime_args a = {.host = &h, .json = cli_flag(&argc, argv, "--json")};
    struct vm_view v;
    struct error e;
    if (!cli_args(&cmd_uptime, argc, argv, 0, 1))
        return EXIT_USAGE;
    if (argc > 1 && !manager_find(argv[1], &v, &e))
        return cli_error(&e);
    long rc = control(CTL_HOST_INFO, &h);
    if (rc != 0)
        return cli_control_failed("uptime", rc);
    if (a.json)
        list_begin(&a.out);
    else
        out_text("Name                                ID Uptime\n");
    if (argc > 1)
        print_one(&v, &a);
    else
        manager_list(print_one, &a);
    if (a.json)
        list_end(&a.out);
    return EXIT_OK;
}

const struct cli_verb cmd_uptime = {
    "uptime", "[--json] [DOMAIN]",    "Tells since when domains exist.", "A domain's time begins with its creation.\n",
    run,      cli_complete_domain_arg};
