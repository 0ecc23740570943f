/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Hypercalls from the registers of a guest to the real domain layer: arguments, rights, results as the Xen ABI has them, and a storm of random
 * calls with the audit after each batch. Guests run without paging here, so that a guest-virtual address is a guest-physical one; paging is tested apart. */
#include "domain_fakes.h"

#include "kernel/domain/pvclock.h"

#include "kernel/cpu/x86.h"
#include "kernel/domain/dom0.h"
#include "kernel/hypercall/copy.h"
#include "kernel/hypercall/copy.h"
#include "kernel/hypercall/hc_priv.h"
#include "kernel/hypercall/policy.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

static struct domain *dom0, *d;
static enum hypercall_result then;

static int setup(void **state)
{
    (void)state;
    fake_machine();
    dom0 = fake_dom0();
    d = fake_domu(64, 2);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    fake_audit();
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
    fake_audit();
    return 0;
}

static int64_t call(struct vcpu *v, uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    v->vmx.gprs.rax = nr;
    v->vmx.gprs.rdi = a;
    v->vmx.gprs.rsi = b;
    v->vmx.gprs.rdx = c;
    then = hypercall_dispatch(v);
    assert_int_equal(fake_unflushed, 0); /* nothing returns with a removal unflushed */
    return (int64_t)v->vmx.gprs.rax;
}

#define ARG 0x2000UL /* where guests put their argument */
static int64_t op(struct domain *who, uint64_t nr, uint64_t cmd, void *arg, size_t size)
{
    assert_int_equal(physmap_copy_to(who, gpa(ARG), arg, size), STATUS_OK);
    int64_t r = call(who->vcpus[0], nr, cmd, ARG, 1);
    assert_int_equal(physmap_copy_from(who, arg, gpa(ARG), size), STATUS_OK);
    return r;
}
static int64_t vcpu_op(struct domain *who, uint64_t cmd, uint64_t vcpu, const void *arg, size_t size)
{
    assert_int_equal(physmap_copy_to(who, gpa(ARG), arg, size), STATUS_OK);
    return call(who->vcpus[0], 24, cmd, vcpu, ARG);
}
static int64_t control(struct domain *who, uint64_t nr, void *arg, size_t size) { return op(who, CBL_HYPERCALL, nr, arg, size); }

static void unknown_numbers(void **state)
{
    (void)state;
    const int unknown[] = {0, 7, 13, 27, 33, 48, 54, 56, 1000};
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
        assert_int_equal(call(d->vcpus[0], (uint64_t)unknown[i], 1, ARG, 1), -38);
    assert_int_equal(call(d->vcpus[0], ~0UL, 1, ARG, 1), -38);
    const int known[] = {12, 17, 18, 20, 24, 29, 32, 34};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        assert_true(call(d->vcpus[0], (uint64_t)known[i], 60, 0, 0) < 0);
    for (uint64_t cmd = 11; cmd <= 13; cmd++) /* FIFO events: guests fall back to 2-level */
        assert_int_equal(call(d->vcpus[0], 32, cmd, ARG, 0), -38);
}

