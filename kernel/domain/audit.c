/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The audit. Frames are checked window by window: a shadow array counts what reaches each frame of the window, then the frame table is
 * compared with it. One window is enough for 1 GiB; a large host takes more rounds, not more memory. */
#include "kernel/domain/audit.h"

#include <stdarg.h>

#include "kernel/core/printf.h"
#include "kernel/core/string.h"
#include "kernel/cpu/percpu.h"
#include "kernel/domain/event.h"
#include "kernel/domain/grant.h"
#include "kernel/domain/physmap.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/smp/smp.h"
#include "vmx/bitmaps.h"

#define SHADOW_ORDER 7U /* 512 KiB: 256 Ki frames of 16 bits */

struct audit {
    struct cbl_audit *out;
    uint64_t first, frames;  /* the window */
    uint64_t next;           /* the lowest used frame above it; ~0: none */
    uint16_t *shadow;
    const struct domain *d;  /* whose EPT is walked */
    uint32_t ept_frames[MAX_DOMAINS];
};

/* Counts a comparison; the first one that does not hold is what the report says. */
static void __attribute__((format(printf, 3, 4))) check(struct audit *a, bool holds, const char *fmt, ...)
{
    va_list args;
    a->out->checks++;
    if (holds || !a->out->ok)
        return;
    a->out->ok = 0;
    va_start(args, fmt);
    vsnprintf(a->out->why, sizeof(a->out->why), fmt, args);
    va_end(args);
}

static void count(struct audit *a, hfn_t h)
{
    if (h.v >= a->first && h.v - a->first < a->frames && a->shadow[h.v - a->first] < UINT16_MAX)
        a->shadow[h.v - a->first]++;
}

static void leaf_frame(struct audit *a, gfn_t g, hfn_t h, unsigned rights)
{
    enum frame_type type = frame_type(h);
    uint16_t owner = frame_owner(h);
    bool own = owner == a->d->id;
    if (type == FRAME_UNUSABLE) {
        check(a, (a->d->privileges & CBL_PRIV_DEVICE) && !(rights & EPT_X),
              "d%u maps device memory 0x%lx at gfn 0x%lx without the right to", a->d->id, h.v, g.v);
        return;
    }
    bool allowed = type == FRAME_GUEST || (type == FRAME_SHARED && own);
    check(a, allowed && (own || !(rights & EPT_X)),
          "d%u reaches frame 0x%lx (type %u, owner d%u, rights 0x%x) at gfn 0x%lx", a->d->id, h.v, type, owner, rights, g.v);
    count(a, h);
}

static bool leaf(gfn_t g, const struct ept_leaf *l, void *ctx)
{
    for (uint64_t i = 0; i < 1UL << l->order; i++)
        leaf_frame(ctx, gfn_add(g, i), hfn_add(l->hfn, i), l->rights);
    return true;
}

/* What a frame's count must be, from what reaches it. */
static uint32_t expected(const struct audit *a, hfn_t f, enum frame_type type)
{
    uint32_t reached = a->shadow[f.v - a->first];
    if (type == FRAME_GUEST)
        return reached;
    return type == FRAME_QUARANTINE ? frame_refs(f) + reached : 1U + reached; /* quarantine: any count, but nothing may reach it */
}

static void used_frame(hfn_t f, uint16_t owner, enum frame_type type, uint32_t refs, void *ctx)
{
    struct audit *a = ctx;
    if (f.v >= a->first + a->frames)
        a->next = MIN(a->next, f.v);
    if (f.v < a->first || f.v - a->first >= a->frames)
        return;
    bool of_domain = type == FRAME_GUEST || type == FRAME_SHARED || type == FRAME_EPT || type == FRAME_VMX;
    uint32_t known = expected(a, f, type);
    check(a, !of_domain || domain_peek(owner),
          "frame 0x%lx (type %u) belongs to d%u, which does not exist", f.v, type, owner);
    check(a, refs == known,
          "frame 0x%lx (type %u, owner d%u) has %u references, %u are known", f.v, type, owner, refs, known);
    if (type == FRAME_EPT)
        a->ept_frames[owner % MAX_DOMAINS]++;
}

static void count_domain(struct domain_locked l, void *ctx)
{
    struct audit *a = ctx;
    const struct domain *d = a->d = l.d;
    if (d->ept.root.v && d->state != CBL_DOM_DYING)
        ept_walk(&d->ept, gfn(0), gfn(physmap_gfn_limit() - 1), leaf, a);
    for (uint32_t i = 0; i < d->nr_vcpus; i++) {
        if (hfn_valid(d->vcpus[i]->info_hfn))
            count(a, d->vcpus[i]->info_hfn);
    }
}

