/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Stand-in: memory given and taken back, foreign mappings, device memory. */
#include "tests/standin/standin.h"

#define RANGE_PAGES (1UL << 18) /* of the scratch range */
#define LAPIC 0xfee00UL
#define IOAPIC 0xfec00UL
#define HOLE 0xd0000UL /* below 4 GiB, above all RAM of the machine */

static long units(enum control_op op, uint16_t d, uint64_t gfn, uint16_t order, uint32_t nr, uint32_t *done)
{
    struct cbl_mem_units u = {.domid = d, .gfn = gfn, .order = order, .nr = nr, .done = 77};
    long result = control(op, &u);
    if (done != NULL)
        *done = u.done;
    return result;
}
#define GIVE(d, gfn, order, nr) units(CTL_MEM_POPULATE, d, gfn, order, nr, NULL)
#define TAKE(d, gfn, order, nr) units(CTL_MEM_RELEASE, d, gfn, order, nr, NULL)

static long map(uint16_t d, uint64_t gfn, uint64_t at, uint32_t nr, uint32_t *done)
{
    struct cbl_map_foreign m = {.domid = d, .gfn = gfn, .at_gfn = at, .nr = nr, .writable = 1, .done = 77};
    long result = control(CTL_MAP_FOREIGN, &m);
    if (done != NULL)
        *done = m.done;
    return result;
}
static long unmap(uint64_t at, uint32_t nr) { return CONTROL(UNMAP_FOREIGN, unmap_foreign, .at_gfn = at, .nr = nr); }

static void giving(uint16_t d)
{
    const uint64_t limit = 1UL << (host.phys_bits - 12);
    uint32_t done;
    EXPECT(0, GIVE(d, 0, 9, 1));
    EXPECT(0, GIVE(d, 0x1000, 0, 4));
    EXPECT(EEXIST, GIVE(d, 0x1003, 0, 1));
    EXPECT(EEXIST, GIVE(d, 0x1000, 9, 1)); /* part of it is there */
    EXPECT(EINVAL, GIVE(d, 0x2000, 1, 1));
    EXPECT(EINVAL, GIVE(d, 0x2000, 19, 1));
    EXPECT(EINVAL, GIVE(d, 0x2001, 9, 1));
    EXPECT(EINVAL, GIVE(d, 0x2000, 0, 513));
    EXPECT(EINVAL, GIVE(d, 1UL << 52, 0, 1));
    EXPECT(EINVAL, GIVE(d, limit, 0, 1));
    EXPECT(EINVAL, units(CTL_MEM_POPULATE, d, limit - 1, 0, 2, &done)); /* goes on behind the end */
    EXPECT(1, done);
    EXPECT(ESRCH, GIVE(99, 0, 0, 1));
    EXPECT(ENOMEM, GIVE(d, 0x40000, 18, 1)); /* 1 GiB, above the limit of the domain */
    EXPECT(0, GIVE(d, 0x2000, 0, 512));
    EXPECT(0, GIVE(d, 0x2200, 0, 512));
    EXPECT(ENOMEM, units(CTL_MEM_POPULATE, d, 0x2400, 0, 512, &done));
    EXPECT(2048 - 512 - 5 - 2 * 512, done); /* as far as the limit goes */
}

static void taking(uint16_t d)
{
    EXPECT(0, TAKE(d, 0x1000, 0, 1));
    EXPECT(ENOENT, TAKE(d, 0x1000, 0, 1));
    EXPECT(0, TAKE(d, 5, 0, 1)); /* out of a large page */
    EXPECT(ENOENT, TAKE(d, 0, 9, 1));
    EXPECT(0, TAKE(d, 0x2000, 9, 1)); /* 512 single ones */
    EXPECT(EINVAL, TAKE(d, 0x2001, 9, 1));
    EXPECT(EINVAL, TAKE(d, 0x2000, 19, 1));
    EXPECT(EINVAL, TAKE(d, 1UL << (host.phys_bits - 12), 0, 1));
}

