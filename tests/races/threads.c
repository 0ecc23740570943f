/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The same CPUs as threads of the host, under ThreadSanitizer: four guests do at random, for some seconds, what guests and Dom0 can do to each other.
 * A frame that changes hands while a CPU could still write to it, a counter or list without its lock, a store that nothing orders is a report. Reads that root
 * makes without a lock on purpose, as hints, are named in tsan.supp with the reason. At the end the audit holds.
 * Real: as in explore.c. Time passes, but no timer fires. `threads SECONDS` */
#define FAKES_THREADS
#include "machine.h"

#include <sched.h>

#define BALLOON 9UL
#define REFS 8U

#define must(cond, what) do { if (!(cond)) { fprintf(stderr, "threads: %s (%s:%d)\n", what, __FILE__, __LINE__); abort(); } } while (0)

static bool over, dom0_left; /* atomic */
static unsigned long done[CPUS], audits_made;
static __thread uint64_t seed;

static unsigned rnd(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 20) % n;
}

void race_point(void) {}
void race_wait(void) { (void)sched_yield(); }
/* In guest mode or asleep: no lock is held, and who waits for this CPU's epoch must not wait for ever. Dom0's goes first: it alone waits for more. */
static void leave_if_over(void)
{
    if (!__atomic_load_n(cpu_id() == 0 ? &over : &dom0_left, __ATOMIC_ACQUIRE))
        return;
    __atomic_store_n(&this_cpu()->resting, true, __ATOMIC_SEQ_CST);
    if (cpu_id() == 0)
        __atomic_store_n(&dom0_left, true, __ATOMIC_RELEASE);
    pthread_exit(NULL);
}
void race_sleep(void)
{
    while (!interrupted()) {
        leave_if_over();
        (void)sched_yield();
    }
}

/* ---- what they do ---- */
static struct domain *peer_of(const struct domain *x) { return x == d ? e : d; }
static void event_storm(struct vcpu *v)
{
    struct domain *x = v->domain;
    uint32_t port = 1 + rnd(6), made;
    struct evtchn_status status;
    switch (rnd(7)) {
    case 0: (void)event_alloc(x, (struct event_port){.state = EVTCHNSTAT_unbound, .remote = peer_of(x)->id}, &made); break;
    case 1: {
        struct domain_locked l DOMAIN_GUARD = domain_lock_id(peer_of(x)->id);
        if (l.d)
            (void)event_bind_interdomain(x, l.d, port, &made);
        break;
    }
    case 2: (void)event_close(x, port, false); break;
    case 3: (void)event_unmask(x, port); break;
    case 4: (void)event_status(x, port, &status); break;
    default: (void)event_send(x, port); break;
    }
}
static void grant_storm(struct vcpu *v)
{
    struct domain *x = v->domain;
    struct gnttab_map_grant_ref map = {.host_addr = (0x40UL + rnd(8)) << 12, .flags = GNTMAP_host_map | (rnd(2) ? GNTMAP_readonly : 0), .ref = rnd(REFS), .dom = peer_of(x)->id};
    struct gnttab_unmap_grant_ref unmap = {.handle = rnd(8)};
    struct gnttab_copy copy = {.source = {.u.ref = rnd(REFS), .domid = peer_of(x)->id, .offset = 64}, .dest = {.u.gmfn = 6, .domid = DOMID_SELF, .offset = (uint16_t)(128 + 64 * v->id)},
                               .len = 8, .flags = GNTCOPY_source_gref};
    if (x->nr_vcpus == 2 && v->id == 1)
        return; /* a domain's handles are its own affair: one vCPU changes them, as a kernel's lock sees to */
    switch (rnd(3)) {
    case 0: grant_map(x, &map, false); break;
    case 1: grant_unmap(x, &unmap); break;
    default: grant_copy(x, &copy); break;
    }
}
/* Pages that vanish and come back, while others write to them. */
static void balloon_storm(struct vcpu *v)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock(v->domain);
    gfn_t g = gfn(BALLOON + rnd(4));
    if (rnd(2))
        (void)physmap_release(l, g, 0);
    else
        (void)physmap_populate(l, g, 0);
    flush_sync(&v->domain->ept);
}
static void copies(struct vcpu *v) { (void)physmap_copy_to(v->domain, gpa(((BALLOON + rnd(4)) << 12) + 256 + 64 * v->id), "x", 1); }
static void touches(struct vcpu *v) /* guest mode */
{
    unsigned me = cpu_id();
    struct ept_leaf leaf;
    gfn_t g = gfn(BALLOON + rnd(4));
    if (!tlb[me].valid || tlb[me].eptp != v->domain->ept.eptp || !gfn_eq(tlb[me].g, g)) {
        if (!ept_lookup(&v->domain->ept, g, &leaf))
            return;
        tlb[me].valid = true;
        tlb[me].eptp = v->domain->ept.eptp;
        tlb[me].g = g;
        tlb[me].h = leaf.hfn;
    }
    host_ram[tlb[me].h.v][512 + 64 * v->id] = 1;
}
static void waits(struct vcpu *v)
{
    uint32_t port = 1 + rnd(6);
    if (rnd(2) && !event_poll_begin(v, &port, 1))
        vcpu_block(v);
    else
        sched_give_way(&v->sched);
}

