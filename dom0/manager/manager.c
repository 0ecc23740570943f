/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The manager's front: finding, listing, creating, destroying, pausing domains. */
#include "dom0/manager/manager.h"

#include <xen/xen.h>

#include "dom0/backend/console_backend.h"
#include "dom0/backend/net_backend.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/guest_file.h"
#include "dom0/manager/manager_priv.h"
#include "dom0/manager/nearest.h"

#define PAGE_BYTES    4096U
#define PAGES_PER_MIB 256U

struct registry *manager_registry;
struct mutex manager_lock;
struct waitq manager_ended;

static struct vm_runtime *runtimes;
static struct vm_create_figures last_create;
static bool have_last_create;
static uint64_t last_destroy_ticks;

struct vm_runtime *manager_runtime(const struct registry_entry *e)
{
    return &runtimes[registry_index(manager_registry, e)];
}

void manager_init(void)
{
    struct cbl_host_info *host = heap_alloc(sizeof *host);
    uint32_t domains = host != NULL && control(CTL_HOST_INFO, host) == 0 ? host->max_domains : 0;
    heap_free(host);
    uint32_t capacity = domains + REGISTRY_ENDED_KEPT + 1;
    size_t pages = (registry_bytes(capacity) + PAGE_BYTES - 1) / PAGE_BYTES;
    void *mem = page_alloc(pages, NULL);
    runtimes = heap_alloc(capacity * sizeof *runtimes);
    if (mem == NULL || runtimes == NULL || domains == 0) {
        console_notice("manager: no memory for %u domains: only looking is possible", domains);
        return;
    }
    manager_registry = registry_init(mem, capacity);
    vm_nodes_dom0();
    net_backend_init();
    reaper_init();
}

/* ---- looking ---- */

static void state_letters(const struct cbl_domain_info *info, char out[8])
{
    bool crashed = info->shutdown == CBL_SHUTDOWN_CRASH || info->shutdown == CBL_SHUTDOWN_KILLED ||
                   info->shutdown == CBL_SHUTDOWN_WATCHDOG;
    strlcpy(out, "------", 8);
    switch ((enum cbl_domain_state)info->state) {
    case CBL_DOM_RUNNING:
        out[0] = 'r';
        break;
    case CBL_DOM_BLOCKED:
        out[1] = 'b';
        break;
    case CBL_DOM_NEW:
    case CBL_DOM_PAUSED:
        out[2] = 'p';
        break;
    case CBL_DOM_SHUTDOWN:
        out[crashed ? 4 : 3] = crashed ? 'c' : 's';
        break;
    case CBL_DOM_DYING:
        out[5] = 'd';
        break;
    }
}

static void fill_view(const struct cbl_domain_info *info, struct vm_view *v)
{
    const struct registry_entry *e = manager_registry != NULL ? registry_by_domid(manager_registry, info->domid) : NULL;
    memset(v, 0, sizeof *v);
    v->info = *info;
    v->domid = info->domid;
    v->vcpus = info->online_vcpus != 0 ? info->online_vcpus : info->vcpus;
    if (info->domid == 0)
        strlcpy(v->name, "Domain-0", sizeof v->name);
    else if (e != NULL)
        strlcpy(v->name, e->config.name, sizeof v->name);
    else
        snprintf(v->name, sizeof v->name, "(domain %u)", info->domid);
    v->mem_mib = (uint32_t)((info->pages + PAGES_PER_MIB / 2) / PAGES_PER_MIB);
    state_letters(info, v->state);
}

void manager_list(bool (*fn)(const struct vm_view *v, void *ctx), void *ctx)
{
    uint32_t from = 0;
    while (from < DOMID_FIRST_RESERVED) {
        struct cbl_domain_info info = {.domid = (uint16_t)from};
        struct vm_view v;
        if (control(CTL_DOMAIN_INFO, &info) != 0 || info.domid < from)
            return;
        fill_view(&info, &v);
        if (!fn(&v, ctx))
            return;
        from = (uint32_t)info.domid + 1;
    }
}

struct search {
    const char *who;
    bool by_number;
    uint64_t number;
    struct vm_view *out;
    bool found;
    struct nearest near;
    char near_name[VM_NAME_MAX];
};

static bool search_one(const struct vm_view *v, void *ctx)
{
    struct search *s = ctx;
    s->found = s->by_number ? v->domid == s->number : strcmp(v->name, s->who) == 0;
    if (s->found)
        *s->out = *v;
    else if (!s->by_number && nearest_distance(s->who, v->name) < s->near.distance) {
        strlcpy(s->near_name, v->name, sizeof s->near_name);
        nearest_offer(&s->near, s->near_name);
    }
    return !s->found;
}

static bool view_of(uint16_t domid, struct vm_view *out)
{
    struct cbl_domain_info info = {.domid = domid, .exact = 1};
    if (control(CTL_DOMAIN_INFO, &info) != 0)
        return false;
    fill_view(&info, out);
    return true;
}