static void check_frames(struct audit *a)
{
    hfn_t h;
    unsigned order = SHADOW_ORDER; /* or the largest that memory allows */
    while (frame_alloc(order, FRAME_OWNER_ROOT, FRAME_ROOT, &h) != STATUS_OK) {
        if (order-- == 0) {
            check(a, false, "no memory for the audit's own counts");
            return;
        }
    }
    a->shadow = root_va(hpa_of_hfn(h));
    a->frames = (PAGE_SIZE << order) / sizeof(a->shadow[0]);
    for (a->first = 0; a->first != ~0UL; a->first = a->next) {
        a->next = ~0UL;
        memset(a->shadow, 0, PAGE_SIZE << order);
        domain_each(count_domain, a);
        frame_walk(used_frame, a);
    }
    frame_free(h, order);
}

static void check_domain(struct domain_locked l, void *ctx)
{
    struct audit *a = ctx;
    struct domain *d = l.d;
    char why[sizeof(a->out->why)];
    uint32_t frames = a->ept_frames[d->id % MAX_DOMAINS], tables = d->ept.root.v ? d->ept.tables_used : 0;
    a->out->domains++;
    check(a, event_check(d, why, sizeof(why)), "%s", why);
    check(a, d->state == CBL_DOM_DYING || frames == tables,
          "d%u: %u table frames, its EPT counts %u", d->id, frames, tables);
    check(a, d->ept.tables_used <= d->ept.tables_max && (d->id == 0 || d->pages <= d->created_pages),
          "d%u is over its limit: %lu pages, %u tables", d->id, d->pages, d->ept.tables_used);
}

/* Uses of D's grants by the handles of all domains. */
static uint32_t handles_on(struct audit *a, const struct domain *granter)
{
    uint32_t found = 0;
    for (uint16_t slot = 0; slot < MAX_DOMAINS; slot++) {
        const struct domain *m = domain_in_slot(slot);
        for (uint32_t n = 0; m && m->grants && n < m->grants->nr_handles; n++) {
            const struct grant_handle *h = grant_handle_get(m, n);
            if (!h || h->granter != granter->id || h->generation != granter->generation)
                continue;
            const struct grant_active *act = grant_active_get(granter, h->ref);
            check(a, act && act->domid == m->id && act->hfn == h->hfn,
                  "d%u's mapping %u of d%u's grant %u is unknown to the granter", m->id, n, granter->id, h->ref);
            found++;
        }
    }
    return found;
}

static void check_grants(struct domain_locked l, void *ctx)
{
    uint32_t uses = 0, handles = handles_on(ctx, l.d);
    for (uint32_t ref = 0; l.d->grants && ref < l.d->grants->nr_frames * GRANT_PER_FRAME; ref++) {
        const struct grant_active *act = grant_active_get(l.d, ref);
        uses += act ? act->readers + (uint32_t)act->writers : 0;
    }
    check(ctx, uses == handles, "d%u's grants count %u uses, %u mappings exist", l.d->id, uses, handles);
}

static void check_machine(struct audit *a)
{
    char why[sizeof(a->out->why)];
    uint64_t bad = 0;
    bool wx_holds = pagetable_check_wx(&bad);
    check(a, wx_holds, "root's page at 0x%lx is writable and executable", bad);
    check(a, frame_check(why, sizeof(why)), "%s", why);
    check(a, bitmaps_check(why, sizeof(why)), "%s", why);
    for (uint32_t i = 0; i < cpu_count(); i++)
        check(a, sched_check(i, why, sizeof(why)), "%s", why);
}

void audit_run(struct cbl_audit *out)
{
    static struct audit a; /* no two audits at once: nothing else runs */
    smp_stop_others();
    *out = (struct cbl_audit){.ok = 1};
    a = (struct audit){.out = out};
    check_frames(&a);
    domain_each(check_domain, &a);
    domain_each(check_grants, &a);
    check_machine(&a);
    struct frame_stats f = frame_stats();
    out->frames_free = f.free_clean + f.free_dirty;
    out->frames_root = f.by_type[FRAME_ROOT] + f.by_type[FRAME_PAGE_TABLE] + f.by_type[FRAME_EPT] + f.by_type[FRAME_VMX] + f.by_type[FRAME_SHARED];
    out->frames_guest = f.by_type[FRAME_GUEST];
    smp_release_others();
}
