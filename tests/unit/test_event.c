/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Event channels: the 2-level rules of delivery, both ends of a channel, VIRQs, polling. */
#include "domain_fakes.h"

static struct domain *dom0, *d;

static enum status event_alloc_unbound(struct domain *who, uint16_t remote, uint32_t *port)
{
    return event_alloc(who, (struct event_port){.state = EVTCHNSTAT_unbound, .remote = remote}, port);
}
static enum status event_bind_ipi(struct domain *who, uint8_t vcpu, uint32_t *port)
{
    return event_alloc(who, (struct event_port){.state = EVTCHNSTAT_ipi, .vcpu = vcpu}, port);
}
static enum status event_bind_pirq(struct domain *who, uint32_t irq, uint32_t *port)
{
    return event_alloc(who, (struct event_port){.state = EVTCHNSTAT_pirq, .peer = irq}, port);
}
static struct shared_info *s;

static int setup(void **state)
{
    (void)state;
    fake_machine();
    dom0 = fake_dom0();
    d = fake_domu(8, 2);
    s = d->shared_info;
    return 0;
}

static bool pending(uint32_t port) { return s->evtchn_pending[port / 64] >> (port % 64) & 1; }
static void mask(uint32_t port) { s->evtchn_mask[port / 64] |= 1UL << (port % 64); }
static void consume(struct vcpu *v, uint32_t port)
{
    vcpu_info(v)->evtchn_upcall_pending = 0;
    vcpu_info(v)->evtchn_pending_sel = 0;
    s->evtchn_pending[port / 64] &= ~(1UL << (port % 64));
}

static void lowest_free_port(void **state)
{
    (void)state;
    uint32_t p[3], q;
    for (int i = 0; i < 3; i++)
        assert_int_equal(event_alloc_unbound(d, 0, &p[i]), STATUS_OK);
    assert_int_equal(p[0], 1); /* 0 is no port */
    assert_int_equal(p[2], 3);
    assert_int_equal(event_close(d, p[1], false), STATUS_OK);
    assert_int_equal(event_alloc_unbound(d, 0, &q), STATUS_OK);
    assert_int_equal(q, p[1]);
    assert_int_equal(event_close(d, 0, false), STATUS_INVALID);
    assert_int_equal(event_close(d, EVENT_PORTS, false), STATUS_INVALID);
    assert_int_equal(event_close(d, 77, false), STATUS_INVALID);
    event_close_all(d);
    assert_int_equal(d->events->used, 0);
}

static void table_fills_up(void **state)
{
    (void)state;
    uint32_t p = 0, n = 0;
    while (event_alloc_unbound(d, 0, &p) == STATUS_OK)
        n++;
    assert_int_equal(n, EVENT_PORTS - 1);
    assert_int_equal(event_alloc_unbound(d, 0, &p), STATUS_NO_SPACE);
    fake_audit();
    event_close_all(d);
}

static void delivery(void **state)
{
    (void)state;
    uint32_t p;
    struct vcpu *v = d->vcpus[0];
    assert_int_equal(event_bind_ipi(d, 0, &p), STATUS_OK);
    fake_run(v);
    sched_block(&v->sched);
    assert_int_equal(event_send(d, p), STATUS_OK);
    assert_true(pending(p));
    assert_int_equal(vcpu_info(v)->evtchn_upcall_pending, 1);
    assert_int_equal(vcpu_info(v)->evtchn_pending_sel, 1);
    assert_int_equal(v->sched.state, VCPU_RUNNABLE); /* woken */
    consume(v, p);
    mask(p);
    assert_int_equal(event_send(d, p), STATUS_OK);
    assert_true(pending(p));
    assert_int_equal(vcpu_info(v)->evtchn_upcall_pending, 0); /* masked */
    assert_int_equal(event_unmask(d, p), STATUS_OK);
    assert_int_equal(vcpu_info(v)->evtchn_upcall_pending, 1);
    vcpu_info(v)->evtchn_upcall_pending = 0; /* selector bit still set: no second upcall for the same word */
    s->evtchn_pending[0] = 0;
    assert_int_equal(event_send(d, p), STATUS_OK);
    assert_int_equal(vcpu_info(v)->evtchn_upcall_pending, 0);
    assert_int_equal(event_close(d, p, false), STATUS_OK);
    assert_false(pending(p));
    s->evtchn_mask[0] = 0;
    consume(v, p);
}

static void interdomain(void **state)
{
    (void)state;
    uint32_t p, q, x;
    assert_int_equal(event_alloc_unbound(d, 0, &p), STATUS_OK);
    assert_int_equal(event_send(d, p), STATUS_OK); /* nobody there: fine */
    assert_int_equal(event_bind_interdomain(d, d, p, &x), STATUS_INVALID); /* it waits for domain 0 */
    assert_int_equal(event_bind_interdomain(dom0, d, p, &q), STATUS_OK);
    struct shared_info *s0 = dom0->shared_info;
    assert_true(s0->evtchn_pending[q / 64] >> (q % 64) & 1); /* covers what was sent before */
    assert_int_equal(event_bind_interdomain(dom0, d, p, &x), STATUS_INVALID);
    struct evtchn_status st = {.port = p};
    assert_int_equal(event_status(d, p, &st), STATUS_OK);
    assert_int_equal(st.status, EVTCHNSTAT_interdomain);
    assert_int_equal(st.u.interdomain.port, q);
    assert_int_equal(event_send(dom0, q), STATUS_OK);
    assert_true(pending(p));
    consume(d->vcpus[0], p);
    assert_int_equal(event_bind_vcpu(d, p, 1), STATUS_OK);
    assert_int_equal(event_bind_vcpu(d, p, 2), STATUS_NOT_FOUND);
    assert_int_equal(event_send(dom0, q), STATUS_OK);
    assert_int_equal(vcpu_info(d->vcpus[1])->evtchn_upcall_pending, 1);
    consume(d->vcpus[1], p);
    fake_audit();
    assert_int_equal(event_close(dom0, q, false), STATUS_OK);
    assert_int_equal(event_status(d, p, &st), STATUS_OK);
    assert_int_equal(st.status, EVTCHNSTAT_unbound); /* waits for domain 0 again */
    assert_int_equal(st.u.unbound.dom, 0);
    assert_int_equal(event_bind_interdomain(dom0, d, p, &q), STATUS_OK);
    event_close_all(d);
    assert_int_equal(event_status(dom0, q, &st), STATUS_OK);
    assert_int_equal(st.status, EVTCHNSTAT_unbound);
    event_close_all(dom0);
}

