/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Grant tables: rights, marks, counts, hostile entries, both orders of death. */
#include "domain_fakes.h"

static struct domain *dom0, *d;
static grant_entry_v1_t *table;
static uint64_t scratch;

static int setup(void **state)
{
    (void)state;
    fake_machine();
    dom0 = fake_dom0();
    d = fake_domu(16, 1);
    struct domain_locked l = domain_lock(d);
    assert_int_equal(grant_map_frame(l, 0, gfn(20)), STATUS_OK);
    domain_unlock(l);
    table = fake_page(d, 20);
    scratch = 1UL << (cpu_features.phys_bits - 13);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_audit();
    assert_int_equal(domain_destroy(d->id), STATUS_OK);
    return 0;
}

static struct gnttab_map_grant_ref map_op(uint32_t ref, uint64_t at, uint32_t flags)
{
    return (struct gnttab_map_grant_ref){.host_addr = at << 12, .flags = flags | GNTMAP_host_map, .ref = ref, .dom = d->id};
}

static int16_t map(uint32_t ref, uint64_t at, uint32_t flags, uint32_t *handle)
{
    struct gnttab_map_grant_ref op = map_op(ref, at, flags);
    grant_map(dom0, &op, false);
    assert_int_equal(op.dev_bus_addr, 0);
    *handle = op.handle;
    return op.status;
}

static int16_t unmap(uint64_t at, uint32_t handle)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = at << 12, .handle = handle};
    grant_unmap(dom0, &op);
    return op.status;
}

static void permit(uint32_t ref, uint32_t gfn_value, uint16_t flags, uint16_t domid)
{
    table[ref] = (grant_entry_v1_t){.flags = (uint16_t)(GTF_permit_access | flags), .domid = domid, .frame = gfn_value};
}

