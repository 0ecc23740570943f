/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `bench`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

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

static bool print_domain(const struct vm_view *v, void *ctx)
{
    char key[VM_NAME_MAX + 24];
    if (v->domid == 0)
        return true;
    snprintf(key, sizeof key, "overhead.%s", v->name);
    pairs_number(ctx, key, v->info.overhead_bytes, "bytes");
    return true;
}

static enum exit_code run(int argc, char **argv)
{
    static struct cbl_host_info h;
    struct pairs p;
    bool json = cli_flag(&argc, argv, "--json");
    if (!cli_args(&cmd_bench, argc, argv, 0, 0))
        return EXIT_USAGE;
    long rc = control(CTL_HOST_INFO, &h);
    if (rc != 0)
        return cli_control_failed("bench", rc);
    pairs_begin(&p, json ? PAIRS_JSON : PAIRS_WORDS);
    print_boot(&p, &h);
    print_dom0(&p);
    print_create(&p);
    manager_list(print_domain, &p);
    pairs_end(&p);
    return EXIT_OK;
}

const struct cli_verb cmd_bench = {
    "bench",
    "[--json]",
    "Prints measured figures, one `key value unit` per line.",
    "boot_to_prompt: from the loader's jump until the first prompt was queued. create_*: the last `create`, from the "
    "typed line to the guest's first\n"
    "instruction (create_files disk: reading is in it); create_overhead: the hypervisor's memory for that domain just "
    "after its start.\n"
    "Ticks are of the time-stamp counter; in an emulator they are instructions and repeat exactly.\n",
    run,
    NULL};
