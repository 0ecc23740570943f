/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Frame ownership joined to EPT. */
#include "kernel/domain/physmap.h"

#include "ept/flush.h"
#include "kernel/core/string.h"
#include "kernel/cpu/features.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/window.h"

#define UNIT(order) (1UL << (order))

uint64_t physmap_gfn_limit(void)
{
    unsigned bits = cpu_features.phys_bits < 48U ? cpu_features.phys_bits : 48U; /* 4-level EPT translates 48 bits */
    return 1UL << (bits - PAGE_SHIFT);
}

static bool range_valid(gfn_t g, uint64_t nr)
{
    uint64_t limit = physmap_gfn_limit();
    return nr <= limit && g.v <= limit - nr;
}

static bool found_one(gfn_t g, const struct ept_leaf *leaf, void *ctx)
{
    (void)g;
    (void)leaf;
    *(bool *)ctx = true;
    return false;
}

static bool range_empty(const struct ept *e, gfn_t g, uint64_t nr)
{
    bool found = false;
    ept_walk(e, g, gfn_add(g, nr - 1), found_one, &found);
    return !found;
}

static bool owned_ram(const struct domain *d, hfn_t h)
{
    return frame_is_ram(h) && frame_owner(h) == d->id && frame_type(h) == FRAME_GUEST;
}

/* H appears at [G, +2^ORDER), which must be empty: all or nothing. */
static enum status map_unit(struct ept *e, gfn_t g, unsigned order, hfn_t h, unsigned rights)
{
    if (!range_valid(g, UNIT(order)))
        return STATUS_INVALID;
    if (!range_empty(e, g, UNIT(order)))
        return STATUS_EXISTS;
    enum status s = ept_prepare(e, g, order);
    if (s != STATUS_OK)
        return s;
    ept_map(e, g, order, h, rights);
    ept_unprepare(e);
    return STATUS_OK;
}

enum status physmap_populate(struct domain_locked l, gfn_t g, unsigned order)
{
    struct domain *d = l.d;
    hfn_t h;
    if ((order != FRAME_ORDER_4K && order != FRAME_ORDER_2M && order != FRAME_ORDER_1G) || order > ept_max_order() ||
        g.v % UNIT(order) || !range_valid(g, UNIT(order)))
        return STATUS_INVALID;
    if (UNIT(order) > d->max_pages || d->pages > d->max_pages - UNIT(order))
        return STATUS_NO_MEMORY;
    if (!range_empty(&d->ept, g, UNIT(order))) /* before the frames are zeroed */
        return STATUS_EXISTS;
    enum status s = frame_alloc(order, d->id, FRAME_GUEST, &h);
    if (s != STATUS_OK)
        return s;
    s = map_unit(&d->ept, g, order, h, EPT_RWX);
    if (s == STATUS_OK)
        d->pages += UNIT(order);
    else
        frame_free(h, order);
    return s;
}

bool physmap_get_frame(struct domain_locked l, gfn_t g, bool writable, hfn_t *out)
{
    struct ept_leaf leaf;
    if (!ept_lookup(&l.d->ept, g, &leaf) || (writable && !(leaf.rights & EPT_W)))
        return false;
    *out = leaf.hfn;
    return frame_get(leaf.hfn, l.d->id, FRAME_GUEST);
}

void physmap_put_frame(struct domain_locked owner, struct ept *e, hfn_t h)
{
    if (frame_refs(h) > 1) { /* look-then-drop is exact under the owner's lock */
        (void)frame_put(h);
        return;
    }
    owner.d->pages--; /* only now: a frame that others still map counts against its owner's limit */
    flush_defer_free(e, h, FRAME_ORDER_4K);
}

/* The owner lets go of 2^ORDER frames that one leaf mapped. */
static void put_unit(struct domain_locked owner, struct ept *e, hfn_t h, unsigned order)
{
    uint64_t n = UNIT(order);
    bool alone = h.v % n == 0;
    for (uint64_t i = 0; alone && i < n; i++)
        alone = frame_refs(hfn_add(h, i)) == 1;
    if (alone) {
        owner.d->pages -= n;
        flush_defer_free(e, h, order);
    }
    for (uint64_t i = 0; !alone && i < n; i++)
        physmap_put_frame(owner, e, hfn_add(h, i));
}

static enum status unmap_unit(struct ept *e, gfn_t g, unsigned order)
{
    enum status s = ept_prepare(e, g, order);
    if (s != STATUS_OK)
        return s;
    ept_unmap(e, g, order);
    ept_unprepare(e);
    return STATUS_OK;
}

enum status physmap_release(struct domain_locked l, gfn_t g, unsigned order)
{
    if (order > FRAME_ORDER_1G || g.v % UNIT(order) || !range_valid(g, UNIT(order)))
        return STATUS_INVALID;
    for (uint64_t at = 0; at < UNIT(order);) {
        struct ept_leaf leaf;
        if (!ept_lookup(&l.d->ept, gfn_add(g, at), &leaf))
            return STATUS_NOT_FOUND;
        if (!owned_ram(l.d, leaf.hfn))
            return STATUS_DENIED;
        unsigned unit = MIN(leaf.order, order);
        enum status s = unmap_unit(&l.d->ept, gfn_add(g, at), unit);
        if (s != STATUS_OK)
            return s;
        put_unit(l, &l.d->ept, leaf.hfn, unit);
        at += UNIT(unit);
    }
    return STATUS_OK;
}

