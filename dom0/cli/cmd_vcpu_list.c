/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `vcpu-list`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"
#include "dom0/manager/cpulist.h"
#include "dom0/manager/manager.h"

#define DOWN     0U
#define RUNNABLE 1U
#define RUNNING  2U

struct vcpu_list_args {
    bool json;
    uint32_t host_cpus;
    struct pairs out;
};

static const char *state_letters(const struct cbl_vcpu_info *i)
{
    return i->state == DOWN         ? "--p"
           : i->hold != 0           ? "--h"
           : i->state == RUNNING    ? "r--"
           : i->state == RUNNABLE   ? "w--"
                                    : "-b-";
}

static void print_json(struct pairs *p, const struct vm_view *v, const struct cbl_vcpu_info *i, const char *affinity)
{
    list_item(p);
    pairs_text(p, "name", v->name);
    pairs_number(p, "id", v->domid, "");
    pairs_number(p, "vcpu", i->vcpu, "");
    pairs_number(p, "online", i->state != DOWN, "");
    pairs_text(p, "state", state_letters(i));
    pairs_number(p, "cpu", i->cpu, "");
    pairs_number(p, "running_ns", i->time_ns[0], "");
    pairs_number(p, "runnable_ns", i->time_ns[1], "");
    pairs_number(p, "blocked_ns", i->time_ns[2], "");
    pairs_number(p, "down_ns", i->time_ns[3], "");
    pairs_number(p, "exits", i->exits, "");
    pairs_text(p, "affinity", affinity);
    pairs_end(p);
}

static bool print_vcpus(const struct vm_view *v, void *ctx)
{
    struct vcpu_list_args *a = ctx;
    for (uint32_t n = 0; n < v->info.vcpus; n++) {
        struct cbl_vcpu_info i = {.domid = v->domid, .vcpu = n};
        char affinity[200], cpu[12] = "-";
        if (control(CTL_VCPU_INFO, &i) != 0)
            break; /* it ended meanwhile */
        cpu_list_format(affinity, sizeof affinity, i.affinity, a->host_cpus);
        if (i.state != DOWN)
            snprintf(cpu, sizeof cpu, "%u", i.cpu);
        if (a->json)
            print_json(&a->out, v, &i, affinity);
        else
            console_printf("%-32s %5u %5u %5s   %s %9lu.%lu  %s\n", v->name, v->domid, n, cpu, state_letters(&i),
                           i.time_ns[0] / 1000000000UL, i.time_ns[0] / 100000000UL % 10, affinity);
    }
    return true;
}

static enum exit_code run(int argc, char **argv)
{
    static struct cbl_host_info h;
    struct vcpu_list_args a = {.json = cli_flag(&argc, argv, "--json")};
    struct vm_view v;
    struct error e;
    if (!cli_args(&cmd_vcpu_list, argc, argv, 0, 1))
        return EXIT_USAGE;
    if (argc > 1 && !manager_find(argv[1], &v, &e))
        return cli_error(&e);
    long rc = control(CTL_HOST_INFO, &h);
    if (rc != 0)
        return cli_control_failed("vcpu-list", rc);
    a.host_cpus = h.cpus;
    if (a.json)
        list_begin(&a.out);
    else
        out_text("Name                                ID  VCPU   CPU State   Time(s) Affinity\n");
    if (argc > 1)
        print_vcpus(&v, &a);
    else
        manager_list(print_vcpus, &a);
    if (a.json)
        list_end(&a.out);
    return EXIT_OK;
}

const struct cli_verb cmd_vcpu_list = {
    "vcpu-list",
    "[--json] [DOMAIN]",
    "Shows virtual CPUs: where they run, what they used, where they may run.",
    "State: r runs, w waits for a host CPU, b blocked (waits for an event), p down (offline in the guest), h held (the domain is paused or has ended).\n"
    "Time is the CPU time used. --json has also the time spent waiting for a host CPU, blocked and down.\n",
    run,
    cli_complete_domain_arg};
