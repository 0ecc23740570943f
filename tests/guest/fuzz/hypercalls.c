/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Random hypercalls: every number, and arguments that are shaped as the operation has them, then bent; pointers into every kind of page. Left out is what ends
 * the guest by design (SCHEDOP_shutdown, stopping a CPU other than the victim) and what would take its own code from it. */
#include "tests/guest/fuzz/fuzz.h"

#define PAGE 4096UL
#define MAX_ARG 256U

long fuzz_call(struct fuzz *f, uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    note(f, nr ^ a << 8 ^ b ^ c << 16);
    long ret = hypercall(nr, a, b, c);
    f->done += ret >= 0;
    f->refused += ret < 0;
    f->wrong += ret < -4095 || ret > 0x7fffffff;
    return ret;
}

/* ---- what arguments are made of ---- */

static uint64_t some_gfn(struct fuzz *f)
{
    uint32_t kind = one_of(f, 16);
    if (kind == 0)
        return GRANT_GFN + one_of(f, 2);
    if (kind == 1)
        return 0x20000 + one_of(f, 64); /* beyond its memory */
    if (kind == 2) {
        uint64_t g = draw_any(f);
        return g < 0x1000 ? PLAY_GFN + g % PLAY_PAGES : g;
    }
    if (kind < 8)
        return PLAY_GFN + one_of(f, 8); /* where all meet */
    return PLAY_GFN + one_of(f, PLAY_PAGES);
}

static uint16_t some_domid(struct fuzz *f)
{
    uint32_t kind = one_of(f, 8);
    if (kind < 4)
        return DOMID_SELF;
    return kind < 7 ? (uint16_t)one_of(f, 8) : (uint16_t)draw(f);
}

/* The other fuzzing guest, mostly. */
static uint16_t some_neighbour(struct fuzz *f) { return one_in(f, 4) ? (uint16_t)one_of(f, 8) : (uint16_t)(f->domid + (one_in(f, 2) ? 1 : -1)); }

static uint32_t some_port(struct fuzz *f) { return one_in(f, 32) ? (uint32_t)draw_any(f) : one_of(f, 96); }
static uint32_t some_ref(struct fuzz *f) { return one_in(f, 32) ? (uint32_t)draw_any(f) : one_of(f, 64); }
static uint32_t some_vcpu(struct fuzz *f) { return one_in(f, 16) ? (uint32_t)draw_any(f) : one_of(f, CPUS); }

/* Where nothing of the guest's own lies. */
static uint64_t hostile_pointer(struct fuzz *f)
{
    static const uint64_t list[] = {0x8000000000000000UL, 0x0000800000000000UL, 0xffff7fffffffffffUL, 0x00007ffffffffffeUL, 0xfffffffffffffffeUL, 0xffffffffffffff00UL,
                                    0x100000000UL, ABSENT, 0xfee00000UL, 0xfffffffeUL, SHARED_GFN << 12, GRANT_GFN << 12, (GRANT_GFN << 12) + 4090, (GRANT_GFN << 12) - 4};
    uint32_t kind = one_of(f, 4);
    if (kind == 0)
        return list[one_of(f, COUNT(list))];
    if (kind == 1) {
        uint64_t at = draw_any(f);
        return at < 0x400000 ? at + 0x400000 : at;
    }
    if (kind == 2)
        return WINDOW + (WINDOW_FREE + one_of(f, SLOTS)) * PAGE + one_of(f, PAGE);
    return WINDOW + (WINDOW_FREE + 1 + one_of(f, SLOTS)) * PAGE - 1 - one_of(f, 16);
}

/* Writes N bytes at OFFSET of the frame GFN, if it is there: by hypercall, for it may go at any moment. */
static void poke(struct fuzz *f, uint64_t gfn, uint32_t offset, const void *from, uint32_t n)
{
    struct { uint64_t src; uint16_t sdom, soff; uint32_t pad; uint64_t dst; uint16_t ddom, doff; uint32_t pad2; uint16_t len, flags; int16_t status, pad3; } copy = {
        (uint64_t)from >> 12, DOMID_SELF, (uint16_t)((uint64_t)from % PAGE), 0, gfn, DOMID_SELF, (uint16_t)offset, 0, (uint16_t)n, 0, 0, 0};
    fuzz_call(f, HC_GRANT, 5, (uint64_t)&copy, 1);
}

