/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Stand-in: another domain takes the machine's last page. What needs memory is refused and changes nothing, until it has as many pages as it
 * takes; in the end all is there again. */
#include "tests/standin/standin.h"

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

#define SINGLE_GFN 0x100000UL /* where the pages are that were given one by one; the large ones begin at 0 */
#define ENOUGH 200U           /* pages for any domain of two vCPUs */

static long give(uint16_t d, uint64_t gfn, uint16_t order, uint32_t nr, uint32_t *done)
{
    struct cbl_mem_units u = {.domid = d, .gfn = gfn, .order = order, .nr = nr};
    long result = control(CTL_MEM_POPULATE, &u);
    *done = u.done;
    return result;
}

/* Everything for D; returns how many pages went one by one. */
static uint64_t take_all(uint16_t d)
{
    uint64_t at = 0, singles = 0;
    uint32_t done;
    long result;
    do {
        result = give(d, at, 9, 64, &done);
        at += 512UL * done;
    } while (result == 0);
    EXPECT(ENOMEM, result);
    do {
        result = give(d, SINGLE_GFN + singles, 0, 512, &done);
        singles += done;
    } while (result == 0);
    EXPECT(ENOMEM, result);
    return singles;
}

static void audit_has_no_room(void)
{
    struct cbl_audit a = {0};
    EXPECT(0, control(CTL_AUDIT, &a));
    EXPECT(0, a.ok); /* it cannot count, and says so */
    EXPECT('n', a.why[0]);
}

/* ---- what asks for memory: 0, or ENOMEM and nothing has changed ---- */

static long a_page(const struct deputy *d)
{
    uint32_t done;
    return give(d->domid, 0x300, 0, 1, &done);
}
static long a_port(const struct deputy *d) { return XEN(event_channel_op, EVTCHNOP_alloc_unbound, &(struct evtchn_alloc_unbound){.dom = d->domid}); } /* the first: a table of them */
static long a_grant_frame(const struct deputy *d)
{
    return XEN(memory_op, XENMEM_add_to_physmap, &(struct xen_add_to_physmap){.domid = d->domid, .space = XENMAPSPACE_grant_table, .gpfn = 0x12, .idx = 1});
}
static long a_foreign_page(const struct deputy *d) { return CONTROL(MAP_FOREIGN, map_foreign, .domid = d->domid, .at_gfn = scratch_gfn(100UL << 9), .nr = 1); }
static long a_device(const struct deputy *d)
{
    (void)d;
    return CONTROL(MAP_MMIO, map_mmio, .gfn = 0xe8001, .nr = 2);
}
static long a_grant(const struct deputy *d)
{
    struct gnttab_map_grant_ref m = {.host_addr = scratch_gfn(200UL << 9) << 12, .flags = GNTMAP_host_map, .ref = 8, .dom = d->domid};
    EXPECT(0, XEN(grant_table_op, GNTTABOP_map_grant_ref, &m));
    if (m.status == GNTST_okay)
        EXPECT(0, XEN(grant_table_op, GNTTABOP_unmap_grant_ref, &(struct gnttab_unmap_grant_ref){.handle = m.handle}));
    return m.status == GNTST_okay ? 0 : m.status == GNTST_no_space || m.status == GNTST_general_error ? ENOMEM : m.status;
}
static long a_domain(const struct deputy *d)
{
    struct cbl_domain_create c = {.max_pages = 16, .vcpus = 2};
    (void)d;
    long result = control(CTL_DOMAIN_CREATE, &c);
    if (result == 0)
        EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = c.domid));
    return result;
}

static const struct { long (*request)(const struct deputy *d); const char *name; unsigned pages; /* at most: what it is, tables of the guest's, tables of the hypervisor's */ } requests[] = {
    {a_page, "a page", 4},     {a_port, "a port", 4},   {a_grant_frame, "a grant frame", 4}, {a_foreign_page, "a foreign page", 4},
    {a_device, "a device", 6}, {a_grant, "a grant", 6}, {a_domain, "a domain", 20},
};

void test_exhaustion(void)
{
    struct cbl_host_info before = {0}, after = {0};
    EXPECT(0, control(CTL_HOST_INFO, &before));
    struct cbl_domain_create all = {.max_pages = host.mem_total_bytes >> 12, .vcpus = 1};
    EXPECT(0, control(CTL_DOMAIN_CREATE, &all));
    struct deputy d = deputy_new(0, 1);
    EXPECT(0, XEN(memory_op, XENMEM_add_to_physmap, &(struct xen_add_to_physmap){.domid = d.domid, .space = XENMAPSPACE_grant_table, .gpfn = 0x11}));
    deputy_store(&d, 0x11000 + 8 * 8, GTF_permit_access | 7UL << 32);
    EXPECT(0, CONTROL(DOMAIN_PAUSE, domain_ref, .domid = d.domid));
    uint64_t singles = take_all(all.domid);
    unsigned refused = 0;
    audit_has_no_room();
    for (unsigned i = 0; i < COUNT(requests); i++) {
        unsigned pages = 0;
        long result;
        while ((result = requests[i].request(&d)) == ENOMEM && pages < ENOUGH && singles > 0) {
            EXPECT(0, CONTROL(MEM_RELEASE, mem_units, .domid = all.domid, .gfn = SINGLE_GFN + --singles, .nr = 1));
            pages++;
        }
        expect(0, result, requests[i].name, "request", (int)i);
        expect(true, pages <= requests[i].pages, requests[i].name, "pages it took", (int)i);
        refused += pages;
    }
    EXPECT(true, refused > 10);
    EXPECT(ENOMEM, give(d.domid, 0x400, 9, 1, &(uint32_t){0})); /* no 512 of them together */
    EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = all.domid));
    EXPECT(0, CONTROL(DOMAIN_UNPAUSE, domain_ref, .domid = d.domid));
    EXPECT(0, CONTROL(UNMAP_FOREIGN, unmap_foreign, .at_gfn = scratch_gfn(100UL << 9), .nr = 1));
    deputy_end(&d, 1);
    EXPECT(0, control(CTL_HOST_INFO, &after));
    EXPECT(true, before.mem_free_bytes - after.mem_free_bytes <= 16UL << 12); /* tables of ours */
}
