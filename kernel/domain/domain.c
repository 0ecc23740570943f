/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The registry of domains and their life. domains_lock guards the table; it is taken with no domain lock held, and domain locks are taken
 * under it (two of them in order of domid), so that a domain found cannot vanish before it is locked. */
#include "kernel/domain/domain.h"

#include "ept/flush.h"
#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/core/string.h"
#include "kernel/core/trace.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/event.h"
#include "kernel/domain/grant.h"
#include "kernel/domain/physmap.h"
#include "kernel/domain/pvclock.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/pool.h"
#include "kernel/platform/console.h"
#include "kernel/platform/reset.h"
#include "kernel/platform/uart.h"
#include "kernel/time/clock.h"

#define FIRST_RESERVED_DOMID 0x7ff0U
#define LOG_BURST 512U           /* lines of early console a guest may write at once … */
#define LOG_ROOM 16384U /* bytes */
#define LOG_TOKENS_PER_SECOND 16U /* … and in the long run */

static struct spinlock domains_lock;
static struct domain *domains[MAX_DOMAINS]; /* by domid % MAX_DOMAINS */
static uint16_t last_domid;
static uint32_t generations;
static struct pool domain_pool = POOL_INIT(struct domain);

static struct domain *find(uint16_t domid, bool dying_too)
{
    struct domain *d = domains[domid % MAX_DOMAINS];
    return d && d->id == domid && (dying_too || d->state != CBL_DOM_DYING) ? d : NULL;
}

struct domain *domain_peek(uint16_t domid) { return find(domid, true); }
struct domain *domain_in_slot(uint16_t slot) { return domains[slot % MAX_DOMAINS]; }
struct domain *domain_dom0(void) { return domains[0]; }

struct domain_locked domain_lock(struct domain *d)
{
    spin_lock(&d->lock);
    return (struct domain_locked){d};
}

static struct domain_locked lock_found(uint16_t domid, bool dying_too)
{
    SPIN_GUARD(&domains_lock);
    struct domain *d = find(domid, dying_too);
    return d ? domain_lock(d) : (struct domain_locked){NULL};
}

struct domain_locked domain_lock_id(uint16_t domid) { return lock_found(domid, false); }
struct domain_locked domain_lock_any(uint16_t domid) { return lock_found(domid, true); }

void *domain_table_page(struct domain *d)
{
    void *page = pool_page_alloc();
    __atomic_fetch_add(&d->root_pages, page != NULL, __ATOMIC_RELAXED); /* callers hold locks, but not all the same one */
    return page;
}

static void free_tables(struct domain *d)
{
    event_destroy(d);
    grant_destroy(d);
    if (d->shared_info)
        frame_free(d->shared_info_hfn, FRAME_ORDER_4K);
    pool_free(&domain_pool, d);
}

/* The last reference went: the registry forgets the domain, unless somebody took one meanwhile. */
static void vanish(uint16_t domid)
{
    SPIN_GUARD(&domains_lock);
    struct domain *d = find(domid, true);
    if (!d)
        return;
    spin_lock(&d->lock); /* whoever waited for it has it behind him now; nobody new can come */
    bool gone = d->state == CBL_DOM_DYING && d->refs == 0;
    spin_unlock(&d->lock);
    if (!gone)
        return;
    domains[domid % MAX_DOMAINS] = NULL;
    free_tables(d);
}

void domain_unlock(struct domain_locked l)
{
    bool last = l.d->state == CBL_DOM_DYING && l.d->refs == 0;
    uint16_t domid = l.d->id;
    spin_unlock(&l.d->lock);
    if (last)
        vanish(domid);
}

struct domain_pair domain_lock_pair(struct domain *self, uint16_t other, bool dying_too)
{
    SPIN_GUARD(&domains_lock);
    struct domain *o = find(other, dying_too);
    if (o && o->id < self->id)
        spin_lock(&o->lock);
    spin_lock(&self->lock);
    if (o && o->id > self->id)
        spin_lock(&o->lock);
    return (struct domain_pair){{self}, {o}};
}

void domain_unlock_pair(struct domain_pair p)
{
    struct domain_locked last = p.other.d ? p.other : p.self;
    if (last.d != p.self.d)
        spin_unlock(&p.self.d->lock); /* SELF does not vanish: it makes this call, or its end does */
    domain_unlock(last);
}