/* One that the register names, or that a number names: the hypervisor is asked about no other. */
static bool find_directly(const struct search *s)
{
    if (s->by_number)
        return s->number < DOMID_FIRST_RESERVED && view_of((uint16_t)s->number, s->out);
    for (uint32_t i = 0; manager_registry != NULL && i < manager_registry->capacity; i++) {
        const struct registry_entry *e = registry_at(manager_registry, i);
        if (registry_exists(e) && e->domid != 0 && strcmp(e->config.name, s->who) == 0)
            return view_of(e->domid, s->out);
    }
    return false;
}

bool manager_find(const char *who, struct vm_view *out, struct error *e)
{
    struct search s = {.who = who, .out = out};
    struct vm_ended ended;
    s.by_number = parse_u64(who, &s.number);
    if (find_directly(&s))
        return true;
    nearest_begin(&s.near, who);
    manager_list(search_one, &s);
    if (s.found)
        return true;
    if (manager_find_ended(who, &ended))
        return error_set(e, EXIT_NO_DOMAIN, "%.63s: this domain has ended (%s): `create %.63s` starts it again", who,
                         ended.why, ended.name);
    if (s.by_number)
        return error_set(e, EXIT_NO_DOMAIN, "%.63s: no domain has this number: `list` shows all", who);
    const char *meant = nearest_result(&s.near);
    if (meant != NULL)
        return error_set(e, EXIT_NO_DOMAIN, "%.63s: no such domain: did you mean %s?", who, meant);
    return error_set(e, EXIT_NO_DOMAIN, "%.63s: no such domain: `list` shows all", who);
}

bool manager_find_ended(const char *who, struct vm_ended *out)
{
    uint64_t number = 0;
    bool by_number = parse_u64(who, &number);
    for (uint32_t i = 0; manager_registry != NULL && i < manager_registry->capacity; i++) {
        const struct registry_entry *e = registry_at(manager_registry, i);
        if (e->state != ENTRY_ENDED || (by_number ? e->domid != number : strcmp(e->config.name, who) != 0))
            continue;
        strlcpy(out->name, e->config.name, sizeof out->name);
        strlcpy(out->why, e->why, sizeof out->why);
        out->domid = e->domid;
        return true;
    }
    return false;
}

bool manager_config(uint16_t domid, struct vm_config *out)
{
    const struct registry_entry *e = manager_registry != NULL ? registry_by_domid(manager_registry, domid) : NULL;
    if (e != NULL)
        *out = e->config;
    return e != NULL;
}

const char *manager_why(uint16_t domid)
{
    const struct registry_entry *e = manager_registry != NULL ? registry_by_domid(manager_registry, domid) : NULL;
    return e != NULL ? e->why : "";
}

static bool count_one(const struct vm_view *v, void *ctx)
{
    *(uint32_t *)ctx += v->domid != 0;
    return true;
}

bool manager_busy(void) { return manager_lock.owner != NULL; }

uint32_t manager_count(void)
{
    uint32_t n = 0;
    manager_list(count_one, &n);
    return n;
}

bool manager_last_create(struct vm_create_figures *out)
{
    *out = last_create;
    return have_last_create;
}

/* ---- create ---- */

static void print_warning(const char *line, void *ctx)
{
    (void)ctx;
    console_printf("warning: %s\n", line);
    thread_yield(); /* finding the nearest known name takes a while, and a file may have hundreds of unknown ones */
}

bool manager_name_free(const char *name, struct error *e)
{
    for (uint32_t i = 0; i < manager_registry->capacity; i++) {
        const struct registry_entry *x = registry_at(manager_registry, i);
        if (registry_exists(x) && strcmp(x->config.name, name) == 0)
            return error_set(e, EXIT_WRONG_STATE,
                             "%s: the name is taken by domain %u: `destroy %s` first, or change displayName", name,
                             x->domid, name);
    }
    return true;
}

static void remember_figures(const struct registry_entry *e)
{
    last_create = (struct vm_create_figures){.domid = e->domid,
                                             .mem_mib = e->config.memsize_mib,
                                             .disk_read = !e->files_in_memory,
                                             .create_tsc = e->create_tsc,
                                             .overhead_bytes = e->overhead_bytes};
    strlcpy(last_create.name, e->config.name, sizeof last_create.name);
    have_last_create = true;
}

static bool create_locked(const char *path, bool paused, manager_progress progress, void *ctx, uint16_t *domid,
                          uint64_t tsc, struct error *e)
{
    char vmx[PATH_MAX_LEN];
    struct registry_entry *entry = registry_alloc(manager_registry);
    if (entry == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "create: no room for one more domain: destroy one first");
    struct vm_config *config = &entry->config;
    entry->state = ENTRY_FREE; /* until the name is known to be free */
    if (!guest_file_of_path(path, vmx, e) || !guest_file_read(vmx, config, print_warning, NULL, e) ||
        !manager_name_free(config->name, e))
        return false;
    guest_file_make_uuid(entry);
    entry->create_tsc = tsc;
    if (!vm_start(entry, paused, progress, ctx, e)) {
        entry->state = manager_runtime(entry)->domain ? ENTRY_PRESERVED : ENTRY_FREE;
        return false;
    }
    remember_figures(entry);
    guest_file_keep(entry, print_warning, NULL);
    *domid = entry->domid;
    return true;
}

