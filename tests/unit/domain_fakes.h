/* SPDX-License-Identifier: Apache-2.0
 * [HOST] A pretended machine under the real domain layer: frames in an arena whose "physical" addresses make root_va() point into it, second-level
 * tables as plain arrays, a clock and deadlines moved by hand, vCPUs without VT-x. Each test includes it once; UNIT_DOMAIN in units.mk names the real files. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <asm/prctl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "ept/flush.h"
#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/string.h"
#include "kernel/core/trace.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/percpu.h"
#include "kernel/domain/audit.h"
#include "kernel/domain/event.h"
#include "kernel/domain/grant.h"
#include "kernel/domain/physmap.h"
#include "kernel/domain/vcpu.h"
#include "kernel/hypercall/dispatch.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/window.h"
#include "kernel/platform/console.h"
#include "kernel/platform/irq.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/reset.h"
#include "kernel/smp/smp.h"
#include "kernel/time/clock.h"
#include "kernel/time/deadline.h"
#include "vmx/bitmaps.h"
#include "vmx/vmx.h"
#include "kernel/platform/uart.h"

#ifdef FAKES_THREADS /* what the fakes keep for themselves has a lock, and time passes */
#include <pthread.h>
#include <time.h>
static pthread_mutex_t fake_mutex = PTHREAD_MUTEX_INITIALIZER;
#define FAKE_LOCKED(what) do { pthread_mutex_lock(&fake_mutex); what; pthread_mutex_unlock(&fake_mutex); } while (0)
#else
#define FAKE_LOCKED(what) what
#endif

/* ---- panic, locks, log ---------------------------------------------------------------------- */
static jmp_buf fake_end; /* panic and reset arrive here */
static int fake_end_expected;
static char fake_log[4096]; /* the last lines */

void panic(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    if (fake_end_expected)
        longjmp(fake_end, 1);
    abort();
}
void reset_machine(void) { longjmp(fake_end, 2); }
void poweroff_machine(void) { longjmp(fake_end, 3); }
void console_flush(void) {}
#ifndef FAKES_REAL_LOCKS
__attribute__((unused)) static unsigned fake_locks_held;
void spin_lock(struct spinlock *l) { if (l->owner) { fprintf(stderr, "lock taken twice\n"); abort(); } l->owner = 1; fake_locks_held++; }
void spin_unlock(struct spinlock *l) { if (!l->owner) { fprintf(stderr, "lock not held\n"); abort(); } l->owner = 0; fake_locks_held--; }
uint64_t spin_epoch;
#endif
static void fake_log_add(const char *fmt, va_list args)
{
    char line[512];
    vsnprintf(line, sizeof(line), fmt, args);
    size_t have = strlen(fake_log), add = strlen(line);
    if (have + add + 2 > sizeof(fake_log))
        have = 0;
    snprintf(fake_log + have, sizeof(fake_log) - have, "%s\n", line);
}
void log_line(enum log_level level, const char *fmt, ...)
{
    (void)level;
    va_list args;
    va_start(args, fmt);
    FAKE_LOCKED(fake_log_add(fmt, args));
    va_end(args);
}
void log_guest(uint16_t domid, const char *fmt, ...)
{
    (void)domid;
    va_list args;
    va_start(args, fmt);
    FAKE_LOCKED(fake_log_add(fmt, args));
    va_end(args);
}
size_t log_read(uint64_t *pos, char *buf, size_t len) { (void)pos; (void)buf; (void)len; return 0; }
struct trace_ring *trace_rings[TRACE_MAX_CPUS];
uint32_t trace_cpu(void) { return 0; }
void str_copy(char *dst, size_t size, const char *src) { snprintf(dst, size, "%s", src); }

/* ---- CPU, clock, deadlines ------------------------------------------------------------------- */
struct cpu_features cpu_features = {.phys_bits = 36, .invariant_tsc = true};
#define FAKE_CPUS 6U
static struct cpu fake_cpus[FAKE_CPUS];
static uint32_t fake_nr_cpus = 1;
#define fake_cpu fake_cpus[0]
struct boot_info fake_boot_info = {.magic = BOOT_INFO_MAGIC, .machine = {.nr_private = 1, .private_pages = {0xfec00000}}};
extern const struct boot_info boot_info __attribute__((alias("fake_boot_info")));
static uint64_t fake_ns = 1000;