struct domain_locked domain_next(uint16_t from)
{
    struct domain *best = NULL;
    SPIN_GUARD(&domains_lock);
    for (unsigned i = 0; i < MAX_DOMAINS; i++) {
        if (domains[i] && domains[i]->id >= from && (!best || domains[i]->id < best->id))
            best = domains[i];
    }
    return best ? domain_lock(best) : (struct domain_locked){NULL};
}

void domain_each(void (*fn)(struct domain_locked l, void *ctx), void *ctx)
{
    struct domain_locked l;
    for (uint16_t from = 0; (l = domain_next(from)).d;) {
        from = (uint16_t)(l.d->id + 1);
        fn(l, ctx);
        domain_unlock(l);
    }
}

/* A domid whose slot is free: WANTED, or the next in turn (0: none). Slot 0 is Dom0's alone. */
static uint16_t choose_domid(uint16_t wanted)
{
    if (wanted)
        return wanted < FIRST_RESERVED_DOMID && wanted % MAX_DOMAINS && !domains[wanted % MAX_DOMAINS] ? wanted : 0;
    for (unsigned tries = 0; tries < 2 * MAX_DOMAINS; tries++) {
        last_domid = last_domid + 1U >= FIRST_RESERVED_DOMID ? 1 : (uint16_t)(last_domid + 1);
        if (last_domid % MAX_DOMAINS && !domains[last_domid % MAX_DOMAINS])
            return last_domid;
    }
    return 0;
}

static enum status publish(struct domain *d, uint16_t wanted, bool dom0)
{
    SPIN_GUARD(&domains_lock);
    d->id = dom0 ? 0 : choose_domid(wanted);
    if (dom0 ? domains[0] != NULL : d->id == 0)
        return wanted || dom0 ? STATUS_EXISTS : STATUS_NO_SPACE;
    d->generation = ++generations;
    domains[d->id % MAX_DOMAINS] = d;
    return STATUS_OK;
}

/* They leave their CPUs soon; vcpu_settle waits for that. */
static void stop_vcpus(struct domain *d, uint32_t reason)
{
    for (uint32_t i = 0; i < d->nr_vcpus; i++)
        sched_hold(&d->vcpus[i]->sched, reason);
}

/* The parts of D that need memory, in order; a failure leaves what is there for destroy. */
static enum status build(struct domain *d, uint32_t vcpus, uint32_t tables_max)
{
    enum status s = frame_alloc(FRAME_ORDER_4K, d->id, FRAME_SHARED, &d->shared_info_hfn);
    if (s != STATUS_OK)
        return s; /* nothing to write into */
    d->shared_info = root_va(hpa_of_hfn(d->shared_info_hfn));
    pvclock_write_wallclock(d);
    s = ept_init(&d->ept, d->id, tables_max);
    if (s == STATUS_OK)
        s = event_init(d);
    if (s == STATUS_OK)
        s = grant_init(d);
    uint64_t before = frame_stats().by_type[FRAME_VMX];
    while (s == STATUS_OK && d->nr_vcpus < vcpus)
        s = vcpu_create(d);
    stop_vcpus(d, SCHED_HOLD_PAUSED);
    d->root_pages += (uint32_t)(frame_stats().by_type[FRAME_VMX] - before) + 1U; /* 1: shared_info */
    return s;
}

/* Dying: stopped, then everything given back but the tables that outstanding references may still need. Drops the lock. */
static void end(struct domain_locked l)
{
    struct domain *d = l.d;
    d->state = CBL_DOM_DYING;
    stop_vcpus(d, SCHED_HOLD_DYING);
    trace(TRACE_DOMAIN, d->id, CBL_DOM_DYING);
    domain_unlock(l); /* refs is still at least 1 */
    for (uint32_t i = 0; i < d->nr_vcpus; i++)
        vcpu_settle(d->vcpus[i]);
    grant_release_mappings(d);
    event_close_all(d);
    if (d->ept.root.v)
        physmap_teardown(d);
    (void)domain_lock(d);
    while (d->nr_vcpus > 0)
        vcpu_destroy(l, d->vcpus[d->nr_vcpus - 1]);
    if (d->ept.root.v) {
        flush_sync(&d->ept);
        ept_destroy(&d->ept);
    }
    d->refs--;
    domain_unlock(l);
}