bool manager_create(const char *path, bool paused, manager_progress progress, void *ctx, uint16_t *domid,
                    struct error *e)
{
    uint64_t tsc = time_tsc();
    if (manager_registry == NULL)
        return error_set(e, EXIT_NO_RESOURCE,
                         "create: Dom0 has no memory to manage domains: give it more (dom0_mem in corbel.cfg)");
    mutex_lock(&manager_lock);
    bool ok = create_locked(path, paused, progress, ctx, domid, tsc, e);
    mutex_unlock(&manager_lock);
    return ok;
}

/* ---- who may be changed ---- */

bool manager_is_dom0(const struct vm_view *v, const char *verb, struct error *e)
{
    if (v->domid != 0)
        return false;
    error_set(e, EXIT_REFUSED, "%s Domain-0: it manages the host: host-poweroff and host-reboot end it", verb);
    return true;
}

struct registry_entry *manager_find_ours(const char *who, const char *verb, struct vm_view *v, struct error *e)
{
    if (!manager_find(who, v, e) || manager_is_dom0(v, verb, e))
        return NULL;
    struct registry_entry *entry = manager_registry != NULL ? registry_by_domid(manager_registry, v->domid) : NULL;
    if (entry == NULL)
        error_set(e, EXIT_REFUSED, "%s %s: this domain was not created here: ask who did", verb, v->name);
    return entry;
}

/* ---- end ---- */

bool vm_end(struct registry_entry *e, const char *why, struct error *err)
{
    uint16_t forget[2];
    if (!vm_teardown(e, err))
        return false;
    strlcpy(e->why, why, sizeof e->why);
    uint32_t n = registry_end(manager_registry, e, forget);
    for (uint32_t i = 0; i < n; i++)
        guest_console_forget(forget[i]);
    waitq_wake_all(&manager_ended);
    return true;
}

static bool destroy_locked(const struct vm_view *v, struct error *e)
{
    struct registry_entry *entry = manager_registry != NULL ? registry_by_domid(manager_registry, v->domid) : NULL;
    if (entry != NULL)
        return vm_end(entry, "destroyed", e);
    struct cbl_domain_ref ref = {.domid = v->domid};
    long rc = control(CTL_DOMAIN_DESTROY, &ref);
    if (rc != 0)
        return error_set(e, EXIT_FAILED, "destroy %s: the hypervisor cannot: %s: look at `dmesg`", v->name,
                         errno_text(rc));
    vm_nodes_remove(v->domid);
    return true;
}

uint64_t manager_last_destroy_ticks(void) { return last_destroy_ticks; }

bool manager_destroy(const char *who, struct error *e)
{
    struct vm_view v;
    uint64_t from = time_tsc();
    mutex_lock(&manager_lock);
    bool ok = manager_find(who, &v, e) && !manager_is_dom0(&v, "destroy", e) && destroy_locked(&v, e);
    if (ok)
        last_destroy_ticks = time_tsc() - from;
    mutex_unlock(&manager_lock);
    return ok;
}

/* ---- pause ---- */

static bool pause_locked(const char *who, bool pause, struct error *e)
{
    struct vm_view v;
    const char *verb = pause ? "pause" : "unpause";
    if (!manager_find(who, &v, e) || manager_is_dom0(&v, verb, e))
        return false;
    bool paused = v.info.state == CBL_DOM_PAUSED || v.info.state == CBL_DOM_NEW;
    if (v.info.state == CBL_DOM_SHUTDOWN || v.info.state == CBL_DOM_DYING)
        return error_set(e, EXIT_WRONG_STATE, "%s %s: it has stopped for good: `destroy %s` removes it", verb, v.name,
                         v.name);
    if (pause == paused)
        return error_set(e, EXIT_WRONG_STATE, "%s %s: it is %s: nothing to do", verb, v.name,
                         pause ? "paused already" : "not paused");
    struct cbl_domain_ref ref = {.domid = v.domid};
    long rc = control(pause ? CTL_DOMAIN_PAUSE : CTL_DOMAIN_UNPAUSE, &ref);
    return rc == 0 ||
           error_set(e, EXIT_FAILED, "%s %s: the hypervisor cannot: %s: look at `dmesg`", verb, v.name, errno_text(rc));
}

bool manager_pause(const char *who, struct error *e)
{
    mutex_lock(&manager_lock);
    bool ok = pause_locked(who, true, e);
    mutex_unlock(&manager_lock);
    return ok;
}

bool manager_unpause(const char *who, struct error *e)
{
    mutex_lock(&manager_lock);
    bool ok = pause_locked(who, false, e);
    mutex_unlock(&manager_lock);
    return ok;
}
