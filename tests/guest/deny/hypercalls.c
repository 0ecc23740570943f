/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Hypercalls with hostile numbers, operations and pointers, from all modes, and about others' property: an error of the ABI for each. What
 * may end or block the domain (SCHEDOP_shutdown, _block, _poll without an end, VCPUOP_down) is in `endings`. */
#include "tests/guest/deny/deny.h"

#define ABSENT 0xf0000000UL
#define LAPIC 0xfee00000UL
#define LAST_ERROR 4095
#define RAM_PAGES 4096UL /* 16 MiB */
#define SPARE_GFN 0xa00UL /* 10 MiB: the kernel is below */

enum { RW = WINDOW_FREE, HOLE, RO, HOLE2, BEYOND, RW2, BEYOND2, RW3, DEVICE, FAR, RW4, HOLE3 };

static char pages[4][4096] __attribute__((aligned(4096)));

static char *slot(unsigned n) { return (char *)WINDOW + 4096UL * n; }

static void open_slots(void)
{
    const uint64_t rw = PTE_P | PTE_RW;
    (void)window_set(RW, (uint64_t)pages[0] | rw);
    (void)window_set(RO, (uint64_t)pages[1] | PTE_P);
    (void)window_set(BEYOND, ABSENT | rw);
    (void)window_set(RW2, (uint64_t)pages[2] | rw);
    (void)window_set(BEYOND2, 0x000ffffffffff000UL | rw);
    (void)window_set(RW3, (uint64_t)pages[3] | rw);
    (void)window_set(DEVICE, LAPIC | rw);
    (void)window_set(FAR, 1UL << 45 | rw);
}

/* Pointers that no operation may follow. The crossing ones leave 2 bytes in memory. */
static unsigned hostile(uint64_t *out)
{
    const uint64_t list[] = {8, 0x8000000000000000UL, 0x0000800000000000UL, 0xffff7fffffffffffUL, 0x00007ffffffffffeUL, 0xfffffffffffffffeUL, 0xffffffffffffff00UL, 0x100000000UL,
                             ABSENT, LAPIC, 0xfffffffeUL, (uint64_t)slot(HOLE), (uint64_t)slot(HOLE) - 2, (uint64_t)slot(BEYOND), (uint64_t)slot(BEYOND) - 2,
                             (uint64_t)slot(BEYOND2), (uint64_t)slot(BEYOND2) - 2, (uint64_t)slot(DEVICE), (uint64_t)slot(FAR), (uint64_t)slot(HOLE3) - 2};
    for (unsigned i = 1; i < COUNT(list); i++) /* 8 is RAM: the real mode's vectors; not used */
        out[i - 1] = list[i];
    return COUNT(list) - 1;
}
#define MAX_HOSTILE 32U

/* Operations that take a pointer: in argument 2 or 3, count or command in the other. */
static const struct { uint8_t nr; uint64_t op; uint8_t at; uint64_t other; bool writes; const char *name; } ops[] = {
    {HC_MEMORY_OP, 7, 2, 0, false, "add_to_physmap"},
    {HC_MEMORY_OP, 6, 2, 0, false, "populate_physmap"},
    {HC_MEMORY_OP, 1, 2, 0, false, "decrease_reservation"},
    {HC_XEN_VERSION, 1, 2, 0, true, "extraversion"},
    {HC_XEN_VERSION, 3, 2, 0, true, "capabilities"},
    {HC_XEN_VERSION, 4, 2, 0, true, "changeset"},
    {HC_XEN_VERSION, 5, 2, 0, true, "platform_parameters"},
    {HC_XEN_VERSION, 6, 2, 0, true, "get_features"},
    {HC_XEN_VERSION, 8, 2, 0, true, "guest_handle"},
    {HC_CONSOLE_IO, 0, 3, 8, false, "console write"},
    {HC_CONSOLE_IO, 1, 3, 8, true, "console read"},
    {HC_GRANT, 0, 2, 1, true, "map_grant_ref"},
    {HC_GRANT, 1, 2, 1, true, "unmap_grant_ref"},
    {HC_GRANT, 5, 2, 1, true, "grant copy"},
    {HC_GRANT, 6, 2, 1, true, "query_size"},
    {HC_GRANT, 8, 2, 1, true, "set_version"},
    {HC_VCPU_OP, 5, 3, 0, false, "runstate area"},
    {HC_VCPU_OP, 8, 3, 0, false, "singleshot timer"},
    {HC_VCPU_OP, 10, 3, 0, false, "vcpu_info"},
    {HC_VCPU_OP, 13, 3, 0, false, "time area"},
    {HC_SCHED_OP, 2, 2, 0, false, "shutdown"},
    {HC_SCHED_OP, 3, 2, 0, false, "poll"},
    {HC_EVTCHN, 0, 2, 0, true, "bind_interdomain"},
    {HC_EVTCHN, 1, 2, 0, true, "bind_virq"},
    {HC_EVTCHN, 3, 2, 0, false, "close"},
    {HC_EVTCHN, 4, 2, 0, false, "send"},
    {HC_EVTCHN, 5, 2, 0, true, "status"},
    {HC_EVTCHN, 6, 2, 0, true, "alloc_unbound"},
    {HC_EVTCHN, 7, 2, 0, true, "bind_ipi"},
    {HC_EVTCHN, 8, 2, 0, false, "bind_vcpu"},
    {HC_EVTCHN, 9, 2, 0, false, "unmask"},
    {HC_HVM_OP, 0, 2, 0, false, "set_param"},
    {HC_HVM_OP, 1, 2, 0, true, "get_param"},
};