static void linux_boot_order(void **state)
{
    (void)state;
    struct xen_feature_info f = {0};
    assert_int_equal(op(d, 17, XENVER_get_features, &f, sizeof(f)), 0);
    assert_int_equal(f.submap, 0x12305);
    f.submap_idx = 1;
    assert_int_equal(op(d, 17, XENVER_get_features, &f, sizeof(f)), -22);
    struct xen_add_to_physmap a = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = 0x10};
    assert_int_equal(op(d, 12, XENMEM_add_to_physmap, &a, sizeof(a)), 0);
    assert_ptr_equal(fake_page(d, 0x10), d->shared_info);
    const struct shared_info *s = d->shared_info;
    assert_int_not_equal(s->vcpu_info[0].time.tsc_to_system_mul, 0);
    assert_int_equal(s->wc_sec, 1700000000);
    struct xen_hvm_pagetable_dying { uint16_t domid; uint16_t pad[3]; uint64_t gpa; } dying = {.domid = DOMID_SELF};
    assert_true(op(d, 34, HVMOP_pagetable_dying, &dying, sizeof(dying)) < 0);
    assert_int_equal(call(d->vcpus[0], 17, XENVER_version, 0, 0), 0x40011);
    struct vcpu_register_vcpu_info vi = {.mfn = 5, .offset = 128};
    assert_int_equal(vcpu_op(d, VCPUOP_register_vcpu_info, 0, &vi, sizeof(vi)), 0);
    assert_int_equal(vcpu_op(d, VCPUOP_register_vcpu_info, 0, &vi, sizeof(vi)), -22);
    vi.offset = 192;
    assert_int_equal(vcpu_op(d, VCPUOP_register_vcpu_info, 1, &vi, sizeof(vi)), 0); /* another one that is down */
    assert_int_equal(vcpu_op(d, VCPUOP_register_vcpu_info, 2, &vi, sizeof(vi)), -2);
    struct xen_hvm_param p = {.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = 0x02000000000000f3};
    assert_int_equal(op(d, 34, HVMOP_set_param, &p, sizeof(p)), 0);
    assert_int_equal(d->vcpus[1]->vmx.callback_vector, 0xf3);
    p.value = 0x0200000000000003; /* an exception's vector */
    assert_int_equal(op(d, 34, HVMOP_set_param, &p, sizeof(p)), -22);
    p.index = HVM_PARAM_STORE_PFN;
    assert_int_equal(op(d, 34, HVMOP_set_param, &p, sizeof(p)), -1);
    assert_int_equal(op(d, 34, HVMOP_get_param, &p, sizeof(p)), 0);
    assert_int_equal(p.value, 0);
    p.index = 40;
    assert_int_equal(op(d, 34, HVMOP_get_param, &p, sizeof(p)), -22);
    assert_int_equal(vcpu_op(d, VCPUOP_stop_periodic_timer, 0, &p, 1), 0);
    uint64_t area = 0x7000;
    assert_int_equal(vcpu_op(d, VCPUOP_register_runstate_memory_area, 0, &area, 8), 0);
    const struct vcpu_runstate_info *r = fake_page(d, 7);
    assert_true(r->state == RUNSTATE_running || r->state == RUNSTATE_runnable);
    area = 0x7800;
    assert_int_equal(vcpu_op(d, VCPUOP_register_vcpu_time_memory_area, 0, &area, 8), 0);
    assert_int_not_equal(*(uint32_t *)((char *)fake_page(d, 7) + 0x800 + 24), 0);
    const uint32_t *version = (const uint32_t *)((char *)fake_page(d, 7) + 0x800);
    uint32_t read_before = *version;
    pvclock_write_vcpu(d->vcpus[0]);
    assert_true(*version != read_before && *version % 2 == 0); /* a reader that was interrupted notices */
    area = 0x7801;
    assert_int_equal(vcpu_op(d, VCPUOP_register_runstate_memory_area, 0, &area, 8), -22);
    struct evtchn_bind_virq bv = {.virq = VIRQ_TIMER};
    assert_int_equal(op(d, 32, EVTCHNOP_bind_virq, &bv, sizeof(bv)), 0);
    assert_int_not_equal(bv.port, 0);
    assert_int_equal(op(d, 32, EVTCHNOP_bind_virq, &bv, sizeof(bv)), -17);
    struct vcpu_set_singleshot_timer t = {.timeout_abs_ns = fake_ns - 1};
    struct vcpu_info *info = vcpu_info(d->vcpus[0]);
    info->evtchn_upcall_pending = 0;
    info->evtchn_pending_sel = 0;
    assert_int_equal(vcpu_op(d, VCPUOP_set_singleshot_timer, 0, &t, sizeof(t)), 0); /* past: fires at once */
    assert_int_equal(info->evtchn_upcall_pending, 1);
    t.flags = VCPU_SSHOTTMR_future;
    assert_int_equal(vcpu_op(d, VCPUOP_set_singleshot_timer, 0, &t, sizeof(t)), -62);
    t.timeout_abs_ns = fake_ns + 1000;
    assert_int_equal(vcpu_op(d, VCPUOP_set_singleshot_timer, 0, &t, sizeof(t)), 0);
    assert_int_equal(vcpu_op(d, VCPUOP_set_singleshot_timer, 1, &t, sizeof(t)), -22);
    ((struct shared_info *)d->shared_info)->evtchn_pending[0] = 0;
    info->evtchn_upcall_pending = 0;
    info->evtchn_pending_sel = 0;
    fake_time(fake_ns + 1001);
    assert_int_equal(info->evtchn_upcall_pending, 1);
    assert_int_equal(call(d->vcpus[0], 21, 0, 5, 0), 0);
    assert_true(d->vcpus[1]->runstate_flag);
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    assert_int_equal(op(d, 20, GNTTABOP_query_size, &q, sizeof(q)), 0);
    assert_int_equal(q.max_nr_frames, 64);
    struct gnttab_set_version sv = {.version = 2};
    assert_true(op(d, 20, GNTTABOP_set_version, &sv, sizeof(sv)) < 0);
    struct gnttab_set_version several[3] = {{.version = 1}, {.version = 1}, {.version = 1}}; /* 4 bytes each: not aligned for other operations */
    assert_int_equal(physmap_copy_to(d, gpa(ARG), several, sizeof(several)), STATUS_OK);
    assert_int_equal(call(d->vcpus[0], 20, GNTTABOP_set_version, ARG, 3), 0);
    a = (struct xen_add_to_physmap){.domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = 1, .gpfn = 0x801};
    assert_int_equal(op(d, 12, XENMEM_add_to_physmap, &a, sizeof(a)), 0);
    a.idx = 0x80000001;
    assert_int_equal(op(d, 12, XENMEM_add_to_physmap, &a, sizeof(a)), -22);
}

