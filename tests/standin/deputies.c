/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Stand-in: event channels, grants and parameters between it and a domain without privileges, and what helpers with some privileges may not. */
#include "tests/standin/standin.h"

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/features.h>
#include <xen/version.h>

#define TABLE_GFN 0x10UL /* where the domain has its grant table */
#define NO_FRAME 0x300UL /* a hole */
#define HOLE 0xd8000UL   /* of the machine: no RAM, nobody's device */
enum { SHARED_RW = 8, SHARED_RO, FOR_ANOTHER, OF_A_HOLE, NOTHING };

#define EVENT(op, ...) XEN(event_channel_op, EVTCHNOP_##op, (&(struct evtchn_##op){__VA_ARGS__}))

/* ---- events ---- */

static uint32_t unbound_of(uint16_t d)
{
    struct evtchn_alloc_unbound a = {.dom = d, .remote_dom = 0};
    EXPECT(0, XEN(event_channel_op, EVTCHNOP_alloc_unbound, &a));
    return a.port;
}

static int status_of(uint16_t d, uint32_t port)
{
    struct evtchn_status s = {.dom = d, .port = port};
    EXPECT(0, XEN(event_channel_op, EVTCHNOP_status, &s));
    return (int)s.status;
}

static void events(const struct deputy *d)
{
    struct evtchn_bind_interdomain b = {.remote_dom = d->domid, .remote_port = unbound_of(d->domid)};
    EXPECT(EVTCHNSTAT_unbound, status_of(d->domid, b.remote_port));
    EXPECT(0, XEN(event_channel_op, EVTCHNOP_bind_interdomain, &b));
    EXPECT(EINVAL, XEN(event_channel_op, EVTCHNOP_bind_interdomain, &(struct evtchn_bind_interdomain){.remote_dom = d->domid, .remote_port = b.remote_port}));
    EXPECT(EINVAL, EVENT(bind_interdomain, .remote_dom = d->domid, .remote_port = 4000));
    EXPECT(EINVAL, EVENT(bind_interdomain, .remote_dom = d->domid, .remote_port = 5000));
    EXPECT(ESRCH, EVENT(bind_interdomain, .remote_dom = 99, .remote_port = 1));
    EXPECT(ESRCH, EVENT(alloc_unbound, .dom = 99));
    EXPECT(ESRCH, EVENT(status, .dom = 99, .port = 1));
    EXPECT(EINVAL, EVENT(status, .dom = d->domid, .port = 4096));
    EXPECT(EVTCHNSTAT_interdomain, status_of(0, b.local_port));
    EXPECT(0, EVENT(send, .port = b.local_port));
    EXPECT(EINVAL, EVENT(send, .port = 3000));
    EXPECT(ENOENT, EVENT(bind_vcpu, .port = b.local_port, .vcpu = 1));
    EXPECT(0, EVENT(bind_vcpu, .port = b.local_port, .vcpu = 0));
    EXPECT(EINVAL, EVENT(unmask, .port = 3000));
    EXPECT(EINVAL, EVENT(bind_virq, .virq = 24));
    EXPECT(EINVAL, EVENT(bind_virq, .virq = VIRQ_CONSOLE, .vcpu = 1)); /* global: the first vCPU's */
    EXPECT(ENOENT, EVENT(bind_virq, .virq = VIRQ_TIMER, .vcpu = 1));
    EXPECT(ENOENT, EVENT(bind_ipi, .vcpu = 1));
    EXPECT(0, EVENT(bind_virq, .virq = VIRQ_TIMER));
    EXPECT(EEXIST, EVENT(bind_virq, .virq = VIRQ_TIMER));
    /* Sent to while it is masked: pending, and that is all. */
    shared->evtchn_mask[0] |= 1UL << b.local_port;
    EXPECT(0, DEPUTY(d, event_channel_op, EVTCHNOP_send, &(struct evtchn_send){.port = b.remote_port}));
    EXPECT(1, (long)(shared->evtchn_pending[0] >> b.local_port & 1));
    KEY('e');
    EXPECT(0, EVENT(unmask, .port = b.local_port));
    EXPECT(0, (long)(shared->evtchn_mask[0] >> b.local_port & 1));
    EXPECT(0, DEPUTY(d, event_channel_op, EVTCHNOP_close, &(struct evtchn_close){.port = b.remote_port}));
    EXPECT(EVTCHNSTAT_unbound, status_of(0, b.local_port)); /* it waits for the same domain again */
    EXPECT(0, EVENT(send, .port = b.local_port));
    EXPECT(EPERM, DEPUTY(d, event_channel_op, EVTCHNOP_alloc_unbound, &(struct evtchn_alloc_unbound){.dom = 0}));
    EXPECT(EPERM, DEPUTY(d, event_channel_op, EVTCHNOP_status, &(struct evtchn_status){.dom = 0, .port = 1}));
}

