/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Console keys: they only look. Each prints to the log. */
#include "kernel/domain/dump.h"

#include "kernel/core/log.h"
#include "kernel/core/printf.h"
#include "kernel/cpu/percpu.h"
#include "kernel/domain/audit.h"
#include "kernel/domain/event.h"
#include "kernel/domain/grant.h"
#include "kernel/domain/physmap.h"
#include "kernel/domain/state.h"
#include "kernel/platform/console.h"
#include "kernel/platform/reset.h"
#include "kernel/smp/smp.h"
#include "kernel/time/clock.h"

static const char *const vcpu_states[] = {"down", "runnable", "running", "blocked"};
static const char *const domain_states[] = {"new", "paused", "running", "blocked", "shut down", "dying"};
static const char *const port_states[] = {"closed", "unbound", "interdomain", "pirq", "virq", "ipi"};

static void show_domain(struct domain_locked l, void *ctx)
{
    (void)ctx;
    struct cbl_domain_info i;
    domain_info(l, &i);
    log_info("d%u %s, shutdown %u %s, pause %u, privileges 0x%x, references %u", i.domid, domain_states[i.state], i.shutdown, i.why, i.pause_count,
             i.privileges, l.d->refs);
    log_info("  pages %lu of %lu, overhead %lu KiB, EPT tables %u of %u", i.pages, i.max_pages, i.overhead_bytes >> 10, l.d->ept.tables_used, l.d->ept.tables_max);
    for (uint32_t n = 0; n < l.d->nr_vcpus; n++) {
        const struct vcpu *v = l.d->vcpus[n];
        log_info("  v%u %s, hold 0x%x, CPU %u, exits %lu, callback 0x%x", n, vcpu_states[v->sched.state], v->sched.hold, v->sched.cpu, v->vmx.exits,
                 v->vmx.callback_vector);
    }
}

static void show_events(struct domain_locked l, void *ctx)
{
    (void)ctx;
    const struct shared_info *s = l.d->shared_info;
    struct evtchn_status p;
    for (uint32_t i = 1; i < EVENT_PORTS; i++) {
        uint64_t word = i / 64, bit = 1UL << i % 64;
        if (event_status(l.d, i, &p) == STATUS_OK && p.status != EVTCHNSTAT_closed)
            log_info("d%u port %u %s v%u peer %u:%u%s%s", l.d->id, i, port_states[p.status], p.vcpu,
                     p.u.interdomain.dom, p.u.interdomain.port,
                     s->evtchn_pending[word] & bit ? " pending" : "", s->evtchn_mask[word] & bit ? " masked" : "");
    }
}

static void show_grants(struct domain_locked l, void *ctx)
{
    (void)ctx;
    const struct grant_table *t = l.d->grants;
    log_info("d%u grant frames %u", l.d->id, t ? t->nr_frames : 0);
    for (uint32_t ref = 0; t && ref < t->nr_frames * GRANT_PER_FRAME; ref++) {
        const struct grant_active *a = grant_active_get(l.d, ref);
        if (a)
            log_info("  ref %u used by d%u: %u readers, %u writers, frame 0x%lx", ref, a->domid, a->readers, a->writers, a->hfn);
    }
}

static void show_unit(struct sched_unit *u, void *ctx)
{
    (void)ctx;
    const struct vcpu *v = vcpu_of_sched(u);
    log_info("  d%uv%u vruntime %lu us", v->domain->id, v->id, u->vruntime_ns / 1000);
}

static void key_run_queues(void)
{
    smp_stop_others(); /* else what is loaded may just be destroyed */
    for (uint32_t i = 0; i < cpu_count(); i++) {
        const struct vcpu *v = cpu_get(i)->current;
        log_info("CPU %u: loaded d%dv%d", i, v ? v->domain->id : -1, v ? (int)v->id : -1);
        sched_walk(i, show_unit, NULL);
    }
    smp_release_others();
}

static void show_timers(struct domain_locked l, void *ctx)
{
    (void)ctx;
    for (uint32_t n = 0; n < l.d->nr_vcpus; n++) {
        const struct vcpu *v = l.d->vcpus[n];
        log_info("d%uv%u single-shot %lu%s, poll %lu%s, now %lu ns", l.d->id, n, clock_ns_of_tsc(v->singleshot.tsc), v->singleshot.slot ? "" : " (off)",
                 clock_ns_of_tsc(v->poll_timer.tsc), v->poll_timer.slot ? "" : " (off)", clock_now_ns());
    }
}

