/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `info`. */
#include "dom0/backend/console_backend.h"
#include "dom0/builder/kernel_cache.h"
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/foreign.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"
#include "dom0/store/store.h"

static void print_host(struct pairs *p, const struct cbl_host_info *h)
{
    pairs_text(p, "host", "corbel");
    pairs_text(p, "release", h->version);
    pairs_text(p, "version", h->build);
    pairs_text(p, "machine", "x86_64");
    pairs_text(p, "cpu_model", h->cpu_model);
    pairs_number(p, "nr_cpus", h->cpus, "");
    pairs_number(p, "cpu_mhz", h->tsc_khz / 1000, "");
    pairs_number(p, "phys_bits", h->phys_bits, "");
    pairs_text(p, "virt_caps", "pvh");
    pairs_number(p, "total_memory", h->mem_total_bytes >> 20, "");
    pairs_number(p, "free_memory", h->mem_free_bytes >> 20, "");
    pairs_number(p, "clean_memory", h->mem_clean_bytes >> 20, "");
    pairs_number(p, "hypervisor_memory", h->root_bytes >> 10, "KiB");
    pairs_number(p, "frame_table", h->frame_table_bytes >> 10, "KiB");
    pairs_number(p, "max_domains", h->max_domains, "");
    pairs_number(p, "nr_gsi", h->gsi_count, "");
    pairs_text(p, "debug", h->debug != 0 ? "on" : "off");
}

/* What a guest's coming and going must leave as it was. */
static void print_books(struct pairs *p, const struct store_stats *s)
{
    struct foreign_figures f = foreign_get_figures();
    pairs_number(p, "dom0_heap_bytes", heap_used(), "");
    pairs_number(p, "dom0_scrollback_bytes", guest_console_bytes(), "");
    pairs_number(p, "dom0_event_channels", event_ports(), "");
    pairs_number(p, "dom0_foreign_pages", f.pages, "");
    pairs_number(p, "dom0_grants", f.grants, "");
    pairs_number(p, "xenstore_nodes", s->nodes, "");
    pairs_number(p, "xenstore_watches", s->watches, "");
    pairs_number(p, "xenstore_bytes", s->arena_used, "");
}

/* One line for each host CPU. */
static void print_cpus(struct pairs *p, uint32_t cpus)
{
    char key[24], text[64];
    for (uint32_t i = 0; i < cpus; i++) {
        struct cbl_cpu_info c = {.cpu = i};
        if (control(CTL_CPU_INFO, &c) != 0)
            continue;
        uint64_t idle = c.now_ns == 0 ? 0 : c.idle_ns / (c.now_ns / 1000 + 1);
        snprintf(key, sizeof key, "cpu%u", i);
        snprintf(text, sizeof text, "apic id %u, idle %lu.%lu %%", c.apic_id, idle / 10, idle % 10);
        pairs_text(p, key, text);
    }
}

static void print_dom0(struct pairs *p)
{
    struct cbl_domain_info d = {.domid = 0, .exact = 1};
    struct store_stats s = store_get_stats();
    struct kernel_cache_figures kept;
    kernel_cache_figures(&kept);
    if (control(CTL_DOMAIN_INFO, &d) == 0)
        pairs_number(p, "dom0_memory", d.pages * 4, "KiB");
    pairs_number(p, "dom0_heap_total", heap_total() >> 10, "KiB");
    pairs_number(p, "dom0_heap_used", heap_used() >> 10, "KiB");
    pairs_number(p, "kept_kernels", kept.kernels, "");
    pairs_number(p, "kept_kernels_memory", kept.bytes >> 10, "KiB");
    pairs_number(p, "kept_kernels_used", kept.used, "");
    print_books(p, &s);
    pairs_number(p, "domains", manager_count() + 1, "");
    pairs_number(p, "xenstore_used", s.arena_used >> 10, "KiB");
    pairs_number(p, "xenstore_total", s.arena_total >> 10, "KiB");
    pairs_text(p, "xen_interface", "4.17, PVH guests");
    pairs_number(p, "control_interface", CBL_ABI_VERSION, "");
}

static enum exit_code run(int argc, char **argv)
{
    static struct cbl_host_info h;
    struct pairs p;
    bool json = cli_flag(&argc, argv, "--json");
    if (!cli_args(&cmd_info, argc, argv, 0, 0))
        return EXIT_USAGE;
    long rc = control(CTL_HOST_INFO, &h);
    if (rc != 0)
        return cli_control_failed("info", rc);
    pairs_begin(&p, json ? PAIRS_JSON : PAIRS_COLON);
    print_host(&p, &h);
    print_cpus(&p, h.cpus);
    print_dom0(&p);
    pairs_end(&p);
    return EXIT_OK;
}

const struct cli_verb cmd_info = {
    "info", "[--json]", "Tells about the host.", "Memory is in MiB where no unit is given. How idle a CPU was is since the start.\n"
                             "The lines from dom0_heap_bytes to xenstore_bytes are exact: a domain that came and went leaves them as they were, but for the scroll-back\n"
                             "of ended domains (dom0_scrollback_bytes, a part of the heap).\n", run, NULL};