static void balloon(void **state)
{
    (void)state;
    uint64_t list[3] = {40, 41, 999};
    struct { uint64_t list, nr; uint32_t order, flags; uint16_t domid, pad[3]; } r = {0x3000, 3, 0, 0, DOMID_SELF, {0}};
    assert_int_equal(physmap_copy_to(d, gpa(0x3000), list, sizeof(list)), STATUS_OK);
    uint64_t before = d->pages;
    assert_int_equal(op(d, 12, XENMEM_decrease_reservation, &r, sizeof(r)), 2); /* the third is not there */
    assert_int_equal(d->pages, before - 2);
    r.nr = 2;
    assert_int_equal(op(d, 12, XENMEM_populate_physmap, &r, sizeof(r)), 2);
    assert_int_equal(op(d, 12, XENMEM_populate_physmap, &r, sizeof(r)), 0);
    assert_int_equal(op(d, 12, XENMEM_populate_physmap | 2 << 6, &r, sizeof(r)), 2); /* as if continued */
    assert_int_equal(op(d, 12, XENMEM_populate_physmap | 3 << 6, &r, sizeof(r)), -22);
    d->max_pages += 9 * 512; /* large extents: one call stays bounded in pages */
    uint64_t large[9];
    for (uint64_t i = 0; i < ARRAY_SIZE(large); i++)
        large[i] = 2560 + 512 * i;
    assert_int_equal(physmap_copy_to(d, gpa(0x3000), large, sizeof(large)), STATUS_OK);
    r.nr = ARRAY_SIZE(large);
    r.order = 9;
    assert_int_equal(op(d, 12, XENMEM_populate_physmap, &r, sizeof(r)), 1);
    assert_int_equal(op(d, 12, XENMEM_populate_physmap | 1 << 6, &r, sizeof(r)), 2);
    assert_int_equal(op(d, 12, XENMEM_decrease_reservation, &r, sizeof(r)), 1);
    assert_int_equal(op(d, 12, XENMEM_decrease_reservation | 1 << 6, &r, sizeof(r)), 2);
    r.order = 18;
    assert_int_equal(op(d, 12, XENMEM_populate_physmap, &r, sizeof(r)), -22);
    r.order = 0;
    r.domid = 0;
    assert_int_equal(op(d, 12, XENMEM_decrease_reservation, &r, sizeof(r)), -1); /* not its domain */
    d->privileges = CBL_PRIV_DOMAIN;
    assert_int_equal(op(d, 12, XENMEM_decrease_reservation, &r, sizeof(r)), -1); /* a manager of DomUs does not manage Dom0 */
    d->privileges = 0;
    r.domid = 999;
    assert_int_equal(op(dom0, 12, XENMEM_decrease_reservation, &r, sizeof(r)), -3);
}