/* Where the argument of N bytes in F->PAGE is passed: there, over the edge to the next page, in a page that comes and goes, or nowhere good. */
static uint64_t place(struct fuzz *f, uint32_t n)
{
    uint32_t kind = one_of(f, 32);
    if (kind < 22)
        return (uint64_t)f->page;
    if (kind < 26) {
        char *to = f->page + PAGE - 1 - one_of(f, n);
        for (uint32_t i = 0; i < n; i++)
            to[i] = f->page[i];
        return (uint64_t)to;
    }
    if (kind < 29) {
        uint64_t gfn = PLAY_GFN + one_of(f, 8);
        uint32_t offset = one_of(f, PAGE - MAX_ARG);
        poke(f, gfn, offset, f->page, n);
        return gfn * PAGE + offset;
    }
    return hostile_pointer(f);
}

/* One field gets another value; rarely, all. */
static void bend(struct fuzz *f, uint32_t n)
{
    if (!one_in(f, 8))
        return;
    uint32_t first = one_in(f, 8) ? 0 : one_of(f, n), last = first == 0 ? n : first + 1;
    for (uint32_t i = first; i < last; i++)
        f->page[i] = (char)draw(f);
}

/* ---- memory ---- */

struct reservation { uint64_t list, nr; uint32_t order, flags; uint16_t domid, pad[3]; };

static void reservation(struct fuzz *f, uint64_t op)
{
    static const uint32_t counts[] = {1, 1, 1, 2, 3, 4, 8, 16};
    struct reservation *r = (struct reservation *)f->page;
    bool large = one_in(f, 24);
    uint32_t nr = counts[one_of(f, COUNT(counts))];
    for (uint32_t i = 0; i < nr; i++)
        f->list[i] = large ? PLAY_GFN + one_of(f, PLAY_PAGES / 512) * 512 : some_gfn(f);
    *r = (struct reservation){.list = one_in(f, 16) ? hostile_pointer(f) : (uint64_t)f->list, .nr = large ? 1 : nr, .order = large ? 9 : 0, .domid = some_domid(f)};
    if (one_in(f, 64) && r->list == (uint64_t)f->list) /* many zeros and 2 MiB: the guest's own image */
        r->order = one_of(f, 20);
    if (one_in(f, 64)) /* the rest of the list is not there, or nonsense */
        r->nr = draw_any(f);
    bool later = one_in(f, 32) && r->nr <= 512; /* it does not begin beyond the list, where zeros might be */
    fuzz_call(f, HC_MEMORY_OP, op | (later ? draw_any(f) << 6 : 0), place(f, sizeof(*r)), 0);
}

/* The guest's own image keeps its frames: whatever is bent, only the playground's numbers are near them (some_gfn). */
static void add_to_physmap(struct fuzz *f)
{
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } *m = (void *)f->page;
    *m = (typeof(*m)){some_domid(f), 0, one_of(f, 2), 1 + one_of(f, 5), some_gfn(f)};
    if (m->space == 0)
        m->idx = one_in(f, 16) ? draw_any(f) : 0;
    else if (one_in(f, 16))
        m->idx = draw_any(f) | 1;
    if (one_in(f, 32))
        m->space = (uint32_t)draw_any(f) | 2;
    fuzz_call(f, HC_MEMORY_OP, 7, (m->space == 1 && m->idx == 0) ? 0 : place(f, sizeof(*m)), 0);
}

static void memory(struct fuzz *f)
{
    uint32_t kind = one_of(f, 16);
    if (kind < 7)
        reservation(f, 1);
    else if (kind < 13)
        reservation(f, 6);
    else if (kind < 15)
        add_to_physmap(f);
    else
        fuzz_call(f, HC_MEMORY_OP, 8 + draw_any(f) % 56, hostile_pointer(f), draw_any(f));
}

/* ---- grants ---- */

/* An entry of the table: mostly a frame that comes and goes, to one of the few. The other CPUs change it meanwhile. */
static void write_entry(struct fuzz *f)
{
    volatile uint64_t *table = (volatile uint64_t *)(GRANT_GFN << 12);
    uint64_t entry = some_gfn(f) << 32 | (uint64_t)some_neighbour(f) << 16 | (one_of(f, 4) == 0 ? 5 : 1);
    table[some_ref(f) % 512] = one_in(f, 8) ? draw(f) : entry;
}

static uint32_t grant_map(struct fuzz *f)
{
    struct { uint64_t host; uint32_t flags, ref; uint16_t dom; int16_t status; uint32_t handle; uint64_t bus; } *m = (void *)f->page;
    *m = (typeof(*m)){(one_in(f, 2) ? 0x20000UL + one_of(f, 64) : some_gfn(f)) << 12, one_in(f, 2) ? 2 : 6, some_ref(f), one_in(f, 4) ? some_domid(f) : some_neighbour(f), 0, 0, 0};
    return sizeof(*m);
}

