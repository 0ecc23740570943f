/* SPDX-License-Identifier: Apache-2.0
 * [HOST] No memory, at every place where the hypervisor asks for some: each operation that allocates runs again and again with its first, second, … allocation
 * failing, and with that and all later ones, through the real frame allocator, pools, EPT and vmx/vcpu.c. It answers with an error, nothing panics, the audit
 * holds, the books are as before, the same operation then works, and when all guests have ended nothing of theirs is left. Each try is a process of its own.
 * With ALLOC_SITES=FILE the return addresses of each failure are written down: tests/alloc_sites.py tells which call sites of root were never reached. */
#define FAKES_REAL_MEMORY
#define FAKES_REAL_VCPU
#define FAKES_NOTE_FAILURE
#include "vmx/setup.h"
#include "vmx/switch.h"
#include "vmx/vmcs.h"
#include "domain_fakes.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "kernel/domain/dom0.h"

#include <xen/memory.h>

#define ARG 0x2000UL
#define LIST 0x3000UL
#define LARGE 512UL  /* a 2 MiB page of `d` */
#define SCRATCH (1UL << 13)
#define REF 5U

/* ---- which call sites failed: return addresses, shared with the children ---- */
#define SITES_MAX 4096U
static struct { unsigned nr; uint64_t at[SITES_MAX]; } *sites;
extern const char __executable_start[], etext[];
static void fake_failure_noted(void)
{
    for (uint64_t *frame = __builtin_frame_address(0); frame && frame[1] >= (uint64_t)__executable_start && frame[1] < (uint64_t)etext; frame = (uint64_t *)frame[0]) {
        unsigned i = 0;
        while (i < sites->nr && sites->at[i] != frame[1])
            i++;
        if (i == sites->nr && i < SITES_MAX)
            sites->at[sites->nr++] = frame[1];
        if (frame[0] <= (uint64_t)frame)
            break;
    }
}

/* ---- the machine ---- */
static struct domain *dom0, *d, *e;

static int64_t call(struct domain *who, uint64_t nr, uint64_t cmd, void *arg, size_t size)
{
    struct vmx_gprs *g = &who->vcpus[0]->vmx.gprs;
    assert_int_equal(physmap_copy_to(who, gpa(ARG), arg, size), STATUS_OK);
    *g = (struct vmx_gprs){.rax = nr, .rdi = cmd, .rsi = ARG, .rdx = 1};
    (void)hypercall_dispatch(who->vcpus[0]);
    assert_int_equal(physmap_copy_from(who, arg, gpa(ARG), size), STATUS_OK);
    return (int64_t)g->rax;
}
static void grant_entry(struct domain *of, uint32_t ref, uint16_t to, uint32_t gfn_nr)
{
    of->grants->frames[0][ref] = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = to, .frame = gfn_nr};
}

/* Dom0, a guest with a large page, and another; grants of both, but no page of ports, handles or uses yet. */
static int setup(void **state)
{
    (void)state;
    cpu_features.phys_bits = 26;
    fake_boot_info.dom0_scratch = SCRATCH;
    fake_nx_large = true;
    fake_machine();
    dom0 = fake_dom0();
    d = fake_domu(24, 1);
    e = fake_domu(16, 1);
    d->max_pages = d->created_pages = e->max_pages = e->created_pages = 800;
    struct domain_locked l = domain_lock(d);
    assert_int_equal(physmap_populate(l, gfn(LARGE), 9), STATUS_OK);
    domain_unlock(l);
    struct domain *all[] = {dom0, d, e};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        l = domain_lock(all[i]);
        assert_int_equal(grant_map_frame(l, 0, gfn(0x20)), STATUS_OK);
        flush_sync(&all[i]->ept);
        domain_unlock(l);
    }
    grant_entry(d, REF, 0, 9);
    grant_entry(d, REF + 1, e->id, 10);
    return 0;
}

