/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Ownership joined to EPT: all or nothing per unit, limits, references, what may not be mapped or taken. */
#include "domain_fakes.h"

static struct domain *dom0, *d;
static uint64_t scratch;

static int setup(void **state)
{
    (void)state;
    fake_machine();
    dom0 = fake_dom0();
    d = fake_domu(1200, 1);
    scratch = 1UL << (cpu_features.phys_bits - 13);
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

static void populate_refuses(void **state)
{
    (void)state;
    struct domain_locked l = domain_lock(d);
    uint64_t pages = d->pages;
    assert_int_equal(physmap_populate(l, gfn(1300), 0), STATUS_NO_MEMORY); /* over the limit */
    assert_int_equal(physmap_release(l, gfn(1100), 0), STATUS_OK);
    assert_int_equal(physmap_populate(l, gfn(3), 0), STATUS_EXISTS);
    assert_int_equal(physmap_populate(l, gfn(1024), 9), STATUS_NO_MEMORY);
    assert_int_equal(physmap_populate(l, gfn(5), 9), STATUS_INVALID);
    assert_int_equal(physmap_populate(l, gfn(0), 3), STATUS_INVALID);
    assert_int_equal(physmap_populate(l, gfn(0), 18), STATUS_INVALID); /* this CPU has no 1 GiB leaves */
    assert_int_equal(physmap_populate(l, gfn(1UL << 40), 0), STATUS_INVALID);
    fake_prepare_fails = true;
    assert_int_equal(physmap_populate(l, gfn(1100), 0), STATUS_NO_MEMORY);
    fake_prepare_fails = false;
    fake_allocs_until_failure = 0;
    assert_int_equal(physmap_populate(l, gfn(1100), 0), STATUS_NO_MEMORY);
    fake_allocs_until_failure = -1;
    assert_int_equal(d->pages, pages - 1);
    assert_int_equal(physmap_populate(l, gfn(1100), 0), STATUS_OK);
    assert_int_equal(d->pages, pages);
    domain_unlock(l);
}

static void release_splits_and_counts(void **state)
{
    (void)state;
    struct domain_locked l = domain_lock(d);
    struct ept_leaf leaf;
    assert_true(ept_lookup(&d->ept, gfn(100), &leaf));
    assert_int_equal(leaf.order, 9);
    assert_int_equal(physmap_release(l, gfn(100), 0), STATUS_OK);
    assert_int_equal(physmap_release(l, gfn(100), 0), STATUS_NOT_FOUND);
    assert_int_equal(frame_type(leaf.hfn), FRAME_FREE);
    assert_true(ept_lookup(&d->ept, gfn(101), &leaf));
    assert_int_equal(leaf.order, 0);
    assert_int_equal(physmap_release(l, gfn(512), 9), STATUS_OK);
    assert_int_equal(d->pages, 1200 - 513);
    assert_int_equal(physmap_populate(l, gfn(512), 9), STATUS_OK);
    assert_int_equal(physmap_populate(l, gfn(100), 0), STATUS_OK);
    domain_unlock(l);
}

static void foreign_units(void **state)
{
    (void)state;
    uint32_t done;
    struct ept_leaf leaf;
    struct domain_pair p = domain_lock_pair(dom0, d->id, false);
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch), gfn(512), 600, false, &done), STATUS_OK);
    assert_true(ept_lookup(&dom0->ept, gfn(scratch), &leaf));
    assert_int_equal(leaf.order, 9);
    assert_int_equal(leaf.rights, EPT_R); /* never executable */
    assert_true(ept_lookup(&dom0->ept, gfn(scratch + 512), &leaf));
    assert_int_equal(leaf.order, 0);
    assert_int_equal(d->refs, 601);
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch), gfn(0), 1, true, &done), STATUS_EXISTS);
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch + 1024), gfn(1150), 100, true, &done), STATUS_NOT_FOUND);
    assert_int_equal(done, 50);
    assert_int_equal(physmap_map_foreign(p.self, p.self, gfn(scratch + 2048), gfn(0), 1, true, &done), STATUS_INVALID);
    assert_int_equal(physmap_release(p.self, gfn(scratch), 0), STATUS_DENIED); /* not Dom0's RAM */
    domain_unlock_pair(p);
    fake_audit();
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch + 100), 1), STATUS_OK); /* out of the middle of the large one */
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch), 100), STATUS_OK);
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch), 1), STATUS_NOT_FOUND);
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(3), 1), STATUS_DENIED); /* its own RAM */
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch + 101), 499), STATUS_OK);
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch + 1024), 50), STATUS_OK);
    assert_int_equal(d->refs, 1);
}