struct cpu *cpu_get(uint32_t id) { assert_true(id < fake_nr_cpus); return &fake_cpus[id]; }
uint32_t cpu_count(void) { return fake_nr_cpus; }
#ifndef FAKES_REAL_SMP
void smp_kick(uint32_t cpu) { cpu_get(cpu)->need_resched = true; }
static unsigned fake_stopped;
void smp_stop_others(void) { fake_stopped++; }
void smp_release_others(void) { fake_stopped--; }
/* Whoever waits here gives the other CPUs time: they come round their run loops. */
void smp_park_point(void)
{
    for (uint32_t i = 0; i < fake_nr_cpus; i++) {
        struct vcpu *v = fake_cpus[i].current;
        if (!v || !sched_must_leave(&v->sched))
            continue;
        fake_cpus[i].current = NULL;
        sched_leave(&v->sched);
    }
}
#endif
/* The code under test runs on CPU from here on. */
__attribute__((unused)) static void fake_be(uint32_t cpu)
{
    fake_cpus[cpu].self = &fake_cpus[cpu];
    fake_cpus[cpu].id = cpu;
    if (getauxval(AT_HWCAP2) & 2) /* this_cpu() reads GS:0 */
        __asm__ volatile("wrgsbase %0" : : "r"(&fake_cpus[cpu]) : "memory");
    else
        assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &fake_cpus[cpu]), 0);
}
#ifdef FAKES_THREADS
uint64_t clock_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000UL + (uint64_t)t.tv_nsec;
}
#else
uint64_t clock_now_ns(void) { return fake_ns; }
#endif
uint64_t clock_tsc_khz(void) { return 1000000; } /* one tick is one nanosecond */
uint64_t clock_tsc_of_ns(uint64_t ns) { return ns; }
uint64_t clock_ns_of_tsc(uint64_t tsc) { return tsc; }
void clock_pv_factors(uint32_t *mul, int8_t *shift, uint64_t *tsc, uint64_t *ns) { *mul = 0x80000000U; *shift = 1; *tsc = 0; *ns = 0; }
void clock_wallclock(uint64_t *seconds, uint32_t *ns) { *seconds = 1700000000UL; *ns = 5; }

#define FAKE_DEADLINES 64
static struct deadline *fake_deadlines[FAKE_DEADLINES];
static void fake_deadline_drop(struct deadline *d) { if (d->slot) { fake_deadlines[d->slot - 1] = NULL; d->slot = 0; } }
static void fake_deadline_add(struct deadline *d, uint64_t tsc)
{
    fake_deadline_drop(d);
    for (uint32_t i = 0; i < FAKE_DEADLINES; i++) {
        if (!fake_deadlines[i]) {
            fake_deadlines[i] = d;
            d->slot = i + 1;
            d->tsc = tsc;
            return;
        }
    }
    abort();
}
void deadline_cancel(struct deadline *d) { FAKE_LOCKED(fake_deadline_drop(d)); }
void deadline_set(struct deadline *d, uint64_t tsc) { FAKE_LOCKED(fake_deadline_add(d, tsc)); }
__attribute__((unused)) size_t uart_room(void) { return 32768; }

__attribute__((unused)) static void fake_time(uint64_t ns)
{
    fake_ns = ns;
    for (uint32_t i = 0; i < FAKE_DEADLINES; i++) {
        struct deadline *d = fake_deadlines[i];
        if (d && d->tsc <= ns) {
            deadline_cancel(d);
            d->fire(d);
        }
    }
}
__attribute__((unused)) static unsigned fake_deadlines_set(void)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < FAKE_DEADLINES; i++)
        n += fake_deadlines[i] != NULL;
    return n;
}

#ifdef FAKES_REAL_MEMORY
#include "memory_fakes.h"
#else
/* ---- frames ------------------------------------------------------------------------------------ */
#define FAKE_FRAMES 6144UL
static char fake_arena[FAKE_FRAMES][PAGE_SIZE] __attribute__((aligned(2 << 20)));
static struct { uint16_t owner; uint8_t type; uint32_t refs; } fake_frame[FAKE_FRAMES];
static long fake_allocs_until_failure = -1; /* < 0: never */