static uint32_t grant_unmap(struct fuzz *f)
{
    struct { uint64_t host, bus; uint32_t handle; int16_t status, pad; } *u = (void *)f->page;
    *u = (typeof(*u)){one_in(f, 2) ? 0 : (0x20000UL + one_of(f, 64)) << 12, 0, one_in(f, 16) ? (uint32_t)draw_any(f) : one_of(f, 16), 0, 0};
    return sizeof(*u);
}

/* The argument stays in its own page: what another CPU makes of it could name this guest's own code. */
static void grant_copy(struct fuzz *f)
{
    struct { uint64_t src; uint16_t sdom, soff; uint32_t pad; uint64_t dst; uint16_t ddom, doff; uint32_t pad2; uint16_t len, flags; int16_t status, pad3; } *c = (void *)f->page;
    uint32_t count = one_in(f, 16) ? 1 + one_of(f, 17) : 1;
    for (uint32_t i = 0; i < count; i++, c++) {
        uint16_t flags = (uint16_t)(one_in(f, 64) ? draw(f) : one_of(f, 4));
        *c = (typeof(*c)){flags & 1 ? some_ref(f) : some_gfn(f), flags & 1 ? some_neighbour(f) : some_domid(f), (uint16_t)one_of(f, 64), 0,
                          flags & 2 ? some_ref(f) : some_gfn(f), flags & 2 ? some_neighbour(f) : some_domid(f),
                          (uint16_t)one_of(f, 64), 0, (uint16_t)(one_in(f, 16) ? draw_any(f) : one_of(f, 256)), flags, 0, 0};
    }
    fuzz_call(f, HC_GRANT, 5, one_in(f, 16) ? ABSENT : (uint64_t)f->page, count);
}

static void grants(struct fuzz *f)
{
    static const uint8_t op_of[] = {0, 0, 0, 1, 1, 1, 5, 5, 6, 8};
    uint32_t op = op_of[one_of(f, COUNT(op_of))], n = 16;
    if (one_in(f, 2))
        write_entry(f);
    if (op == 5) {
        grant_copy(f);
        return;
    }
    if (op == 0)
        n = grant_map(f);
    else if (op == 1)
        n = grant_unmap(f);
    else
        *(uint32_t *)f->page = op == 6 ? some_domid(f) : one_of(f, 4);
    bend(f, n);
    uint64_t count = one_in(f, 16) ? one_of(f, 4) : one_in(f, 32) ? draw_any(f) | 1024 : 1; /* 512 would be done, over all that follows */
    if (one_in(f, 32))
        op = (uint32_t)draw_any(f) | 16;
    uint64_t at = place(f, n);
    long ret = fuzz_call(f, HC_GRANT, op, at, count);
    f->mapped += ret == 0 && op == 0 && count == 1 && at == (uint64_t)f->page && *(int16_t *)(f->page + 18) == 0;
}

/* ---- events ---- */

static void events(struct fuzz *f)
{
    static const uint8_t op_of[] = {0, 0, 1, 3, 3, 3, 4, 4, 4, 4, 5, 6, 6, 7, 8, 9, 9};
    uint32_t *a = (uint32_t *)f->page, op = op_of[one_of(f, COUNT(op_of))];
    a[0] = some_port(f);
    a[1] = a[2] = some_vcpu(f);
    if (op == 0)
        a[0] = one_in(f, 2) ? some_domid(f) : some_neighbour(f), a[1] = some_port(f);
    else if (op == 1)
        a[0] = one_of(f, 26);
    else if (op == 5)
        a[0] = some_domid(f), a[1] = some_port(f);
    else if (op == 6)
        a[0] = some_domid(f) | (uint32_t)(one_in(f, 2) ? some_domid(f) : some_neighbour(f)) << 16;
    else if (op == 7)
        a[0] = some_vcpu(f);
    bend(f, 12);
    fuzz_call(f, HC_EVTCHN, one_in(f, 32) ? draw_any(f) : op, place(f, 24), 0);
}

/* ---- CPUs, waiting, parameters ---- */