static void foreign(uint16_t d)
{
    uint32_t done;
    EXPECT(EINVAL, map(d, 0x2200, scratch_gfn(0), 513, NULL));
    EXPECT(EINVAL, map(d, 0x2200, scratch_gfn(0) - 1, 1, NULL));
    EXPECT(EINVAL, map(d, 0x2200, scratch_gfn(RANGE_PAGES), 1, NULL));
    EXPECT(EINVAL, map(d, 0x2200, scratch_gfn(RANGE_PAGES - 1), 2, NULL));
    EXPECT(EINVAL, map(d, -2UL, scratch_gfn(0), 4, NULL));
    EXPECT(EINVAL, map(0, start_of_ram >> 12, scratch_gfn(0), 1, NULL)); /* ourselves */
    EXPECT(ESRCH, map(99, 0, scratch_gfn(0), 1, NULL));
    EXPECT(ENOENT, map(d, 0x1001, scratch_gfn(0), 5, &done)); /* two are gone, the next is a hole */
    EXPECT(3, done);
    EXPECT(EEXIST, map(d, 0x2200, scratch_gfn(1), 2, &done));
    EXPECT(0, done);
    EXPECT(0, map(d, 0x2200, scratch_gfn(512), 256, NULL));
    *(volatile uint64_t *)scratch(512) = 0x1234;
    EXPECT(0x1234, *(volatile long *)scratch(512));
    EXPECT(EINVAL, unmap(scratch_gfn(0), 513));
    EXPECT(EINVAL, unmap(scratch_gfn(0) - 1, 1));
    EXPECT(ENOENT, unmap(scratch_gfn(0), 4)); /* three are there */
    EXPECT(ENOENT, unmap(scratch_gfn(0), 1));
    EXPECT(0, GIVE(0, scratch_gfn(0), 0, 1));
    EXPECT(EPERM, unmap(scratch_gfn(0), 1)); /* our own */
    EXPECT(0, TAKE(0, scratch_gfn(0), 0, 1));
    EXPECT(0, unmap(scratch_gfn(512), 255));
}

/* Mapped large, taken apart, and mapped by somebody who outlives its owner. */
static void foreign_outlives(uint16_t d)
{
    struct cbl_domain_info i = {.domid = d, .exact = 1};
    EXPECT(0, TAKE(d, 0x2200, 0, 1));
    EXPECT(0, GIVE(d, 0x4000, 9, 1));
    EXPECT(0, map(d, 0x4000, scratch_gfn(1024), 512, NULL));
    EXPECT(0, unmap(scratch_gfn(1024 + 100), 1));
    EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = d));
    EXPECT(0, control(CTL_DOMAIN_INFO, &i));
    EXPECT(CBL_DOM_DYING, i.state);
    EXPECT(512, (long)i.pages); /* 511 and the one at scratch page 767 */
    EXPECT(ESRCH, map(d, 0x4000, scratch_gfn(0), 1, NULL)); /* nobody comes to it any more */
    EXPECT(ESRCH, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = d));
    KEY('q');
    KEY('*');
    EXPECT(0, unmap(scratch_gfn(1024), 100));
    EXPECT(0, unmap(scratch_gfn(1024 + 101), 411));
    EXPECT(0, unmap(scratch_gfn(512 + 255), 1));
    EXPECT(ESRCH, control(CTL_DOMAIN_INFO, &i));
}

static long mmio(uint64_t gfn, uint32_t nr) { return CONTROL(MAP_MMIO, map_mmio, .gfn = gfn, .nr = nr); }

static void devices(void)
{
    EXPECT(EPERM, mmio(HOLE, (1U << 18) + 1));
    EXPECT(EPERM, mmio(start_of_ram >> 12, 1));
    EXPECT(EPERM, mmio(LAPIC, 1));
    EXPECT(EPERM, mmio(LAPIC - 1, 2));
    EXPECT(EPERM, mmio(IOAPIC, 1));
    EXPECT(EPERM, mmio(scratch_gfn(0) - 1, 2));
    EXPECT(EPERM, mmio(scratch_gfn(RANGE_PAGES - 1), 1));
    EXPECT(EPERM, mmio((1UL << (host.phys_bits - 12)) - 1, 2));
    EXPECT(0, mmio(HOLE + 0x100, 1));
    EXPECT(0, mmio(HOLE, 0x400)); /* around that page, then large */
    EXPECT(0, mmio(HOLE, 0x400));
    EXPECT(0, mmio(scratch_gfn(RANGE_PAGES), 1));
    EXPECT(EPERM, TAKE(0, HOLE, 0, 1)); /* no RAM of ours */
}

void test_memory(void)
{
    struct cbl_domain_create c = {.max_pages = 2048, .vcpus = 1};
    EXPECT(0, control(CTL_DOMAIN_CREATE, &c));
    giving(c.domid);
    taking(c.domid);
    foreign(c.domid);
    foreign_outlives(c.domid);
    devices();
}