static hfn_t fake_hfn(size_t i) { return hfn_of_hpa(root_pa(fake_arena[i])); }
static size_t fake_index(hfn_t f) { uint64_t first = fake_hfn(0).v; return f.v >= first && f.v < first + FAKE_FRAMES ? f.v - first : FAKE_FRAMES; }
bool frame_is_ram(hfn_t f) { return fake_index(f) < FAKE_FRAMES; }
enum frame_type frame_type(hfn_t f) { return frame_is_ram(f) ? fake_frame[fake_index(f)].type : FRAME_UNUSABLE; }
uint16_t frame_owner(hfn_t f) { return frame_is_ram(f) ? fake_frame[fake_index(f)].owner : FRAME_OWNER_NONE; }
uint32_t frame_refs(hfn_t f) { return frame_is_ram(f) ? fake_frame[fake_index(f)].refs : 0; }
enum status frame_alloc(unsigned order, uint16_t owner, enum frame_type type, hfn_t *out)
{
    size_t n = 1UL << order;
    if (fake_allocs_until_failure >= 0 && fake_allocs_until_failure-- == 0)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i + n <= FAKE_FRAMES; i += n) {
        size_t used = 0;
        while (used < n && fake_frame[i + used].type == FRAME_FREE)
            used++;
        if (used < n)
            continue;
        memset(fake_arena[i], 0, n * PAGE_SIZE);
        for (size_t k = 0; k < n; k++) {
            fake_frame[i + k].owner = owner;
            fake_frame[i + k].type = (uint8_t)type;
            fake_frame[i + k].refs = 1;
        }
        *out = fake_hfn(i);
        return STATUS_OK;
    }
    return STATUS_NO_MEMORY;
}
void frame_free(hfn_t f, unsigned order)
{
    for (size_t k = 0; k < 1UL << order; k++) {
        size_t i = fake_index(hfn_add(f, k));
        assert_true(i < FAKE_FRAMES);
        assert_int_equal(fake_frame[i].refs, 1);
        assert_int_not_equal(fake_frame[i].type, FRAME_FREE);
        memset(fake_arena[i], 0xdb, PAGE_SIZE); /* a late reader sees it */
        fake_frame[i].type = FRAME_FREE;
        fake_frame[i].refs = 0;
    }
}
bool frame_get(hfn_t f, uint16_t owner, enum frame_type type)
{
    size_t i = fake_index(f);
    if (i == FAKE_FRAMES || fake_frame[i].owner != owner || fake_frame[i].type != type || fake_frame[i].refs == 0)
        return false;
    fake_frame[i].refs++;
    return true;
}
bool frame_put(hfn_t f)
{
    size_t i = fake_index(f);
    assert_true(i < FAKE_FRAMES && fake_frame[i].refs > 0);
    return --fake_frame[i].refs == 0;
}
struct frame_stats frame_stats(void)
{
    struct frame_stats s = {.total = FAKE_FRAMES};
    for (size_t i = 0; i < FAKE_FRAMES; i++)
        s.by_type[fake_frame[i].type]++;
    s.free_clean = s.by_type[FRAME_FREE];
    return s;
}
void frame_walk(void (*fn)(hfn_t f, uint16_t owner, enum frame_type type, uint32_t refs, void *ctx), void *ctx)
{
    for (size_t i = 0; i < FAKE_FRAMES; i++) {
        if (fake_frame[i].type != FRAME_FREE)
            fn(fake_hfn(i), fake_frame[i].owner, fake_frame[i].type, fake_frame[i].refs, ctx);
    }
}
bool frame_check(char *why, size_t len) { (void)why; (void)len; return true; }
bool pagetable_check_wx(uint64_t *bad) { (void)bad; return true; }
bool bitmaps_check(char *why, size_t len) { (void)why; (void)len; return true; }
struct windows windows[MAX_CPUS]; /* empty: each time through the EPT */
static bool windows_stay;         /* those that were opened: ways through page tables may be gone again */
void *window_open(hfn_t f) { assert_true(frame_is_ram(f)); return root_va(hpa_of_hfn(f)); }
void *window_enter(uint64_t tag, uint64_t number, hfn_t f)
{
    (void)tag;
    (void)number;
    windows[cpu_id()].opened += windows_stay ? 0 : WINDOW_LASTS;
    return window_open(f);
}
void window_flush(void) {}

/* ---- second-level tables: one slot per gfn below FAKE_GFNS and per gfn of a high range ---------------- */
#define FAKE_GFNS 8192UL
#define FAKE_HIGH 4096UL /* from the middle of the address space on: Dom0's scratch */
struct fake_leaf { uint64_t hfn; uint8_t rights, order, present; };
struct fake_ept { const struct ept *e; struct fake_leaf leaf[FAKE_GFNS + FAKE_HIGH]; };
static struct fake_ept fake_epts[8];
static bool fake_prepare_fails;
static unsigned fake_unflushed; /* removals not followed by flush_sync */

