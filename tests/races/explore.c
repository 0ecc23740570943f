/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Every order of events, up to a number of preemptions: two or three CPUs run the real run loop as coroutines; at each atomic operation of root (hooks.h)
 * another CPU may go on. All schedules with at most BOUND such switches are run, one after the other, each from the same state of the machine.
 * Real: kernel/run.c, smp.c (kicks, standing still), spinlock.c, sched.c, domain/, hypercall/, ept/, frames, pools, windows. Models: the guests, the TLB, HLT and the
 * interrupt of a kick, VT-x. Memory is sequentially consistent here: what a CPU's store buffer can do in addition is not seen.
 * `explore` runs all scenarios, `explore NAME` one; a violation prints the schedule and ends with 1. tests/races/mutants.py proves that it finds some. */
#include "machine.h"

#include <sys/wait.h>
#include <ucontext.h>

#define MAX_CHOICES 4096U
#define MAX_POINTS 60000U
#define STACK_BYTES (256U << 10)

/* ---- the schedule: not put back between runs ---- */
#pragma clang section bss = "kept"
static struct { uint8_t chosen, of; } choice[MAX_CHOICES];
static unsigned choices, depth, bound;
static unsigned long runs, runs_max;
static const char *scenario;
static char *saved_bss, *saved_data, (*saved_ram)[PAGE_SIZE];
static char stacks[CPUS][STACK_BYTES] __attribute__((aligned(64)));
static ucontext_t main_context, context[CPUS];
#pragma clang section bss = "rootbss"

static bool halted[CPUS], walking[CPUS], exploring, in_hook;
static unsigned arrived, alone;
static void (*after)(void);

static unsigned cpus, now, points, preemptions;

static void failed(const char *what)
{
    fprintf(stderr, "explore: %s: %s, in run %lu, point %u, on CPU %u; choices:", scenario, what, runs, points, now);
    for (unsigned i = 0; i < choices; i++)
        if (choice[i].chosen)
            fprintf(stderr, " %u:%u", i, choice[i].chosen);
    fprintf(stderr, "\n");
    if (getenv("ABORT"))
        abort();
    _exit(1);
}
#define must(cond, what) do { if (!(cond)) failed(what); } while (0)

static void switch_to(unsigned cpu)
{
    unsigned from = now;
    now = cpu;
    fake_be(cpu);
    swapcontext(&context[from], &context[cpu]);
}

/* One of N ways to go on. */
static unsigned choose(unsigned n)
{
    if (choices == depth) {
        must(depth < MAX_CHOICES, "too many choices");
        choice[depth].chosen = 0;
        choice[depth++].of = (uint8_t)n;
    }
    return choice[choices++].chosen;
}

/* Can CPU go on? One that stands still for another's audit only looks whether it is over: nothing to explore. */
static bool can(unsigned cpu) { return !halted[cpu] && !(in_hook && fake_cpus[cpu].parked); }
/* The K-th other CPU that can. */
static unsigned other(unsigned k)
{
    for (unsigned i = 1; i < cpus; i++)
        if (can((now + i) % cpus) && k-- == 0)
            return (now + i) % cpus;
    return now;
}
static unsigned others(void)
{
    unsigned n = 0;
    for (unsigned i = 1; i < cpus; i++)
        n += can((now + i) % cpus);
    return n;
}

void race_point(void)
{
    if (in_hook || !exploring || walking[now])
        return;
    in_hook = true;
    must(++points < MAX_POINTS, "nobody comes to an end");
    for (unsigned i = 0; i < cpus; i++)
        halted[i] = halted[i] && !ipi[i];
    unsigned n = preemptions < bound ? others() : 0, k = n ? choose(n + 1) : 0;
    unsigned to = k ? other(k - 1) : now;
    preemptions += k != 0;
    in_hook = false;
    if (k)
        switch_to(to);
}