/* Rows of what lies at BASE, small ones in full: the table of all state is also the format of this dump. */
static void show_rows(enum state_home home, const void *base)
{
    for (unsigned row = 0; row < state_nr_rows; row++) {
        const struct state_row *r = &state_rows[row];
        char text[2 * 64 + 1] = "";
        size_t n = MIN((size_t)r->size, (size_t)64);
        if (r->home != home)
            continue;
        for (size_t i = 0; i < n; i++)
            snprintf(text + 2 * i, sizeof(text) - 2 * i, "%02x", ((const uint8_t *)base)[r->offset + i]);
        log_info("  %s: %s%s", r->name, text, n < r->size ? "…" : "");
    }
}

static void show_state(struct domain_locked l, void *ctx)
{
    (void)ctx;
    log_info("d%u", l.d->id);
    show_rows(STATE_IN_DOMAIN, l.d);
    for (uint32_t n = 0; n < l.d->nr_vcpus; n++) {
        log_info("d%uv%u", l.d->id, n);
        show_rows(STATE_IN_VCPU, l.d->vcpus[n]);
    }
}

static void show_vmcs(struct domain_locked l, void *ctx)
{
    (void)ctx;
    for (uint32_t n = 0; n < l.d->nr_vcpus; n++) {
        const struct sched_unit *u = &l.d->vcpus[n]->sched;
        if (u->on_cpu && u->cpu != cpu_id()) /* its VMCS is there: nobody else may touch it */
            log_info("d%uv%u is loaded on CPU %u: pause the domain to see its VMCS", l.d->id, n, u->cpu);
        else
            vmx_dump(&l.d->vcpus[n]->vmx);
    }
}

struct run { gfn_t g; hfn_t h; uint64_t pages; unsigned rights, order; };

static void print_run(const struct run *r)
{
    if (r->pages)
        log_info("  gfn 0x%lx +0x%lx -> frame 0x%lx %c%c%c order %u", r->g.v, r->pages, r->h.v, r->rights & EPT_R ? 'r' : '-',
                 r->rights & EPT_W ? 'w' : '-', r->rights & EPT_X ? 'x' : '-', r->order);
}

static bool join_leaf(gfn_t g, const struct ept_leaf *leaf, void *ctx)
{
    struct run *r = ctx;
    uint64_t pages = 1UL << leaf->order;
    if (r->pages && g.v == r->g.v + r->pages && leaf->hfn.v == r->h.v + r->pages && leaf->rights == r->rights && leaf->order == r->order) {
        r->pages += pages;
        return true;
    }
    print_run(r);
    *r = (struct run){g, leaf->hfn, pages, leaf->rights, leaf->order};
    return true;
}

static void show_ept(struct domain_locked l, void *ctx)
{
    (void)ctx;
    struct run r = {.pages = 0};
    log_info("d%u EPT, root 0x%lx, %u tables", l.d->id, l.d->ept.root.v, l.d->ept.tables_used);
    if (l.d->ept.root.v)
        ept_walk(&l.d->ept, gfn(0), gfn(physmap_gfn_limit() - 1), join_leaf, &r);
    print_run(&r);
}

static void key_audit(void)
{
    struct cbl_audit a;
    audit_run(&a);
    log_info("audit: %s%s (%u checks; frames: %lu free, %lu root, %lu guest; %u domains)", a.ok ? "clean" : "VIOLATION: ", a.why, a.checks,
             a.frames_free, a.frames_root, a.frames_guest, a.domains);
}

/* A key shows each domain, or the machine. */
static const struct key {
    char key;
    const char *help;
    void (*domain)(struct domain_locked l, void *ctx);
    void (*machine)(void);
} keys[] = {
    {'q', "domains", show_domain, NULL},
    {'e', "event channels", show_events, NULL},
    {'g', "grants in use", show_grants, NULL},
    {'r', "run queues", NULL, key_run_queues},
    {'a', "timers", show_timers, NULL},
    {'d', "registers and all other state", show_state, NULL},
    {'v', "VMCS of each vCPU", show_vmcs, NULL},
    {'D', "second-level page tables", show_ept, NULL},
    {'A', "audit", NULL, key_audit},
};

static bool press(char key)
{
    if (key == 'R')
        reset_machine();
    if (key == 'h')
        log_info("keys: h this list, * all of them but R, R reboot the machine");
    bool known = key == 'h' || key == '*';
    for (const struct key *k = keys; k < keys + ARRAY_SIZE(keys); k++) {
        bool run = key == '*' || key == k->key;
        if (run || key == 'h')
            log_info("key %c  %s", k->key, k->help);
        if (run && k->domain) {
            smp_stop_others(); /* a VMCS that is looked at here must be loaded nowhere else meanwhile */
            domain_each(k->domain, NULL);
            smp_release_others();
        } else if (run) {
            k->machine();
        }
        known |= run;
    }
    return known;
}

void dump_register_keys(void) { console_set_keys(press); }