static void bad_pointers(void **state)
{
    (void)state;
    const int numbers[] = {12, 20, 24, 29, 32, 34, 55};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        for (uint64_t cmd = 0; cmd < 30; cmd++) {
            if (numbers[i] == 29 && cmd < 2)
                continue;
            int64_t r = numbers[i] == 24 ? call(dom0->vcpus[0], 24, cmd, 0, ~0UL - 3) : call(dom0->vcpus[0], (uint64_t)numbers[i], cmd, ~0UL - 3, 1);
            assert_true(r <= 0 || (numbers[i] == 24 && cmd == VCPUOP_is_up));
            bool no_argument = cmd == VCPUOP_up || cmd == VCPUOP_down || cmd == VCPUOP_is_up || cmd == VCPUOP_stop_periodic_timer ||
                               cmd == VCPUOP_stop_singleshot_timer || cmd == VCPUOP_send_nmi;
            if (r == 0)
                assert_true(numbers[i] == 24 && no_argument);
            if (numbers[i] == 24 && cmd == VCPUOP_down - 1)
                cmd++; /* Dom0's only vCPU going down ends the machine */
        }
    }
}

static void rights(void **state)
{
    (void)state;
    union { struct cbl_host_info host; struct cbl_domain_ref ref; char bytes[1280]; } a;
    for (uint64_t nr = 0; nr < 32; nr++) {
        memset(&a, 0, sizeof(a));
        int64_t r = control(d, nr, &a, sizeof(a)); /* a DomU may do nothing of it */
        assert_int_equal(r, nr == 0 || nr == 22 || nr > 29 ? -38 : -1);
    }
    struct cbl_domain_create create = {.max_pages = 8, .vcpus = 1, .privileges = 0x40};
    assert_int_equal(control(dom0, 2, &create, sizeof(create)), -1);
    a.ref.domid = 0;
    assert_int_equal(control(dom0, 3, &a.ref, sizeof(a.ref)), -1); /* never itself */
    assert_int_equal(control(dom0, 4, &a.ref, sizeof(a.ref)), -1);
    a.ref.domid = 4711;
    assert_int_equal(control(dom0, 3, &a.ref, sizeof(a.ref)), -3);
    assert_int_equal(control(dom0, 4, &a.ref, sizeof(a.ref)), -3);
    assert_int_equal(control(dom0, 1, &a.host, sizeof(a.host)), 0);
    assert_int_equal(a.host.abi_version, CBL_ABI_VERSION);
    struct cbl_map_mmio m = {.gfn = 0xfee00, .nr = 1};
    cpu_features.phys_bits = 36;
    assert_int_equal(control(dom0, 11, &m, sizeof(m)), -1); /* the local APIC */
    assert_false(policy_mmio(dom0, fake_hfn(5).v, 1));
    assert_false(policy_mmio(d, 0xd0000, 1));
    assert_true(policy_mmio(dom0, 0xd0000, 16));
    assert_false(policy_mmio(dom0, 0xfebff, 2)); /* reaches into the I/O APIC */
    assert_false(policy_mmio(dom0, ~0UL - 1, 4));
}