/* ---- operations: 0 or a positive result is success ---- */
static int64_t populate(struct domain *of, uint64_t at, uint16_t order)
{
    struct cbl_mem_units a = {.domid = of->id, .order = order, .nr = 1, .gfn = at};
    return call(dom0, CBL_HYPERCALL, 7, &a, sizeof(a));
}
static int64_t balloon(struct domain *who, uint64_t cmd, uint64_t at)
{
    struct { uint64_t list, nr; uint32_t order, flags; uint16_t domid, pad[3]; } a = {LIST, 1, 0, 0, DOMID_SELF, {0}};
    assert_int_equal(physmap_copy_to(who, gpa(LIST), &at, sizeof(at)), STATUS_OK);
    return call(who, 12, cmd, &a, sizeof(a)) == 1 ? 0 : -12;
}
static int64_t foreign(uint64_t from, uint32_t nr)
{
    struct cbl_map_foreign a = {.domid = d->id, .writable = 1, .nr = nr, .gfn = from, .at_gfn = SCRATCH};
    int64_t r = call(dom0, CBL_HYPERCALL, 9, &a, sizeof(a));
    assert_int_equal(a.done, r == 0 ? nr : 0);
    return r;
}
static int64_t add(struct domain *who, uint16_t space, uint64_t idx, uint64_t at)
{
    struct xen_add_to_physmap a = {.domid = DOMID_SELF, .space = space, .idx = idx, .gpfn = at};
    return call(who, 12, XENMEM_add_to_physmap, &a, sizeof(a));
}
static int64_t unbound(struct domain *who, uint16_t remote, uint32_t *port)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = remote};
    int64_t r = call(who, 32, EVTCHNOP_alloc_unbound, &a, sizeof(a));
    *port = a.port;
    return r;
}

