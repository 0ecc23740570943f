/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `bench`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

#define PAUSES 200U

static void print_boot(struct pairs *p, const struct cbl_host_info *h)
{
    pairs_number(p, "boot_to_prompt", cli_prompt_tsc() - h->tsc_jump, "ticks");
    pairs_number(p, "boot_to_dom0", h->tsc_dom0_start - h->tsc_jump, "ticks");
    pairs_number(p, "host_memory", h->mem_total_bytes, "bytes");
    pairs_number(p, "root_memory", h->root_bytes, "bytes");
    pairs_number(p, "frame_table", h->frame_table_bytes, "bytes");
}

static void print_dom0(struct pairs *p)
{
    struct cbl_domain_info d = {.domid = 0, .exact = 1};
    if (control(CTL_DOMAIN_INFO, &d) == 0)
        pairs_number(p, "dom0_memory", d.pages * 4096, "bytes");
    pairs_number(p, "dom0_heap_used", heap_used(), "bytes");
    pairs_number(p, "dom0_heap_total", heap_total(), "bytes");
}

static void print_create(struct pairs *p)
{
    struct vm_create_figures f;
    struct cbl_domain_info d = {.exact = 1};
    if (!manager_last_create(&f))
        return;
    d.domid = f.domid;
    pairs_text(p, "create_name", f.name);
    pairs_number(p, "create_memsize", f.mem_mib, "MiB");
    pairs_text(p, "create_files", f.disk_read ? "disk" : "memory");
    pairs_number(p, "create_overhead", f.overhead_bytes, "bytes");
    if (control(CTL_DOMAIN_INFO, &d) == 0 && d.first_entry_tsc > f.create_tsc)
        pairs_number(p, "create_to_first_instruction", d.first_entry_tsc - f.create_tsc, "ticks");
}

/* The shortest of many times of OP on the domain; the opposite in between. ~0: refused. */
static uint64_t shortest(uint16_t domid, unsigned op, unsigned opposite)
{
    uint64_t least = ~0UL;
    for (unsigned i = 0; i < PAUSES; i++) {
        struct cbl_domain_ref ref = {.domid = domid};
        uint64_t from = time_tsc();
        if (control(op, &ref) != 0)
            return ~0UL;
        uint64_t took = time_tsc() - from;
        least = took < least ? took : least;
        ref.domid = domid;
        if (control(opposite, &ref) != 0)
            return ~0UL;
    }
    return least;
}

/* The domain ends as it was: neither paused nor ended in between, or there is no figure. */
static void print_pauses(struct pairs *p, const struct vm_view *v)
{
    struct cbl_domain_ref ref = {.domid = v->domid};
    uint64_t pause = shortest(v->domid, CTL_DOMAIN_PAUSE, CTL_DOMAIN_UNPAUSE), unpause = ~0UL;
    if (pause != ~0UL && control(CTL_DOMAIN_PAUSE, &ref) == 0) {
        unpause = shortest(v->domid, CTL_DOMAIN_UNPAUSE, CTL_DOMAIN_PAUSE);
        ref.domid = v->domid;
        (void)control(CTL_DOMAIN_UNPAUSE, &ref);
    }
    if (unpause == ~0UL)
        return;
    pairs_number(p, "domain_pause", pause, "ticks");
    pairs_number(p, "domain_unpause", unpause, "ticks");
}

static bool print_domain(const struct vm_view *v, void *ctx)
{
    char key[VM_NAME_MAX + 24];
    if (v->domid == 0)
        return true;
    snprintf(key, sizeof key, "overhead.%s", v->name);
    pairs_number(ctx, key, v->info.overhead_bytes, "bytes");
    return true;
}

static bool may_pause(const struct vm_view *v, struct error *e)
{
    if (v->domid == 0)
        return error_set(e, EXIT_REFUSED, "bench Domain-0: it cannot be paused: name a guest");
    return v->info.state == CBL_DOM_RUNNING || v->info.state == CBL_DOM_BLOCKED ||
           error_set(e, EXIT_WRONG_STATE, "bench %s: it does not run: `unpause` or create it first", v->name);
}

static enum exit_code run(int argc, char **argv)
{
    static struct cbl_host_info h;
    struct pairs p;
    struct vm_view v;
    struct error e;
    bool json = cli_flag(&argc, argv, "--json");
    if (!cli_args(&cmd_bench, argc, argv, 0, 1))
        return EXIT_USAGE;
    if (argc > 1 && (!manager_find(argv[1], &v, &e) || !may_pause(&v, &e)))
        return cli_error(&e);
    long rc = control(CTL_HOST_INFO, &h);
    if (rc != 0)
        return cli_control_failed("bench", rc);
    pairs_begin(&p, json ? PAIRS_JSON : PAIRS_WORDS);
    print_boot(&p, &h);
    print_dom0(&p);
    print_create(&p);
    if (manager_last_destroy_ticks() != 0)
        pairs_number(&p, "destroy", manager_last_destroy_ticks(), "ticks");
    if (argc > 1)
        print_pauses(&p, &v);
    manager_list(print_domain, &p);
    pairs_end(&p);
    return EXIT_OK;
}

const struct cli_verb cmd_bench = {
    "bench",
    "[--json] [GUEST]",
    "Prints measured figures, one `key value unit` per line.",
    "boot_to_prompt: from the loader's jump until the first prompt was queued. create_*: the last `create`, from the "
    "typed line to the guest's first\n"
    "instruction (create_files disk: reading is in it); create_overhead: the hypervisor's memory for that domain just "
    "after its start.\n"
    "destroy: the last one. With GUEST, domain_pause and domain_unpause: the shortest of many requests to the hypervisor; "
    "the guest stands still meanwhile.\n"
    "Ticks are of the time-stamp counter; in an emulator they are instructions and repeat exactly.\n",
    run,
    cli_complete_domain_arg};
