/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Grant tables v1. The entries are in memory that the granter changes at will: flags and domid are read and changed together by one
 * 32-bit compare-and-exchange, the frame number is read once after that. */
#include "kernel/domain/grant.h"

#include "ept/flush.h"
#include "kernel/core/string.h"
#include "kernel/domain/physmap.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/pool.h"
#include "kernel/mm/window.h"

#define CAS_TRIES 16U

enum status grant_init(struct domain *d)
{
    d->grants = domain_table_page(d);
    for (size_t i = 0; d->grants && i < GRANT_MAX_FRAMES; i++)
        d->grants->gfns[i] = GFN_INVALID;
    return d->grants ? STATUS_OK : STATUS_NO_MEMORY;
}

void grant_destroy(struct domain *d)
{
    struct grant_table *t = d->grants;
    if (!t)
        return;
    for (size_t i = 0; i < GRANT_MAX_FRAMES; i++)
        pool_page_free(t->frames[i]);
    for (size_t i = 0; i < GRANT_ACTIVE_PAGES; i++)
        pool_page_free(t->active[i]);
    for (size_t i = 0; i < GRANT_HANDLE_PAGES; i++)
        pool_page_free(t->handles[i]);
    pool_page_free(t);
    d->grants = NULL;
}

enum status grant_map_frame(struct domain_locked l, uint32_t idx, gfn_t g)
{
    struct grant_table *t = l.d->grants;
    if (idx >= GRANT_MAX_FRAMES)
        return STATUS_INVALID;
    while (t->nr_frames <= idx) {
        hfn_t f;
        enum status s = frame_alloc(FRAME_ORDER_4K, l.d->id, FRAME_SHARED, &f);
        if (s != STATUS_OK)
            return s;
        t->frames[t->nr_frames++] = root_va(hpa_of_hfn(f));
        __atomic_fetch_add(&l.d->root_pages, 1, __ATOMIC_RELAXED);
    }
    return physmap_map_shared(l, g, hfn_of_hpa(root_pa(t->frames[idx])), &t->gfns[idx]);
}

static struct grant_active *active_of(struct domain *d, uint32_t ref)
{
    struct grant_active **page = &d->grants->active[ref / GRANT_ACTIVE_PER_PAGE];
    if (!*page)
        *page = domain_table_page(d);
    return *page ? &(*page)[ref % GRANT_ACTIVE_PER_PAGE] : NULL;
}

static uint32_t *entry_word(struct grant_table *t, uint32_t ref) /* flags in the low half, domid in the high one */
{
    return (uint32_t *)(void *)&t->frames[ref / GRANT_PER_FRAME][ref % GRANT_PER_FRAME];
}

