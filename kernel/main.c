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

static void stage_percpu(void) { percpu_init(); }
static void stage_traps(void) { traps_init(); }
static void stage_features(void) { features_init(); }

static void stage_early_console(void)
{
    console_init_early(&boot_info);
    log_info("Corbel starts; the image is at 0x%lx", boot_info.root_base);
}

static void stage_page_tables(void) { pagetable_init(); }
static void stage_frames(void) { must(frame_init(&boot_info), "the frame table"); }
static void stage_acpi(void) { acpi_init(boot_info.rsdp); }
static void stage_console(void) { console_init(&boot_info); }
static void stage_vtd(void) { vtd_init(); }
static void stage_local_apic(void) { lapic_init(); }
static void stage_interrupts(void) { irq_init(); }
static void stage_clock(void) { clock_init(&boot_info); }
static void stage_deadlines(void) { deadline_init(); }
static void stage_smp(void) { smp_init(); }
static void stage_uart_interrupt(void) { uart_enable_irq(); }

static void stage_vmx(void)
{
    must(vmx_global_init(), "VT-x");
    must(ept_global_init(), "EPT");
    must(vmx_cpu_init(), "VMXON");
}

static void stage_scheduler(void) { sched_init_cpu(cpu_id()); }

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
    struct cbl_audit a = {0};
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
    struct domain_locked l = domain_lock(domain_dom0());
    must(domain_unpause(l), "Dom0");
    domain_unlock(l);
}

static const struct stage { const char *name; void (*run)(void); } stages[] = {
    {"per-CPU data", stage_percpu},
    {"traps", stage_traps},
    {"CPU features", stage_features},
    {"early console", stage_early_console},
    {"page tables", stage_page_tables},
    {"frames", stage_frames},
    {"ACPI", stage_acpi},
    {"console", stage_console},
    {"VT-d", stage_vtd},
    {"local APIC", stage_local_apic},
    {"interrupts", stage_interrupts},
    {"clock", stage_clock},
    {"deadlines", stage_deadlines},
    {"other CPUs", stage_smp},
    {"UART interrupt", stage_uart_interrupt},
    {"VMX", stage_vmx},
    {"scheduler", stage_scheduler},
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