static void virqs(void **state)
{
    (void)state;
    uint32_t p, q;
    assert_int_equal(event_bind_virq(d, VIRQ_TIMER, 1, &p), STATUS_OK);
    assert_int_equal(event_bind_virq(d, VIRQ_TIMER, 1, &q), STATUS_EXISTS);
    assert_int_equal(event_bind_virq(d, VIRQ_TIMER, 2, &q), STATUS_NOT_FOUND);
    assert_int_equal(event_bind_virq(d, VIRQ_DOM_EXC, 1, &q), STATUS_INVALID); /* global: vCPU 0 */
    assert_int_equal(event_bind_virq(d, 24, 0, &q), STATUS_INVALID);
    assert_int_equal(event_bind_vcpu(d, p, 0), STATUS_INVALID); /* a per-vCPU one stays */
    event_raise_virq(d->vcpus[0], VIRQ_TIMER);
    assert_false(pending(p));
    event_raise_virq(d->vcpus[1], VIRQ_TIMER);
    assert_true(pending(p));
    assert_int_equal(event_send(d, p), STATUS_INVALID); /* a guest cannot raise it */
    assert_int_equal(event_bind_virq(dom0, VIRQ_DOM_EXC, 0, &q), STATUS_OK);
    assert_int_equal(event_bind_virq(dom0, VIRQ_DOM_EXC, 0, &q), STATUS_EXISTS);
    fake_audit();
    assert_int_equal(event_close(d, p, false), STATUS_OK);
    assert_int_equal(d->vcpus[1]->virq_port[VIRQ_TIMER], 0);
    assert_int_equal(event_bind_virq(d, VIRQ_TIMER, 1, &p), STATUS_OK);
    event_close_all(d);
    event_close_all(dom0);
}

static void pirqs_are_unbound_by_their_owner(void **state)
{
    (void)state;
    uint32_t p;
    assert_int_equal(event_bind_pirq(dom0, 14, &p), STATUS_OK);
    assert_int_equal(event_close(dom0, p, false), STATUS_BAD_STATE);
    assert_int_equal(event_close(dom0, p, true), STATUS_OK);
    assert_int_equal(event_close(dom0, p, true), STATUS_INVALID);
}

static void poll_wakes_even_if_masked(void **state)
{
    (void)state;
    uint32_t p;
    struct vcpu *v = d->vcpus[0];
    assert_int_equal(event_bind_ipi(d, 1, &p), STATUS_OK);
    mask(p);
    fake_run(v);
    fake_if = false;
    assert_false(event_poll_begin(v, &p, 1));
    vcpu_block(v);
    assert_int_equal(v->sched.state, VCPU_BLOCKED);
    assert_int_equal(event_send(d, p), STATUS_OK);
    assert_int_equal(v->sched.state, VCPU_RUNNABLE);
    assert_false(v->polling);
    assert_false(d->vcpus[0]->polling);
    assert_true(event_poll_begin(v, &p, 1)); /* pending already */
    assert_false(d->vcpus[0]->polling);
    fake_if = true;
    event_close_all(d);
    s->evtchn_mask[0] = 0;
}

/* Another CPU sends between the look at the ports and the wait: the port is masked, so nothing but the wake-up tells of it. */
static void a_sender_in_the_middle_of_a_poll_is_not_lost(void **state)
{
    (void)state;
    uint32_t p;
    struct vcpu *v = d->vcpus[0];
    assert_int_equal(event_bind_ipi(d, 1, &p), STATUS_OK);
    mask(p);
    fake_run(v);
    fake_if = false;
    assert_false(event_poll_begin(v, &p, 1));
    assert_int_equal(event_send(d, p), STATUS_OK);
    vcpu_block(v);
    assert_int_equal(v->sched.state, VCPU_RUNNABLE);
    fake_if = true;
    event_close_all(d);
    s->evtchn_mask[0] = 0;
}

static void poll_times_out(void **state)
{
    (void)state;
    struct vcpu *v = d->vcpus[0];
    fake_run(v);
    assert_false(event_poll_begin(v, NULL, 0));
    deadline_set(&v->poll_timer, fake_ns + 500);
    vcpu_block(v);
    assert_int_equal(v->sched.state, VCPU_BLOCKED);
    fake_time(fake_ns + 501);
    assert_int_equal(v->sched.state, VCPU_RUNNABLE);
    assert_false(v->polling);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_free_port), cmocka_unit_test(table_fills_up), cmocka_unit_test(delivery), cmocka_unit_test(interdomain), cmocka_unit_test(virqs),
        cmocka_unit_test(pirqs_are_unbound_by_their_owner), cmocka_unit_test(poll_wakes_even_if_masked), cmocka_unit_test(poll_times_out),
        cmocka_unit_test(a_sender_in_the_middle_of_a_poll_is_not_lost),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