static void map_and_unmap(void **state)
{
    (void)state;
    uint32_t h, h2;
    permit(8, 3, 0, 0);
    strcpy(fake_page(d, 3), "granted");
    assert_int_equal(map(8, scratch, 0, &h), GNTST_okay);
    assert_string_equal(fake_page(dom0, scratch), "granted");
    assert_int_equal(table[8].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
    fake_audit();
    assert_int_equal(map(8, scratch + 1, GNTMAP_readonly, &h2), GNTST_okay);
    assert_int_not_equal(h, h2);
    assert_int_equal(map(8, scratch + 1, 0, &h2 + 0), GNTST_general_error); /* the place is taken */
    assert_int_equal(unmap(scratch + 5, h), GNTST_bad_virt_addr);
    assert_int_equal(unmap(scratch, h), GNTST_okay);
    assert_int_equal(table[8].flags & (GTF_reading | GTF_writing), GTF_reading); /* the reader is left */
    assert_int_equal(unmap(scratch, h), GNTST_bad_handle);
    assert_int_equal(unmap(scratch, 100000), GNTST_bad_handle);
    grant_release_mappings(dom0);
    assert_int_equal(table[8].flags & (GTF_reading | GTF_writing), 0);
    assert_int_equal(fake_unflushed, 0); /* flushed before the granter was told */
}

/* Regression: the frame whose last reference an unmap or a copy drops is free when the call returns. */
static void last_use_frees(void **state)
{
    (void)state;
    uint32_t h;
    permit(8, 14, 0, 0);
    assert_int_equal(map(8, scratch, 0, &h), GNTST_okay);
    struct domain_locked l = domain_lock(d);
    uint64_t pages = d->pages;
    assert_int_equal(physmap_release(l, gfn(14), 0), STATUS_OK);
    assert_int_equal(d->pages, pages); /* counts against the limit as long as somebody maps it */
    domain_unlock(l);
    assert_int_equal(unmap(scratch, h), GNTST_okay);
    assert_int_equal(fake_deferred, 0);
    assert_int_equal(d->pages, pages - 1);
    l = domain_lock(d);
    assert_int_equal(physmap_populate(l, gfn(14), 0), STATUS_OK);
    domain_unlock(l);
}

static void wrong_requests(void **state)
{
    (void)state;
    uint32_t h;
    permit(8, 3, GTF_readonly, 0);
    permit(9, 3, 0, 55);
    permit(10, 999, 0, 0);
    permit(11, 20, 0, 0); /* the grant table itself */
    table[12] = (grant_entry_v1_t){.flags = GTF_accept_transfer};
    table[13] = (grant_entry_v1_t){.flags = GTF_permit_access | GTF_sub_page};
    assert_int_equal(map(8, scratch, 0, &h), GNTST_permission_denied);
    assert_int_equal(map(9, scratch, 0, &h), GNTST_bad_domain);
    assert_int_equal(map(10, scratch, 0, &h), GNTST_bad_page);
    assert_int_equal(map(11, scratch, 0, &h), GNTST_bad_page);
    assert_int_equal(map(12, scratch, 0, &h), GNTST_bad_gntref);
    assert_int_equal(map(13, scratch, 0, &h), GNTST_bad_gntref);
    assert_int_equal(map(14, scratch, 0, &h), GNTST_bad_gntref);
    assert_int_equal(map(512, scratch, 0, &h), GNTST_bad_gntref);
    assert_int_equal(map(~0U, scratch, 0, &h), GNTST_bad_gntref);
    assert_int_equal(map(8, 1UL << 40, GNTMAP_readonly, &h), GNTST_general_error);
    assert_int_equal(map(8, scratch, GNTMAP_readonly | GNTMAP_contains_pte, &h), GNTST_general_error);
    struct gnttab_map_grant_ref op = map_op(8, scratch, GNTMAP_readonly);
    op.host_addr++;
    grant_map(dom0, &op, false);
    assert_int_equal(op.status, GNTST_general_error);
    op = map_op(8, scratch, GNTMAP_readonly);
    op.dom = 4711;
    grant_map(dom0, &op, false);
    assert_int_equal(op.status, GNTST_bad_domain);
    op.dom = DOMID_SELF;
    grant_map(dom0, &op, false);
    assert_int_equal(op.status, GNTST_bad_domain);
    fake_prepare_fails = true;
    assert_int_equal(map(8, scratch, GNTMAP_readonly, &h), GNTST_general_error);
    fake_prepare_fails = false;
    for (int i = 8; i < 15; i++)
        assert_int_equal(table[i].flags & (GTF_reading | GTF_writing), 0); /* no mark left behind */
    for (uint32_t n = 0; n < dom0->grants->nr_handles; n++)
        assert_null(grant_handle_get(dom0, n));
}

static void host_address_only_for_dma(void **state)
{
    (void)state;
    struct gnttab_map_grant_ref op = map_op(8, scratch, GNTMAP_device_map);
    permit(8, 3, 0, 0);
    grant_map(dom0, &op, true);
    assert_int_equal(op.status, GNTST_okay);
    struct ept_leaf leaf;
    assert_true(ept_lookup(&d->ept, gfn(3), &leaf));
    assert_int_equal(op.dev_bus_addr, leaf.hfn.v << 12);
    assert_int_equal(unmap(scratch, op.handle), GNTST_okay);
}

static void entry_rewritten_while_in_use(void **state)
{
    (void)state;
    uint32_t h, h2;
    permit(8, 3, 0, 0);
    strcpy(fake_page(d, 3), "first");
    assert_int_equal(map(8, scratch, 0, &h), GNTST_okay);
    permit(8, 4, 0, 0); /* points elsewhere now, and the marks are wiped */
    assert_int_equal(map(8, scratch + 1, 0, &h2), GNTST_okay);
    assert_string_equal(fake_page(dom0, scratch + 1), "first");
    struct domain_locked l = domain_lock(d); /* and the page is given away under the mapping */
    assert_int_equal(physmap_release(l, gfn(3), 0), STATUS_OK);
    domain_unlock(l);
    fake_audit();
    assert_string_equal(fake_page(dom0, scratch), "first");
    assert_int_equal(unmap(scratch, h), GNTST_okay);
    assert_int_equal(unmap(scratch + 1, h2), GNTST_okay);
    fake_audit();
    l = domain_lock(d);
    assert_int_equal(physmap_populate(l, gfn(3), 0), STATUS_OK);
    domain_unlock(l);
}

static void granter_dies_first(void **state)
{
    (void)state;
    uint32_t h;
    uint16_t id = d->id;
    permit(8, 3, 0, 0);
    strcpy(fake_page(d, 3), "late");
    assert_int_equal(map(8, scratch, 0, &h), GNTST_okay);
    assert_int_equal(domain_destroy(id), STATUS_OK);
    assert_non_null(domain_peek(id));
    assert_string_equal(fake_page(dom0, scratch), "late");
    fake_audit();
    assert_int_equal(unmap(scratch, h), GNTST_okay);
    assert_null(domain_peek(id));
    d = fake_domu(8, 1);
}

static void mapper_dies_first(void **state)
{
    (void)state;
    struct domain *m = fake_domu(8, 1);
    permit(8, 3, 0, m->id);
    struct gnttab_map_grant_ref op = map_op(8, 30, 0);
    grant_map(m, &op, false);
    assert_int_equal(op.status, GNTST_okay);
    assert_int_equal(domain_destroy(m->id), STATUS_OK);
    assert_null(domain_peek(m->id));
    assert_int_equal(table[8].flags & (GTF_reading | GTF_writing), 0);
}

static void foreign_unmap_of_a_grant(void **state)
{
    (void)state;
    uint32_t h;
    permit(8, 3, 0, 0);
    assert_int_equal(map(8, scratch, 0, &h), GNTST_okay);
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch), 1), STATUS_OK);
    assert_int_equal(unmap(scratch, h), GNTST_general_error); /* says so, and counts stay right */
    assert_int_equal(unmap(scratch, h), GNTST_bad_handle);
    assert_int_equal(table[8].flags & GTF_reading, 0);
}

