/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `list`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/lib/string.h"
#include "dom0/kernel/console.h"
#include "dom0/manager/manager.h"

struct list_args {
    const char *who;
    bool json;
    bool details;
    bool found;
    struct pairs out;
};

static void print_json(struct pairs *p, const struct vm_view *v)
{
    list_item(p);
    pairs_text(p, "name", v->name);
    pairs_number(p, "id", v->domid, "");
    pairs_number(p, "mem_mib", v->mem_mib, "");
    pairs_number(p, "vcpus", v->vcpus, "");
    pairs_text(p, "state", v->state);
    pairs_number(p, "cpu_ns", v->info.cpu_ns, "");
    pairs_number(p, "pages", v->info.pages, "");
    pairs_number(p, "overhead_bytes", v->info.overhead_bytes, "");
    pairs_number(p, "exits", v->info.exits, "");
    pairs_number(p, "max_pages", v->info.max_pages, "");
    pairs_number(p, "max_vcpus", v->info.vcpus, "");
    pairs_number(p, "weight", v->info.weight, "");
    pairs_number(p, "cap", v->info.cap, "");
    pairs_text(p, "why", manager_why(v->domid));
    pairs_end(p);
}

static void print_uuid(struct pairs *p, const uint8_t uuid[16])
{
    char text[40];
    size_t n = 0;
    for (unsigned i = 0; i < 16; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                              uuid[i]);
    pairs_text(p, "uuid", text);
}

static const char *action(uint8_t a)
{
    switch ((enum vm_action)a) {
    case VM_DESTROY:
        return "destroy";
    case VM_RESTART:
        return "restart";
    case VM_PRESERVE:
        return "preserve";
    }
    return "unknown";
}

static void print_config(struct pairs *p, uint16_t domid)
{
    static struct vm_config c;
    if (!manager_config(domid, &c))
        return;
    pairs_number(p, "memsize", c.memsize_mib, "MiB");
    pairs_number(p, "maxmem", c.maxmem_mib, "MiB");
    pairs_text(p, "on_poweroff", action(c.on_poweroff));
    pairs_text(p, "on_reboot", action(c.on_reboot));
    pairs_text(p, "on_crash", action(c.on_crash));
    pairs_text(p, "vmx", c.path);
    pairs_text(p, "guest_os", c.guest_os);
    pairs_text(p, "kernel", c.kernel);
    pairs_text(p, "ramdisk", c.ramdisk);
    pairs_text(p, "cmdline", c.cmdline);
}

static void print_details(const struct vm_view *v)
{
    struct pairs p;
    pairs_begin(&p, PAIRS_COLON);
    pairs_text(&p, "name", v->name);
    pairs_number(&p, "id", v->domid, "");
    pairs_text(&p, "state", v->state);
    if (manager_why(v->domid)[0] != '\0')
        pairs_text(&p, "why", manager_why(v->domid));
    print_uuid(&p, v->info.uuid);
    pairs_number(&p, "memory", v->info.pages * 4, "KiB");
    pairs_number(&p, "memory_limit", v->info.max_pages * 4, "KiB");
    pairs_number(&p, "hypervisor_memory", v->info.overhead_bytes / 1024, "KiB");
    pairs_number(&p, "vcpus", v->info.vcpus, "");
    pairs_number(&p, "vcpus_online", v->info.online_vcpus, "");
    pairs_number(&p, "weight", v->info.weight, "");
    pairs_number(&p, "cap", v->info.cap, "%");
    pairs_number(&p, "cpu_time", v->info.cpu_ns / 1000000, "ms");
    pairs_number(&p, "exits", v->info.exits, "");
    print_config(&p, v->domid);
    pairs_end(&p);
}

static bool print_one(const struct vm_view *v, void *ctx)
{
    struct list_args *a = ctx;
    char row[160];
    if (a->who != NULL && a->found)
        return false;
    if (a->json) {
        print_json(&a->out, v);
    } else if (a->details) {
        print_details(v);
        out_text("\n");
    } else {
        format_list_row(row, sizeof row, v);
        out_text(row);
        out_text("\n");
    }
    return true;
}

static enum exit_code run(int argc, char **argv)
{
    struct list_args a = {.json = cli_flag(&argc, argv, "--json"), .details = cli_flag(&argc, argv, "-l")};
    struct vm_view v;
    struct error e;
    if (!cli_args(&cmd_list, argc, argv, 0, 1))
        return EXIT_USAGE;
    if (argc > 1 && !manager_find(argv[1], &v, &e))
        return cli_error(&e);
    if (a.json)
        list_begin(&a.out);
    else if (!a.details)
        console_printf("%s\n", LIST_HEADER);
    if (argc > 1)
        print_one(&v, &a);
    else
        manager_list(print_one, &a);
    if (a.json)
        list_end(&a.out);
    return EXIT_OK;
}

const struct cli_verb cmd_list = {"list",
                                  "[-l] [--json] [DOMAIN]",
                                  "Shows the domains.",
                                  "State: r running, b blocked (waits for an event), p paused, s shut down, c crashed "
                                  "or stopped by the hypervisor, d dying.\n"
                                  "Mem is in MiB, Time is the CPU time used.\n"
                                  "  -l      all details\n"
                                  "  --json  the same for programs\n",
                                  run,
                                  cli_complete_domain_arg};