static void frames_stay_while_mapped(void **state)
{
    (void)state;
    uint32_t done;
    struct domain_pair p = domain_lock_pair(dom0, d->id, false);
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch), gfn(0), 512, true, &done), STATUS_OK);
    assert_int_equal(physmap_release(p.other, gfn(0), 9), STATUS_OK); /* the owner lets go of all of it */
    domain_unlock_pair(p);
    fake_audit();
    memset(fake_page(dom0, scratch + 7), 1, PAGE_SIZE);
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch), 512), STATUS_OK);
    fake_audit();
    struct domain_locked l = domain_lock(d);
    assert_int_equal(physmap_populate(l, gfn(0), 9), STATUS_OK);
    domain_unlock(l);
}

static void several_owners_in_one_unmap(void **state)
{
    (void)state;
    struct domain *e = fake_domu(16, 1);
    uint32_t done;
    struct domain_pair p = domain_lock_pair(dom0, d->id, false);
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch), gfn(3), 4, true, &done), STATUS_OK);
    domain_unlock_pair(p);
    p = domain_lock_pair(dom0, e->id, false);
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch + 4), gfn(3), 4, true, &done), STATUS_OK);
    domain_unlock_pair(p);
    assert_int_equal(physmap_unmap_foreign(dom0, gfn(scratch), 8), STATUS_OK);
    assert_int_equal(d->refs, 1);
    assert_int_equal(e->refs, 1);
    assert_int_equal(domain_destroy(e->id), STATUS_OK);
}

static void shared_frames(void **state)
{
    (void)state;
    struct domain_locked l = domain_lock(d);
    assert_int_equal(physmap_map_shared(l, gfn(16), d->shared_info_hfn, &d->shared_info_gfn), STATUS_OK);
    assert_ptr_equal(fake_page(d, 16), d->shared_info);
    assert_int_equal(d->pages, 1199);
    assert_int_equal(physmap_map_shared(l, gfn(16), d->shared_info_hfn, &d->shared_info_gfn), STATUS_OK);
    assert_int_equal(frame_refs(d->shared_info_hfn), 2);
    assert_int_equal(physmap_map_shared(l, gfn(1UL << 40), d->shared_info_hfn, &d->shared_info_gfn), STATUS_INVALID);
    assert_int_equal(physmap_release(l, gfn(16), 0), STATUS_DENIED);
    assert_int_equal(physmap_map_shared(l, gfn(2000), d->shared_info_hfn, &d->shared_info_gfn), STATUS_OK);
    assert_int_equal(frame_refs(d->shared_info_hfn), 2); /* moved: at one place only */
    assert_int_equal(physmap_populate(l, gfn(16), 0), STATUS_OK);
    domain_unlock(l);
    uint32_t done;
    struct domain_pair p = domain_lock_pair(dom0, d->id, false);
    assert_int_equal(physmap_map_foreign(p.self, p.other, gfn(scratch), gfn(2000), 1, true, &done), STATUS_DENIED);
    domain_unlock_pair(p);
}

static void identity(void **state)
{
    (void)state;
    struct domain_locked l = domain_lock(dom0);
    assert_int_equal(physmap_map_identity(l, gfn(2048), 700, EPT_R | EPT_W), STATUS_OK);
    assert_int_equal(physmap_map_identity(l, gfn(2050), 3, EPT_R | EPT_W), STATUS_OK); /* again */
    assert_int_equal(physmap_map_identity(l, gfn(0), 3, EPT_R | EPT_W), STATUS_EXISTS);
    assert_int_equal(physmap_release(l, gfn(2048), 0), STATUS_DENIED);
    domain_unlock(l);
    char c;
    assert_int_equal(physmap_copy_from(dom0, &c, gpa(2048UL << 12), 1), STATUS_FAULT); /* device memory is no RAM */
}

static void copies(void **state)
{
    (void)state;
    char in[5000], out[5000];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)(i * 7);
    assert_int_equal(physmap_copy_to(d, gpa(1000), in, sizeof(in)), STATUS_OK);
    assert_int_equal(physmap_copy_from(d, out, gpa(1000), sizeof(out)), STATUS_OK);
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(physmap_copy_from(d, out, gpa(1200 * 4096 - 10), 20), STATUS_FAULT);
    assert_int_equal(physmap_copy_to(d, gpa(~0UL - 10), in, 5), STATUS_FAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(populate_refuses), cmocka_unit_test(release_splits_and_counts), cmocka_unit_test(foreign_units), cmocka_unit_test(frames_stay_while_mapped),
        cmocka_unit_test(several_owners_in_one_unmap), cmocka_unit_test(shared_frames), cmocka_unit_test(identity), cmocka_unit_test(copies),
    };
    return cmocka_run_group_tests(tests, setup, finish);
}