static void vcpus(struct fuzz *f)
{
    static const uint8_t op_of[] = {0, 2, 3, 3, 5, 5, 7, 8, 8, 9, 10, 13, 13};
    uint64_t op = op_of[one_of(f, COUNT(op_of))], vcpu = some_vcpu(f);
    uint64_t *a = (uint64_t *)f->page;
    if (one_in(f, 32))
        op = draw_any(f);
    if (op == 2) /* down */
        vcpu = f->cpu == VICTIM ? 7 : VICTIM;
    a[0] = op == 8 ? fuzz_now_ns() + one_of(f, 100000) - 50000 : op == 10 ? some_gfn(f) : one_in(f, 4) ? hostile_pointer(f) : (PLAY_GFN + one_of(f, 8)) << 12 | one_of(f, PAGE);
    a[1] = op == 10 ? one_of(f, 66) * 64 : one_of(f, 2);
    if (op == 10 && vcpu == 0)
        vcpu = 1; /* the first keeps its own in shared_info */
    fuzz_call(f, HC_VCPU_OP, op, vcpu, place(f, 16));
}

static void waiting(struct fuzz *f)
{
    struct { uint64_t ports; uint32_t nr, pad; uint64_t timeout; } *p = (void *)f->page;
    uint32_t kind = one_of(f, 8);
    if (kind < 3) {
        fuzz_call(f, HC_SCHED_OP, 0, draw_any(f), draw_any(f));
    } else if (kind < 6) { /* the argument stays here: without its end, the wait would have none */
        for (uint32_t i = 0; i < 128; i++)
            ((uint32_t *)f->page)[256 + i] = some_port(f) % 4096;
        *p = (typeof(*p)){one_in(f, 16) ? hostile_pointer(f) : (uint64_t)f->page + 1024, one_in(f, 16) ? (uint32_t)draw_any(f) : one_of(f, 4), 0, fuzz_now_ns() + one_of(f, 20000) + 1};
        fuzz_call(f, HC_SCHED_OP, 3, (uint64_t)p, 0);
    } else {
        fuzz_call(f, HC_SCHED_OP, 4 + draw_any(f) % 0x10000, hostile_pointer(f), draw_any(f));
    }
}

static void timer(struct fuzz *f)
{
    fuzz_call(f, HC_SET_TIMER, one_in(f, 2) ? fuzz_now_ns() + one_of(f, 100000) : draw_any(f), draw_any(f), 0);
}

static void parameters(struct fuzz *f)
{
    struct { uint16_t dom, pad; uint32_t index; uint64_t value; } *p = (void *)f->page;
    *p = (typeof(*p)){some_domid(f), 0, one_in(f, 16) ? (uint32_t)draw_any(f) : one_of(f, 40), one_in(f, 2) ? 2UL << 56 | (32 + one_of(f, 224)) : draw_any(f) | 0x20};
    fuzz_call(f, HC_HVM_OP, one_in(f, 16) ? draw_any(f) : one_of(f, 2), place(f, sizeof(*p)), draw_any(f));
}

static void texts(struct fuzz *f)
{
    if (one_in(f, 64)) { /* few: the guest's own lines share the log's patience */
        fuzz_call(f, HC_CONSOLE_IO, one_of(f, 3), one_in(f, 4) ? draw_any(f) : one_of(f, 32), place(f, MAX_ARG));
        return;
    }
    *(uint32_t *)f->page = one_in(f, 2) ? 0 : one_of(f, 4);
    fuzz_call(f, HC_XEN_VERSION, one_in(f, 16) ? draw_any(f) : one_of(f, 12), place(f, 16), draw_any(f));
}

/* Corbel's own interface, and other numbers: never a success. */
static void strangers(struct fuzz *f)
{
    uint64_t nr = one_in(f, 2) ? HC_CONTROL : draw_any(f);
    bool exists = nr == 12 || nr == 15 || nr == 17 || nr == 18 || nr == 20 || nr == 21 || nr == 24 || nr == 29 || nr == 32 || nr == 34;
    if (exists)
        nr = 36; /* domctl */
    long ret = fuzz_call(f, nr, one_in(f, 2) ? one_of(f, 32) : draw_any(f), place(f, 64), draw_any(f));
    f->wrong += ret != -EPERM && ret != -ENOSYS;
}

static void assist(struct fuzz *f) { fuzz_call(f, HC_VM_ASSIST, one_of(f, 3), one_in(f, 4) ? draw_any(f) : 5, draw_any(f)); }

static const struct { uint8_t weight; void (*run)(struct fuzz *f); } kinds[] = {
    {24, memory}, {28, grants}, {24, events}, {12, vcpus}, {6, waiting}, {3, timer}, {5, parameters}, {6, texts}, {6, strangers}, {2, assist},
};

void fuzz_hypercall(struct fuzz *f)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < COUNT(kinds); i++)
        total += kinds[i].weight;
    uint32_t at = one_of(f, total), i = 0;
    for (; at >= kinds[i].weight; i++)
        at -= kinds[i].weight;
    kinds[i].run(f);
}