static void copies(void **state)
{
    (void)state;
    permit(8, 3, GTF_readonly, 0);
    permit(9, 4, 0, 0);
    strcpy(fake_page(d, 3), "0123456789");
    struct gnttab_copy op = {.source = {.u.ref = 8, .domid = d->id, .offset = 2}, .dest = {.u.gmfn = 5, .domid = DOMID_SELF, .offset = 4090}, .len = 6, .flags = GNTCOPY_source_gref};
    grant_copy(dom0, &op);
    assert_int_equal(op.status, GNTST_okay);
    assert_memory_equal((char *)fake_page(dom0, 5) + 4090, "234567", 6);
    op.dest.offset = 4091;
    grant_copy(dom0, &op);
    assert_int_equal(op.status, GNTST_bad_copy_arg);
    op.dest.offset = 0;
    op.dest.domid = d->id; /* another's page without a grant */
    grant_copy(dom0, &op);
    assert_int_equal(op.status, GNTST_permission_denied);
    op.flags |= GNTCOPY_dest_gref;
    op.dest.u.ref = 8; /* read-only */
    grant_copy(dom0, &op);
    assert_int_equal(op.status, GNTST_permission_denied);
    op.dest.u.ref = 9;
    grant_copy(dom0, &op);
    assert_int_equal(op.status, GNTST_okay);
    assert_memory_equal(fake_page(d, 4), "234567", 6);
    op.source.u.ref = 4000;
    grant_copy(dom0, &op);
    assert_int_equal(op.status, GNTST_bad_gntref);
    for (int i = 8; i < 10; i++)
        assert_int_equal(table[i].flags & (GTF_reading | GTF_writing), 0);
    assert_int_equal(d->refs, 1);
}

static void frames_are_idempotent(void **state)
{
    (void)state;
    struct domain_locked l = domain_lock(d);
    assert_int_equal(grant_map_frame(l, 3, gfn(24)), STATUS_OK);
    assert_int_equal(d->grants->nr_frames, 4);
    assert_int_equal(grant_map_frame(l, 3, gfn(24)), STATUS_OK);
    assert_int_equal(grant_map_frame(l, 3, gfn(25)), STATUS_OK); /* moves */
    struct ept_leaf leaf;
    assert_false(ept_lookup(&d->ept, gfn(24), &leaf));
    assert_int_equal(grant_map_frame(l, 64, gfn(26)), STATUS_INVALID);
    assert_int_equal(grant_map_frame(l, 2, gfn(6)), STATUS_OK); /* replaces RAM */
    assert_int_equal(d->pages, 15);
    domain_unlock(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_and_unmap), cmocka_unit_test(last_use_frees),
        cmocka_unit_test(wrong_requests), cmocka_unit_test(host_address_only_for_dma), cmocka_unit_test(entry_rewritten_while_in_use),
        cmocka_unit_test(mapper_dies_first), cmocka_unit_test(foreign_unmap_of_a_grant), cmocka_unit_test(copies), cmocka_unit_test(frames_are_idempotent),
        cmocka_unit_test(granter_dies_first),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