/* Whole walks over an EPT, under its lock, read thousands of entries: nothing to explore, but in what is done with each leaf. The linker puts this first. */
struct walk { bool (*fn)(gfn_t g, const struct ept_leaf *leaf, void *ctx); void *ctx; };
static bool walk_leaf(gfn_t g, const struct ept_leaf *l, void *ctx)
{
    const struct walk *w = ctx;
    walking[now] = false;
    bool more = w->fn(g, l, w->ctx);
    walking[now] = true;
    return more;
}
void __real_ept_walk(const struct ept *x, gfn_t first, gfn_t last, bool (*fn)(gfn_t g, const struct ept_leaf *leaf, void *ctx), void *ctx);
void __wrap_ept_walk(const struct ept *x, gfn_t first, gfn_t last, bool (*fn)(gfn_t g, const struct ept_leaf *leaf, void *ctx), void *ctx);
void __wrap_ept_walk(const struct ept *x, gfn_t first, gfn_t last, bool (*fn)(gfn_t g, const struct ept_leaf *leaf, void *ctx), void *ctx)
{
    struct walk w = {fn, ctx};
    walking[now] = true;
    __real_ept_walk(x, first, last, walk_leaf, &w);
    walking[now] = false;
}

void race_wait(void)
{
    must(++points < MAX_POINTS, "somebody waits in vain");
    for (unsigned i = 0; i < cpus; i++)
        halted[i] = halted[i] && !ipi[i];
    if (others() > 0)
        switch_to(other(0));
    else /* what it waits for may have come since it looked */
        must(++alone < 1000, "a CPU waits, and all others sleep");
}

/* When all sleep this run is over. */
void race_sleep(void)
{
    while (!interrupted()) {
        halted[now] = true;
        for (unsigned i = 0; i < cpus; i++)
            halted[i] = halted[i] && !ipi[i];
        if (!halted[now])
            continue;
        if (others() == 0)
            setcontext(&main_context);
        unsigned n = others();
        switch_to(other(n > 1 && exploring ? choose(n) : 0));
    }
}

/* Exploring begins when each CPU has come to its first step. */
static void ready(struct vcpu *v)
{
    (void)v;
    if (++arrived == cpus)
        exploring = true;
    while (arrived < cpus)
        race_wait();
}

/* ---- the machine, and back to it ---- */
extern char __start_rootbss[], __stop_rootbss[], __start_rootdata[], __stop_rootdata[];

static void save(void)
{
    size_t bss = (size_t)(__stop_rootbss - __start_rootbss), data = (size_t)(__stop_rootdata - __start_rootdata);
    saved_bss = saved_bss ? saved_bss : malloc(bss);
    saved_data = saved_data ? saved_data : malloc(data);
    saved_ram = saved_ram ? saved_ram : malloc(sizeof(host_ram));
    memset(fake_touched, 0, sizeof(fake_touched));
    (memcpy)(saved_bss, __start_rootbss, bss);
    (memcpy)(saved_data, __start_rootdata, data);
    (memcpy)(saved_ram, host_ram, sizeof(host_ram));
}

static void restore(void)
{
    for (size_t f = FAKE_FIRST_FREE; f < HOST_FRAMES; f++)
        if (fake_touched[f] || ((frame_test_table[f] & DESC_TYPE) != FRAME_GUEST && (frame_test_table[f] & DESC_TYPE) != FRAME_FREE))
            if (f < 512 || f >= 1024)
                (memcpy)(host_ram[f], saved_ram[f], PAGE_SIZE);
    (memcpy)(__start_rootbss, saved_bss, (size_t)(__stop_rootbss - __start_rootbss));
    (memcpy)(__start_rootdata, saved_data, (size_t)(__stop_rootdata - __start_rootdata));
}

/* Each scenario is a process, so that it begins with a new machine. */
static bool in_child(void)
{
    int status;
    fflush(stdout);
    if (fork() == 0)
        return true;
    if (wait(&status) < 0 || status != 0) {
        if (!WIFEXITED(status))
            fprintf(stderr, "explore: %s: crashed\n", scenario ? scenario : "a scenario");
        _exit(1);
    }
    return false;
}
#define SCENARIO for (bool once = in_child(); once; once = false, fflush(stdout), _exit(0))

static void cpu_runs(void) { run_cpu(); }

