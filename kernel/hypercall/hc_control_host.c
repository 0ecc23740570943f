/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Control operations on the host: information, log, trace, debug keys, audit, reset. */
#include "kernel/core/log.h"
#include "kernel/core/string.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/percpu.h"
#include "kernel/domain/audit.h"
#include "kernel/domain/dom0.h"
#include "kernel/hypercall/hc_control_priv.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/console.h"
#include "kernel/platform/irq.h"
#include "kernel/platform/machine.h"
#include "kernel/time/clock.h"

#define VERSION "0.1.0"


static void memory_figures(struct cbl_host_info *a)
{
    struct frame_stats f = frame_stats();
    uint64_t root = (f.by_type[FRAME_ROOT] + f.by_type[FRAME_PAGE_TABLE]) * PAGE_SIZE;
    a->mem_total_bytes = f.total * PAGE_SIZE;
    a->mem_clean_bytes = f.free_clean * PAGE_SIZE;
    a->mem_free_bytes = (f.free_clean + f.free_dirty) * PAGE_SIZE;
    a->frame_table_bytes = f.table_bytes;
    a->root_bytes = root > f.table_bytes ? root - f.table_bytes : 0;
}

enum status hc_control_HOST_INFO(struct control *c, struct cbl_host_info *a)
{
    const struct boot_options *o = &boot_info.options;
    (void)c;
    *a = (struct cbl_host_info){
        .abi_version = CBL_ABI_VERSION, .cpus = cpu_count(), .tsc_khz = clock_tsc_khz(), .tsc_jump = boot_info.tsc_jump,
        .tsc_dom0_start = domain_dom0()->first_entry_tsc, .scratch_gfn = dom0_scratch_gfn(), .scratch_pages = DOM0_SCRATCH_PAGES,
        .uptime_ns = clock_now_ns(), .max_domains = MAX_DOMAINS, .debug = o->debug, .gsi_count = irq_gsi_count(), .phys_bits = cpu_features.phys_bits};
    memory_figures(a);
    str_copy(a->version, sizeof(a->version), VERSION);
    str_copy(a->build, sizeof(a->build), __VERSION__);
    str_copy(a->cpu_model, sizeof(a->cpu_model), cpu_features.brand[0] ? cpu_features.brand : cpu_features.vendor);
    str_copy(a->exec, sizeof(a->exec), o->exec);
    str_copy(a->autostart, sizeof(a->autostart), o->autostart);
    return STATUS_OK;
}

enum status hc_control_CPU_INFO(struct control *c, struct cbl_cpu_info *a)
{
    (void)c;
    if (a->cpu >= cpu_count())
        return STATUS_NOT_FOUND;
    uint64_t now = clock_now_ns(), busy = sched_busy_ns(a->cpu);
    *a = (struct cbl_cpu_info){.cpu = a->cpu, .apic_id = cpu_get(a->cpu)->apic_id, .idle_ns = now - MIN(busy, now), .now_ns = now};
    return STATUS_OK;
}

enum status hc_control_LOG_READ(struct control *c, struct cbl_log_read *a)
{
    (void)c;
    a->len = (uint32_t)log_read(&a->pos, a->text, sizeof(a->text));
    return STATUS_OK;
}

enum status hc_control_DEBUG_KEY(struct control *c, struct cbl_debug_key *a)
{
    (void)c;
    return a->key < 128 && console_handle_key((char)a->key) ? STATUS_OK : STATUS_INVALID;
}

enum status hc_control_AUDIT(struct control *c, struct cbl_audit *a)
{
    (void)c;
    audit_run(a);
    return STATUS_OK;
}

enum status hc_control_HOST_RESET(struct control *c, struct cbl_host_reset *a)
{
    (void)c;
    domain_shutdown(domain_dom0(), a->poweroff ? CBL_SHUTDOWN_POWEROFF : CBL_SHUTDOWN_REBOOT);
    return STATUS_OK;
}