static enum status create(const struct cbl_domain_create *how, bool dom0, uint32_t tables_max, struct domain **out)
{
    uint64_t tsc = rdtsc();
    struct domain *d = pool_alloc(&domain_pool);
    if (!d)
        return STATUS_NO_MEMORY;
    d->state = CBL_DOM_DYING; /* until it is whole nobody finds it by its domid */
    d->shutdown = CBL_SHUTDOWN_NONE;
    d->pause_count = 1;
    d->refs = 1;
    d->privileges = how->privileges;
    d->max_pages = d->created_pages = how->max_pages;
    d->sched.weight = SCHED_WEIGHT_DEFAULT;
    d->create_tsc = tsc;
    d->shared_info_gfn = GFN_INVALID;
    d->log_tokens = LOG_BURST;
    memcpy(d->uuid, how->uuid, sizeof(d->uuid));
    enum status s = publish(d, how->domid, dom0);
    if (s != STATUS_OK) {
        pool_free(&domain_pool, d);
        return s;
    }
    s = build(d, how->vcpus, tables_max);
    if (s != STATUS_OK) {
        end(domain_lock(d));
        return s;
    }
    trace(TRACE_DOMAIN, d->id, CBL_DOM_NEW);
    __atomic_store_n(&d->state, CBL_DOM_NEW, __ATOMIC_RELEASE); /* pairs with the locks of who finds it */
    *out = d;
    return STATUS_OK;
}

enum status domain_create(const struct cbl_domain_create *how, struct domain **out)
{
    if (how->vcpus == 0 || how->vcpus > MAX_VCPUS || how->max_pages == 0 || how->max_pages > frame_stats().total)
        return STATUS_INVALID;
    /* One table for 512 pages mapped singly, and slack for the levels above and for gfns far apart. */
    return create(how, false, (uint32_t)(how->max_pages / 512 + 64), out);
}

enum status domain_create_dom0(uint64_t pages, uint8_t nr_vcpus, struct domain **out)
{
    struct cbl_domain_create how = {.max_pages = pages, .vcpus = nr_vcpus, .privileges = CBL_PRIV_ALL};
    return create(&how, true, (uint32_t)(frame_stats().total / 512 + 2048), out);
}

/* One at a time: two managers that destroy each other would wait for each other's vCPUs. */
enum status domain_destroy(uint16_t domid)
{
    static bool under_way;
    if (__atomic_exchange_n(&under_way, true, __ATOMIC_ACQUIRE))
        return STATUS_BUSY;
    enum status s = STATUS_OK;
    const struct vcpu *v = this_cpu()->current;
    struct domain_locked l = domain_lock_id(domid);
    if (!l.d) {
        s = STATUS_NO_DOMAIN;
    } else if (l.d == domain_dom0() || (v && v->domain == l.d && v->sched.state == VCPU_RUNNING)) {
        domain_unlock(l);
        s = STATUS_DENIED;
    } else {
        end(l);
    }
    __atomic_store_n(&under_way, false, __ATOMIC_RELEASE);
    return s;
}

void domain_pause(struct domain_locked l)
{
    l.d->pause_count++;
    stop_vcpus(l.d, SCHED_HOLD_PAUSED);
}

enum status domain_unpause(struct domain_locked l)
{
    struct domain *d = l.d;
    if (d->pause_count == 0 || (d->state == CBL_DOM_NEW && !d->vcpus[0]->initialised))
        return STATUS_BAD_STATE;
    if (--d->pause_count > 0)
        return STATUS_OK;
    if (d->state == CBL_DOM_NEW) {
        d->state = CBL_DOM_RUNNING;
        vcpu_up(d->vcpus[0]);
    }
    for (uint32_t i = 0; i < d->nr_vcpus; i++)
        sched_unhold(&d->vcpus[i]->sched, SCHED_HOLD_PAUSED);
    return STATUS_OK;
}

/* Dom0 ended: so does the machine. */
static void __attribute__((noreturn)) machine_end(uint32_t reason)
{
    if (reason == CBL_SHUTDOWN_POWEROFF || reason == CBL_SHUTDOWN_REBOOT)
        log_info("Dom0 asked for %s", reason == CBL_SHUTDOWN_POWEROFF ? "power off" : "a reboot");
    else
        log_error("Dom0 ended (reason %u): the machine cannot go on without it and is reset", reason);
    console_flush();
    if (reason == CBL_SHUTDOWN_POWEROFF)
        poweroff_machine();
    reset_machine();
}