/* All schedules of the machine as it is now, with at most PREEMPTIONS switches. */
static void explore(const char *name, unsigned nr_cpus, unsigned preempt, void (*judge)(void))
{
    scenario = name;
    bound = preempt;
    depth = 0;
    runs = 0;
    cpus = nr_cpus;
    after = judge;
    for (uint32_t i = 0; i < cpus; i++) {
        fake_be(i);
        window_flush();
        fake_cpus[i].resting = false;
    }
    save();
    do {
        runs++;
        restore();
        choices = 0;
        for (unsigned i = 0; i < cpus; i++) {
            getcontext(&context[i]);
            context[i].uc_stack.ss_sp = stacks[i];
            context[i].uc_stack.ss_size = STACK_BYTES;
            makecontext(&context[i], cpu_runs, 0);
        }
        now = 0;
        fake_be(0);
        swapcontext(&main_context, &context[0]);
        exploring = false;
        must(arrived == cpus, "a CPU never began");
        fake_be(0);
        after();
        while (depth > choices || (depth > 0 && choice[depth - 1].chosen + 1U == choice[depth - 1].of))
            depth--;
        if (depth > 0)
            choice[depth - 1].chosen++;
    } while (depth > 0 && runs < runs_max);
    printf("%-44s %u CPUs, %u preemptions: %8lu schedules%s\n", name, cpus, bound, runs, depth > 0 ? " (not all)" : "");
    fflush(stdout);
    restore();
}

/* ---- scenarios ---- */
static uint32_t port_d, port_e; /* the two ends of a channel */
#define PAGE_GONE 9UL
#define REF 3U

static void script(struct domain *x, unsigned vcpu, const struct step *s, size_t n)
{
    struct guest *g = &guests[x->id][vcpu];
    *g = (struct guest){.step = {{true, ready}}};
    for (size_t i = 0; i < n; i++)
        g->step[i + 1] = s[i];
}
#define SCRIPT(x, vcpu, ...) script(x, vcpu, (const struct step[]){__VA_ARGS__}, sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void machine(void)
{
    three_domains(64);
    d->grants->frames[0][REF] = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = e->id, .frame = 5};
    e->grants->frames[0][REF] = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = d->id, .frame = 5};
    must(event_alloc(e, (struct event_port){.state = EVTCHNSTAT_unbound, .remote = d->id}, &port_e) == STATUS_OK, "port");
    must(event_bind_interdomain(d, e, port_e, &port_d) == STATUS_OK, "bind");
    struct shared_info *s = d->shared_info;
    s->evtchn_pending[0] = s->vcpu_info[0].evtchn_pending_sel = s->vcpu_info[0].evtchn_upcall_pending = 0;
    while (frame_scrub_step(512))
        continue;
}

/* Only two CPUs: E's vCPU on the first, D's on the second. */
static void two_cpus(void)
{
    fake_nr_cpus = 2;
    on_cpu(e, 0, 0);
    on_cpu(d, 1, 1);
}

static void sound(void)
{
    struct cbl_audit a;
    fake_nr_cpus = 1; /* nobody has to be stopped: all sleep */
    audit_run(&a);
    must(a.ok, a.why);
}

/* ---- events ---- */
static void sends(struct vcpu *v) { must(event_send(v->domain, v->domain == e ? port_e : port_d) == STATUS_OK, "send"); }
static void unmasks(struct vcpu *v) { must(event_unmask(v->domain, port_d) == STATUS_OK, "unmask"); }
static void masks(struct vcpu *v) { __atomic_fetch_or(&((struct shared_info *)v->domain->shared_info)->evtchn_mask[0], 1UL << port_d, __ATOMIC_SEQ_CST); }
static void polls(struct vcpu *v)
{
    if (!event_poll_begin(v, &port_d, 1))
        vcpu_block(v);
}

/* In guest mode, without an exit of its own, until an event has come. */
static void computes(struct vcpu *v)
{
    struct guest *g = guest_of(v);
    if (g->handled)
        return;
    g->at--;
    race_wait();
}

static void nothing_lost(void)
{
    const struct shared_info *s = d->shared_info;
    must(!(s->evtchn_pending[0] & ~s->evtchn_mask[0]), "an event is pending, and the guest sleeps");
    must(!s->vcpu_info[0].evtchn_upcall_pending, "an upcall is pending, and the guest sleeps");
    must(guests[d->id][0].handled >= 1, "an event was lost");
    sound();
}
static void poll_ended(void)
{
    must(guests[d->id][0].at == 3, "the wait for a masked port does not end");
    must(!d->vcpus[0]->polling, "it still polls");
    sound();
}
static void nop(struct vcpu *v) { (void)v; }