static long call(unsigned op, uint64_t pointer)
{
    return ops[op].at == 2 ? hypercall(ops[op].nr, ops[op].op, pointer, ops[op].other) : hypercall(ops[op].nr, ops[op].op, ops[op].other, pointer);
}

static void pointers(void)
{
    uint64_t list[MAX_HOSTILE];
    unsigned n = hostile(list);
    for (unsigned op = 0; op < COUNT(ops); op++) {
        for (unsigned i = 0; i < n; i++) {
            long ret = call(op, list[i]);
            bool refused = ret == -EFAULT || (ops[op].nr == HC_CONSOLE_IO && ops[op].op == 1 && ret == -EPERM);
            check(refused, "%s with %lx gives %ld", ops[op].name, list[i], ret);
        }
    }
}

/* Memory that may only be read: nothing is written there, and the guest is told. */
static void read_only(void)
{
    for (unsigned i = 0; i < sizeof(pages[1]); i++)
        pages[1][i] = (char)(i % 16 == 0 ? 1 : 0);
    for (unsigned op = 0; op < COUNT(ops); op++) {
        if (!ops[op].writes)
            continue;
        long ret = call(op, (uint64_t)slot(RO) + 64);
        check(ret < 0 && ret >= -LAST_ERROR, "%s on a read-only page gives %ld", ops[op].name, ret);
    }
    for (unsigned i = 0; i < sizeof(pages[1]); i++)
        check(pages[1][i] == (char)(i % 16 == 0 ? 1 : 0), "byte %u of the read-only page is %d", i, pages[1][i]);
}

/* Not the ones that legitimately end or block this domain. */
static bool left_out(uint64_t nr, uint64_t op)
{
    bool down = nr == HC_VCPU_OP && op == 2, waits = nr == HC_SCHED_OP && op >= 1 && op <= 3;
    return down || waits || (nr == HC_CONSOLE_IO && op == 0);
}

/* Every number with every small operation, arguments random or zero. The result is an error of the ABI, or a small count. */
static void numbers(void)
{
    for (uint64_t nr = 0; nr < 64; nr++) {
        for (uint64_t op = 0; op < 64; op++) {
            for (unsigned i = 0; i < sizeof(pages[2]) / 8; i++)
                ((uint64_t *)pages[2])[i] = op % 2 ? random_next() : 0;
            if (left_out(nr, op))
                continue;
            for (unsigned k = 0; k < 3; k++) {
                const uint64_t seconds[] = {(uint64_t)slot(RW2), 0, random_next()};
                long ret = hypercall(nr, op, seconds[k], k == 0 ? 1 : (uint64_t)slot(RW2));
                check(ret >= -LAST_ERROR && ret <= 0x7fffffff, "hypercall %lu.%lu gives %lx", nr, op, ret);
                static const uint8_t known[] = {12, 15, 17, 18, 20, 21, 24, 29, 32, 34, 55};
                bool exists = false;
                for (unsigned j = 0; j < COUNT(known); j++)
                    exists = exists || known[j] == nr;
                check(exists || ret == -ENOSYS, "hypercall %lu gives %ld", nr, ret);
            }
        }
    }
    hypercall(HC_SET_TIMER, 0, 0, 0);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t nr = i % 2 ? random_next() : 64 + i;
        check(hypercall(nr < 64 ? nr + 64 : nr, random_next(), random_next(), random_next()) == -ENOSYS, "hypercall %lx is known", nr);
    }
    for (unsigned i = 0; i < 64; i++) /* only the whole register counts */
        check(hypercall(1UL << 32 | i, 0, 0, 0) == -ENOSYS, "hypercall %lx is known", 1UL << 32 | i);
}

