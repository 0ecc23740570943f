/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Domains that end: asked by the operator through xenstore, or by themselves (the hypervisor's VIRQ_DOM_EXC
 * wakes the reaper). */
#include <stdint.h>

#include <xen/xen.h>

#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager_priv.h"
#include "dom0/store/store.h"

#define SECOND_NS         1000000000UL
#define REAPER_LOOK_NS    (5 * SECOND_NS) /* where no event could be bound */
#define REAPER_STACK      65536U
#define FAST_RESTART_NS   (2 * SECOND_NS)
#define FAST_RESTARTS_MAX 10U
#define NOTICES_AT_ONCE   12U /* about reboots of one guest; all fast ones in a row are told */
#define NOTICE_EVERY_NS   (60 * SECOND_NS)
#define STRANGER_LOOK_NS  SECOND_NS /* of a domain that nobody reports */

static struct waitq reaper_wait;
static bool have_event;            /* VIRQ_DOM_EXC is bound */
static volatile bool reaper_event; /* set in upcall context, cleared by the reaper before it looks: an event in between
                                      makes it look again */

static bool start_again(struct registry_entry *old, const char *why, struct error *err);

/* ---- asked by the operator ---- */

static bool guest_listens(const struct vm_view *v, const char *how)
{
    char path[96], value[16];
    snprintf(path, sizeof path, "/local/domain/%u/control/feature-%s", v->domid, how);
    return store_read(path, value, sizeof value) == 0 && strcmp(value, "1") == 0;
}

static bool ask(const struct vm_view *v, const char *how, struct error *e)
{
    char path[96];
    if (v->domid == 0)
        return error_set(e, EXIT_REFUSED, "%s Domain-0: it manages the host: use host-poweroff or host-reboot", how);
    if (v->info.state == CBL_DOM_SHUTDOWN || v->info.state == CBL_DOM_DYING)
        return error_set(e, EXIT_WRONG_STATE, "%s %s: it has stopped for good: `destroy %s` removes it", how, v->name,
                         v->name);
    if (v->info.state == CBL_DOM_PAUSED || v->info.state == CBL_DOM_NEW)
        return error_set(e, EXIT_WRONG_STATE,
                         "%s %s: it is paused and cannot answer: `unpause %s` first, or `destroy` it", how, v->name,
                         v->name);
    if (!guest_listens(v, how))
        return error_set(e, EXIT_WRONG_STATE,
                         "%s %s: the guest does not listen for this (yet): wait until it has booted, or `destroy %s`",
                         how, v->name, v->name);
    snprintf(path, sizeof path, "/local/domain/%u/control/shutdown", v->domid);
    int err = store_write(path, how);
    return err == 0 || error_set(e, EXIT_FAILED, "%s %s: xenstore: %s: try `destroy`", how, v->name, errno_text(-err));
}

bool manager_shutdown(const char *who, const char *how, uint64_t wait_ns, struct error *e)
{
    struct vm_view v;
    if (!manager_find(who, &v, e) || !ask(&v, how, e))
        return false;
    if (wait_ns == 0 || manager_wait_end(v.domid, wait_ns, NULL))
        return true;
    return error_set(e, EXIT_TIMEOUT, "%s %s: still running after %lu s: look at `console %s`, or `destroy` it", how,
                     v.name, wait_ns / SECOND_NS, v.name);
}

static bool cut_locked(const char *who, bool again, struct error *e)
{
    struct vm_view v;
    const char *verb = again ? "reboot" : "shutdown";
    struct registry_entry *entry = manager_find_ours(who, verb, &v, e);
    if (entry == NULL)
        return false;
    if (!again)
        return vm_end(entry, "powered off by the operator", e);
    entry->fast_restarts = 0;
    return start_again(entry, "reset by the operator", e);
}

bool manager_cut(const char *who, bool again, struct error *e)
{
    mutex_lock(&manager_lock);
    bool ok = cut_locked(who, again, e);
    mutex_unlock(&manager_lock);
    return ok;
}

/* Has what ran as DOMID when the caller looked ended? */
static bool has_ended(uint16_t domid)
{
    const struct registry_entry *e = registry_by_domid(manager_registry, domid);
    struct cbl_domain_info info = {.domid = domid, .exact = 1};
    if (e != NULL)
        return e->state == ENTRY_PRESERVED;
    return control(CTL_DOMAIN_INFO, &info) != 0 || info.state == CBL_DOM_SHUTDOWN || info.state == CBL_DOM_DYING;
}

bool manager_wait_end(uint16_t domid, uint64_t wait_ns, bool (*interrupted)(void))
{
    uint64_t now = time_now_ns(), end = now + wait_ns < now ? WAIT_FOREVER : now + wait_ns;
    while (!has_ended(domid)) {
        now = time_now_ns();
        if (now >= end || (interrupted != NULL && interrupted()))
            return false;
        bool reported = registry_by_domid(manager_registry, domid) != NULL;
        console_wait(&manager_ended, reported || end - now < STRANGER_LOOK_NS ? end : now + STRANGER_LOOK_NS);
    }
    return true;
}

/* ---- ended by itself ---- */