/* Every port: the next has no place; a port that was closed can be had again. */
static void all_ports(const struct deputy *d)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF};
    uint32_t theirs = unbound_of(d->domid), left = 0, first = unbound_of(DOMID_SELF), last = first;
    while (XEN(event_channel_op, EVTCHNOP_alloc_unbound, &a) == 0)
        last = a.port;
    EXPECT(4095, (long)last);
    EXPECT(ENOSPC, EVENT(alloc_unbound, .dom = DOMID_SELF));
    EXPECT(ENOSPC, EVENT(bind_virq, .virq = VIRQ_DEBUG));
    EXPECT(ENOSPC, CONTROL(IRQ_BIND, irq_bind, .gsi = 8));
    EXPECT(ENOSPC, EVENT(bind_interdomain, .remote_dom = d->domid, .remote_port = theirs));
    EXPECT(EVTCHNSTAT_unbound, status_of(d->domid, theirs));
    for (uint32_t port = first; port <= last; port++)
        left += EVENT(close, .port = port) != 0;
    EXPECT(0, (long)left);
    EXPECT((long)first, (long)unbound_of(DOMID_SELF));
    EXPECT(0, EVENT(close, .port = first));
}

/* ---- grants ---- */

static int16_t grant(uint16_t dom, uint32_t ref, uint64_t at, uint32_t flags, uint32_t *handle)
{
    struct gnttab_map_grant_ref m = {.host_addr = at, .flags = flags, .ref = ref, .dom = dom};
    EXPECT(0, XEN(grant_table_op, GNTTABOP_map_grant_ref, &m));
    if (handle != NULL)
        *handle = m.handle;
    return m.status;
}

static int16_t ungrant(uint32_t handle, uint64_t at)
{
    struct gnttab_unmap_grant_ref u = {.handle = handle, .host_addr = at};
    EXPECT(0, XEN(grant_table_op, GNTTABOP_unmap_grant_ref, &u));
    return u.status;
}

static int16_t copy(struct gnttab_copy c)
{
    EXPECT(0, XEN(grant_table_op, GNTTABOP_copy, &c));
    return c.status;
}

static void give_grants(const struct deputy *d)
{
    const struct { uint32_t ref; uint64_t flags, domid, frame; } rows[] = {
        {SHARED_RW, GTF_permit_access, 0, 7}, {SHARED_RO, GTF_permit_access | GTF_readonly, 0, 9}, {FOR_ANOTHER, GTF_permit_access, 1234, 7},
        {OF_A_HOLE, GTF_permit_access, 0, NO_FRAME}};
    struct xen_add_to_physmap at = {.domid = d->domid, .space = XENMAPSPACE_grant_table, .gpfn = TABLE_GFN};
    EXPECT(0, XEN(memory_op, XENMEM_add_to_physmap, &at));
    for (unsigned i = 0; i < COUNT(rows); i++)
        deputy_store(d, (TABLE_GFN << 12) + 8UL * rows[i].ref, rows[i].flags | rows[i].domid << 16 | rows[i].frame << 32);
    EXPECT(EPERM, CONTROL(MAP_FOREIGN, map_foreign, .domid = d->domid, .gfn = TABLE_GFN, .at_gfn = scratch_gfn(4), .nr = 1)); /* the hypervisor's own frame */
}