static void events(unsigned more)
{
    SCENARIO {
        machine();
        two_cpus();
        SCRIPT(e, 0, {true, sends}, {true, sends});
        SCRIPT(d, 0, {true, nop});
        explore("events to a guest that falls asleep", 2, 2 + more, nothing_lost);
    }
    SCENARIO {
        machine();
        two_cpus();
        SCRIPT(e, 0, {true, sends}, {true, sends});
        SCRIPT(d, 0, {false, masks}, {true, unmasks});
        explore("events while the port is masked and unmasked", 2, 2 + more, nothing_lost);
    }
    SCENARIO {
        machine();
        two_cpus();
        SCRIPT(e, 0, {true, sends});
        SCRIPT(d, 0, {false, computes});
        explore("events to a guest that computes", 2, 2 + more, nothing_lost);
    }
    SCENARIO {
        machine();
        two_cpus();
        masks(d->vcpus[0]);
        SCRIPT(e, 0, {true, sends});
        SCRIPT(d, 0, {true, polls}, {true, nop});
        explore("a poll for a masked port", 2, 2 + more, poll_ended);
    }
}

/* ---- vCPUs: blocking, waking, holding ---- */
static void pauses(struct vcpu *v)
{
    (void)v;
    struct domain_locked l = domain_lock(d);
    domain_pause(l);
    domain_unlock(l);
}
static void unpauses(struct vcpu *v)
{
    (void)v;
    struct domain_locked l DOMAIN_GUARD = domain_lock(d);
    must(domain_unpause(l) == STATUS_OK, "unpause");
}
static void moves(struct vcpu *v)
{
    (void)v;
    sched_set_affinity(&d->vcpus[0]->sched, 1);
}
static void blocks(struct vcpu *v) { vcpu_block(v); }

static void vcpus(unsigned more)
{
    SCENARIO {
        machine();
        two_cpus();
        SCRIPT(e, 0, {true, pauses}, {true, unpauses}, {true, sends});
        SCRIPT(d, 0, {true, blocks});
        explore("paused and let go while it blocks", 2, 2 + more, nothing_lost);
    }
    SCENARIO {
        machine();
        two_cpus();
        SCRIPT(e, 0, {true, moves}, {true, sends});
        SCRIPT(d, 0, {true, blocks});
        explore("moved to another CPU while it blocks", 2, 2 + more, nothing_lost);
    }
}

/* ---- flush epochs: a page given up, and its frame in another's hands ---- */
static hfn_t gone; /* the frame */
static void touches(struct vcpu *v) /* in guest mode, through the TLB */
{
    unsigned me = cpu_id();
    struct ept_leaf leaf;
    if (!tlb[me].valid || tlb[me].eptp != v->domain->ept.eptp) {
        if (!ept_lookup(&v->domain->ept, gfn(PAGE_GONE), &leaf))
            return;
        tlb[me].valid = true;
        tlb[me].eptp = v->domain->ept.eptp;
        tlb[me].h = leaf.hfn;
    }
    race_point();
    must(frame_owner(tlb[me].h) == v->domain->id && frame_type(tlb[me].h) == FRAME_GUEST, "a guest writes to a frame that is no longer its own");
    host_ram[tlb[me].h.v][8] = 1;
}
static void copies(struct vcpu *v) /* root on behalf of a guest, without the domain's lock */
{
    (void)physmap_copy_to(v->domain, gpa((PAGE_GONE << 12) + 16), "x", 1);
}
static void gives_up(struct vcpu *v)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock(v->domain);
    must(physmap_release(l, gfn(PAGE_GONE), 0) == STATUS_OK, "release");
    flush_sync(&v->domain->ept);
}
static void takes(struct vcpu *v)
{
    struct domain *to = v->domain == e ? e : dom0;
    struct domain_locked l DOMAIN_GUARD = domain_lock(to);
    (void)physmap_populate(l, gfn(0x30), 0); /* no other frame is free: it gets this one, or none */
}
static bool given_up;
static void gave_up(struct vcpu *v)
{
    gives_up(v);
    given_up = true;
}
static void computes_until(struct vcpu *v)
{
    if (given_up)
        return;
    guest_of(v)->at--;
    race_wait();
}
static void page_clean(void)
{
    struct ept_leaf leaf;
    struct domain *to = frame_owner(gone) == e->id ? e : dom0;
    if (frame_type(gone) == FRAME_GUEST && ept_lookup(&to->ept, gfn(0x30), &leaf) && hfn_eq(leaf.hfn, gone))
        must(host_ram[gone.v][8] == 0 && host_ram[gone.v][16] == 0, "what one domain wrote is in the page of another");
    must(frame_type(gone) == FRAME_FREE || frame_owner(gone) != d->id, "the page is still there");
}
static void find_gone(void)
{
    struct ept_leaf leaf;
    must(ept_lookup(&d->ept, gfn(PAGE_GONE), &leaf), "no page");
    gone = leaf.hfn;
    for (hfn_t f; frame_alloc(0, FRAME_OWNER_ROOT, FRAME_ROOT, &f) == STATUS_OK;) /* all that is free */
        continue;
}
static void d1_runs(void)
{
    d->vcpus[1]->initialised = true;
    vcpu_up(d->vcpus[1]);
}