/* Sets the in-use marks if the entry grants what is asked. */
static int16_t mark_entry(uint32_t *word, uint16_t by, bool writable)
{
    for (unsigned i = 0; i < CAS_TRIES; i++) {
        uint32_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE); /* pairs with the guest's barrier between frame and flags */
        if ((old & GTF_type_mask) != GTF_permit_access || (old & GTF_sub_page))
            return GNTST_bad_gntref;
        if (old >> 16 != by)
            return GNTST_bad_domain;
        if (writable && (old & GTF_readonly))
            return GNTST_permission_denied;
        uint32_t marked = old | GTF_reading | (writable ? GTF_writing : 0U);
        if (__atomic_compare_exchange_n(word, &old, marked, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            return GNTST_okay;
    }
    return GNTST_eagain;
}

static void unmark_entry(uint32_t *word, const struct grant_active *a)
{
    uint32_t clear = (a->writers ? 0U : GTF_writing) | (a->writers || a->readers ? 0U : GTF_reading);
    __atomic_fetch_and(word, ~clear, __ATOMIC_SEQ_CST); /* the guest may revoke from here on: accesses have ended before */
}

/* One use of REF by domain BY: entry checked and marked, frame referenced. GNTST_*. */
static int16_t acquire(struct domain_locked granter, uint32_t ref, uint16_t by, bool writable, hfn_t *out)
{
    struct grant_table *t = granter.d->grants;
    if (!t || ref >= t->nr_frames * GRANT_PER_FRAME)
        return GNTST_bad_gntref;
    struct grant_active *a = active_of(granter.d, ref);
    if (!a || a->readers == UINT16_MAX || a->writers == UINT16_MAX)
        return GNTST_no_space;
    uint32_t *word = entry_word(t, ref);
    bool in_use = a->readers || a->writers;
    if (in_use && a->domid != by)
        return GNTST_bad_domain; /* the entry was rewritten while in use */
    int16_t s = mark_entry(word, by, writable);
    if (s != GNTST_okay)
        return s;
    uint32_t frame = __atomic_load_n(&t->frames[ref / GRANT_PER_FRAME][ref % GRANT_PER_FRAME].frame, __ATOMIC_RELAXED);
    *out = hfn(a->hfn); /* a use beside another gets the same frame */
    bool got = in_use ? frame_get(*out, granter.d->id, FRAME_GUEST)
                      : physmap_get_frame(granter, gfn(frame), writable, out);
    if (!got) {
        unmark_entry(word, a);
        return GNTST_bad_page;
    }
    a->domid = by;
    a->hfn = out->v;
    if (writable)
        a->writers++;
    else
        a->readers++;
    granter.d->refs++;
    return GNTST_okay;
}

/* Ends it: marks are taken back with the last use. The frame reference is the caller's to drop (put_frame). */
static void release(struct domain_locked granter, uint32_t ref, bool writable)
{
    struct grant_active *a = grant_active_get(granter.d, ref);
    if (!a || (writable ? a->writers : a->readers) == 0)
        return;
    if (writable)
        a->writers--;
    else
        a->readers--;
    unmark_entry(entry_word(granter.d->grants, ref), a);
}

/* Drops the frame reference of one use; E: the EPT that had it mapped last. */
static void put_frame(struct domain_locked granter, struct ept *e, hfn_t h)
{
    physmap_put_frame(granter, e, h);
    granter.d->refs--;
}

static struct grant_handle *handle_at(const struct grant_table *t, uint32_t n)
{
    return n < t->nr_handles ? &t->handles[n / GRANT_HANDLES_PER_PAGE][n % GRANT_HANDLES_PER_PAGE] : NULL;
}

/* The lowest handle that is not in use; it is once the caller fills it in. */
static struct grant_handle *handle_find(struct domain *d, uint32_t *number)
{
    struct grant_table *t = d->grants;
    for (uint32_t n = t->none_free_below; n < GRANT_HANDLE_PAGES * GRANT_HANDLES_PER_PAGE; n++) {
        struct grant_handle **page = &t->handles[n / GRANT_HANDLES_PER_PAGE];
        if (!*page && !(*page = domain_table_page(d)))
            return NULL;
        t->nr_handles = MAX(t->nr_handles, n + 1);
        t->none_free_below = *number = n;
        if (!handle_at(t, n)->used)
            return handle_at(t, n);
    }
    return NULL;
}

static void handle_free(struct grant_table *t, uint32_t number)
{
    *handle_at(t, number) = (struct grant_handle){0};
    t->none_free_below = MIN(t->none_free_below, number);
}

/* Both locked. */
static int16_t map_locked(struct domain_pair p, struct gnttab_map_grant_ref *op, bool writable, bool may_dma)
{
    hfn_t h;
    uint32_t number;
    struct grant_handle *m = handle_find(p.self.d, &number);
    if (!m)
        return GNTST_no_space;
    int16_t s = acquire(p.other, op->ref, p.self.d->id, writable, &h);
    if (s != GNTST_okay)
        return s;
    if (physmap_map_frame(p.self, gfn_of_gpa(gpa(op->host_addr)), h, writable) != STATUS_OK) {
        put_frame(p.other, &p.self.d->ept, h);
        release(p.other, op->ref, writable);
        return GNTST_general_error;
    }
    *m = (struct grant_handle){.granter = p.other.d->id, .used = true, .writable = writable, .ref = op->ref,
                               .generation = p.other.d->generation, .gfn = op->host_addr >> PAGE_SHIFT, .hfn = h.v};
    op->handle = number;
    op->dev_bus_addr = may_dma ? hpa_of_hfn(h).v : 0;
    return GNTST_okay;
}

void grant_map(struct domain *mapper, struct gnttab_map_grant_ref *op, bool may_dma)
{
    const uint32_t known = GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly;
    op->status = GNTST_general_error;
    op->handle = 0;
    op->dev_bus_addr = 0;
    if (!(op->flags & GNTMAP_host_map) || (op->flags & ~known & ~GNTMAP_guest_avail_mask) || op->host_addr % PAGE_SIZE)
        return;
    if (op->dom == mapper->id || op->dom == DOMID_SELF) {
        op->status = GNTST_bad_domain;
        return;
    }
    struct domain_pair p = domain_lock_pair(mapper, op->dom, false);
    op->status = p.other.d ? map_locked(p, op, !(op->flags & GNTMAP_readonly), may_dma) : GNTST_bad_domain;
    domain_unlock_pair(p);
}

/* Ends the mapping N of MAPPER, which is used. The reference of the frame goes with the mapping: if that went another way, so did the reference. */
static enum status unmap_handle(struct domain *mapper, uint32_t n)
{
    struct grant_handle m = *handle_at(mapper->grants, n); /* only the mapper itself, or its death, changes its handles */
    struct domain_pair p = domain_lock_pair(mapper, m.granter, true);
    bool alive = p.other.d && p.other.d->generation == m.generation;
    enum status s = physmap_unmap_frame(p.self, gfn(m.gfn), hfn(m.hfn));
    if (s == STATUS_OK || s == STATUS_NOT_FOUND) {
        flush_sync(&mapper->ept); /* before the granter is told that the use has ended */
        if (alive && s == STATUS_OK)
            put_frame(p.other, &mapper->ept, hfn(m.hfn));
        if (alive)
            release(p.other, m.ref, m.writable);
        handle_free(mapper->grants, n);
    }
    domain_unlock_pair(p);
    flush_sync(&mapper->ept); /* what the last reference gave up */
    return s;
}

const struct grant_handle *grant_handle_get(const struct domain *d, uint32_t handle)
{
    const struct grant_handle *m = d->grants ? handle_at(d->grants, handle) : NULL;
    return m && m->used ? m : NULL;
}

void grant_unmap(struct domain *mapper, struct gnttab_unmap_grant_ref *op)
{
    const struct grant_handle *m = grant_handle_get(mapper, op->handle);
    if (!m)
        op->status = GNTST_bad_handle;
    else if (op->host_addr != 0 && op->host_addr != m->gfn << PAGE_SHIFT)
        op->status = GNTST_bad_virt_addr;
    else
        op->status = unmap_handle(mapper, op->handle) == STATUS_OK ? GNTST_okay : GNTST_general_error;
}

void grant_release_mappings(struct domain *d)
{
    for (uint32_t n = 0; d->grants && n < d->grants->nr_handles; n++) {
        if (handle_at(d->grants, n)->used)
            (void)unmap_handle(d, n);
    }
}

struct copy_end { uint16_t domid; bool by_ref, writable; uint32_t ref; hfn_t h; };

/* Pins one end of a copy. */
static int16_t end_open(struct domain *self, struct copy_end *e, uint64_t gmfn)
{
    bool own = e->domid == DOMID_SELF || e->domid == self->id;
    if (!e->by_ref && !own)
        return GNTST_permission_denied;
    struct domain_locked l DOMAIN_GUARD = own ? domain_lock(self) : domain_lock_id(e->domid);
    if (!l.d)
        return GNTST_bad_domain;
    e->domid = l.d->id;
    if (e->by_ref)
        return acquire(l, e->ref, self->id, e->writable, &e->h);
    if (!physmap_get_frame(l, gfn(gmfn), e->writable, &e->h))
        return GNTST_bad_page;
    l.d->refs++;
    return GNTST_okay;
}

static void end_close(struct domain *self, const struct copy_end *e)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock_any(e->domid); /* it is there: our reference keeps it */
    if (e->by_ref)
        release(l, e->ref, e->writable);
    put_frame(l, &self->ept, e->h);
}

