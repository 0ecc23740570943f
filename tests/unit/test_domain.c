/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Life of domains on the real domain layer: birth with a failure at every allocation, states, death in every state, the audit, and that it notices. */
#include "domain_fakes.h"
#include "kernel/domain/state.h"

#include <xen/vcpu.h>

static struct domain *dom0;

static int setup(void **state)
{
    (void)state;
    fake_machine();
    dom0 = fake_dom0();
    return 0;
}

static uint64_t frames_used(void)
{
    struct frame_stats s = frame_stats();
    return s.total - s.free_clean;
}

static void birth_fails_anywhere(void **state)
{
    (void)state;
    struct cbl_domain_create how = {.max_pages = 64, .vcpus = 2};
    struct domain *d;
    assert_int_equal(domain_create(&how, &d), STATUS_OK); /* fills the pools */
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
    uint64_t before = frames_used();
    int failures = 0;
    for (long n = 0;; n++) {
        fake_allocs_until_failure = n;
        enum status s = domain_create(&how, &d);
        fake_allocs_until_failure = -1;
        if (s == STATUS_OK)
            break;
        assert_int_equal(s, STATUS_NO_MEMORY);
        assert_int_equal(frames_used(), before);
        failures++;
    }
    assert_true(failures >= 5);
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
    assert_int_equal(frames_used(), before);
    fake_audit();
}

static void arguments(void **state)
{
    (void)state;
    struct domain *d, *e;
    assert_int_equal(domain_create(&(struct cbl_domain_create){.max_pages = 8, .vcpus = 0}, &d), STATUS_INVALID);
    assert_int_equal(domain_create(&(struct cbl_domain_create){.max_pages = 8, .vcpus = 33}, &d), STATUS_INVALID);
    assert_int_equal(domain_create(&(struct cbl_domain_create){.max_pages = 0, .vcpus = 1}, &d), STATUS_INVALID);
    assert_int_equal(domain_create(&(struct cbl_domain_create){.max_pages = FAKE_FRAMES + 1, .vcpus = 1}, &d), STATUS_INVALID);
    assert_int_equal(domain_create(&(struct cbl_domain_create){.max_pages = 8, .vcpus = 1, .domid = 777}, &d), STATUS_OK);
    assert_int_equal(d->id, 777);
    assert_int_equal(domain_create(&(struct cbl_domain_create){.max_pages = 8, .vcpus = 1, .domid = 777}, &e), STATUS_EXISTS);
    assert_int_equal(domain_create(&(struct cbl_domain_create){.max_pages = 8, .vcpus = 1, .domid = 0x7ff0}, &e), STATUS_EXISTS);
    assert_int_equal(domain_destroy(777), STATUS_OK);
    assert_int_equal(domain_destroy(777), STATUS_NO_DOMAIN);
    assert_int_equal(domain_destroy(0), STATUS_DENIED);
}

static void many_lives(void **state)
{
    (void)state;
    uint64_t before = frames_used();
    uint16_t last = 0;
    for (int i = 0; i < 300; i++) {
        struct domain *d = fake_domu(600, 2);
        assert_int_not_equal(d->id, last); /* a domid is not used again at once */
        last = d->id;
        fake_run(d->vcpus[0]);
        if (i % 5 == 1)
            domain_shutdown(d, CBL_SHUTDOWN_CRASH);
        if (i % 5 == 2)
            domain_kill(d, "test");
        if (i % 5 == 3)
            domain_pause(domain_lock(d)), domain_unlock((struct domain_locked){d});
        if (i % 5 == 4)
            vcpu_block(d->vcpus[0]);
        fake_run(dom0->vcpus[0]);
        assert_int_equal(domain_destroy(d->id), STATUS_OK);
        assert_int_equal(frames_used(), before);
    }
    fake_audit();
    assert_int_equal(fake_deadlines_set() <= 1, 1); /* at most the scheduler's slice */
}

static uint32_t state_of(struct domain *d)
{
    struct cbl_domain_info i;
    struct domain_locked l = domain_lock(d);
    domain_info(l, &i);
    domain_unlock(l);
    return i.state;
}

