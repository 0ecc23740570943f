/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Memory that is not Dom0's RAM: other domains' pages, grants, borrowed memory, device registers. The
 * scratch range of guest-physical addresses and the addresses at SCRATCH_BASE belong together one to one, so one
 * allocator serves both. */
#include "dom0/kernel/foreign.h"

#include <xen/grant_table.h>
#include <xen/xen.h>

#include "dom0/kernel/boot.h"
#include "dom0/kernel/boot_priv.h"
#include "dom0/kernel/fatal.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/page.h"
#include "dom0/kernel/paging.h"
#include "dom0/kernel/range.h"
#include "dom0/kernel/thread.h"

_Static_assert(sizeof(struct gnttab_map_grant_ref) == 32 && sizeof(struct gnttab_unmap_grant_ref) == 24, "Xen layout");

#define UNIT 512UL /* pages of a large page; also the most that one control operation takes */
#define FEW_PAGES 32UL
/* The hypervisor clears a page that was not cleared while it was idle, and leaves no call half done. */
#define FEW_LARGE 1UL

static struct range scratch;
static uint64_t scratch_gfn; /* a multiple of UNIT */
static uint64_t device_next = DEVICE_BASE;
static struct foreign_figures figures;

static uint64_t slot_va(size_t slot) { return SCRATCH_BASE + slot * PAGE_SIZE; }
static size_t va_slot(const void *va) { return ((uint64_t)va - SCRATCH_BASE) / PAGE_SIZE; }

bool foreign_init(void)
{
    const struct cbl_host_info *host = boot_host_info();
    uint64_t end = (host->scratch_gfn + host->scratch_pages) & ~(UNIT - 1);
    scratch_gfn = (host->scratch_gfn + UNIT - 1) & ~(UNIT - 1);
    if (end <= scratch_gfn) {
        return false;
    }
    size_t count = end - scratch_gfn;
    void *bits = page_take((range_words(count) * sizeof(uint64_t) + PAGE_SIZE - 1) / PAGE_SIZE);
    if (bits == NULL) {
        return false;
    }
    range_init(&scratch, bits, count);
    return true;
}

static size_t slots_take(size_t pages, size_t align, size_t offset)
{
    size_t slot = range_take(&scratch, pages, align, offset);
    figures.pages += slot != RANGE_NONE ? pages : 0;
    return slot;
}

/* After the hypervisor let go: own tables and the slots. */
static void slots_give(size_t slot, uint64_t pages)
{
    if (!range_give(&scratch, slot, pages)) {
        fatal("foreign: %lu pages at 0x%lx were not mapped", pages, slot_va(slot));
    }
    figures.pages -= pages;
}

struct foreign_figures foreign_get_figures(void) { return figures; }

static void unmap_at(uint64_t at_gfn, uint64_t pages)
{
    while (pages != 0) {
        uint64_t n = UNIT - at_gfn % UNIT;
        n = n < pages ? n : pages;
        struct cbl_unmap_foreign op = {.at_gfn = at_gfn, .nr = (uint32_t)n};
        long err = control(CTL_UNMAP_FOREIGN, &op);
        if (err != 0) {
            fatal("unmapping %lu pages at gfn 0x%lx: %s", n, at_gfn, errno_text(err));
        }
        at_gfn += n;
        pages -= n;
    }
}

/* In pieces that end at 2 MiB boundaries of AT_GFN, so that large pages stay whole. Returns how many pages are
 * mapped. */
static uint64_t map_at(uint16_t domid, uint64_t gfn, uint64_t at_gfn, uint64_t pages, bool writable)
{
    uint64_t done = 0;
    while (done < pages) {
        uint64_t n = UNIT - (at_gfn + done) % UNIT;
        n = n < pages - done ? n : pages - done;
        struct cbl_map_foreign op = {
            .domid = domid, .writable = writable, .nr = (uint32_t)n, .gfn = gfn + done, .at_gfn = at_gfn + done};
        long err = control(CTL_MAP_FOREIGN, &op);
        done += op.done <= n ? op.done : n;
        if (err != 0 || op.done != n) {
            break;
        }
    }
    return done;
}