static void a_domain_is_born(void **state)
{
    (void)state;
    uint64_t scratch = 1UL << (cpu_features.phys_bits - 13);
    struct cbl_domain_create create = {.max_pages = 1024, .vcpus = 1};
    assert_int_equal(control(dom0, 2, &create, sizeof(create)), 0);
    struct cbl_mem_units populate = {.domid = create.domid, .order = 9, .nr = 3, .gfn = 0};
    assert_int_equal(control(dom0, 7, &populate, sizeof(populate)), -12);
    assert_int_equal(populate.done, 2); /* says how far it came */
    struct cbl_map_foreign mf = {.domid = create.domid, .writable = 1, .nr = 512, .gfn = 512, .at_gfn = DOM0_SCRATCH_PAGES - 511};
    assert_int_equal(control(dom0, 9, &mf, sizeof(mf)), -22); /* reaches out of the scratch range */
    mf.at_gfn = ~0UL - 10;
    assert_int_equal(control(dom0, 9, &mf, sizeof(mf)), -22);
    mf.at_gfn = 0;
    mf.nr = 513;
    assert_int_equal(control(dom0, 9, &mf, sizeof(mf)), -22);
    struct domain_pair p = domain_lock_pair(dom0, create.domid, false); /* the range itself is dom0_build's business, which does not run here */
    uint32_t done;
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch), gfn(512), 512, true, &done), STATUS_OK);
    domain_unlock_pair(p);
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch), 512), STATUS_OK);
    flush_sync(&dom0->ept);
    struct cbl_mem_max max = {.domid = create.domid, .max_pages = 1000}; /* below what it has: it grows no more, and that is no fault */
    assert_int_equal(control(dom0, 26, &max, sizeof(max)), 0);
    fake_audit();
    max.max_pages = 1025;
    assert_int_equal(control(dom0, 26, &max, sizeof(max)), -22);
    struct cbl_domain_ref ref = {.domid = create.domid};
    assert_int_equal(control(dom0, 5, &ref, sizeof(ref)), -16); /* no registers yet */
    struct cbl_domain_ref self = {.domid = DOMID_SELF};
    assert_int_equal(control(dom0, 4, &self, sizeof(self)), -1); /* nobody pauses itself */
    struct cbl_vcpu_context_op ctx = {.domid = create.domid, .vcpu = 0, .ctx = {.rax = 77}};
    assert_int_equal(control(dom0, 13, &ctx, sizeof(ctx)), 0);
    ctx.vcpu = 1;
    assert_int_equal(control(dom0, 13, &ctx, sizeof(ctx)), -2);
    assert_int_equal(control(dom0, 5, &ref, sizeof(ref)), 0);
    ctx.vcpu = 0;
    assert_int_equal(control(dom0, 12, &ctx, sizeof(ctx)), -16); /* it runs */
    struct cbl_vmwrite poke = {.domid = create.domid, .field = 0x6804, .value = 9};
    assert_int_equal(control(dom0, 28, &poke, sizeof(poke)), -1); /* not without debug = on */
    fake_boot_info.options.debug = 1;
    assert_int_equal(control(dom0, 28, &poke, sizeof(poke)), -16);
    assert_int_equal(control(dom0, 4, &ref, sizeof(ref)), 0);
    assert_int_equal(control(dom0, 12, &ctx, sizeof(ctx)), 0);
    assert_int_equal(ctx.ctx.rax, 77);
    assert_int_equal(control(dom0, 28, &poke, sizeof(poke)), 0);
    assert_int_equal(poke.broken, 1);
    poke.field = 0x6806;
    assert_int_equal(control(dom0, 28, &poke, sizeof(poke)), -1);
    poke.vcpu = 1;
    assert_int_equal(control(dom0, 28, &poke, sizeof(poke)), -2);
    poke.domid = 0;
    assert_int_equal(control(dom0, 28, &poke, sizeof(poke)), -1); /* never Dom0 */
    fake_boot_info.options.debug = 0;
    struct cbl_domain_info info = {.domid = create.domid, .exact = 1};
    assert_int_equal(control(dom0, 6, &info, sizeof(info)), 0);
    assert_int_equal(info.state, CBL_DOM_PAUSED);
    assert_int_equal(info.pages, 1024);
    assert_int_equal(control(dom0, 3, &ref, sizeof(ref)), 0);
    info.exact = 1;
    info.domid = create.domid;
    assert_int_equal(control(dom0, 6, &info, sizeof(info)), -3);
}

static void interrupts(void **state)
{
    (void)state;
    struct cbl_irq_bind b = {.gsi = 14, .flags = ~0U};
    assert_int_equal(control(dom0, 18, &b, sizeof(b)), 0);
    struct shared_info *s = dom0->shared_info;
    fake_irq_fn(14, fake_irq_ctx);
    assert_true(s->evtchn_pending[0] >> b.port & 1);
    struct cbl_irq_ack ack = {.gsi = 15};
    assert_int_equal(control(dom0, 19, &ack, sizeof(ack)), -1);
    ack.gsi = 14;
    assert_int_equal(control(dom0, 19, &ack, sizeof(ack)), 0);
    assert_int_equal(fake_unmasked, 1);
    b.gsi = 99;
    assert_int_equal(control(dom0, 18, &b, sizeof(b)), -2);
    struct cbl_msi_bind m = {0};
    assert_int_equal(control(dom0, 20, &m, sizeof(m)), 0);
    assert_int_equal(m.data, 0x31);
    struct cbl_irq_unbind u = {.port = m.port};
    assert_int_equal(control(dom0, 21, &u, sizeof(u)), 0);
    assert_int_equal(control(dom0, 21, &u, sizeof(u)), -2);
    for (u.port = 1; u.port < 5; u.port++)
        control(dom0, 21, &u, sizeof(u));
    assert_int_equal(dom0->events->used, 0);
}