static void states(void **state)
{
    (void)state;
    struct domain *d;
    assert_int_equal(domain_create(&(struct cbl_domain_create){.max_pages = 8, .vcpus = 2}, &d), STATUS_OK);
    assert_int_equal(state_of(d), CBL_DOM_NEW);
    struct domain_locked l = domain_lock(d);
    assert_int_equal(domain_unpause(l), STATUS_BAD_STATE); /* no registers yet */
    d->vcpus[0]->initialised = true;
    assert_int_equal(domain_unpause(l), STATUS_OK);
    assert_int_equal(domain_unpause(l), STATUS_BAD_STATE);
    domain_unlock(l);
    assert_int_equal(state_of(d), CBL_DOM_RUNNING);
    fake_run(d->vcpus[0]);
    vcpu_halt(d->vcpus[0]); /* IF=1: waits */
    assert_int_equal(state_of(d), CBL_DOM_BLOCKED);
    l = domain_lock(d);
    domain_pause(l);
    domain_unlock(l);
    assert_int_equal(state_of(d), CBL_DOM_PAUSED);
    vcpu_kick(d->vcpus[0]);
    l = domain_lock(d);
    assert_int_equal(domain_unpause(l), STATUS_OK);
    domain_unlock(l);
    fake_run(d->vcpus[0]);
    vcpu_sipi(d->vcpus[1], 1);
    fake_run(d->vcpus[1]);
    fake_if = false;
    d->vcpus[1]->vmx.nmi_pending = true;
    vcpu_halt(d->vcpus[1]); /* the NMI ends it */
    assert_int_not_equal(d->vcpus[1]->sched.state, VCPU_DOWN);
    fake_nmi_blocked = true; /* one is being handled: the second cannot come before it ends */
    vcpu_halt(d->vcpus[1]);
    fake_nmi_blocked = false;
    assert_int_equal(d->vcpus[1]->sched.state, VCPU_DOWN);
    assert_int_equal(state_of(d), CBL_DOM_RUNNING); /* vCPU 0 is still up */
    fake_run(d->vcpus[0]);
    vcpu_halt(d->vcpus[0]);
    fake_if = true;
    assert_int_equal(state_of(d), CBL_DOM_SHUTDOWN);
    assert_int_equal(d->shutdown, CBL_SHUTDOWN_POWEROFF);
    fake_run(dom0->vcpus[0]);
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
}

static void own_end_is_refused(void **state)
{
    (void)state;
    struct domain *d = fake_domu(8, 1);
    fake_run(d->vcpus[0]);
    assert_int_equal(domain_destroy(d->id), STATUS_DENIED);
    fake_run(dom0->vcpus[0]);
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
}

static void dom0_ends_the_machine(void **state)
{
    (void)state;
    int how = setjmp(fake_end);
    if (how == 0)
        domain_shutdown(dom0, CBL_SHUTDOWN_POWEROFF);
    assert_int_equal(how, 3);
    how = setjmp(fake_end);
    if (how == 0)
        domain_kill(dom0, "test");
    assert_int_equal(how, 2);
}

static void zombie_goes_with_the_last_mapping(void **state)
{
    (void)state;
    uint64_t before = frames_used();
    struct domain *d = fake_domu(600, 1);
    uint16_t id = d->id;
    uint64_t scratch = 1UL << (cpu_features.phys_bits - 13);
    uint32_t done;
    struct domain_pair p = domain_lock_pair(dom0, id, false);
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch), gfn(0), 513, true, &done), STATUS_OK);
    domain_unlock_pair(p);
    assert_int_equal(done, 513);
    strcpy(fake_page(dom0, scratch + 512), "still here");
    assert_int_equal(domain_destroy(id), STATUS_OK);
    assert_ptr_equal(domain_lock_id(id).d, NULL);
    assert_ptr_equal(domain_peek(id), d);
    assert_string_equal(fake_page(dom0, scratch + 512), "still here");
    fake_audit();
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch), 513), STATUS_OK);
    assert_ptr_equal(domain_peek(id), NULL);
    assert_int_equal(frames_used(), before);
    fake_audit();
}

/* An audit that cannot fail is worth nothing: each of these must be seen. */
static bool audit_sees(const char *what)
{
    struct cbl_audit a;
    audit_run(&a);
    if (a.ok || !strstr(a.why, what))
        fprintf(stderr, "audit says: %s\n", a.ok ? "clean" : a.why);
    return !a.ok && strstr(a.why, what);
}