void *foreign_map(uint16_t domid, uint64_t gfn, uint64_t pages, bool writable)
{
    size_t slot = slots_take(pages, pages >= UNIT ? UNIT : 1, pages >= UNIT ? gfn % UNIT : 0);
    if (slot == RANGE_NONE) {
        return NULL;
    }
    uint64_t at_gfn = scratch_gfn + slot;
    uint64_t done = map_at(domid, gfn, at_gfn, pages, writable);
    if (done == pages &&
        paging_map(slot_va(slot), at_gfn * PAGE_SIZE, pages * PAGE_SIZE, writable ? PAGING_WRITE : PAGING_READ)) {
        return (void *)slot_va(slot);
    }
    unmap_at(at_gfn, done);
    slots_give(slot, pages);
    return NULL;
}

void foreign_unmap(void *va, uint64_t pages)
{
    if (va == NULL) {
        return;
    }
    size_t slot = va_slot(va);
    paging_unmap((uint64_t)va, pages * PAGE_SIZE);
    unmap_at(scratch_gfn + slot, pages);
    slots_give(slot, pages);
}

static uint64_t release_units(uint64_t gfn, uint64_t units, uint16_t order)
{
    uint64_t done = 0;
    while (done < units) {
        uint64_t n = units - done < UNIT ? units - done : UNIT;
        struct cbl_mem_units op = {.domid = 0, .order = order, .nr = (uint32_t)n, .gfn = gfn + (done << order)};
        long err = control(CTL_MEM_RELEASE, &op);
        if (err != 0) {
            return done + op.done;
        }
        done += n;
    }
    return done;
}

/* A few at a time, so that others run. */
static uint64_t release_large(uint64_t gfn, uint64_t units)
{
    uint64_t done = 0;
    for (uint64_t n; done < units; done += n) {
        n = units - done < FEW_LARGE ? units - done : FEW_LARGE;
        uint64_t gone = release_units(gfn + done * UNIT, n, 9);
        if (gone != n) {
            return done + gone;
        }
        thread_yield();
    }
    return done;
}

/* Whole large pages where there are some; single pages a few at a time: each costs the hypervisor about a thousand instructions. */
bool foreign_release(uint64_t phys, uint64_t pages)
{
    uint64_t gfn = phys / PAGE_SIZE, end = gfn + pages;
    while (gfn < end) {
        bool large = gfn % UNIT == 0 && end - gfn >= UNIT;
        uint64_t to_large = UNIT - gfn % UNIT, left = end - gfn;
        uint64_t n = left < to_large ? left : to_large;
        n = n < FEW_PAGES ? n : FEW_PAGES;
        if (release_units(gfn, large ? 1 : n, large ? 9 : 0) == 0) {
            return false;
        }
        gfn += large ? UNIT : n;
        thread_yield();
    }
    return true;
}

void *memory_borrow(size_t bytes)
{
    uint64_t units = (bytes + UNIT * PAGE_SIZE - 1) / (UNIT * PAGE_SIZE);
    size_t slot = bytes != 0 ? slots_take(units * UNIT, UNIT, 0) : RANGE_NONE;
    if (slot == RANGE_NONE) {
        return NULL;
    }
    uint64_t gfn = scratch_gfn + slot, done = 0;
    long err = 0;
    while (done < units && err == 0) {
        uint64_t n = units - done < FEW_LARGE ? units - done : FEW_LARGE;
        struct cbl_mem_units op = {.domid = 0, .order = 9, .nr = (uint32_t)n, .gfn = gfn + done * UNIT};
        err = control(CTL_MEM_POPULATE, &op);
        done += op.done;
        thread_yield();
    }
    if (done == units && paging_map(slot_va(slot), gfn * PAGE_SIZE, units * UNIT * PAGE_SIZE, PAGING_WRITE)) {
        return (void *)slot_va(slot);
    }
    release_large(gfn, done);
    slots_give(slot, units * UNIT);
    return NULL;
}