static struct fake_leaf *fake_leaf(const struct ept *e, uint64_t g)
{
    uint64_t half = 1UL << (cpu_features.phys_bits - 13);
    for (size_t i = 0; i < ARRAY_SIZE(fake_epts); i++) {
        if (fake_epts[i].e == e)
            return g < FAKE_GFNS ? &fake_epts[i].leaf[g] : g >= half && g < half + FAKE_HIGH ? &fake_epts[i].leaf[FAKE_GFNS + g - half] : NULL;
    }
    abort();
}
static uint64_t fake_gfn_of_slot(size_t i) { return i < FAKE_GFNS ? i : (1UL << (cpu_features.phys_bits - 13)) + i - FAKE_GFNS; }
unsigned ept_max_order(void) { return 9; }
enum status ept_init(struct ept *e, uint16_t owner, uint32_t tables_max)
{
    hfn_t root;
    if (frame_alloc(0, owner, FRAME_EPT, &root) != STATUS_OK)
        return STATUS_NO_MEMORY;
    *e = (struct ept){.root = hpa_of_hfn(root), .owner = owner, .tables_used = 1, .tables_max = tables_max};
    for (size_t i = 0; i < ARRAY_SIZE(fake_epts); i++) {
        if (!fake_epts[i].e) {
            fake_epts[i].e = e;
            return STATUS_OK;
        }
    }
    abort();
}
void ept_destroy(struct ept *e)
{
    frame_free(hfn_of_hpa(e->root), 0);
    for (size_t i = 0; i < ARRAY_SIZE(fake_epts); i++) {
        if (fake_epts[i].e == e)
            memset(&fake_epts[i], 0, sizeof(fake_epts[i]));
    }
    e->root.v = 0;
    e->tables_used = 0;
}
enum status ept_prepare(struct ept *e, gfn_t g, unsigned order)
{
    (void)order;
    return fake_prepare_fails || !fake_leaf(e, g.v) ? STATUS_NO_MEMORY : STATUS_OK;
}
void ept_unprepare(struct ept *e) { (void)e; }
static void fake_split(struct ept *e, uint64_t g)
{
    struct fake_leaf *l = fake_leaf(e, g);
    if (!l->present || l->order == 0)
        return;
    uint64_t first = g & ~((1UL << l->order) - 1), n = 1UL << l->order;
    for (uint64_t i = 0; i < n; i++)
        fake_leaf(e, first + i)->order = 0;
}
void ept_map(struct ept *e, gfn_t g, unsigned order, hfn_t h, unsigned rights)
{
    if (fake_leaf(e, g.v)->present)
        flush_mark(e); /* as the real one does */
    if (order == 0)
        fake_split(e, g.v);
    for (uint64_t i = 0; i < 1UL << order; i++)
        *fake_leaf(e, g.v + i) = (struct fake_leaf){h.v + i, (uint8_t)rights, (uint8_t)order, 1};
}
void ept_unmap(struct ept *e, gfn_t g, unsigned order)
{
    flush_mark(e); /* as the real one does */
    fake_unflushed++;
    if (order == 0)
        fake_split(e, g.v);
    for (uint64_t i = 0; i < 1UL << order; i++)
        fake_leaf(e, g.v + i)->present = 0;
}
bool ept_lookup(const struct ept *e, gfn_t g, struct ept_leaf *out)
{
    struct fake_leaf *l = fake_leaf(e, g.v);
    if (!l || !l->present)
        return false;
    *out = (struct ept_leaf){.hfn = hfn(l->hfn), .order = l->order, .rights = l->rights, .memtype = 6};
    return true;
}
void ept_walk(const struct ept *e, gfn_t first, gfn_t last, bool (*fn)(gfn_t g, const struct ept_leaf *leaf, void *ctx), void *ctx)
{
    for (size_t i = 0; i < FAKE_GFNS + FAKE_HIGH; i++) {
        uint64_t g = fake_gfn_of_slot(i);
        struct ept_leaf leaf;
        if (g < first.v || g > last.v || !ept_lookup(e, gfn(g), &leaf))
            continue;
        if (!fn(gfn(g), &leaf, ctx))
            return;
        i += (1UL << leaf.order) - 1;
    }
}
void flush_mark(struct ept *e) { e->generation++; }
static unsigned fake_deferred; /* frees that wait for flush_sync (though done at once here) */
void flush_defer_free(struct ept *e, hfn_t f, unsigned order) { (void)e; fake_deferred++; frame_free(f, order); }
void flush_sync(struct ept *e) { (void)e; fake_unflushed = fake_deferred = 0; }