static int64_t do_create(void)
{
    struct cbl_domain_create a = {.max_pages = 64, .vcpus = 3};
    return call(dom0, CBL_HYPERCALL, 2, &a, sizeof(a));
}
static int64_t do_populate(void) { return populate(d, 0x1000, 0); }
static int64_t do_populate_large(void) { return populate(e, 1024, 9); }
static int64_t do_populate_own(void) { return balloon(d, XENMEM_populate_physmap, 0x1800); }
static int64_t do_release_of_large(void) { return balloon(d, XENMEM_decrease_reservation, LARGE + 7); }
static int64_t do_release(void)
{
    struct cbl_mem_units a = {.domid = d->id, .nr = 1, .gfn = LARGE + 9};
    struct domain_locked l = domain_lock(d);
    domain_pause(l);
    domain_unlock(l);
    int64_t r = call(dom0, CBL_HYPERCALL, 8, &a, sizeof(a));
    l = domain_lock(d);
    assert_int_equal(domain_unpause(l), STATUS_OK);
    domain_unlock(l);
    return r;
}
static int64_t do_foreign(void) { return foreign(3, 1); }
static int64_t do_foreign_large(void) { return foreign(LARGE, 512); }
static int64_t do_unmap_of_large(void)
{
    struct cbl_unmap_foreign a = {.at_gfn = SCRATCH + 5, .nr = 1};
    return call(dom0, CBL_HYPERCALL, 10, &a, sizeof(a));
}
static void mapped_large(void) { assert_int_equal(do_foreign_large(), 0); }
static int64_t do_mmio(void)
{
    struct cbl_map_mmio a = {.gfn = 0x1900, .nr = 3};
    return call(dom0, CBL_HYPERCALL, 11, &a, sizeof(a));
}
static int64_t do_mmio_large(void)
{
    struct cbl_map_mmio a = {.gfn = 0x1a00, .nr = 512};
    return call(dom0, CBL_HYPERCALL, 11, &a, sizeof(a));
}
static int64_t do_shared_info(void) { return add(d, XENMAPSPACE_shared_info, 0, 0x1400); }
static int64_t do_shared_info_in_large(void) { return add(d, XENMAPSPACE_shared_info, 0, LARGE + 3); }
static int64_t do_grant_frames(void) { return add(e, XENMAPSPACE_grant_table, 3, 0x1400); }
static int64_t do_grant_map(void)
{
    struct gnttab_map_grant_ref a = {.host_addr = 0x1c00UL << 12, .flags = GNTMAP_host_map, .ref = REF, .dom = d->id};
    assert_int_equal(call(dom0, 20, GNTTABOP_map_grant_ref, &a, sizeof(a)), 0);
    return a.status;
}
static int64_t do_grant_copy(void)
{
    struct gnttab_copy a = {.source = {.u.ref = REF + 1, .domid = d->id}, .dest = {.u.gmfn = 4, .domid = DOMID_SELF}, .len = 100, .flags = GNTCOPY_source_gref};
    assert_int_equal(call(e, 20, GNTTABOP_copy, &a, sizeof(a)), 0);
    return a.status;
}
static int64_t do_port(void)
{
    uint32_t port;
    return unbound(d, 0, &port);
}
static int64_t do_ipi(void)
{
    struct evtchn_bind_ipi a = {.vcpu = 0};
    return call(d, 32, EVTCHNOP_bind_ipi, &a, sizeof(a));
}
static int64_t do_virq(void)
{
    struct evtchn_bind_virq a = {.virq = VIRQ_TIMER};
    return call(d, 32, EVTCHNOP_bind_virq, &a, sizeof(a));
}
static uint32_t rport;
static void has_port(void) { assert_int_equal(unbound(d, e->id, &rport), 0); }
static int64_t do_interdomain(void)
{
    struct evtchn_bind_interdomain a = {.remote_dom = d->id, .remote_port = rport};
    return call(e, 32, EVTCHNOP_bind_interdomain, &a, sizeof(a));
}
static int64_t do_irq(void)
{
    struct cbl_irq_bind a = {.gsi = 14, .flags = ~0U};
    return call(dom0, CBL_HYPERCALL, 18, &a, sizeof(a));
}
static int64_t do_msi(void)
{
    struct cbl_msi_bind a = {0};
    return call(dom0, CBL_HYPERCALL, 20, &a, sizeof(a));
}
static int64_t do_split_exec(void)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock(d);
    enum status s = ept_split_exec(&d->ept, gfn(LARGE + 1));
    flush_sync(&d->ept);
    return -(int64_t)s;
}
static int64_t do_audit(void)
{
    struct cbl_audit a;
    audit_run(&a);
    return a.ok ? 0 : -12;
}
static int64_t do_destroy(void)
{
    struct cbl_domain_ref a = {.domid = e->id};
    return call(dom0, CBL_HYPERCALL, 3, &a, sizeof(a));
}
static void granted(void)
{
    struct gnttab_map_grant_ref a = {.host_addr = 0x30UL << 12, .flags = GNTMAP_host_map, .ref = REF + 1, .dom = d->id};
    assert_int_equal(call(e, 20, GNTTABOP_map_grant_ref, &a, sizeof(a)), 0);
    assert_int_equal(a.status, GNTST_okay);
    has_port();
    assert_int_equal(do_interdomain(), 0);
}
static int64_t do_grant_unmap(void)
{
    struct gnttab_unmap_grant_ref a = {.host_addr = 0x30UL << 12, .handle = 0};
    assert_int_equal(call(e, 20, GNTTABOP_unmap_grant_ref, &a, sizeof(a)), 0);
    return a.status;
}