static void consoles(void **state)
{
    (void)state;
    fake_log[0] = 0;
    const char text[] = "Linux \033[31mversion\nhalf";
    assert_int_equal(physmap_copy_to(d, gpa(0x3000), text, sizeof(text)), STATUS_OK);
    assert_int_equal(call(d->vcpus[0], 18, 0, sizeof(text) - 1, 0x3000), 0);
    assert_string_equal(fake_log, "Linux [31mversion\n"); /* no escape reaches the operator */
    assert_int_equal(call(d->vcpus[0], 18, 1, 5, 0x3000), -1);
    assert_int_equal(physmap_copy_to(dom0, gpa(0x3000), "hello", 5), STATUS_OK);
    assert_int_equal(call(dom0->vcpus[0], 18, 0, 5, 0x3000), 0);
    assert_string_equal(fake_console, "hello");
    assert_int_equal(call(dom0->vcpus[0], 18, 1, 5, 0x3000), 1);
}

static void waiting(void **state)
{
    (void)state;
    struct sched_poll p = {.nr_ports = 200};
    fake_run(d->vcpus[0]);
    assert_int_equal(op(d, 29, SCHEDOP_poll, &p, sizeof(p)), -22);
    p.nr_ports = 0;
    p.timeout = fake_ns - 1;
    assert_int_equal(op(d, 29, SCHEDOP_poll, &p, sizeof(p)), 0);
    assert_int_equal(then, HC_DONE);
    p.timeout = fake_ns + 100;
    assert_int_equal(op(d, 29, SCHEDOP_poll, &p, sizeof(p)), 0);
    assert_int_equal(then, HC_BLOCK);
    event_poll_end(d->vcpus[0]);
    deadline_cancel(&d->vcpus[0]->poll_timer);
    assert_int_equal(call(d->vcpus[0], 29, SCHEDOP_block, 0, 0), 0);
    assert_int_equal(then, HC_BLOCK);
    assert_int_equal(call(d->vcpus[0], 29, SCHEDOP_yield, 0, 0), 0);
    struct sched_shutdown s = {.reason = 77};
    assert_int_equal(op(d, 29, SCHEDOP_shutdown, &s, sizeof(s)), -22);
    struct domain *e = fake_domu(8, 1);
    s.reason = SHUTDOWN_reboot;
    assert_int_equal(op(e, 29, SCHEDOP_shutdown, &s, sizeof(s)), 0);
    assert_int_equal(then, HC_STOP);
    assert_int_equal(e->shutdown, CBL_SHUTDOWN_REBOOT);
    fake_run(dom0->vcpus[0]);
    assert_int_equal(domain_destroy(e->id), STATUS_OK);
}