#endif

/* ---- vCPUs without VT-x -------------------------------------------------------------------------- */
static bool fake_if = true; /* RFLAGS.IF of whoever asks */
__attribute__((unused)) static struct { uint64_t cr0, cr3; } fake_paging;
#ifdef FAKES_REAL_VCPU /* vmx/vcpu.c, on what it writes into a VMCS */
struct vmx_caps vmx_caps;
uint64_t vmcs_fake_read(uint32_t field) { (void)field; return 0; }
void vmcs_clear(struct vmx_vcpu *v) { (void)v; }
void vmcs_borrow(struct vmx_vcpu *v) { (void)v; }
void vmcs_return(struct vmx_vcpu *v) { (void)v; }
void setup_controls(const struct vmx_vcpu *v) { (void)v; }
void setup_host(void) {}
void setup_guest_reset(struct vmx_vcpu *v, uint16_t cs_selector) { (void)v; (void)cs_selector; }
void vlapic_reset(struct vmx_vcpu *v) { (void)v; }
void switch_forget_translations(const struct vmx_vcpu *v) { (void)v; }
#else
enum status vmx_vcpu_create(struct vmx_vcpu *v, const struct vmx_create *how)
{
    hfn_t f;
    assert_null(domain_lock_id(how->domid).d); /* a domain that is being built is nobody's business */
    if (frame_alloc(0, how->domid, FRAME_VMX, &f) != STATUS_OK)
        return STATUS_NO_MEMORY;
    *v = (struct vmx_vcpu){.vmcs = hpa_of_hfn(f), .domid = how->domid, .vcpu_id = how->vcpu_id, .ept = how->ept};
    return STATUS_OK;
}
void vmx_vcpu_destroy(struct vmx_vcpu *v) { frame_free(hfn_of_hpa(v->vmcs), 0); }
#endif
void vmx_unload(struct vmx_vcpu *v) { (void)v; }
enum status vmx_context_set(struct vmx_vcpu *v, const struct cbl_vcpu_context *in) { v->gprs.rax = in->rax; v->gprs.rbx = in->rbx; return STATUS_OK; }
enum status vmx_context_get(struct vmx_vcpu *v, struct cbl_vcpu_context *out) { memset(out, 0, sizeof(*out)); out->rax = v->gprs.rax; return STATUS_OK; }
#ifndef FAKES_REAL_VCPU
void vmx_start_sipi(struct vmx_vcpu *v, uint8_t vector) { (void)v; (void)vector; }
uint64_t vmx_cr0(struct vmx_vcpu *v) { (void)v; return fake_paging.cr0; }
uint64_t vmx_cr3(struct vmx_vcpu *v) { (void)v; return fake_paging.cr3; }
#endif
bool vmx_if_set(struct vmx_vcpu *v) { (void)v; return fake_if; }
static bool fake_nmi_blocked;
bool vmx_nmi_deliverable(struct vmx_vcpu *v) { return v->nmi_pending && !fake_nmi_blocked; }
bool vmx_interruptible(struct vmx_vcpu *v) { (void)v; return fake_if; }
bool vlapic_has_pending(struct vmx_vcpu *v) { (void)v; return false; }
void vmx_dump(struct vmx_vcpu *v) { (void)v; }
enum status vmx_poke(struct vmx_vcpu *v, uint32_t field, uint64_t value, uint32_t *broken)
{
    v->gprs.rcx = value;
    *broken = field == 0x6804;
    return field == 0x6804 ? STATUS_OK : STATUS_DENIED;
}