/* D's two vCPUs, each on a CPU of its own. */
static void both_run(void)
{
    machine();
    fake_nr_cpus = 2;
    on_cpu(d, 0, 0);
    on_cpu(d, 1, 1);
    d1_runs();
}

static void flushes(unsigned more)
{
    SCENARIO {
        both_run();
        find_gone();
        SCRIPT(d, 0, {true, gives_up}, {true, takes});
        SCRIPT(d, 1, {false, touches}, {true, copies}, {false, touches});
        explore("a page given up while another vCPU uses it", 2, 2 + more, page_clean);
    }
    SCENARIO {
        both_run();
        find_gone();
        SCRIPT(d, 0, {true, gave_up}, {true, takes});
        SCRIPT(d, 1, {false, touches}, {false, computes_until}, {false, touches});
        explore("a page given up while another vCPU computes", 2, 2 + more, page_clean);
    }
    SCENARIO {
        machine();
        d1_runs();
        find_gone();
        on_cpu(d, 0, 0);
        on_cpu(d, 1, 1);
        on_cpu(e, 0, 2);
        SCRIPT(d, 0, {true, gives_up});
        SCRIPT(d, 1, {true, copies}, {false, touches});
        SCRIPT(e, 0, {true, takes});
        explore("a page given up, used, and taken by a third", 3, 1 + more, page_clean);
    }
}

/* A gfn whose table does not exist yet: the lookup comes upon it while it is made, or unmade. */
#define FAR 0x600UL
static void copies_far(struct vcpu *v) { (void)physmap_copy_to(v->domain, gpa((FAR << 12) + 16), "\xff", 1); }
static void makes_far(struct vcpu *v)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock(v->domain);
    must(physmap_populate(l, gfn(FAR + 9), 0) == STATUS_OK, "populate");
}
/* A mapping given back without the domain's lock held to the end, while another vCPU gives a page up. */
static void unmaps_grant(struct vcpu *v);
static void maps_grant(struct vcpu *v);
static uint16_t id_d;
static void table_untouched(void) { sound(); }
static void nothing_waits(void)
{
    must(frame_type(gone) == FRAME_FREE, "a page given up waits in quarantine, and nobody is going to free it");
    sound();
}
static void others_of_d(unsigned more)
{
    SCENARIO {
        both_run();
        SCRIPT(d, 0, {true, makes_far});
        SCRIPT(d, 1, {true, copies_far}, {true, copies_far});
        explore("a lookup where a table is being made", 2, 2 + more, table_untouched);
    }
    SCENARIO {
        struct ept_leaf leaf;
        both_run();
        id_d = d->id;
        must(ept_lookup(&d->ept, gfn(PAGE_GONE), &leaf), "no page");
        gone = leaf.hfn;
        maps_grant(d->vcpus[1]);
        SCRIPT(d, 0, {true, gives_up});
        SCRIPT(d, 1, {true, unmaps_grant});
        explore("a page given up while a grant is unmapped", 2, 2 + more, nothing_waits);
    }
}