/* Returns the handle of a mapping that is left. */
static uint32_t grants(const struct deputy *d)
{
    const uint64_t at = scratch_gfn(4) << 12;
    const uint32_t rw = GNTMAP_host_map, ro = GNTMAP_host_map | GNTMAP_readonly;
    uint32_t handle, second;
    EXPECT(GNTST_bad_gntref, grant(d->domid, NOTHING, at, rw, NULL));
    EXPECT(GNTST_bad_gntref, grant(d->domid, 512, at, rw, NULL)); /* beyond its only frame */
    EXPECT(GNTST_bad_domain, grant(d->domid, FOR_ANOTHER, at, rw, NULL));
    EXPECT(GNTST_bad_page, grant(d->domid, OF_A_HOLE, at, rw, NULL));
    EXPECT(GNTST_permission_denied, grant(d->domid, SHARED_RO, at, rw, NULL));
    EXPECT(GNTST_bad_domain, grant(99, SHARED_RW, at, rw, NULL));
    EXPECT(GNTST_bad_domain, grant(0, SHARED_RW, at, rw, NULL));
    EXPECT(GNTST_bad_domain, grant(DOMID_SELF, SHARED_RW, at, rw, NULL));
    EXPECT(GNTST_general_error, grant(d->domid, SHARED_RW, at, GNTMAP_readonly, NULL));
    EXPECT(GNTST_general_error, grant(d->domid, SHARED_RW, at, rw | GNTMAP_contains_pte, NULL));
    EXPECT(GNTST_general_error, grant(d->domid, SHARED_RW, at + 8, rw, NULL));
    EXPECT(GNTST_okay, grant(d->domid, SHARED_RW, at, rw | GNTMAP_device_map, &handle));
    *(volatile uint64_t *)scratch(4) = 0x5eed;
    EXPECT(0x5eed, *(volatile long *)(d->mem + 0x7000));
    EXPECT(GNTST_general_error, grant(d->domid, SHARED_RW, at, rw, NULL)); /* there is something already */
    EXPECT(GNTST_okay, grant(d->domid, SHARED_RW, at + 0x1000, ro, &second));
    /* Rewritten while it is used. */
    deputy_store(d, (TABLE_GFN << 12) + 8UL * SHARED_RW, GTF_permit_access | 1234UL << 16 | 7UL << 32);
    EXPECT(GNTST_bad_domain, grant(d->domid, SHARED_RW, at + 0x2000, rw, NULL));
    KEY('g');
    EXPECT(GNTST_bad_handle, ungrant(handle + 100, 0));
    EXPECT(GNTST_bad_virt_addr, ungrant(handle, at + 0x1000));
    EXPECT(GNTST_okay, ungrant(second, at + 0x1000));
    EXPECT(GNTST_okay, ungrant(handle, 0));
    EXPECT(GNTST_bad_handle, ungrant(handle, 0));
    deputy_store(d, (TABLE_GFN << 12) + 8UL * SHARED_RW, GTF_permit_access | 7UL << 32);
    EXPECT(GNTST_okay, grant(d->domid, SHARED_RW, at, rw, &handle));
    return handle;
}

/* Every handle: the next mapping has none. */
static void all_handles(const struct deputy *d)
{
    const uint64_t at = scratch_gfn(1UL << 17) << 12;
    uint32_t mapped = 0;
    int16_t status;
    while ((status = grant(d->domid, SHARED_RO, at + 4096UL * mapped, GNTMAP_host_map | GNTMAP_readonly, NULL)) == GNTST_okay && mapped < 100000)
        mapped++;
    EXPECT(GNTST_no_space, status);
    EXPECT(true, mapped >= 16384);
    uint32_t handles = mapped;
    for (uint32_t handle = 0; handle < handles; handle++)
        mapped -= ungrant(handle, 0) == GNTST_okay;
    EXPECT(0, mapped);
}