/* Four levels at 0x10000..: va 0x40001000 -> gfn 5 (rw), next page -> gfn 6 (ro); 2 MiB at 0x40200000 -> 0; 1 GiB at 0x80000000 -> 0. */
static void page_walk(void **state)
{
    (void)state;
    uint64_t *l4 = fake_page(d, 48), *l3 = fake_page(d, 49), *l2 = fake_page(d, 50), *l1 = fake_page(d, 51);
    gpa_t g;
    char bytes[16] = "0123456789abcde", back[16];
    l4[0] = 49 << 12 | 3;
    l3[1] = 50 << 12 | 3;
    l3[2] = 0 | 0x83;
    l2[0] = 51 << 12 | 3;
    l2[1] = 0 | 0x83;
    l1[1] = 5 << 12 | 3;
    l1[2] = 6 << 12 | 1;
    fake_paging.cr0 = CR0_PE | CR0_PG | CR0_WP;
    fake_paging.cr3 = 48 << 12 | 0xfff;
    struct vcpu *v = d->vcpus[0];
    struct hc at = {.v = v};
    assert_int_equal(translate_gva(v, gva(0x40001234), true, &g), STATUS_OK);
    assert_int_equal(g.v, 0x5234);
    assert_int_equal(translate_gva(v, gva(0x40002234), false, &g), STATUS_OK);
    assert_int_equal(translate_gva(v, gva(0x40002234), true, &g), STATUS_FAULT);
    fake_paging.cr0 &= ~CR0_WP;
    assert_int_equal(translate_gva(v, gva(0x40002234), true, &g), STATUS_OK);
    fake_paging.cr0 |= CR0_WP;
    assert_int_equal(translate_gva(v, gva(0x40212345), true, &g), STATUS_OK);
    assert_int_equal(g.v, 0x12345);
    assert_int_equal(translate_gva(v, gva(0x80012345), true, &g), STATUS_OK);
    assert_int_equal(g.v, 0x12345);
    assert_int_equal(translate_gva(v, gva(0x40003000), false, &g), STATUS_FAULT);
    assert_int_equal(translate_gva(v, gva(1UL << 47), false, &g), STATUS_FAULT); /* not canonical */
    assert_int_equal(hc_get(&at, back, 0x40001ff8, 16), 0); /* across pages */
    assert_int_equal(hc_put(&at, 0x40001ff8, bytes, 16), HC_EFAULT); /* the second is read-only */
    assert_int_equal(hc_put(&at, 0x40001ff0, bytes, 16), 0);
    assert_memory_equal((char *)fake_page(d, 5) + 0xff0, bytes, 16);
    assert_int_equal(hc_get(&at, back, ~0UL - 4, 16), HC_EFAULT);
    /* With its windows still open the way is looked at, not gone again: what the guest changes on it is seen, at any level. */
    windows_stay = true;
    ((char *)fake_page(d, 5))[0x234] = 'a';
    ((char *)fake_page(d, 6))[0x234] = 'b';
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(hc_get(&at, back, 0x40001234, 1), 0);
        assert_int_equal(back[0], 'a');
    }
    l1[1] = 6 << 12 | 1;
    assert_int_equal(hc_get(&at, back, 0x40001234, 1), 0);
    assert_int_equal(back[0], 'b');
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), HC_EFAULT); /* read-only */
    l1[1] = 5 << 12 | 3;
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), 0);
    assert_int_equal(((char *)fake_page(d, 5))[0x234], '0');
    l1[1] = 5 << 12 | 1;
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), HC_EFAULT);
    fake_paging.cr0 &= ~CR0_WP;
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), 0);
    fake_paging.cr0 |= CR0_WP;
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), HC_EFAULT);
    l1[1] = 5 << 12 | 3;
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), 0);
    l2[0] = 0;
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), HC_EFAULT);
    l2[0] = 51 << 12 | 3;
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), 0);
    fake_paging.cr3 = 5 << 12; /* another address space: a page that holds no entries */
    assert_int_equal(hc_put(&at, 0x40001234, bytes, 1), HC_EFAULT);
    fake_paging.cr3 = 48 << 12 | 0xfff;
    assert_int_equal(hc_get(&at, back, 0x40001234, 1), 0);
    struct domain_locked l = domain_lock(d); /* another frame is its page 5 */
    assert_int_equal(physmap_release(l, gfn(5), 0), STATUS_OK);
    assert_int_equal(physmap_populate(l, gfn(5), 0), STATUS_OK);
    domain_unlock(l);
    flush_sync(&d->ept);
    *((char *)fake_page(d, 5) + 0x234) = 'c';
    assert_int_equal(hc_get(&at, back, 0x40001234, 1), 0);
    assert_int_equal(back[0], 'c');
    windows_stay = false;
    l4[0] = 3UL << 50 | 3; /* a table outside of its memory */
    assert_int_equal(translate_gva(v, gva(0x40001234), false, &g), STATUS_FAULT);
    l4[0] = 49 << 12 | 0x83; /* PS is reserved there */
    assert_int_equal(translate_gva(v, gva(0x40001234), false, &g), STATUS_FAULT);
    fake_paging.cr0 = 0;
    assert_int_equal(translate_gva(v, gva(0x1234), true, &g), STATUS_OK); /* as it is */
    assert_int_equal(g.v, 0x1234);
}