void grant_copy(struct domain *self, struct gnttab_copy *op)
{
    struct copy_end from = {.domid = op->source.domid, .by_ref = op->flags & GNTCOPY_source_gref, .ref = op->source.u.ref};
    struct copy_end to = {.domid = op->dest.domid, .by_ref = op->flags & GNTCOPY_dest_gref, .writable = true, .ref = op->dest.u.ref};
    op->status = GNTST_bad_copy_arg;
    if (op->source.offset + (uint32_t)op->len > PAGE_SIZE || op->dest.offset + (uint32_t)op->len > PAGE_SIZE ||
        (op->flags & ~(GNTCOPY_source_gref | GNTCOPY_dest_gref)))
        return;
    op->status = end_open(self, &from, op->source.u.gmfn);
    if (op->status != GNTST_okay)
        return;
    op->status = end_open(self, &to, op->dest.u.gmfn);
    if (op->status == GNTST_okay) {
        const char *src = (const char *)window_open(from.h) + op->source.offset;
        memmove((char *)window_open(to.h) + op->dest.offset, src, op->len);
        end_close(self, &to);
    }
    end_close(self, &from);
    flush_sync(&self->ept); /* as after an unmap */
}

struct grant_active *grant_active_get(const struct domain *d, uint32_t ref)
{
    const struct grant_table *t = d->grants;
    if (!t || ref >= t->nr_frames * GRANT_PER_FRAME || !t->active[ref / GRANT_ACTIVE_PER_PAGE])
        return NULL;
    struct grant_active *a = &t->active[ref / GRANT_ACTIVE_PER_PAGE][ref % GRANT_ACTIVE_PER_PAGE];
    return a->readers || a->writers ? a : NULL;
}