/* Corbel's own interface is not for guests, whatever the operation, whatever the argument. */
static void control(void)
{
    uint64_t list[MAX_HOSTILE];
    unsigned n = hostile(list);
    for (uint64_t op = 0; op < 64; op++) {
        long want = op >= 1 && op <= 29 && op != 22 ? -EPERM : -ENOSYS;
        long ret = hypercall(HC_CONTROL, op, (uint64_t)slot(RW2), 0);
        check(ret == want, "control operation %lu gives %ld", op, ret);
        for (unsigned i = 0; i < n; i++) {
            ret = hypercall(HC_CONTROL, op, list[i], 0);
            check(ret == want, "control operation %lu with %lx gives %ld", op, list[i], ret);
        }
    }
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t op = random_next() | 64;
        check(hypercall(HC_CONTROL, op, (uint64_t)slot(RW2), 0) == -ENOSYS, "control operation %lx is known", op);
    }
}

/* The gate: kernel mode and 64-bit code only. */
static void gate(void)
{
    static const long want[MODES] = {[KERNEL64] = 0x40011, [USER64] = -EPERM, [KERNEL32] = -ENOSYS, [USER32] = -EPERM};
    for (enum mode mode = KERNEL64; mode < MODES; mode++) {
        for (uint64_t nr = 0; nr < 64; nr++) {
            struct run r = {.rax = nr};
            if (mode == KERNEL64 && nr != HC_XEN_VERSION)
                continue;
            uint64_t vec = run_bytes(mode, "\x0f\x01\xc1", 3, &r);
            check(vec == RAN_THROUGH && (long)r.rax == want[mode], "hypercall %lu in mode %u: vector %lu, %ld", nr, mode, vec, (long)r.rax);
        }
    }
}

struct reservation { uint64_t list, nr; uint32_t order, flags; uint16_t domid, pad[3]; };

static long reserve(uint64_t op, uint64_t *gfns, uint64_t nr, uint32_t order, uint16_t domid)
{
    static struct reservation r;
    r = (struct reservation){.list = (uint64_t)gfns, .nr = nr, .order = order, .domid = domid};
    return hypercall(HC_MEMORY_OP, op, (uint64_t)&r, 0);
}
#define GIVE 1
#define TAKE 6

/* The page in which the argument lies goes away under the call. */
static void ballooned_argument(void)
{
    volatile uint64_t *at = (volatile uint64_t *)(SPARE_GFN << 12);
    struct reservation *r = (struct reservation *)(SPARE_GFN << 12);
    at[64] = SPARE_GFN + 1;
    at[65] = SPARE_GFN;
    at[66] = SPARE_GFN + 2;
    *r = (struct reservation){.list = (uint64_t)&at[64], .nr = 3, .domid = DOMID_SELF};
    long ret = hypercall(HC_MEMORY_OP, GIVE, (uint64_t)r, 0);
    check(ret == 2, "giving the argument's own page away: %ld", ret);
    for (unsigned op = 0; op < COUNT(ops); op++) {
        ret = call(op, (uint64_t)r);
        check(ret == -EFAULT || (ops[op].nr == HC_CONSOLE_IO && ret == -EPERM), "%s in a page given away: %ld", ops[op].name, ret);
    }
    uint64_t back[] = {SPARE_GFN, SPARE_GFN + 1};
    check(reserve(TAKE, back, 2, 0, DOMID_SELF) == 2, "the pages do not come back");
    for (unsigned i = 0; i < 1024; i++)
        check(at[i] == 0, "word %u of a fresh page is %lx", i, at[i]);
}