enum { ALLOCATES = 1, ONCE = 2, ABSORBS = 4 }; /* it allocates; a second time it cannot work; a failure may be answered by doing with less */
static const struct operation { const char *name; void (*before)(void); int64_t (*run)(void); unsigned what; } operations[] = {
    {"domain create", NULL, do_create, ALLOCATES}, {"domain destroy", NULL, do_destroy, ONCE}, {"domain destroy, in use", granted, do_destroy, ONCE},
    {"populate", NULL, do_populate, ALLOCATES}, {"populate 2 MiB", NULL, do_populate_large, ALLOCATES}, {"balloon up", NULL, do_populate_own, ALLOCATES},
    {"balloon down, in a large page", NULL, do_release_of_large, ALLOCATES}, {"release, in a large page", NULL, do_release, ALLOCATES},
    {"map foreign", NULL, do_foreign, ALLOCATES}, {"map foreign 2 MiB", NULL, do_foreign_large, ONCE},
    {"unmap foreign, in a large page", mapped_large, do_unmap_of_large, ALLOCATES}, {"map device memory", NULL, do_mmio, ALLOCATES},
    {"map device memory 2 MiB", NULL, do_mmio_large, ONCE}, {"shared_info", NULL, do_shared_info, ALLOCATES},
    {"shared_info, in a large page", NULL, do_shared_info_in_large, ALLOCATES}, {"grant frames", NULL, do_grant_frames, ALLOCATES},
    {"grant map", NULL, do_grant_map, ALLOCATES}, {"grant copy", NULL, do_grant_copy, ALLOCATES}, {"grant unmap", granted, do_grant_unmap, ONCE},
    {"port", NULL, do_port, ALLOCATES}, {"IPI port", NULL, do_ipi, ALLOCATES}, {"VIRQ port", NULL, do_virq, ALLOCATES}, {"interdomain port", has_port, do_interdomain, ALLOCATES},
    {"IRQ", NULL, do_irq, ALLOCATES}, {"MSI", NULL, do_msi, ALLOCATES}, {"first fetch from a large page", NULL, do_split_exec, ALLOCATES},
    {"audit", NULL, do_audit, ALLOCATES | ABSORBS},
};

/* ---- what must hold ---- */
struct books { uint64_t guest, ept, vmx, shared, root, pages[3], ports[3]; uint32_t tables[3]; };
static struct books books(void)
{
    struct frame_stats s = frame_stats();
    struct books b = {s.by_type[FRAME_GUEST], s.by_type[FRAME_EPT], s.by_type[FRAME_VMX], s.by_type[FRAME_SHARED], s.by_type[FRAME_ROOT], {0}, {0}, {0}};
    struct domain *all[] = {dom0, d, domain_peek(2)};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (all[i]) {
            b.pages[i] = all[i]->pages;
            b.ports[i] = all[i]->events->used;
            b.tables[i] = all[i]->ept.tables_used;
        }
    }
    return b;
}

/* Pages of tables that the failed call got before stay for the next; a grant table keeps frames that it has got. */
static void same_books(const struct books *a, const struct books *b)
{
    assert_int_equal(a->guest, b->guest);
    assert_int_equal(a->ept, b->ept);
    assert_int_equal(a->vmx, b->vmx);
    assert_in_range(b->shared, a->shared, a->shared + 3);
    assert_in_range(b->root, a->root, a->root + 6);
    assert_memory_equal(a->pages, b->pages, sizeof(a->pages));
    assert_memory_equal(a->ports, b->ports, sizeof(a->ports));
    assert_memory_equal(a->tables, b->tables, sizeof(a->tables));
}

static void all_end(void)
{
    grant_release_mappings(dom0);
    for (uint64_t g = SCRATCH; g < SCRATCH + 512; g++)
        (void)physmap_unmap_foreign(dom0, gfn(g), 1);
    flush_sync(&dom0->ept);
    for (uint16_t id = 1; id < 8; id++) {
        struct domain *x = domain_peek(id);
        if (x)
            assert_int_equal(domain_destroy(id), STATUS_OK);
        assert_null(domain_peek(id));
    }
    struct frame_stats s = frame_stats();
    assert_int_equal(s.by_type[FRAME_EPT], dom0->ept.tables_used);
    assert_int_equal(s.by_type[FRAME_VMX], 3);
    assert_int_equal(s.by_type[FRAME_SHARED], 1 + dom0->grants->nr_frames);
    assert_int_equal(s.by_type[FRAME_GUEST], dom0->pages);
    fake_audit();
}