static const char *reason_text(const struct cbl_domain_info *info)
{
    switch (info->shutdown) {
    case CBL_SHUTDOWN_POWEROFF:
        return "powered off";
    case CBL_SHUTDOWN_REBOOT:
        return "rebooted";
    case CBL_SHUTDOWN_SUSPEND:
        return "suspended itself, which this version cannot resume";
    case CBL_SHUTDOWN_CRASH:
        return "crashed: the guest reported a fatal error of its own";
    case CBL_SHUTDOWN_WATCHDOG:
        return "its watchdog expired";
    case CBL_SHUTDOWN_KILLED:
        return "stopped by the hypervisor";
    default:
        return "ended for an unknown reason";
    }
}

static void preserve(struct registry_entry *e, const char *why, const char *detail)
{
    vm_disconnect(e);
    snprintf(e->why, sizeof e->why, "%s%s%s", why, detail[0] != '\0' ? ": " : "", detail);
    e->state = ENTRY_PRESERVED;
    console_notice("%s: %s; kept as it was: `console %s` shows its last words, `destroy %s` removes it", e->config.name,
                   e->why, e->config.name, e->config.name);
    waitq_wake_all(&manager_ended);
}

static void power_off(struct registry_entry *e, const char *why)
{
    struct error err;
    if (!vm_end(e, why, &err))
        console_notice("error: %s", err.text);
    else
        console_notice("%s: %s", e->config.name, why);
}

/* A guest that reboots every few seconds must not fill the operator's terminal. */
static void say_restarted(struct registry_entry *e, const char *why)
{
    uint32_t dropped = 0;
    if (!limit_pass(&e->notices, time_now_ns(), NOTICES_AT_ONCE, NOTICE_EVERY_NS, &dropped))
        return;
    if (dropped == 0)
        console_notice("%s: %s: now domain %u", e->config.name, why, e->domid);
    else
        console_notice("%s: %s: now domain %u (%u restarts before it were not shown)", e->config.name, why, e->domid,
                       dropped);
}

/* The same configuration in a new domain; the old one's console stays readable until the name ends again. */
static bool start_again(struct registry_entry *old, const char *why, struct error *err)
{
    struct registry_entry *e = registry_alloc(manager_registry);
    if (e == NULL)
        return error_set(err, EXIT_NO_RESOURCE, "%s: no room in the register of domains: destroy a domain",
                         old->config.name);
    e->config = old->config;
    e->fast_restarts = old->fast_restarts;
    e->notices = old->notices;
    e->create_tsc = time_tsc();
    if (!vm_end(old, why, err)) {
        e->state = ENTRY_FREE;
        return false;
    }
    if (!vm_start(e, false, NULL, NULL, err)) {
        e->state = manager_runtime(e)->domain ? ENTRY_PRESERVED : ENTRY_FREE;
        return false;
    }
    say_restarted(e, why);
    return true;
}

static void restart(struct registry_entry *e, const char *why)
{
    struct error err;
    char name[VM_NAME_MAX];
    strlcpy(name, e->config.name, sizeof name);
    bool fast = time_now_ns() - e->started_ns < FAST_RESTART_NS;
    e->fast_restarts = fast ? e->fast_restarts + 1 : 0;
    if (e->fast_restarts > FAST_RESTARTS_MAX)
        power_off(e, "ended: it rebooted again and again without running for 2 seconds");
    else if (!start_again(e, why, &err))
        console_notice("error: %s; %s is not restarted", err.text, name);
}

static enum vm_action action_for(const struct registry_entry *e, uint32_t shutdown)
{
    const struct vm_config *c = &e->config;
    return (enum vm_action)(shutdown == CBL_SHUTDOWN_POWEROFF ? c->on_poweroff
                            : shutdown == CBL_SHUTDOWN_REBOOT ? c->on_reboot
                                                              : c->on_crash);
}

static void look_at(struct registry_entry *e)
{
    struct cbl_domain_info info = {.domid = e->domid, .exact = 1};
    if (control(CTL_DOMAIN_INFO, &info) != 0 || info.state != CBL_DOM_SHUTDOWN)
        return;
    info.why[sizeof info.why - 1] = '\0';
    switch (action_for(e, info.shutdown)) {
    case VM_DESTROY:
        power_off(e, reason_text(&info));
        break;
    case VM_RESTART:
        restart(e, reason_text(&info));
        break;
    case VM_PRESERVE:
        preserve(e, reason_text(&info), info.shutdown == CBL_SHUTDOWN_KILLED ? info.why : "");
        break;
    }
}

static void reap(void)
{
    mutex_lock(&manager_lock);
    for (uint32_t i = 0; i < manager_registry->capacity; i++) {
        struct registry_entry *e = registry_at(manager_registry, i);
        if (e->state == ENTRY_LIVE)
            look_at(e);
    }
    mutex_unlock(&manager_lock);
}

static void reaper(void *arg)
{
    (void)arg;
    for (;;) {
        if (!reaper_event)
            waitq_wait(&reaper_wait, have_event ? WAIT_FOREVER : time_now_ns() + REAPER_LOOK_NS);
        reaper_event = false;
        reap();
    }
}

static void on_exception(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    reaper_event = true;
    waitq_wake(&reaper_wait);
}

void reaper_init(void)
{
    int port = event_bind_virq(VIRQ_DOM_EXC, on_exception, NULL);
    have_event = port >= 0;
    if (!have_event)
        console_notice("manager: no event for domains that end: %s: they are noticed within 5 seconds",
                       errno_text(port));
    if (thread_create("reaper", reaper, NULL, REAPER_STACK) == NULL)
        console_notice("manager: no memory for a thread: domains that end stay until `destroy`");
}