void memory_return(void *p, size_t bytes)
{
    if (p == NULL) {
        return;
    }
    uint64_t units = (bytes + UNIT * PAGE_SIZE - 1) / (UNIT * PAGE_SIZE);
    size_t slot = va_slot(p);
    paging_unmap((uint64_t)p, units * UNIT * PAGE_SIZE);
    if (release_large(scratch_gfn + slot, units) != units) {
        fatal("the hypervisor refuses to take borrowed memory back");
    }
    slots_give(slot, units * UNIT);
}

static bool grant_map_at(size_t slot, uint16_t domid, uint32_t ref, bool writable, uint32_t *handle)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = (scratch_gfn + slot) * PAGE_SIZE,
        .flags = (uint32_t)(GNTMAP_host_map | (writable ? 0 : GNTMAP_readonly)),
        .ref = ref,
        .dom = domid,
    };
    long err = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, (uint64_t)&op, 1);
    *handle = op.handle;
    bool ok = err == 0 && op.status == GNTST_okay;
    figures.grants += ok ? 1 : 0;
    return ok;
}

static void grant_unmap_at(size_t slot, uint32_t handle)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = (scratch_gfn + slot) * PAGE_SIZE, .handle = handle};
    long err = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, (uint64_t)&op, 1);
    if (err != 0 || op.status != GNTST_okay) {
        fatal("unmapping grant handle %u: status %d", handle, op.status);
    }
    figures.grants--;
}

void *grant_map_pages(uint16_t domid, const uint32_t *refs, uint32_t n, bool writable, uint32_t *handles)
{
    uint32_t done = 0;
    size_t slot = slots_take(n, 1, 0);
    if (slot == RANGE_NONE) {
        return NULL;
    }
    while (done < n && grant_map_at(slot + done, domid, refs[done], writable, &handles[done])) {
        done++;
    }
    if (done == n && paging_map(slot_va(slot), (scratch_gfn + slot) * PAGE_SIZE, n * PAGE_SIZE,
                                writable ? PAGING_WRITE : PAGING_READ)) {
        return (void *)slot_va(slot);
    }
    for (uint32_t i = 0; i < done; i++) {
        grant_unmap_at(slot + i, handles[i]);
    }
    slots_give(slot, n);
    return NULL;
}

void grant_unmap_pages(void *va, const uint32_t *handles, uint32_t n)
{
    size_t slot = va_slot(va);
    paging_unmap((uint64_t)va, n * PAGE_SIZE);
    for (uint32_t i = 0; i < n; i++) {
        grant_unmap_at(slot + i, handles[i]);
    }
    slots_give(slot, n);
}

void *grant_map(uint16_t domid, uint32_t ref, bool writable, uint32_t *handle)
{
    return grant_map_pages(domid, &ref, 1, writable, handle);
}

void grant_unmap(void *va, uint32_t handle) { grant_unmap_pages(va, &handle, 1); }

volatile void *mmio_map(uint64_t phys, uint64_t bytes)
{
    uint64_t first = phys / PAGE_SIZE, last = (phys + bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    if (bytes == 0 || phys + bytes < phys) {
        return NULL;
    }
    struct cbl_map_mmio op = {.gfn = first, .nr = (uint32_t)(last - first)};
    if (op.nr != last - first || (boot_on_corbel() && control(CTL_MAP_MMIO, &op) != 0)) {
        return NULL;
    }
    uint64_t va = device_next;
    if (!paging_map(va, first * PAGE_SIZE, (last - first) * PAGE_SIZE, PAGING_WRITE | PAGING_UNCACHED)) {
        return NULL;
    }
    device_next += (last - first + 1) * PAGE_SIZE; /* with a hole behind it */
    return (volatile void *)(va + phys % PAGE_SIZE);
}