/* A guest's whole life: one thing after the other. Dom0 wakes whoever waits in vain. */
static void guest_step(struct vcpu *v)
{
    guest_of(v)->at = 0;
    done[cpu_id()]++;
    switch (rnd(8)) {
    case 0: case 1: event_storm(v); break;
    case 2: case 3: grant_storm(v); break;
    case 4: balloon_storm(v); break;
    case 5: copies(v); break;
    case 6: waits(v); break;
    default: break;
    }
}
static void guest_touches(struct vcpu *v)
{
    leave_if_over();
    for (unsigned i = rnd(400); i > 0; i--)
        touches(v);
}

static void guest_rests(struct vcpu *v)
{
    (void)v;
    leave_if_over();
}

static void short_life(void)
{
    struct cbl_domain_create how = {.max_pages = 16, .vcpus = 1};
    struct domain *x;
    if (domain_create(&how, &x) != STATUS_OK)
        return;
    uint16_t id = x->id;
    struct domain_locked l = domain_lock(x);
    (void)physmap_populate(l, gfn(1), 0);
    domain_unlock(l);
    must(domain_destroy(id) == STATUS_OK, "destroy");
}
static void dom0_step(struct vcpu *v)
{
    struct domain *x = rnd(2) ? d : e;
    struct cbl_domain_info info;
    struct cbl_audit a;
    guest_of(v)->at = 0;
    done[cpu_id()]++;
    struct domain_locked l = {NULL};
    switch (rnd(64)) {
    case 0 ... 7: short_life(); break;
    case 8 ... 11:
        l = domain_lock(x);
        domain_pause(l);
        domain_unlock(l);
        l = domain_lock(x);
        must(domain_unpause(l) == STATUS_OK, "unpause");
        domain_unlock(l);
        break;
    case 12 ... 15:
        l = domain_lock(x);
        domain_info(l, &info);
        domain_unlock(l);
        break;
    case 16: sched_set_affinity(&e->vcpus[0]->sched, 2UL << rnd(2)); break;
    case 17:
        audit_run(&a);
        must(a.ok, a.why);
        audits_made++;
        break;
    default:
        for (uint32_t i = 0; i < d->nr_vcpus + 1; i++) {
            struct vcpu *w = i < d->nr_vcpus ? d->vcpus[i] : e->vcpus[0];
            event_poll_end(w);
            vcpu_kick(w);
        }
        break;
    }
}

/* ---- the machine ---- */
static void script(struct domain *x, unsigned vcpu, void (*root)(struct vcpu *), bool memory)
{
    guests[x->id][vcpu] = (struct guest){.step = {{false, memory ? guest_touches : guest_rests}, {true, root}}};
}

static void machine(void)
{
    three_domains(32);
    script(dom0, 0, dom0_step, false);
    for (unsigned k = 0; k < 2; k++)
        script(d, k, guest_step, true);
    script(e, 0, guest_step, true);
    d->vcpus[1]->initialised = true;
    vcpu_up(d->vcpus[1]);
    for (uint32_t r = 0; r < REFS; r++) {
        d->grants->frames[0][r] = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = e->id, .frame = 2 + r};
        e->grants->frames[0][r] = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = d->id, .frame = 2 + r};
    }
    for (uint32_t i = 0; i < CPUS; i++) {
        fake_be(i);
        window_flush();
        fake_cpus[i].resting = false;
    }
}

static void *cpu_main(void *id)
{
    fake_be((uint32_t)(uintptr_t)id);
    seed = 88172645463325252UL + (uintptr_t)id;
    run_cpu();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t cpu[CPUS];
    struct cbl_audit a;
    machine();
    for (uintptr_t i = 0; i < CPUS; i++)
        must(pthread_create(&cpu[i], NULL, cpu_main, (void *)i) == 0, "no thread");
    sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 10);
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < CPUS; i++)
        (void)pthread_join(cpu[i], NULL);
    fake_be(0);
    fake_nr_cpus = 1;
    audit_run(&a);
    must(a.ok, a.why);
    printf("threads: %lu, %lu, %lu steps of the three CPUs, %lu audits while they stood still\n", done[0], done[1], done[2], audits_made);
    must(done[0] > 100 && done[1] > 100 && done[2] > 100 && audits_made > 0, "it did not get anywhere");
    return 0;
}