static void audit_notices(void **state)
{
    (void)state;
    struct domain *d = fake_domu(600, 1);
    struct ept_leaf leaf;
    assert_true(ept_lookup(&d->ept, gfn(7), &leaf));
    size_t i = fake_index(leaf.hfn);
    fake_frame[i].refs++;
    assert_true(audit_sees("references"));
    fake_frame[i].refs--;
    fake_frame[i].owner = 4000;
    assert_true(audit_sees("owner d4000"));
    fake_frame[i].owner = d->id;
    fake_frame[i].type = FRAME_FREE;
    assert_true(audit_sees("reaches frame"));
    fake_frame[i].type = FRAME_GUEST;
    struct fake_leaf *stray = fake_leaf(&dom0->ept, 100);
    *stray = (struct fake_leaf){leaf.hfn.v, EPT_R, 0, 1};
    assert_true(audit_sees("references"));
    stray->hfn = root_pa(d->events).v >> 12;
    assert_true(audit_sees("reaches frame"));
    stray->present = 0;
    uint32_t port;
    assert_int_equal(event_bind_virq(d, VIRQ_TIMER, 0, &port), STATUS_OK);
    d->vcpus[0]->virq_port[VIRQ_TIMER] = 9;
    assert_true(audit_sees("event port"));
    d->vcpus[0]->virq_port[VIRQ_TIMER] = port;
    d->ept.tables_used++;
    assert_true(audit_sees("table frames"));
    d->ept.tables_used--;
    fake_audit();
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
}

static void vcpu_info_moves_once(void **state)
{
    (void)state;
    struct domain *d = fake_domu(8, 2);
    struct vcpu *v = d->vcpus[0];
    struct vcpu_info *in_shared = vcpu_info(v);
    assert_int_not_equal(in_shared->time.tsc_to_system_mul, 0);
    struct domain_locked l = domain_lock(d);
    assert_int_equal(vcpu_register_info(l, v, gfn(3), 4096 - 32), STATUS_INVALID);
    assert_int_equal(vcpu_register_info(l, v, gfn(3), 4), STATUS_INVALID);
    assert_int_equal(vcpu_register_info(l, v, gfn(100), 64), STATUS_INVALID);
    assert_int_equal(vcpu_register_info(l, v, gfn(3), 64), STATUS_OK);
    assert_int_equal(vcpu_register_info(l, v, gfn(4), 64), STATUS_INVALID);
    domain_unlock(l);
    struct vcpu_info *now = (void *)((char *)fake_page(d, 3) + 64);
    assert_ptr_equal(vcpu_info(v), now);
    assert_int_equal(now->evtchn_upcall_pending, 1);
    assert_true(now->evtchn_pending_sel == ~0UL);
    assert_int_not_equal(now->time.tsc_to_system_mul, 0);
    assert_int_equal(now->time.flags & 1, 1);
    fake_audit();
    l = domain_lock(d); /* the guest takes the page away: ours stays until the vCPU dies */
    assert_int_equal(physmap_release(l, gfn(3), 0), STATUS_OK);
    domain_unlock(l);
    now->evtchn_upcall_pending = 0;
    event_raise_virq(v, VIRQ_TIMER);
    fake_audit();
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
    fake_audit();
}

static void early_console_has_a_budget(void **state)
{
    (void)state;
    struct domain *d = fake_domu(8, 1);
    for (int i = 0; i < 512; i++)
        domain_log_text(d, "line", 4);
    fake_log[0] = 0;
    domain_log_text(d, "too much", 8);
    domain_log_text(d, "too much", 8);
    assert_string_equal(fake_log, "");
    fake_ns += 1000000000UL;
    domain_log_text(d, "again", 5);
    assert_string_equal(fake_log, "(2 lines dropped)\nagain\n");
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
}

/* The table of all state: each row inside its struct, none twice, record types unique. */
static void state_table(void **state)
{
    (void)state;
    assert_true(state_nr_rows > 30);
    for (unsigned i = 0; i < state_nr_rows; i++) {
        const struct state_row *r = &state_rows[i];
        bool of_domain = r->home == STATE_IN_DOMAIN;
        assert_true(r->offset + (size_t)r->size <= (of_domain ? sizeof(struct domain) : sizeof(struct vcpu)));
        assert_int_equal(r->record != 0, r->version != 0);
        assert_non_null(r->switched);
        for (unsigned j = 0; j < i; j++) {
            const struct state_row *o = &state_rows[j];
            bool same_struct = of_domain == (o->home == STATE_IN_DOMAIN);
            assert_false(same_struct && r->offset < o->offset + o->size && o->offset < r->offset + r->size);
            assert_false(r->record != 0 && r->record == o->record);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_table),
        cmocka_unit_test(birth_fails_anywhere), cmocka_unit_test(arguments), cmocka_unit_test(many_lives), cmocka_unit_test(states),
        cmocka_unit_test(own_end_is_refused), cmocka_unit_test(dom0_ends_the_machine), cmocka_unit_test(zombie_goes_with_the_last_mapping),
        cmocka_unit_test(audit_notices), cmocka_unit_test(vcpu_info_moves_once), cmocka_unit_test(early_console_has_a_budget),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