static void copies(const struct deputy *d)
{
    const uint64_t own = start_of_ram >> 12; /* the image's beginning: read only here */
    const struct gnttab_copy good = {.source = {.u.ref = SHARED_RO, .domid = d->domid, .offset = 8}, .dest = {.u.ref = SHARED_RW, .domid = d->domid}, .len = 16,
                                     .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref};
    struct gnttab_copy c = good;
    d->mem[0x9008] = 77;
    EXPECT(GNTST_okay, copy(c));
    EXPECT(77, d->mem[0x7000]);
    c.len = 4096;
    EXPECT(GNTST_bad_copy_arg, copy(c));
    c = good, c.dest.offset = 4090;
    EXPECT(GNTST_bad_copy_arg, copy(c));
    c = good, c.flags |= 4;
    EXPECT(GNTST_bad_copy_arg, copy(c));
    c = good, c.dest.u.ref = SHARED_RO;
    EXPECT(GNTST_permission_denied, copy(c));
    c = good, c.flags = GNTCOPY_source_gref; /* another's frame by its number */
    EXPECT(GNTST_permission_denied, copy(c));
    c = good, c.source.domid = 99;
    EXPECT(GNTST_bad_domain, copy(c));
    c = good, c.source.domid = DOMID_SELF, c.source.u.gmfn = own, c.flags = GNTCOPY_dest_gref;
    EXPECT(GNTST_okay, copy(c));
    c.source.u.gmfn = HOLE - 1;
    EXPECT(GNTST_bad_page, copy(c));
}

static void sizes(const struct deputy *d)
{
    struct gnttab_query_size q = {.dom = d->domid};
    EXPECT(0, XEN(grant_table_op, GNTTABOP_query_size, &q));
    EXPECT(GNTST_okay, q.status);
    EXPECT(1, (long)q.nr_frames);
    q.dom = 99;
    EXPECT(0, XEN(grant_table_op, GNTTABOP_query_size, &q));
    EXPECT(GNTST_bad_domain, q.status);
    q.dom = 0;
    EXPECT(0, DEPUTY(d, grant_table_op, GNTTABOP_query_size, &q));
    EXPECT(GNTST_permission_denied, q.status);
}

/* ---- parameters, memory, small things ---- */

static void parameters(const struct deputy *d)
{
    struct xen_hvm_param p = {.domid = d->domid, .index = HVM_PARAM_STORE_PFN, .value = 5}, get = {.domid = d->domid, .index = HVM_PARAM_STORE_PFN};
    EXPECT(0, XEN(hvm_op, HVMOP_set_param, &p));
    EXPECT(0, XEN(hvm_op, HVMOP_get_param, &get));
    EXPECT(5, (long)get.value);
    EXPECT(ESRCH, XEN(hvm_op, HVMOP_get_param, (&(struct xen_hvm_param){.domid = 99, .index = 1})));
    EXPECT(ESRCH, XEN(hvm_op, HVMOP_set_param, (&(struct xen_hvm_param){.domid = 99, .index = 1})));
    EXPECT(EINVAL, XEN(hvm_op, HVMOP_get_param, (&(struct xen_hvm_param){.domid = 0, .index = 1000})));
    EXPECT(EINVAL, XEN(hvm_op, HVMOP_set_param, (&(struct xen_hvm_param){.domid = d->domid, .value = 1UL << 56})));
    EXPECT(EINVAL, XEN(hvm_op, HVMOP_set_param, (&(struct xen_hvm_param){.domid = d->domid, .value = 2UL << 56 | 15})));
    EXPECT(0, DEPUTY(d, hvm_op, HVMOP_set_param, &(struct xen_hvm_param){.domid = DOMID_SELF, .value = 2UL << 56 | 0x40}));
    EXPECT(EPERM, DEPUTY(d, hvm_op, HVMOP_set_param, &p));
    EXPECT(EPERM, DEPUTY(d, hvm_op, HVMOP_get_param, &(struct xen_hvm_param){.domid = 0, .index = HVM_PARAM_STORE_PFN}));
}

