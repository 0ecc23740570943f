/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A new domain's memory. */
#include "dom0/builder/guest_memory.h"

#include <xen/errno.h>

#include "dom0/builder/start_info.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"

#define LARGE_ORDER 9U
#define LARGE_PAGES 512UL
#define BATCH       512U
#define HIGH_GFN    (GUEST_HIGH_BASE >> 12)
#define LARGE_BATCH 16U /* the hypervisor does not leave a call half done: each is short */

/* Asks for NR blocks; *DONE: how many there are. */
static long populate(uint16_t domid, uint64_t gfn, uint32_t nr, uint16_t order, uint32_t *done)
{
    struct cbl_mem_units op = {.domid = domid, .order = order, .nr = nr, .gfn = gfn};
    long ret = control(CTL_MEM_POPULATE, &op);
    *done = op.done <= nr ? op.done : 0;
    if (ret == 0 && *done < nr) {
        ret = -XEN_ENOMEM;
    }
    return ret;
}

/* How many pages of RAM lie below GFN. */
static uint64_t ram_below(const struct guest_memory *m, uint64_t gfn)
{
    uint64_t high = gfn > HIGH_GFN ? gfn - HIGH_GFN : 0;
    return (gfn < m->low_pages ? gfn : m->low_pages) + (high < m->high_pages ? high : m->high_pages);
}

static bool refused(const struct guest_memory *m, uint64_t gfn, long ret, struct error *e)
{
    if (ret == -XEN_ENOMEM) {
        return error_set(e, EXIT_NO_RESOURCE,
                         "memory: the host's memory ended after %lu of %lu MiB: destroy a guest or lower memsize",
                         ram_below(m, gfn) >> 8, (m->low_pages + m->high_pages) >> 8);
    }
    return error_set(e, EXIT_FAILED, "memory: page 0x%lx of domain %u could not be given: %s", gfn, (unsigned)m->domid,
                     errno_text(ret));
}

static bool populate_small(const struct guest_memory *m, uint64_t gfn, uint64_t pages, struct error *e)
{
    while (pages > 0) {
        uint32_t nr = pages < BATCH ? (uint32_t)pages : BATCH, done;
        long ret = populate(m->domid, gfn, nr, 0, &done);
        if (ret != 0) {
            return refused(m, gfn + done, ret, e);
        }
        gfn += nr;
        pages -= nr;
    }
    return true;
}

static bool populate_ram(struct guest_memory *m, uint64_t gfn, uint64_t end, struct error *e)
{
    while (end - gfn >= LARGE_PAGES) {
        uint64_t blocks = (end - gfn) / LARGE_PAGES;
        uint32_t nr = blocks < LARGE_BATCH ? (uint32_t)blocks : LARGE_BATCH, done;
        long ret = populate(m->domid, gfn, nr, LARGE_ORDER, &done);
        gfn += done * LARGE_PAGES;
        if (ret != 0 && ret != -XEN_ENOMEM) {
            return refused(m, gfn, ret, e);
        }
        if (ret != 0) {
            /* No 2 MiB block is left: this one from single pages, and try again behind it. */
            if (!populate_small(m, gfn, LARGE_PAGES, e)) {
                return false;
            }
            gfn += LARGE_PAGES;
        }
        if (m->between != NULL && !m->between(m->ctx, ram_below(m, gfn))) {
            return false;
        }
    }
    return populate_small(m, gfn, end - gfn, e);
}

bool guest_memory_populate(struct guest_memory *m, struct error *e)
{
    return populate_ram(m, 0, m->low_pages, e) && populate_ram(m, HIGH_GFN, HIGH_GFN + m->high_pages, e);
}

bool guest_memory_populate_at(const struct guest_memory *m, uint64_t gfn, uint32_t pages, struct error *e)
{
    uint32_t done;
    long ret = populate(m->domid, gfn, pages, 0, &done);
    return ret == 0 ? true : refused(m, gfn + done, ret, e);
}

void guest_memory_close(struct guest_memory *m)
{
    if (m->window != NULL) {
        foreign_unmap(m->window, m->window_pages);
        m->window = NULL;
    }
}

static bool window_open(struct guest_memory *m, uint64_t gfn, struct error *e)
{
    if (m->window != NULL && gfn >= m->window_gfn && gfn - m->window_gfn < m->window_pages) {
        return true;
    }
    guest_memory_close(m);
    uint64_t base = gfn, pages = 1; /* outside RAM: pages stand alone */
    if (ram_below(m, gfn + 1U) != ram_below(m, gfn)) {
        uint64_t end = gfn < m->low_pages ? m->low_pages : HIGH_GFN + m->high_pages;
        base = gfn & ~(LARGE_PAGES - 1U);
        pages = end - base < LARGE_PAGES ? end - base : LARGE_PAGES;
    }
    m->window = foreign_map(m->domid, base, pages, true);
    if (m->window == NULL) {
        return error_set(e, EXIT_FAILED,
                         "memory: page 0x%lx of domain %u could not be mapped: no address space or the domain is going",
                         gfn, (unsigned)m->domid);
    }
    m->window_gfn = base;
    m->window_pages = pages;
    return true;
}

bool guest_memory_write(struct guest_memory *m, uint64_t gpa, const void *data, size_t len, struct error *e)
{
    const uint8_t *p = data;
    while (len > 0) {
        if (!window_open(m, gpa >> 12, e)) {
            return false;
        }
        uint64_t off = gpa - (m->window_gfn << 12), room = (m->window_pages << 12) - off;
        size_t n = len < room ? len : (size_t)room;
        memcpy((uint8_t *)m->window + off, p, n);
        gpa += n;
        p += n;
        len -= n;
    }
    return true;
}