/* References to N frames from H on, all or none. */
static bool get_frames(struct domain_locked of, hfn_t h, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (frame_get(hfn_add(h, i), of.d->id, FRAME_GUEST))
            continue;
        while (i-- > 0)
            (void)frame_put(hfn_add(h, i));
        return false;
    }
    of.d->refs += (uint32_t)n;
    return true;
}

static void put_frames(struct domain_locked of, struct ept *e, hfn_t h, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        physmap_put_frame(of, e, hfn_add(h, i));
    of.d->refs -= (uint32_t)n;
}

/* The largest leaf for G on one side and H or G on the other, with MAX pages to go. */
static unsigned fitting(uint64_t one, uint64_t other, uint64_t max)
{
    return (one | other) % UNIT(FRAME_ORDER_2M) == 0 && max >= UNIT(FRAME_ORDER_2M) ? FRAME_ORDER_2M : FRAME_ORDER_4K;
}

enum status physmap_map_foreign(struct domain_locked at, struct domain_locked of, gfn_t at_gfn, gfn_t g, uint32_t nr, bool writable, uint32_t *done)
{
    *done = 0;
    if (!range_valid(at_gfn, nr) || !range_valid(g, nr) || at.d == of.d)
        return STATUS_INVALID;
    while (*done < nr) {
        struct ept_leaf leaf;
        gfn_t from = gfn_add(g, *done), to = gfn_add(at_gfn, *done);
        if (!ept_lookup(&of.d->ept, from, &leaf))
            return STATUS_NOT_FOUND;
        unsigned order = leaf.order >= FRAME_ORDER_2M ? fitting(from.v, to.v, nr - *done) : FRAME_ORDER_4K;
        if (!get_frames(of, leaf.hfn, UNIT(order)))
            return STATUS_DENIED;
        enum status s = map_unit(&at.d->ept, to, order, leaf.hfn, writable ? EPT_R | EPT_W : EPT_R);
        if (s != STATUS_OK) {
            put_frames(of, &at.d->ept, leaf.hfn, UNIT(order));
            return s;
        }
        *done += (uint32_t)UNIT(order);
    }
    return STATUS_OK;
}

/* One unit of SELF's foreign mappings at G, at most MAX pages; its frames belong to p.other. */
static enum status unmap_foreign_unit(struct domain_pair p, gfn_t g, uint64_t max, uint32_t *count)
{
    struct ept_leaf leaf;
    if (!ept_lookup(&p.self.d->ept, g, &leaf))
        return STATUS_NOT_FOUND;
    if (!p.other.d || !owned_ram(p.other.d, leaf.hfn) || p.other.d == p.self.d)
        return STATUS_DENIED;
    unsigned order = leaf.order >= FRAME_ORDER_2M ? fitting(g.v, leaf.hfn.v, max) : FRAME_ORDER_4K;
    enum status s = unmap_unit(&p.self.d->ept, g, order);
    if (s != STATUS_OK)
        return s;
    put_frames(p.other, &p.self.d->ept, leaf.hfn, UNIT(order));
    *count = (uint32_t)UNIT(order);
    return STATUS_OK;
}

/* Who owns the frame behind G, FRAME_OWNER_NONE if nobody. */
static uint16_t owner_behind(struct domain *d, gfn_t g)
{
    struct ept_leaf leaf;
    struct domain_locked l DOMAIN_GUARD = domain_lock(d);
    return ept_lookup(&l.d->ept, g, &leaf) ? frame_owner(leaf.hfn) : FRAME_OWNER_NONE;
}

enum status physmap_unmap_foreign(struct domain *self, gfn_t at_gfn, uint32_t nr)
{
    enum status s = range_valid(at_gfn, nr) ? STATUS_OK : STATUS_INVALID;
    for (uint32_t done = 0, count; s == STATUS_OK && done < nr; done += count) {
        gfn_t g = gfn_add(at_gfn, done);
        struct domain_pair p = domain_lock_pair(self, owner_behind(self, g), true);
        count = 0;
        s = unmap_foreign_unit(p, g, nr - done, &count);
        domain_unlock_pair(p);
    }
    return s;
}

enum status physmap_map_frame(struct domain_locked at, gfn_t g, hfn_t h, bool writable)
{
    return map_unit(&at.d->ept, g, FRAME_ORDER_4K, h, writable ? EPT_R | EPT_W : EPT_R);
}

enum status physmap_unmap_frame(struct domain_locked at, gfn_t g, hfn_t h)
{
    struct ept_leaf leaf;
    if (!ept_lookup(&at.d->ept, g, &leaf) || !hfn_eq(leaf.hfn, h))
        return STATUS_NOT_FOUND;
    return unmap_unit(&at.d->ept, g, FRAME_ORDER_4K);
}