static void memory(const struct deputy *d)
{
    uint64_t gfns[2] = {0x500, 0x501};
    struct xen_memory_reservation r = {.nr_extents = 2, .domid = d->domid};
    set_xen_guest_handle(r.extent_start, gfns);
    EXPECT(2, XEN(memory_op, XENMEM_populate_physmap, &r));
    EXPECT(0, XEN(memory_op, XENMEM_populate_physmap, &r)); /* none: they are there */
    EXPECT(2, XEN(memory_op, XENMEM_decrease_reservation, &r));
    EXPECT(EPERM, DEPUTY(d, memory_op, XENMEM_decrease_reservation, &(struct xen_memory_reservation){.nr_extents = 1, .domid = 0}));
    r.extent_order = 10;
    EXPECT(EINVAL, XEN(memory_op, XENMEM_populate_physmap, &r));
    r.domid = 99, r.extent_order = 0;
    EXPECT(ESRCH, XEN(memory_op, XENMEM_populate_physmap, &r));
    EXPECT(ESRCH, XEN(memory_op, XENMEM_add_to_physmap, (&(struct xen_add_to_physmap){.domid = 99, .space = XENMAPSPACE_shared_info})));
    EXPECT(EINVAL, XEN(memory_op, XENMEM_add_to_physmap, (&(struct xen_add_to_physmap){.domid = d->domid, .space = XENMAPSPACE_shared_info, .idx = 1})));
    EXPECT(EINVAL, XEN(memory_op, XENMEM_add_to_physmap, (&(struct xen_add_to_physmap){.domid = d->domid, .space = XENMAPSPACE_grant_table, .idx = 64})));
    EXPECT(EINVAL, XEN(memory_op, XENMEM_add_to_physmap, (&(struct xen_add_to_physmap){.domid = d->domid, .gpfn = 1UL << 52})));
    EXPECT(EBUSY, XEN(memory_op, XENMEM_add_to_physmap, (&(struct xen_add_to_physmap){.domid = d->domid, .gpfn = TABLE_GFN}))); /* over another shared frame */
    struct xen_feature_info f = {0};
    EXPECT(0, XEN(xen_version, XENVER_get_features, &f));
    EXPECT(1, (long)(f.submap >> XENFEAT_dom0 & 1));
    /* An answer that cannot be written: the page is mapped to be read. */
    EXPECT(0, CONTROL(MAP_FOREIGN, map_foreign, .domid = d->domid, .gfn = 8, .at_gfn = scratch_gfn(8), .nr = 1));
    EXPECT(EFAULT, hypercall2(CBL_HYPERCALL, CTL_CPU_INFO, (uint64_t)scratch(8)));
    EXPECT(EFAULT, hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, 16, NOWHERE));
    EXPECT(EINVAL, hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, 16385, (uint64_t)scratch(8)));
    KEY('D');
    EXPECT(0, CONTROL(UNMAP_FOREIGN, unmap_foreign, .at_gfn = scratch_gfn(8), .nr = 1));
}