static uint64_t seed = 88172645463325252UL;
static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}
static uint64_t interesting(void)
{
    const uint64_t v[] = {0, 1, 2, 3, 7, 8, 16, 63, 64, 511, 512, 4095, 4096, 0x7ff0, 0x7ff2, d->id, 0x20000, ~0UL, ~0U, 1UL << 36, 1UL << 63, 0x2000, 0x3000};
    return rnd() % 3 ? v[rnd() % ARRAY_SIZE(v)] : rnd();
}

/* A hostile DomU: whatever it does, every invariant holds and it can be destroyed without a frame lost. */
static void storm(void **state)
{
    (void)state;
    const uint64_t numbers[] = {12, 12, 12, 15, 17, 18, 20, 20, 21, 24, 24, 29, 32, 32, 32, 34, 55};
    uint64_t before = frame_stats().free_clean, ports = 0, moved = 0;
    for (int life = 0; life < 20; life++) {
        struct domain *e = fake_domu(64, 2);
        for (int i = 0; i < 3000 && e->state == CBL_DOM_RUNNING; i++) {
            uint64_t args[8];
            for (size_t k = 0; k < ARRAY_SIZE(args); k++)
                args[k] = rnd() % 2 ? interesting() : (interesting() & 0xffffffff) | interesting() << 32;
            if (rnd() % 2)
                args[0] = (args[0] & ~0xffffffffUL) | DOMID_SELF; /* what many calls have first */
            if (rnd() % 8 == 0)
                args[0] = 0x2020, args[1] = rnd() % 4, args[2] = 0, args[3] = DOMID_SELF, args[4] = rnd() % 80, args[5] = rnd() % 80; /* a balloon's list */
            if (physmap_copy_to(e, gpa(ARG), args, sizeof(args)) != STATUS_OK) {
                struct domain_locked l = domain_lock(e);
                assert_int_not_equal(physmap_populate(l, gfn(ARG >> 12), 0), STATUS_INVALID);
                domain_unlock(l);
            }
            uint64_t nr = numbers[rnd() % ARRAY_SIZE(numbers)], cmd = rnd() % 24;
            struct vcpu *v = e->vcpus[rnd() % 2];
            if (((nr == 29 && cmd == SCHEDOP_shutdown) || (nr == 24 && cmd == VCPUOP_down)) && rnd() % 50)
                continue; /* lives should not be too short */
            if (nr == 24)
                call(v, nr, cmd, rnd() % 3, ARG);
            else if (nr == 18)
                call(v, nr, cmd % 3, rnd() % 100, ARG);
            else if (nr == 15)
                call(v, nr, fake_ns + rnd() % 1000000, 0, 0);
            else
                call(v, nr, rnd() % 20 ? cmd : interesting(), rnd() % 20 ? ARG : interesting(), rnd() % 3);
            if (rnd() % 50 == 0)
                fake_time(fake_ns + rnd() % 100000);
            if (v->polling)
                event_poll_end(v);
        }
        fake_audit();
        ports += e->events->used;
        moved += e->pages != 64;
        if (fake_cpu.current && fake_cpu.current->domain == e)
            fake_run(dom0->vcpus[0]);
        assert_int_equal(domain_destroy(e->id), STATUS_OK);
        fake_audit();
    }
    assert_true(ports > 20 && moved > 2); /* the storm does more than collect errors */
    assert_in_range(frame_stats().free_clean, before - 4, before); /* pools may have grown by a page */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_numbers), cmocka_unit_test(linux_boot_order), cmocka_unit_test(balloon), cmocka_unit_test(bad_pointers), cmocka_unit_test(rights),
        cmocka_unit_test(a_domain_is_born), cmocka_unit_test(interrupts), cmocka_unit_test(consoles), cmocka_unit_test(waiting), cmocka_unit_test(page_walk),
        cmocka_unit_test(storm),
    };
    return cmocka_run_group_tests(tests, setup, finish);
}