enum status physmap_map_shared(struct domain_locked l, gfn_t g, hfn_t h, gfn_t *where)
{
    struct ept_leaf leaf;
    if (!range_valid(g, 1))
        return STATUS_INVALID;
    bool present = ept_lookup(&l.d->ept, g, &leaf);
    if (present && hfn_eq(leaf.hfn, h))
        return STATUS_OK;
    if (present && !owned_ram(l.d, leaf.hfn))
        return STATUS_BUSY;
    enum status s = ept_prepare(&l.d->ept, g, FRAME_ORDER_4K);
    if (s != STATUS_OK)
        return s;
    if (!frame_get(h, l.d->id, FRAME_SHARED)) {
        ept_unprepare(&l.d->ept);
        return STATUS_RANGE;
    }
    ept_map(&l.d->ept, g, FRAME_ORDER_4K, h, EPT_R | EPT_W);
    ept_unprepare(&l.d->ept);
    if (present)
        physmap_put_frame(l, &l.d->ept, leaf.hfn);
    if (!gfn_eq(*where, GFN_INVALID) && physmap_unmap_frame(l, *where, h) == STATUS_OK) /* 4 KiB: allocates nothing */
        (void)frame_put(h);
    *where = g;
    return STATUS_OK;
}

enum status physmap_map_identity(struct domain_locked l, gfn_t g, uint64_t nr, unsigned rights)
{
    if (!range_valid(g, nr))
        return STATUS_INVALID;
    for (uint64_t at = 0; at < nr;) {
        gfn_t here = gfn_add(g, at);
        struct ept_leaf leaf;
        if (ept_lookup(&l.d->ept, here, &leaf)) {
            if (leaf.hfn.v != here.v)
                return STATUS_EXISTS;
            at++;
            continue;
        }
        unsigned order = fitting(here.v, 0, nr - at);
        if (order && !range_empty(&l.d->ept, here, UNIT(order)))
            order = FRAME_ORDER_4K;
        enum status s = map_unit(&l.d->ept, here, order, hfn(here.v), rights);
        if (s != STATUS_OK)
            return s;
        at += UNIT(order);
    }
    return STATUS_OK;
}

struct teardown { struct domain_locked l; bool drop; gfn_t foreign; };

/* Drops what is the domain's own, or else finds the first mapping of another's memory, whose lock comes first. */
static bool teardown_leaf(gfn_t g, const struct ept_leaf *leaf, void *ctx)
{
    struct teardown *t = ctx;
    if (!frame_is_ram(leaf->hfn))
        return true;
    if (frame_owner(leaf->hfn) != t->l.d->id) {
        t->foreign = g;
        return t->drop;
    }
    if (t->drop && frame_type(leaf->hfn) == FRAME_SHARED)
        (void)frame_put(leaf->hfn);
    else if (t->drop)
        put_unit(t->l, &t->l.d->ept, leaf->hfn, leaf->order);
    return true;
}

static gfn_t teardown_walk(struct domain *d, bool drop)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock(d);
    struct teardown t = {.l = l, .drop = drop, .foreign = GFN_INVALID};
    ept_walk(&d->ept, gfn(0), gfn(physmap_gfn_limit() - 1), teardown_leaf, &t);
    return t.foreign;
}

void physmap_teardown(struct domain *d)
{
    gfn_t g;
    while (!gfn_eq(g = teardown_walk(d, false), GFN_INVALID) && physmap_unmap_foreign(d, g, 1) == STATUS_OK)
        continue;
    flush_mark(&d->ept);
    (void)teardown_walk(d, true);
    flush_sync(&d->ept);
}

void *physmap_open_anew(struct domain *d, uint64_t tag, uint64_t number)
{
    unsigned rights = number & 1 ? EPT_R | EPT_W : EPT_R;
    gfn_t g = gfn(number >> 1);
    struct ept_leaf leaf;
    if (g.v >= physmap_gfn_limit() || !ept_lookup(&d->ept, g, &leaf) || (leaf.rights & rights) != rights || !frame_is_ram(leaf.hfn))
        return NULL;
    return window_enter(tag, number, leaf.hfn);
}

/* IN or OUT is NULL. */
static enum status copy(struct domain *d, gpa_t at, char *in, const char *out, size_t len)
{
    for (size_t done = 0, n; done < len; done += n) {
        gpa_t here = gpa(at.v + done);
        n = MIN(len - done, PAGE_SIZE - here.v % PAGE_SIZE);
        char *p = physmap_open(d, here, out != NULL);
        if (!p)
            return STATUS_FAULT;
        if (out)
            memcpy(p, out + done, n);
        else
            memcpy(in + done, p, n);
    }
    return STATUS_OK;
}

enum status physmap_copy_from(struct domain *d, void *dst, gpa_t src, size_t len)
{
    return copy(d, src, dst, NULL, len);
}

enum status physmap_copy_to(struct domain *d, gpa_t dst, const void *src, size_t len)
{
    return copy(d, dst, NULL, src, len);
}