static void vcpus(const struct deputy *d)
{
    struct vcpu_register_vcpu_info info = {.mfn = 0x15, .offset = 8};
    uint64_t area = -8UL;
    EXPECT(0, deputy_call(d, __HYPERVISOR_vcpu_op, VCPUOP_up, 0, 0)); /* it is */
    EXPECT(1, deputy_call(d, __HYPERVISOR_vcpu_op, VCPUOP_is_up, 0, 0));
    EXPECT(ENOENT, deputy_call(d, __HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0));
    EXPECT(ENOSYS, deputy_call(d, __HYPERVISOR_vcpu_op, 99, 0, 0));
    deputy_put(d, &area, sizeof(area));
    EXPECT(EINVAL, deputy_call(d, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, DEPUTY_BUFFER)); /* goes round the end */
    info.offset = 4090;
    deputy_put(d, &info, sizeof(info));
    EXPECT(EINVAL, deputy_call(d, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, DEPUTY_BUFFER)); /* reaches out of its page */
    info.offset = 8, info.mfn = NO_FRAME;
    deputy_put(d, &info, sizeof(info));
    EXPECT(EINVAL, deputy_call(d, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, DEPUTY_BUFFER));
    /* Twice paused is paused until it is twice unpaused. */
    EXPECT(0, CONTROL(DOMAIN_PAUSE, domain_ref, .domid = d->domid));
    EXPECT(0, CONTROL(DOMAIN_PAUSE, domain_ref, .domid = d->domid));
    EXPECT(0, CONTROL(DOMAIN_UNPAUSE, domain_ref, .domid = d->domid));
    EXPECT(9999, deputy_call(d, __HYPERVISOR_xen_version, XENVER_version, 0, 0)); /* no answer */
    EXPECT(0, CONTROL(DOMAIN_UNPAUSE, domain_ref, .domid = d->domid));
    EXPECT(EBUSY, CONTROL(DOMAIN_UNPAUSE, domain_ref, .domid = d->domid));
    EXPECT(4 << 16 | 17, deputy_call(d, __HYPERVISOR_xen_version, XENVER_version, 0, 0));
}

/* Ways to an argument that lead nowhere. */
static void pointers(const struct deputy *d)
{
    deputy_store(d, 0x2008, NO_FRAME << 12 | 3); /* a page directory that is not there */
    deputy_store(d, 0x1008, 0x83);               /* a large page of 512 GiB */
    EXPECT(EFAULT, deputy_call(d, __HYPERVISOR_xen_version, XENVER_extraversion, 1UL << 30, 0));
    EXPECT(EFAULT, deputy_call(d, __HYPERVISOR_xen_version, XENVER_extraversion, 1UL << 39, 0));
    EXPECT(EFAULT, deputy_call(d, __HYPERVISOR_xen_version, XENVER_extraversion, 0x1ffffc, 0)); /* ends where nothing is mapped */
    EXPECT(0, CONTROL(MAP_MMIO, map_mmio, .gfn = HOLE, .nr = 1));
    EXPECT(EFAULT, hypercall2(CBL_HYPERCALL, CTL_CPU_INFO, HOLE << 12)); /* a device's registers are no argument */
}

/* For an hour, with a timer armed. */
static void waits(const struct deputy *d)
{
    struct sched_poll poll = {.timeout = 7200000000000};
    EXPECT(0, deputy_call(d, __HYPERVISOR_set_timer_op, 3600000000000, 0, 0));
    deputy_put(d, &poll, sizeof(poll));
    deputy_tell(d, __HYPERVISOR_sched_op, SCHEDOP_poll, DEPUTY_BUFFER, 0);
    struct cbl_vcpu_info v = {.domid = d->domid};
    for (unsigned i = 0; i < 1000 && v.state != 3; i++) {
        (void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
        EXPECT(0, control(CTL_VCPU_INFO, &v));
    }
    EXPECT(3, v.state);
    KEY('a');
    KEY('q');
}

static void plain(void)
{
    struct deputy d = deputy_new(0, 1);
    EXPECT(EBUSY, CONTROL(MEM_RELEASE, mem_units, .domid = d.domid, .gfn = 0x20, .nr = 1)); /* it runs */
    struct cbl_vcpu_context_op op = {.domid = d.domid};
    EXPECT(EBUSY, control(CTL_CONTEXT_GET, &op));
    EXPECT(EBUSY, CONTROL(DOMAIN_UNPAUSE, domain_ref, .domid = d.domid));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, HOST_INFO, host_info, 0));
    events(&d);
    all_ports(&d);
    give_grants(&d);
    copies(&d);
    sizes(&d);
    parameters(&d);
    memory(&d);
    all_handles(&d);
    vcpus(&d);
    pointers(&d);
    uint32_t handle = grants(&d);
    waits(&d);
    /* The mapping outlives its domain, which ends while it waits. */
    struct cbl_domain_info i = {.domid = d.domid, .exact = 1};
    EXPECT(0, CONTROL(UNMAP_FOREIGN, unmap_foreign, .at_gfn = scratch_gfn(512), .nr = 512));
    EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = d.domid));
    EXPECT(0, control(CTL_DOMAIN_INFO, &i));
    EXPECT(CBL_DOM_DYING, i.state);
    EXPECT(GNTST_bad_domain, grant(d.domid, SHARED_RW, scratch_gfn(6) << 12, GNTMAP_host_map, NULL));
    EXPECT(0x5eed, *(volatile long *)scratch(4) & 0xffff);
    KEY('*');
    EXPECT(GNTST_okay, ungrant(handle, 0));
    EXPECT(ESRCH, control(CTL_DOMAIN_INFO, &i));
}

