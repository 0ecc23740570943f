/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The hypervisor's boot: named stages in order, then the run loop. Reads from top to bottom. */
#include "kernel/main.h"

#include "ept/ept.h"
#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/audit.h"
#include "kernel/domain/dom0.h"
#include "kernel/domain/dump.h"
#include "kernel/domain/event.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/acpi.h"
#include "kernel/platform/console.h"
#include "kernel/platform/irq.h"
#include "kernel/platform/lapic.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/uart.h"
#include "kernel/platform/vtd.h"
#include "kernel/run.h"
#include "kernel/smp/smp.h"
#include "kernel/time/clock.h"
#include "kernel/time/deadline.h"
#include "vmx/vmx.h"

#define AUDIT_PERIOD_NS 10000000000UL

static void must(enum status s, const char *what)
{
    if (s != STATUS_OK)
        panic("%s: %s", what, status_name(s));
}

static void stage_early_console(void)
{
    console_init_early(&boot_info);
    log_info("Corbel starts; the image is at 0x%lx", boot_info.root_base);
}

static void stage_frames(void) { must(frame_init(&boot_info), "the frame table"); }
static void stage_acpi(void) { acpi_init(boot_info.rsdp); }
static void stage_console(void) { console_init(&boot_info); }
static void stage_clock(void) { clock_init(&boot_info); }

static void stage_vmx(void)
{
    must(vmx_global_init(), "VT-x");
    must(ept_global_init(), "EPT");
    must(vmx_cpu_init(), "VMXON");
}

static void stage_scheduler(void)
{
    for (uint32_t i = 0; i < MAX_CPUS; i++)
        sched_init_cpu(i);
}

static void other_cpu(void)
{
    must(vmx_cpu_init(), "VMXON");
    run_cpu();
}

static void stage_smp(void) { smp_init(other_cpu); }

static void console_has_input(void) { event_raise_virq(domain_dom0()->vcpus[0], VIRQ_CONSOLE); }

static void stage_dom0(void)
{
    dom0_build(&boot_info);
    console_set_dom0_notify(console_has_input);
    dump_register_keys();
    log_warn("without VT-d confinement Dom0's devices reach all memory: its drivers are trusted");
}

static void audit_due(struct deadline *self)
{
    struct cbl_audit a;
    audit_run(&a);
    if (!a.ok)
        log_error("audit: %s", a.why);
    deadline_set(self, clock_tsc_of_ns(clock_now_ns() + AUDIT_PERIOD_NS));
}

static void stage_debug(void)
{
    static struct deadline audit_timer = {.fire = audit_due};
    if (boot_info.options.debug)
        deadline_set(&audit_timer, clock_tsc_of_ns(clock_now_ns() + AUDIT_PERIOD_NS));
}

static void stage_unpause(void)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock(domain_dom0());
    must(domain_unpause(l), "Dom0");
}

static const struct stage { const char *name; void (*run)(void); } stages[] = {
    {"per-CPU data", percpu_init},
    {"traps", traps_init},
    {"CPU features", features_init},
    {"early console", stage_early_console},
    {"page tables", pagetable_init},
    {"frames", stage_frames},
    {"ACPI", stage_acpi},
    {"console", stage_console},
    {"VT-d", vtd_init},
    {"local APIC", lapic_init},
    {"interrupts", irq_init},
    {"clock", stage_clock},
    {"deadlines", deadline_init},
    {"UART interrupt", uart_enable_irq},
    {"VMX", stage_vmx},
    {"scheduler", stage_scheduler},
    {"other CPUs", stage_smp},
    {"Dom0", stage_dom0},
    {"debugging", stage_debug},
    {"Dom0 runs", stage_unpause},
};

void root_main(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        stages[i].run();
        log_debug("stage %s: done, %lu ticks since the loader's jump", stages[i].name, rdtsc() - boot_info.tsc_jump);
    }
    run_cpu();
}
