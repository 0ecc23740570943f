/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `top`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

#define SECOND_NS   1000000000UL
#define DELAY_S     2UL
#define ROWS_MAX    256U
#define HOST_CPUS   64U
#define COUNT_MAX   1000000U
#define PER_MILLE   1000UL

struct row {
    uint16_t domid;
    uint64_t cpu_ns;
};

/* One look at all domains. */
struct sample {
    uint64_t now_ns;
    uint64_t idle_ns[HOST_CPUS];
    uint32_t rows;
    struct row row[ROWS_MAX];
};

struct top {
    bool json;
    uint64_t delay_ns;
    uint32_t cpus;
    uint64_t mem_bytes;
    struct sample *before, *after;
    struct pairs out;
};

static bool take_row(const struct vm_view *v, void *ctx)
{
    struct sample *s = ctx;
    if (s->rows < ROWS_MAX)
        s->row[s->rows++] = (struct row){v->domid, v->info.cpu_ns};
    return true;
}

static void take(struct sample *s, uint32_t cpus)
{
    s->rows = 0;
    s->now_ns = time_now_ns();
    for (uint32_t i = 0; i < cpus; i++) {
        struct cbl_cpu_info c = {.cpu = i};
        s->idle_ns[i] = control(CTL_CPU_INFO, &c) == 0 ? c.idle_ns : 0;
    }
    manager_list(take_row, s);
}

/* Of the time between the samples, in thousandths of one CPU. */
static uint64_t share(const struct top *t, uint64_t before, uint64_t after)
{
    uint64_t ns = t->after->now_ns - t->before->now_ns;
    return ns == 0 || after < before ? 0 : (after - before) * PER_MILLE / ns;
}

static uint64_t domain_share(const struct top *t, const struct vm_view *v)
{
    for (uint32_t i = 0; i < t->before->rows; i++)
        if (t->before->row[i].domid == v->domid)
            return share(t, t->before->row[i].cpu_ns, v->info.cpu_ns);
    return share(t, 0, v->info.cpu_ns); /* it came in between */
}

static uint64_t idle_share(const struct top *t, uint32_t cpu)
{
    uint64_t s = share(t, t->before->idle_ns[cpu], t->after->idle_ns[cpu]);
    return s > PER_MILLE ? PER_MILLE : s;
}

static bool print_row(const struct vm_view *v, void *ctx)
{
    struct top *t = ctx;
    uint64_t cpu = domain_share(t, v), kib = v->info.pages * 4;
    uint64_t mem = t->mem_bytes == 0 ? 0 : kib * 1024 * PER_MILLE / t->mem_bytes;
    if (!t->json) {
        console_printf("%-32s %5u %s %8lu.%lu %5lu.%lu %10lu %3lu.%lu %5u\n", v->name, v->domid, v->state,
                       v->info.cpu_ns / SECOND_NS, v->info.cpu_ns / (SECOND_NS / 10) % 10, cpu / 10, cpu % 10, kib,
                       mem / 10, mem % 10, v->vcpus);
        return true;
    }
    list_item(&t->out);
    pairs_text(&t->out, "name", v->name);
    pairs_number(&t->out, "id", v->domid, "");
    pairs_text(&t->out, "state", v->state);
    pairs_number(&t->out, "cpu_ns", v->info.cpu_ns, "");
    pairs_number(&t->out, "cpu_per_mille", cpu, "");
    pairs_number(&t->out, "mem_kib", kib, "");
    pairs_number(&t->out, "vcpus", v->vcpus, "");
    pairs_end(&t->out);
    return true;
}

static void print_host(struct top *t)
{
    uint64_t idle = 0;
    for (uint32_t i = 0; i < t->cpus; i++)
        idle += idle_share(t, i);
    idle /= t->cpus;
    if (t->json) {
        console_printf("{\"host_cpus\": %u, \"idle_per_mille\": [", t->cpus);
        for (uint32_t i = 0; i < t->cpus; i++)
            console_printf("%s%lu", i > 0 ? ", " : "", idle_share(t, i));
        out_text("], \"domains\": ");
        return;
    }
    console_printf("%u domains, %u host CPUs %lu.%lu%% idle:", t->after->rows, t->cpus, idle / 10, idle % 10);
    for (uint32_t i = 0; i < t->cpus; i++)
        console_printf(" %lu", idle_share(t, i) / 10);
    out_text("\nName                                ID State    CPU(sec)  CPU(%)   MEM(KiB) MEM(%) VCPUS\n");
}

static void print_all(struct top *t)
{
    print_host(t);
    if (t->json)
        list_begin(&t->out);
    manager_list(print_row, t);
    if (t->json)
        out_text("]}\n");
}

/* COUNT screens (0: until a key is pressed), each of the time since the one before. */
static void loop(struct top *t, uint64_t count)
{
    take(t->before, t->cpus);
    for (uint64_t i = 0; count == 0 || i < count; i++) {
        if (cli_getc(time_now_ns() + t->delay_ns) >= 0)
            break;
        take(t->after, t->cpus);
        if (count == 0)
            console_write("\x1b[H\x1b[J", 6);
        print_all(t);
        struct sample *s = t->before;
        t->before = t->after;
        t->after = s;
    }
}

static enum exit_code run(int argc, char **argv)
{
    static struct cbl_host_info h;
    uint64_t count = 0, delay = DELAY_S;
    struct error e;
    struct top t = {.json = cli_flag(&argc, argv, "--json")};
    if (!cli_number_option(&cmd_top, &argc, argv, "-n", 1, COUNT_MAX, &count) ||
        !cli_number_option(&cmd_top, &argc, argv, "-d", 1, 3600, &delay) || !cli_args(&cmd_top, argc, argv, 0, 0))
        return EXIT_USAGE;
    long rc = control(CTL_HOST_INFO, &h);
    if (rc != 0)
        return cli_control_failed("top", rc);
    if (t.json && count == 0)
        count = 1;
    t.delay_ns = delay * SECOND_NS;
    t.mem_bytes = h.mem_total_bytes;
    t.cpus = h.cpus < HOST_CPUS ? h.cpus : HOST_CPUS;
    struct sample *samples = heap_alloc(2 * sizeof *samples);
    if (samples == NULL) {
        error_set(&e, EXIT_NO_RESOURCE, "top: no memory: destroy a domain that is not needed");
        return cli_error(&e);
    }
    t.before = samples;
    t.after = samples + 1;
    loop(&t, count);
    heap_free(samples);
    return EXIT_OK;
}

const struct cli_verb cmd_top = {
    "top",
    "[--json] [-n COUNT] [-d SECONDS]",
    "Shows what the domains use, again and again.",
    "CPU(%) is of one host CPU, over the time since the screen before; behind the host's line stands how idle each of its CPUs was, in percent. A key ends it.\n"
    "  -n COUNT    so many times, one below the other, then the prompt\n"
    "  -d SECONDS  between two of them (2 without it)\n"
    "  --json      for programs; once unless -n says how often\n",
    run,
    NULL};