/* ---- helpers ---- */

/* It has shut down, so it stands still: its registers can be had, its memory taken. */
static void suspended(const struct deputy *d)
{
    struct sched_shutdown reason = {.reason = SHUTDOWN_suspend};
    struct cbl_domain_info i = {.domid = d->domid, .exact = 1};
    deputy_put(d, &reason, sizeof(reason));
    deputy_tell(d, __HYPERVISOR_sched_op, SCHEDOP_shutdown, DEPUTY_BUFFER, 0);
    for (unsigned n = 0; n < 1000 && i.state != CBL_DOM_SHUTDOWN; n++) {
        (void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
        EXPECT(0, control(CTL_DOMAIN_INFO, &i));
    }
    EXPECT(CBL_DOM_SHUTDOWN, i.state);
    EXPECT(CBL_SHUTDOWN_SUSPEND, i.shutdown);
    struct cbl_vcpu_context_op op = {.domid = d->domid};
    EXPECT(0, control(CTL_CONTEXT_GET, &op));
    EXPECT(0, (long)op.ctx.rax); /* what it goes on with */
    EXPECT(0x5000, (long)op.ctx.rbx);
    EXPECT(0, CONTROL(MEM_RELEASE, mem_units, .domid = d->domid, .gfn = 0x20, .nr = 1));
}

static void manager(void)
{
    struct deputy d = deputy_new(CBL_PRIV_INFO | CBL_PRIV_DOMAIN, 1), other = deputy_new(0, 2);
    struct xen_hvm_param p = {.domid = other.domid, .index = HVM_PARAM_STORE_PFN, .value = 7};
    EXPECT(EPERM, DEPUTY_CONTROL(&d, DOMAIN_DESTROY, domain_ref, .domid = 0));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, DOMAIN_DESTROY, domain_ref, .domid = d.domid));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, DOMAIN_PAUSE, domain_ref, .domid = 0));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, DOMAIN_PAUSE, domain_ref, .domid = d.domid));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, DOMAIN_PAUSE, domain_ref, .domid = DOMID_SELF));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1, .privileges = CBL_PRIV_DOMAIN | CBL_PRIV_HOST));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, MAP_FOREIGN, map_foreign, .domid = other.domid, .nr = 1));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, MAP_MMIO, map_mmio, .gfn = HOLE, .nr = 1));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, AUDIT, audit, 0));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, LOG_READ, log_read, 0));
    EXPECT(EPERM, DEPUTY(&d, event_channel_op, EVTCHNOP_alloc_unbound, &(struct evtchn_alloc_unbound){.dom = 0}));
    EXPECT(EPERM, DEPUTY(&d, hvm_op, HVMOP_set_param, &(struct xen_hvm_param){.domid = 0, .index = HVM_PARAM_STORE_PFN}));
    EXPECT(EPERM, DEPUTY(&d, console_io, CONSOLEIO_read, &(uint64_t){0}));
    /* What it is for. */
    EXPECT(0, DEPUTY_CONTROL(&d, MEM_POPULATE, mem_units, .domid = DOMID_SELF, .gfn = 0x1000, .nr = 2));
    EXPECT(0, DEPUTY_CONTROL(&d, MEM_RELEASE, mem_units, .domid = DOMID_SELF, .gfn = 0x1000, .nr = 2)); /* its own, though it runs */
    EXPECT(0, DEPUTY_CONTROL(&d, DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1, .privileges = CBL_PRIV_DOMAIN, .domid = 100));
    EXPECT(0, DEPUTY_CONTROL(&d, DOMAIN_DESTROY, domain_ref, .domid = 100));
    EXPECT(0, DEPUTY(&d, event_channel_op, EVTCHNOP_alloc_unbound, &(struct evtchn_alloc_unbound){.dom = other.domid}));
    EXPECT(0, DEPUTY(&d, hvm_op, HVMOP_set_param, &p));
    EXPECT(0, DEPUTY(&d, hvm_op, HVMOP_get_param, &p));
    EXPECT(0, DEPUTY(&d, hvm_op, HVMOP_set_param, &(struct xen_hvm_param){.domid = DOMID_SELF, .index = HVM_PARAM_STORE_PFN}));
    EXPECT(0, DEPUTY_CONTROL(&d, DOMAIN_PAUSE, domain_ref, .domid = other.domid));
    EXPECT(0, DEPUTY_CONTROL(&d, DOMAIN_UNPAUSE, domain_ref, .domid = other.domid));
    suspended(&other);
    deputy_end(&other, 2);
    deputy_end(&d, 1);
}