/* Areas that the hypervisor writes by itself, in pages given away: the writes stop, a pinned page stays the hypervisor's. */
static void ballooned_areas(void)
{
    uint64_t gfns[] = {SPARE_GFN + 8, SPARE_GFN + 9, SPARE_GFN + 10};
    uint64_t runstate = gfns[0] << 12, time = gfns[1] << 12;
    struct { uint64_t mfn; uint32_t offset, pad; } info = {gfns[2], 64, 0};
    check(hypercall(HC_VCPU_OP, 5, 0, (uint64_t)&runstate) == 0, "runstate area");
    check(hypercall(HC_VCPU_OP, 13, 0, (uint64_t)&time) == 0, "time area");
    check(hypercall(HC_VCPU_OP, 10, 0, (uint64_t)&info) == 0, "vcpu_info");
    check(hypercall(HC_VCPU_OP, 10, 0, (uint64_t)&info) < 0, "vcpu_info a second time");
    check(reserve(GIVE, gfns, 3, 0, DOMID_SELF) == 3, "pages with areas cannot be given away");
    for (unsigned i = 0; i < 16; i++) {
        uint32_t port[4] = {DOMID_SELF | DOMID_SELF << 16, 0};
        (void)hypercall(HC_SCHED_OP, 0, 0, 0); /* yield: runstate changes */
        check(hypercall(HC_EVTCHN, 6, (uint64_t)port, 0) == 0, "no event channel");
        check(hypercall(HC_EVTCHN, 4, (uint64_t)&port[1], 0) == 0, "no event");
        check(hypercall(HC_EVTCHN, 3, (uint64_t)&port[1], 0) == 0, "no end of an event channel");
    }
    check(reserve(TAKE, gfns, 3, 0, DOMID_SELF) == 3, "the pages do not come back");
    for (unsigned i = 0; i < 3 * 512; i++)
        check(((volatile uint64_t *)runstate)[i] == 0, "word %u after areas is %lx", i, ((volatile uint64_t *)runstate)[i]);
    hypercall(HC_VCPU_OP, 5, 0, 0);
}

static void memory(void)
{
    static const uint64_t nowhere[] = {~0UL, 1UL << 52, 1UL << 40, 0x000fffffffffffffUL, 1UL << 63, 0xfee00, 0xfec00, RAM_PAGES + 5};
    for (unsigned i = 0; i < COUNT(nowhere); i++) {
        uint64_t g = nowhere[i];
        check(reserve(GIVE, &g, 1, 0, DOMID_SELF) == 0, "gives gfn %lx away", g);
        check(reserve(TAKE, &g, 1, 9, DOMID_SELF) == 0, "2 MiB at gfn %lx", g);
    }
    uint64_t g = 0x20000, more[64];
    for (unsigned i = 0; i < COUNT(more); i++)
        more[i] = g + i;
    long got = reserve(TAKE, more, COUNT(more), 0, DOMID_SELF); /* its limit has room for the special pages, of which not all are in use */
    check(got >= 0 && got < 16, "%ld pages more than its limit", got);
    check(reserve(GIVE, more, (uint64_t)got, 0, DOMID_SELF) == got, "they cannot be given back");
    check(reserve(TAKE, &g, 1, 3, DOMID_SELF) == 0, "an odd order");
    check(reserve(TAKE, &g, 1, 10, DOMID_SELF) == -EINVAL, "an order too large");
    check(reserve(TAKE, &g, 1UL << 40, 0, DOMID_SELF) == -EINVAL, "too many extents");
    check(reserve(GIVE, &g, 1, 0, 0) == -EPERM && reserve(TAKE, &g, 1, 0, 0) == -EPERM, "Dom0's memory");
    for (unsigned i = 0; i < 100; i++) {
        uint16_t other = i < 16 ? (uint16_t)i : (uint16_t)random_next();
        long ret = reserve(GIVE, &g, 1, 0, other);
        check(ret == -EPERM || other == cpuid(0x40000004, 0).ecx || other == DOMID_SELF, "memory of domain %u: %ld", other, ret);
    }
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } map = {0, 0, 0, 0, SPARE_GFN + 16};
    check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) == -EPERM, "maps Dom0's shared_info");
    map.domid = DOMID_SELF;
    for (uint32_t space = 0; space < 16; space++) {
        map.space = space;
        map.idx = 64;
        long ret = hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0);
        check(ret == (space <= 1 ? -EINVAL : -ENOSYS), "map space %u index 64: %ld", space, ret);
    }
    map.space = 1;
    for (unsigned i = 0; i < COUNT(nowhere) - 3; i++) {
        map.idx = 0;
        map.gpfn = nowhere[i];
        check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) < 0, "a grant frame at %lx", nowhere[i]);
    }
    /* A shared frame is not RAM: it cannot be given away, nor be mapped over by another. */
    map = (typeof(map)){DOMID_SELF, 0, 0, 0, SPARE_GFN + 16};
    check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) == 0, "no shared_info");
    g = SPARE_GFN + 16;
    check(reserve(GIVE, &g, 1, 0, DOMID_SELF) == 0, "gives shared_info away");
    map.space = 1;
    check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) < 0, "a grant frame over shared_info");
}