/* A child: 0: an allocation failed, and all was as it should be; 2: there are not so many. */
static int try(const struct operation *o, long n, bool map, bool lasts)
{
    if (o->before)
        o->before();
    struct books before = books();
    fake_failure_lasts = lasts;
    *(map ? &fake_maps_until_failure : &fake_allocs_until_failure) = n;
    int64_t r = o->run();
    bool failed = fake_failures > 0;
    fake_maps_until_failure = fake_allocs_until_failure = -1;
    if (!failed || (o->what & ABSORBS) || !(o->what & ALLOCATES)) {
        assert_true(r >= 0 || (o->what & ABSORBS));
    } else {
        assert_true(r < 0);
        struct books after = books();
        same_books(&before, &after);
        fake_audit();
    }
    fake_audit();
    if (failed && !(o->what & ONCE))
        assert_true(o->run() >= 0);
    all_end();
    return failed ? 0 : 2;
}

static int in_child(const struct operation *o, long n, bool map, bool lasts)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(try(o, n, map, lasts)); /* a failing assertion ends the process otherwise */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 2))
        fail_msg("%s: with %s %ld failing%s", o->name, map ? "mapping" : "allocation", n, lasts ? " and all that follow" : "");
    return WEXITSTATUS(status);
}

/* The first domain of all: no pool has a page yet. */
static int first_domain(long n, bool map)
{
    struct domain *x;
    cpu_features.phys_bits = 26;
    fake_machine();
    struct frame_stats before = frame_stats();
    *(map ? &fake_maps_until_failure : &fake_allocs_until_failure) = n;
    enum status s = domain_create_dom0(64, 1, &x);
    bool failed = fake_failures > 0;
    assert_int_equal(s, failed ? STATUS_NO_MEMORY : STATUS_OK);
    if (!failed)
        return 2;
    struct frame_stats after = frame_stats();
    for (unsigned i = 0; i < FRAME_TYPE_COUNT; i++)
        assert_true(i == FRAME_FREE || i == FRAME_ROOT || after.by_type[i] == before.by_type[i]);
    assert_in_range(after.by_type[FRAME_ROOT], before.by_type[FRAME_ROOT], before.by_type[FRAME_ROOT] + 3); /* a page for each pool, at most */
    assert_null(domain_dom0());
    fake_maps_until_failure = fake_allocs_until_failure = -1;
    assert_int_equal(domain_create_dom0(64, 1, &x), STATUS_OK);
    fake_audit();
    return 0;
}

static void every_allocation_of_the_first_domain_fails(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 2; how++) {
        long n = 0;
        for (int status = 0; status == 0; n++) {
            fflush(NULL);
            pid_t pid = fork();
            if (pid == 0)
                _exit(first_domain(n, how));
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2));
        }
        assert_in_range(n - 1, 8, 20);
    }
}

static void every_allocation_fails(void **state)
{
    (void)state;
    unsigned tries = 0;
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        for (unsigned how = 0; how < 4; how++) {
            long n = 0;
            while (in_child(&operations[i], n, how & 1, how & 2) == 0)
                assert_true(++n < 100);
            tries += (unsigned)n;
            if (how == 0)
                printf("%s: %ld allocations\n", operations[i].name, n);
            assert_true(n > 0 || (how & 1) || !(operations[i].what & ALLOCATES)); /* what does not allocate tests nothing */
        }
    }
    printf("%u failures in %zu operations\n", tries, ARRAY_SIZE(operations));
}

static int save_sites(void **state)
{
    (void)state;
    const char *path = getenv("ALLOC_SITES");
    FILE *f = path ? fopen(path, "w") : NULL;
    for (unsigned i = 0; f && i < sites->nr; i++)
        fprintf(f, "0x%lx\n", sites->at[i] - 1);
    return f ? fclose(f) : 0;
}

int main(void)
{
    sites = mmap(NULL, sizeof(*sites), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_of_the_first_domain_fails), cmocka_unit_test_setup(every_allocation_fails, setup)};
    return cmocka_run_group_tests(tests, NULL, save_sites);
}