static void driver(void)
{
    struct deputy d = deputy_new(CBL_PRIV_MAP | CBL_PRIV_DEVICE | CBL_PRIV_CONSOLE | CBL_PRIV_HOST, 1);
    EXPECT(EINVAL, DEPUTY_CONTROL(&d, MAP_FOREIGN, map_foreign, .domid = 0, .at_gfn = scratch_gfn(0), .nr = 1)); /* only Dom0 has the range for it */
    EXPECT(EINVAL, DEPUTY_CONTROL(&d, UNMAP_FOREIGN, unmap_foreign, .at_gfn = scratch_gfn(0), .nr = 1));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, MAP_MMIO, map_mmio, .gfn = start_of_ram >> 12, .nr = 1));
    EXPECT(0, CONTROL(MEM_POPULATE, mem_units, .domid = d.domid, .gfn = HOLE, .nr = 1));
    EXPECT(EEXIST, DEPUTY_CONTROL(&d, MAP_MMIO, map_mmio, .gfn = HOLE - 1, .nr = 2)); /* it has memory of its own there */
    EXPECT(0, DEPUTY_CONTROL(&d, MAP_MMIO, map_mmio, .gfn = HOLE + 512, .nr = 512));
    struct cbl_irq_bind b = {.gsi = 8, .flags = 0};
    EXPECT(0, deputy_xen(&d, CBL_HYPERCALL, CTL_IRQ_BIND, &b, sizeof(b)));
    EXPECT(ENOENT, CONTROL(IRQ_UNBIND, irq_unbind, .port = b.port)); /* not ours */
    EXPECT(EPERM, CONTROL(IRQ_ACK, irq_ack, .gsi = 8));
    EXPECT(0, DEPUTY_CONTROL(&d, IRQ_UNBIND, irq_unbind, .port = b.port));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1));
    EXPECT(EPERM, DEPUTY_CONTROL(&d, DOMAIN_INFO, domain_info, 0));
    EXPECT(0, DEPUTY_CONTROL(&d, AUDIT, audit, 0));
    KEY('D');
    deputy_end(&d, 1);
}

void test_deputies(void)
{
    plain();
    manager();
    driver();
}