static void others_property(void)
{
    for (uint32_t index = 0; index < 64; index++) {
        struct { uint16_t dom, pad; uint32_t index; uint64_t value; } param = {0, 0, index, 0};
        check(hypercall(HC_HVM_OP, 1, (uint64_t)&param, 0) < 0, "reads Dom0's HVM parameter %u", index);
        check(hypercall(HC_HVM_OP, 0, (uint64_t)&param, 0) < 0, "writes Dom0's HVM parameter %u", index);
        param.dom = DOMID_SELF;
        param.value = 1UL << 56;
        check(hypercall(HC_HVM_OP, 0, (uint64_t)&param, 0) < 0, "writes its own HVM parameter %u", index);
    }
    struct { uint64_t host; uint32_t flags, ref; uint16_t dom; int16_t status; uint32_t handle; uint64_t bus; } grant;
    for (uint32_t ref = 0; ref < 64; ref++) {
        for (uint16_t dom = 0; dom < 8; dom++) {
            grant = (typeof(grant)){0x20000, ref % 2 ? 2 : 6, ref, dom, 0, 0, 0};
            long ret = hypercall(HC_GRANT, 0, (uint64_t)&grant, 1);
            check(ret < 0 || grant.status < 0, "maps grant %u of domain %u", ref, dom);
        }
    }
    struct { uint64_t host, bus; uint32_t handle; int16_t status; } unmap;
    for (uint32_t handle = 0; handle < 64; handle++) {
        unmap = (typeof(unmap)){0, 0, handle < 32 ? handle : (uint32_t)random_next(), 0};
        check(hypercall(HC_GRANT, 1, (uint64_t)&unmap, 1) < 0 || unmap.status < 0, "unmaps handle %u", unmap.handle);
    }
    struct end { uint64_t frame; uint16_t dom, offset; };
    struct { struct end from, to; uint16_t len, flags; int16_t status; } copy;
    for (uint16_t dom = 0; dom < 8; dom++) {
        for (uint16_t flags = 0; flags < 8 && dom != cpuid(0x40000004, 0).ecx; flags++) {
            copy = (typeof(copy)){{SPARE_GFN, dom, 0}, {SPARE_GFN, DOMID_SELF, 0}, 16, flags, 0};
            (void)hypercall(HC_GRANT, 5, (uint64_t)&copy, 1);
            check(copy.status < 0, "copies from domain %u, flags %x: status %d", dom, flags, copy.status);
        }
    }
    check(hypercall(HC_GRANT, 0, (uint64_t)slot(RW2), 513) == -EINVAL, "a batch of 513");
    check(hypercall(HC_GRANT, 0, (uint64_t)slot(RW2), ~0UL) == -EINVAL, "a batch without end");
}

/* 1 << 63 ns and the like: a deadline that never comes, or has long passed; none may upset the clock. */
static void deadlines(void)
{
    static const uint64_t times[] = {~0UL, 1UL << 63, (1UL << 63) - 1, 1UL << 62, 1, 1UL << 56};
    for (unsigned i = 0; i < COUNT(times); i++) {
        struct { uint64_t ns; uint32_t flags, pad; } timer = {times[i], 0, 0};
        check(hypercall(HC_VCPU_OP, 8, 0, (uint64_t)&timer) == 0, "a timer at %lx", times[i]);
        check(hypercall(HC_SET_TIMER, times[i], 0, 0) == 0, "set_timer_op %lx", times[i]);
    }
    check(hypercall(HC_VCPU_OP, 9, 0, 0) == 0, "stop_singleshot");
    struct { uint32_t reason; } shutdown = {6};
    check(hypercall(HC_SCHED_OP, 2, (uint64_t)&shutdown, 0) == -EINVAL, "a shutdown for reason 6");
    for (uint64_t vcpu = 1; vcpu < 100; vcpu++)
        check(hypercall(HC_VCPU_OP, 3, vcpu * vcpu, 0) == -2, "vCPU %lu is up", vcpu * vcpu);
    struct { uint64_t ports; uint32_t nr, pad; uint64_t timeout; } poll = {(uint64_t)slot(RW2), 1, 0, 1};
    for (uint32_t nr = 129; nr < 100000; nr *= 7) {
        poll.nr = nr;
        check(hypercall(HC_SCHED_OP, 3, (uint64_t)&poll, 0) == -EINVAL, "polls %u ports", nr);
    }
    poll.nr = 1;
    *(uint32_t *)slot(RW2) = 1U << 20;
    check(hypercall(HC_SCHED_OP, 3, (uint64_t)&poll, 0) == -EINVAL, "polls port 2^20");
    poll.ports = ABSENT;
    check(hypercall(HC_SCHED_OP, 3, (uint64_t)&poll, 0) == -EFAULT, "polls ports in absent memory");
}

void deny_hypercalls(void)
{
    open_slots();
    pointers();
    read_only();
    gate();
    control();
    others_property();
    deadlines();
    memory();
    ballooned_argument();
    ballooned_areas();
    numbers();
}