/* ---- the end of a domain against everything ---- */
static void destroys(struct vcpu *v)
{
    (void)v;
    must(domain_destroy(id_d) == STATUS_OK, "destroy");
}
static void maps_grant(struct vcpu *v)
{
    struct gnttab_map_grant_ref op = {.host_addr = 0x40UL << 12, .flags = GNTMAP_host_map, .ref = REF, .dom = v->domain == e ? id_d : 2};
    grant_map(v->domain, &op, false);
}
static void unmaps_grant(struct vcpu *v)
{
    struct gnttab_unmap_grant_ref op = {.handle = 0};
    grant_unmap(v->domain, &op);
}
static void copies_grant(struct vcpu *v)
{
    struct gnttab_copy op = {.source = {.u.ref = REF, .domid = v->domain == e ? id_d : 2}, .dest = {.u.gmfn = 6, .domid = DOMID_SELF}, .len = 8, .flags = GNTCOPY_source_gref};
    grant_copy(v->domain, &op);
}
static void any_send(struct vcpu *v) { (void)event_send(v->domain, v->domain == e ? port_e : port_d); }
static void binds(struct vcpu *v)
{
    uint32_t port;
    struct domain_locked l DOMAIN_GUARD = domain_lock_id(v->domain == e ? id_d : 2);
    if (l.d)
        (void)event_bind_interdomain(v->domain, l.d, 2, &port);
}
static void closes(struct vcpu *v) { (void)event_close(v->domain, v->domain == e ? port_e : port_d, false); }
static void releases(struct vcpu *v)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock(v->domain);
    (void)physmap_release(l, gfn(PAGE_GONE), 0);
    flush_sync(&v->domain->ept);
}
static void ends_itself(struct vcpu *v) { domain_shutdown(v->domain, CBL_SHUTDOWN_POWEROFF); }
static void asks_about(struct vcpu *v)
{
    (void)v;
    struct cbl_domain_info info;
    struct domain_locked l DOMAIN_GUARD = domain_lock_any(id_d);
    if (l.d)
        domain_info(l, &info);
}
static void audits(struct vcpu *v)
{
    struct cbl_audit a;
    (void)v;
    audit_run(&a);
    must(a.ok, a.why);
}

static void gone_for_good(void)
{
    fake_nr_cpus = 1;
    grant_release_mappings(e);
    must(!domain_peek(id_d), "the domain does not vanish");
    struct frame_stats s = frame_stats();
    must(s.by_type[FRAME_GUEST] == dom0->pages + e->pages && s.by_type[FRAME_EPT] == dom0->ept.tables_used + e->ept.tables_used && s.by_type[FRAME_VMX] == 2,
         "frames of the dead domain are left");
    must(e->grants->frames[0][REF].flags == GTF_permit_access, "a grant to the dead domain is still in use");
    sound();
}

static void ends(unsigned more)
{
    static const struct { const char *name; bool its_own; struct step a, b; } against[] = {
        {"destroyed while it sends", true, {true, any_send}, {true, any_send}}, {"destroyed while it maps a grant", true, {true, maps_grant}, {true, unmaps_grant}},
        {"destroyed while it copies by a grant", true, {true, copies_grant}, {true, copies_grant}}, {"destroyed while it gives a page up", true, {true, releases}, {true, any_send}},
        {"destroyed while it closes a port and binds", true, {true, closes}, {true, binds}}, {"destroyed while it polls", true, {true, polls}, {true, nop}},
        {"destroyed while it ends itself", true, {true, ends_itself}, {true, nop}}, {"destroyed while it writes memory", true, {false, touches}, {true, copies}},
        {"destroyed while another sends to it", false, {true, any_send}, {true, any_send}}, {"destroyed while another maps its grant", false, {true, maps_grant}, {true, unmaps_grant}},
        {"destroyed while another copies from it", false, {true, copies_grant}, {true, copies_grant}}, {"destroyed while another closes and binds", false, {true, closes}, {true, binds}},
        {"destroyed while another asks about it", false, {true, asks_about}, {true, asks_about}}, {"destroyed while another runs the audit", false, {true, audits}, {true, nop}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(against); i++) {
        SCENARIO {
            machine();
            id_d = d->id;
            fake_nr_cpus = 2;
            on_cpu(e, 0, 1);
            SCRIPT(dom0, 0, {true, destroys});
            SCRIPT(against[i].its_own ? d : e, 0, against[i].a, against[i].b);
            explore(against[i].name, 2, 1 + more, gone_for_good);
        }
    }
    SCENARIO {
        machine();
        id_d = d->id;
        SCRIPT(dom0, 0, {true, destroys});
        SCRIPT(d, 0, {true, maps_grant}, {true, any_send});
        SCRIPT(e, 0, {true, copies_grant}, {true, maps_grant});
        explore("destroyed while it and another use each other", 3, 1, gone_for_good);
    }
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*run)(unsigned more); } all[] = {{"events", events}, {"vcpus", vcpus}, {"flushes", flushes}, {"lookups", others_of_d}, {"ends", ends}};
    unsigned more = getenv("MORE") ? (unsigned)atoi(getenv("MORE")) : 0; /* preemptions */
    runs_max = getenv("RUNS") ? strtoul(getenv("RUNS"), NULL, 10) : 100000;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (argc > 1 && strcmp(argv[1], all[i].name) != 0)
            continue;
        all[i].run(more);
    }
    return 0;
}
