/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A domain: states, handles, life. Lock: domain->lock guards everything in it that is not said to be atomic; a function
 * that needs it takes the token. */
#pragma once

#include "ept/ept.h"
#include "kernel/abi/control.h"
#include "kernel/core/addr.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/status.h"
#include "kernel/sched/sched.h"

#define MAX_DOMAINS 128U
#define MAX_VCPUS 32U

struct vcpu;
struct domain;
struct event_table;
struct grant_table;

/* Proof that the lock is held; only domain_lock makes one. */
struct domain_locked { struct domain *d; };

struct domain {
    struct spinlock lock;
    uint16_t id;
    uint32_t generation;       /* handle = id + generation; a stale handle finds nothing */
    enum cbl_domain_state state;
    uint32_t shutdown;         /* CBL_SHUTDOWN_* */
    uint32_t pause_count;
    uint32_t privileges;
    uint32_t refs;             /* atomic: running vCPUs, lookups in flight, grant mappings of its frames */
    uint8_t uuid[16];
    char why[64];
    struct ept ept;
    uint64_t pages, max_pages;
    uint64_t created_pages;    /* max_pages at first: what the EPT's table quota is good for */
    uint32_t nr_vcpus;         /* that exist: 0 once a dying domain has given them up */
    struct vcpu *vcpus[MAX_VCPUS];
    struct sched_group sched;  /* weight and cap: atomic */
    struct event_table *events;
    struct grant_table *grants;
    hfn_t shared_info_hfn;     /* FRAME_SHARED, always present; mapped into the guest by add_to_physmap */
    void *shared_info;         /* root's view of it */
    uint64_t hvm_params[40];
    gfn_t shared_info_gfn;     /* where the guest put it; GFN_INVALID: nowhere */
    uint64_t create_tsc, first_entry_tsc;
    uint32_t root_pages;       /* whole pages of root memory that serve it, without EPT: VMCS and companions, tables, shared frames */
    uint32_t log_tokens;
    uint32_t log_dropped;
    uint64_t log_refill_ns;
    uint32_t console_len;      /* of the unfinished early console line */
    char console_line[120];
};

/* Looks DOMID up (DOMID_SELF is the caller's business) and locks it. NULL d: no such domain. */
struct domain_locked domain_lock_id(uint16_t domid);
struct domain_locked domain_lock(struct domain *d);
void domain_unlock(struct domain_locked l);

/* `struct domain_locked l DOMAIN_GUARD = …;` unlocks at the end of the block, if there is a domain in it. */
static inline void domain_guard_drop(struct domain_locked *l)
{
    if (l->d)
        domain_unlock(*l);
}
#define DOMAIN_GUARD __attribute__((cleanup(domain_guard_drop)))

/* A domain in state NEW with no memory. Undo of every later step is domain_destroy. */
enum status domain_create(const struct cbl_domain_create *how, struct domain **out);
/* Stops all vCPUs, releases everything; on return the domid is free again or the domain is DYING and vanishes when the last reference goes.
 * Every error path of creation uses it too. Precondition: not locked by the caller; not Dom0. */
enum status domain_destroy(uint16_t domid);
void domain_pause(struct domain_locked l);
enum status domain_unpause(struct domain_locked l);
/* The guest ended itself (SCHEDOP_shutdown, last vCPU halted with IF=0). Raises VIRQ_DOM_EXC to Dom0. */
void domain_shutdown(struct domain *d, uint32_t reason);
/* The guest did what no guest may: stopped, state SHUTDOWN with reason KILLED and WHY, dump in the log, VIRQ_DOM_EXC. Never panics. For Dom0: the
 * machine cannot go on; says so and resets after the dump. */
void domain_kill(struct domain *d, const char *why);
void domain_info(struct domain_locked l, struct cbl_domain_info *out);
/* The next live domain with id >= FROM, locked; d NULL: none. */
struct domain_locked domain_next(uint16_t from);
/* FN for each domain, locked: audit and dumps. */
void domain_each(void (*fn)(struct domain_locked l, void *ctx), void *ctx);
struct domain *domain_dom0(void);

/* As domain_lock_id, but a DYING domain that still has references is found as well: for giving references back. */
struct domain_locked domain_lock_any(uint16_t domid);
/* The domain without its lock; the caller knows by other means (the event lock and a binding) that it stays. NULL: none. */
struct domain *domain_peek(uint16_t domid);
/* The domain in SLOT (domid % MAX_DOMAINS) of the registry, under the same condition; NULL: none. */
struct domain *domain_in_slot(uint16_t slot);

/* Two domains locked in the one allowed order (by domid). other.d is NULL when there is none with that domid (SELF's is then locked all
 * the same); both are the same token when OTHER is SELF. */
struct domain_pair { struct domain_locked self, other; };
struct domain_pair domain_lock_pair(struct domain *self, uint16_t other, bool dying_too);
void domain_unlock_pair(struct domain_pair p);

/* For kernel/domain/dom0.c: the privileged domain, domid 0, of PAGES pages, with nothing mapped. */
enum status domain_create_dom0(uint64_t pages, uint8_t nr_vcpus, struct domain **out);
/* One line of guest output into the log as "(dN) text", through the domain's token bucket. */
void domain_log_text(struct domain *d, const char *text, size_t len);
/* A zeroed page of root memory for a table of D, booked under root_pages; NULL: none. It goes back with pool_page_free when D ends. */
void *domain_table_page(struct domain *d);