/* ---- console and interrupts ------------------------------------------------------------------------ */
__attribute__((unused)) static char fake_console[1024];
void console_write(const char *text, size_t len) { strncat(fake_console, text, MIN(len, sizeof(fake_console) - strlen(fake_console) - 1)); }
size_t console_read(char *buf, size_t len) { if (len) buf[0] = 'x'; return len ? 1 : 0; }
bool console_handle_key(char key) { return key == 'q'; }
static void (*fake_irq_fn)(uint32_t gsi, void *ctx);
static void *fake_irq_ctx;
static unsigned fake_unmasked;
enum status irq_bind_gsi(uint32_t gsi, uint32_t flags, void (*fn)(uint32_t gsi, void *ctx), void *ctx)
{
    (void)flags;
    if (gsi > 23)
        return STATUS_NOT_FOUND;
    fake_irq_fn = fn;
    fake_irq_ctx = ctx;
    return STATUS_OK;
}
void irq_unbind_gsi(uint32_t gsi) { (void)gsi; fake_irq_fn = NULL; }
void irq_unmask(uint32_t gsi) { (void)gsi; fake_unmasked++; }
enum status irq_alloc_msi(void (*fn)(uint32_t vector, void *ctx), void *ctx, uint8_t *vector, uint64_t *address, uint32_t *data)
{
    (void)fn;
    (void)ctx;
    *vector = 0x31;
    *address = 0xfee00000;
    *data = 0x31;
    return STATUS_OK;
}
void irq_free_msi(uint8_t vector) { (void)vector; }
uint32_t irq_gsi_count(void) { return 24; }

/* ---- building blocks for tests ----------------------------------------------------------------------- */
__attribute__((unused)) static void fake_machine(void)
{
#ifdef FAKES_REAL_MEMORY
    fake_memory();
#endif
    memset(fake_cpus, 0, sizeof(fake_cpus));
    fake_nr_cpus = 1;
    for (uint32_t i = 0; i < FAKE_CPUS; i++)
        sched_init_cpu(i);
    fake_be(0);
}
__attribute__((unused)) static struct domain *fake_dom0(void)
{
    struct domain *d;
    assert_int_equal(domain_create_dom0(FAKE_FRAMES, 1, &d), STATUS_OK);
    d->vcpus[0]->initialised = true;
    struct domain_locked l = domain_lock(d);
    for (uint64_t g = 0; g < 8; g++)
        assert_int_equal(physmap_populate(l, gfn(g), 0), STATUS_OK);
    assert_int_equal(domain_unpause(l), STATUS_OK);
    domain_unlock(l);
    return d;
}
/* A DomU of PAGES pages from gfn 0 on, running. */
__attribute__((unused)) static struct domain *fake_domu(uint32_t pages, uint32_t vcpus)
{
    struct cbl_domain_create how = {.max_pages = pages, .vcpus = vcpus};
    struct domain *d;
    assert_int_equal(domain_create(&how, &d), STATUS_OK);
    struct domain_locked l = domain_lock(d);
    for (uint64_t g = 0; g < pages;) {
        unsigned order = g % 512 == 0 && pages - g >= 512 ? 9 : 0;
        assert_int_equal(physmap_populate(l, gfn(g), order), STATUS_OK);
        g += 1UL << order;
    }
    d->vcpus[0]->initialised = true;
    assert_int_equal(domain_unpause(l), STATUS_OK);
    domain_unlock(l);
    return d;
}
__attribute__((unused)) static void *fake_page(struct domain *d, uint64_t g)
{
    struct ept_leaf leaf;
    assert_true(ept_lookup(&d->ept, gfn(g), &leaf));
    return window_open(leaf.hfn);
}
__attribute__((unused)) static void fake_audit(void)
{
    struct cbl_audit a;
    audit_run(&a);
    if (!a.ok)
        fprintf(stderr, "audit: %s\n", a.why);
    assert_true(a.ok);
    assert_true(a.checks > 10);
}
/* As the run loop does it: the flag is cleared before anything is looked at. */
__attribute__((unused)) static struct sched_unit *fake_pick(uint32_t cpu, struct sched_unit *prev)
{
    fake_cpus[cpu].need_resched = false;
    return sched_pick(cpu, prev);
}
/* Makes V what runs on the CPU. */
__attribute__((unused)) static void fake_run(struct vcpu *v)
{
    for (int i = 0; i < 64; i++) {
        smp_park_point();
        struct vcpu *prev = fake_cpu.current;
        struct sched_unit *u = fake_pick(0, prev ? &prev->sched : NULL);
        fake_cpu.current = u ? vcpu_of_sched(u) : prev;
        if (u && prev && prev != fake_cpu.current)
            prev->sched.on_cpu = false;
        if (fake_cpu.current == v)
            return;
        if (u)
            sched_give_way(u);
        fake_ns += 20000000;
    }
    fail_msg("the vCPU does not get to run");
}
