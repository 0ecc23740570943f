/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `perf`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

/* SDM vol 3, appendix "VMX Basic Exit Reasons". Those that a guest of Corbel cannot meet have no name here. */
static const char *const names[CBL_EXIT_REASONS] = {
    [0] = "exception or NMI", [1] = "host interrupt", [2] = "triple fault", [7] = "interrupt window", [8] = "NMI window", [9] = "task switch",
    [10] = "CPUID", [11] = "GETSEC", [12] = "HLT", [13] = "INVD", [15] = "RDPMC", [18] = "hypercall", [28] = "control register", [30] = "port",
    [31] = "RDMSR", [32] = "WRMSR", [36] = "MWAIT", [39] = "MONITOR", [43] = "TPR below threshold", [48] = "EPT violation",
    [49] = "EPT misconfiguration", [52] = "time limit", [54] = "WBINVD", [55] = "XSETBV", [56] = "APIC write",
};

static struct cbl_exit_count sums[CBL_EXIT_REASONS];

static const char *name_of(unsigned reason, char *buffer, size_t len)
{
    if (names[reason])
        return names[reason];
    snprintf(buffer, len, reason >= 19 && reason <= 27 ? "VMX instruction %u" : "reason %u", reason);
    return buffer;
}

static bool add_domain(const struct vm_view *v, void *ctx)
{
    static struct cbl_exit_counts c;
    (void)ctx;
    for (uint32_t n = 0; n < v->info.vcpus; n++) {
        c = (struct cbl_exit_counts){.domid = v->domid, .vcpu = n};
        if (control(CTL_EXIT_COUNTS, &c) != 0)
            break; /* it ended meanwhile */
        for (unsigned i = 0; i < CBL_EXIT_REASONS; i++) {
            sums[i].count += c.by_reason[i].count;
            sums[i].ticks += c.by_reason[i].ticks;
        }
    }
    return true;
}

static struct cbl_exit_count total(void)
{
    struct cbl_exit_count t = {0};
    for (unsigned i = 0; i < CBL_EXIT_REASONS; i++) {
        t.count += sums[i].count;
        t.ticks += sums[i].ticks;
    }
    return t;
}

/* The reason with the most ticks that has not been shown yet; CBL_EXIT_REASONS: none is left. */
static unsigned largest(void)
{
    unsigned best = CBL_EXIT_REASONS;
    for (unsigned i = 0; i < CBL_EXIT_REASONS; i++) {
        if (sums[i].count != 0 && (best == CBL_EXIT_REASONS || sums[i].ticks > sums[best].ticks))
            best = i;
    }
    return best;
}

static void print_row(const char *name, const struct cbl_exit_count *c, const struct cbl_exit_count *all)
{
    uint64_t permille = all->ticks ? c->ticks * 1000 / all->ticks : 0;
    console_printf("%-24s %14lu %18lu %6lu.%lu %10lu\n", name, c->count, c->ticks, permille / 10, permille % 10, c->count ? c->ticks / c->count : 0);
}

static void print_json(struct pairs *p, unsigned reason, const char *name)
{
    list_item(p);
    pairs_number(p, "reason", reason, "");
    pairs_text(p, "name", name);
    pairs_number(p, "count", sums[reason].count, "");
    pairs_number(p, "ticks", sums[reason].ticks, "");
    pairs_end(p);
}

static void print_all(bool json)
{
    struct cbl_exit_count all = total();
    struct pairs p;
    char buffer[32];
    if (json)
        list_begin(&p);
    else
        out_text("Exit                              Count              Ticks        % Ticks each\n");
    for (unsigned i; (i = largest()) != CBL_EXIT_REASONS; sums[i].count = 0) {
        if (json)
            print_json(&p, i, name_of(i, buffer, sizeof buffer));
        else
            print_row(name_of(i, buffer, sizeof buffer), &sums[i], &all);
    }
    if (json)
        list_end(&p);
    else
        print_row("all", &all, &all);
}

static enum exit_code run(int argc, char **argv)
{
    bool json = cli_flag(&argc, argv, "--json");
    struct vm_view v;
    struct error e;
    if (!cli_args(&cmd_perf, argc, argv, 0, 1))
        return EXIT_USAGE;
    if (argc > 1 && !manager_find(argv[1], &v, &e))
        return cli_error(&e);
    memset(sums, 0, sizeof sums);
    if (argc > 1)
        add_domain(&v, NULL);
    else
        manager_list(add_domain, NULL);
    print_all(json);
    return EXIT_OK;
}

const struct cli_verb cmd_perf = {
    "perf",
    "[--json] [DOMAIN]",
    "Shows why guests left for the hypervisor, how often, and what it cost.",
    "For one domain, or for all that there are, since each was created: exits by reason, the TSC ticks that the hypervisor spent from each exit to the\n"
    "next entry (or to the switch to another virtual CPU), their share, and ticks for one exit. The most expensive reason comes first. The first\n"
    "entry of each virtual CPU counts as an exit for an exception.\n",
    run,
    cli_complete_domain_arg};