/* State SHUTDOWN, told to Dom0. false: it was not running. */
static bool stop(struct domain *d, uint32_t reason, const char *why)
{
    struct domain_locked l = domain_lock(d);
    bool live = d->state == CBL_DOM_RUNNING || d->state == CBL_DOM_NEW;
    if (live) {
        d->state = CBL_DOM_SHUTDOWN;
        d->shutdown = reason;
        str_copy(d->why, sizeof(d->why), why);
        stop_vcpus(d, SCHED_HOLD_SHUTDOWN);
    }
    domain_unlock(l);
    if (live) {
        trace(TRACE_DOMAIN, d->id, CBL_DOM_SHUTDOWN);
        event_raise_virq(domain_dom0()->vcpus[0], VIRQ_DOM_EXC);
    }
    return live;
}

void domain_shutdown(struct domain *d, uint32_t reason)
{
    static const char *const words[] = {"powered off", "asks for a reboot", "suspended", "crashed", "stopped by its watchdog", "asks for a soft reset"};
    if (d == domain_dom0())
        machine_end(reason);
    if (stop(d, reason, ""))
        log_info("d%u %s", d->id, reason < ARRAY_SIZE(words) ? words[reason] : "shut down");
}

void domain_kill(struct domain *d, const char *why)
{
    struct vcpu *v = this_cpu()->current;
    trace(TRACE_KILL, d->id, 0);
    bool first = d->state != CBL_DOM_SHUTDOWN;
    if (first)
        log_warn("d%u is stopped: %s", d->id, why);
    if (first && v && v->domain == d)
        vmx_dump(&v->vmx);
    if (d == domain_dom0())
        machine_end(CBL_SHUTDOWN_KILLED);
    (void)stop(d, CBL_SHUTDOWN_KILLED, why);
}

static enum cbl_domain_state shown_state(const struct domain *d)
{
    if (d->state != CBL_DOM_RUNNING)
        return d->state;
    if (d->pause_count)
        return CBL_DOM_PAUSED;
    for (uint32_t i = 0; i < d->nr_vcpus; i++) {
        if (d->vcpus[i]->sched.state == VCPU_RUNNABLE || d->vcpus[i]->sched.state == VCPU_RUNNING)
            return CBL_DOM_RUNNING;
    }
    return CBL_DOM_BLOCKED;
}

/* EPT, VMCS and companions, tables, objects. */
static uint64_t overhead_bytes(const struct domain *d)
{
    uint64_t objects = sizeof(*d) + d->nr_vcpus * sizeof(struct vcpu) + sizeof(struct event_table);
    return (uint64_t)(d->ept.tables_used + __atomic_load_n(&d->root_pages, __ATOMIC_RELAXED)) * PAGE_SIZE + objects;
}

void domain_info(struct domain_locked l, struct cbl_domain_info *out)
{
    struct domain *d = l.d;
    *out = (struct cbl_domain_info){
        .domid = d->id, .state = shown_state(d), .shutdown = d->shutdown, .vcpus = d->nr_vcpus, .pause_count = d->pause_count,
        .privileges = d->privileges, .pages = d->pages, .max_pages = d->max_pages, .overhead_bytes = overhead_bytes(d),
        .create_tsc = d->create_tsc, .first_entry_tsc = d->first_entry_tsc, .generation = d->generation, .weight = d->sched.weight, .cap = d->sched.cap};
    memcpy(out->uuid, d->uuid, sizeof(out->uuid));
    memcpy(out->why, d->why, sizeof(out->why));
    for (uint32_t i = 0; i < d->nr_vcpus; i++) {
        struct vcpu *v = d->vcpus[i];
        struct sched_times t = sched_times(&v->sched);
        out->cpu_ns += t.time_ns[SCHED_TIME_RUNNING] + (t.state == SCHED_TIME_RUNNING ? clock_now_ns() - t.since_ns : 0);
        out->exits += v->vmx.exits;
        out->online_vcpus += v->sched.state != VCPU_DOWN;
    }
}

void domain_log_text(struct domain *d, const char *text, size_t len)
{
    uint64_t now = clock_now_ns();
    uint64_t fresh = (now - d->log_refill_ns) * LOG_TOKENS_PER_SECOND / 1000000000UL;
    if (fresh > 0) {
        d->log_tokens = (uint32_t)MIN((uint64_t)d->log_tokens + fresh, (uint64_t)LOG_BURST);
        d->log_refill_ns = now;
    }
    if (d->log_tokens == 0 || uart_room() < LOG_ROOM) { /* a guest's lines never displace Dom0's or our own on the console */
        d->log_dropped++;
        return;
    }
    d->log_tokens--;
    if (d->log_dropped)
        log_guest(d->id, "(%u lines dropped)", d->log_dropped);
    d->log_dropped = 0;
    log_guest(d->id, "%.*s", (int)len, text);
}
