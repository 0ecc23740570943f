/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Changing a domain while it lives. */
#include "dom0/manager/adjust.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager_priv.h"
#include "dom0/manager/vmx.h"
#include "dom0/store/store.h"

#define SECOND_NS     1000000000UL
#define LOOK_NS       20000000UL
#define PAGES_PER_MIB 256UL
#define KIB_PER_MIB   1024UL
#define MIB_MIN       4U
/* A guest need not hit its target to the page: the page of shared_info and what its driver rounds. */
#define MEM_TOLERANCE_PAGES 16UL
/* Above the target, for what a guest counts differently: its driver must never be refused a page that it was promised. */
#define MEM_SLACK_PAGES 256UL

static bool failed(const struct vm_view *v, const char *verb, long rc, struct error *e)
{
    return error_set(e, EXIT_FAILED, "%s %s: the hypervisor refused: %s: look at `dmesg`", verb, v->name,
                     errno_text(rc));
}

/* The domain WHO of which VERB asks something of its guest. */
static bool find_running(const char *who, const char *verb, struct vm_view *v, struct registry_entry **entry,
                         struct error *e)
{
    *entry = manager_find_ours(who, verb, v, e);
    if (*entry == NULL)
        return false;
    if (v->info.state == CBL_DOM_SHUTDOWN || v->info.state == CBL_DOM_DYING)
        return error_set(e, EXIT_WRONG_STATE, "%s %s: it has stopped for good: `destroy %s` removes it", verb, v->name,
                         v->name);
    if (v->info.state == CBL_DOM_PAUSED || v->info.state == CBL_DOM_NEW)
        return error_set(e, EXIT_WRONG_STATE, "%s %s: it is paused and cannot follow: `unpause %s` first", verb, v->name,
                         v->name);
    return true;
}

/* Waits until DONE says so for the domain. EXIT_OK, EXIT_TIMEOUT, EXIT_FAILED: interrupted, EXIT_NO_DOMAIN: ended. */
static enum exit_code wait_for(uint16_t domid, bool (*done)(const struct cbl_domain_info *info, uint64_t want),
                               uint64_t want, uint64_t wait_ns, bool (*interrupted)(void), struct cbl_domain_info *info)
{
    uint64_t now = time_now_ns(), end = now + wait_ns < now ? WAIT_FOREVER : now + wait_ns;
    for (;;) {
        *info = (struct cbl_domain_info){.domid = domid, .exact = 1};
        if (control(CTL_DOMAIN_INFO, info) != 0 || info->state == CBL_DOM_SHUTDOWN || info->state == CBL_DOM_DYING)
            return EXIT_NO_DOMAIN;
        if (done(info, want))
            return EXIT_OK;
        now = time_now_ns();
        if (now >= end)
            return EXIT_TIMEOUT;
        if (interrupted != NULL && interrupted())
            return EXIT_FAILED;
        thread_sleep_ns(LOOK_NS);
    }
}

/* The end of a wait that was not EXIT_OK nor EXIT_TIMEOUT. */
static bool not_waited(const struct vm_view *v, const char *verb, enum exit_code code, struct error *e)
{
    if (code == EXIT_NO_DOMAIN)
        return error_set(e, EXIT_WRONG_STATE, "%s %s: it ended meanwhile: `list` shows what there is", verb, v->name);
    return error_set(e, EXIT_FAILED, "%s %s: interrupted: the guest was asked and may follow yet", verb, v->name);
}

/* ---- name ---- */

static bool rename_locked(const char *who, const char *name, struct error *e)
{
    struct vm_view v;
    const char *why;
    char path[64];
    struct registry_entry *entry = manager_find_ours(who, "rename", &v, e);
    if (entry == NULL)
        return false;
    if (!vmx_name_ok(name, &why))
        return error_set(e, EXIT_FAILED, "rename %s: %.63s: %s", v.name, name, why);
    if (strcmp(v.name, name) == 0)
        return error_set(e, EXIT_WRONG_STATE, "rename %s: it has this name: nothing to do", v.name);
    if (!manager_name_free(name, e))
        return false;
    snprintf(path, sizeof path, "/local/domain/%u/name", v.domid);
    int rc = store_write(path, name);
    if (rc != 0)
        return error_set(e, EXIT_FAILED, "rename %s: xenstore: %s: destroy a domain that is not needed", v.name,
                         errno_text(-rc));
    strlcpy(entry->config.name, name, sizeof entry->config.name);
    return true;
}

bool manager_rename(const char *who, const char *name, struct error *e)
{
    mutex_lock(&manager_lock);
    bool ok = rename_locked(who, name, e);
    mutex_unlock(&manager_lock);
    return ok;
}

/* ---- virtual CPUs ---- */

static bool put_availability(const struct vm_view *v, uint32_t vcpu, bool online, struct error *e)
{
    char path[64], before[16];
    const char *want = online ? "online" : "offline";
    snprintf(path, sizeof path, "/local/domain/%u/cpu/%u/availability", v->domid, vcpu);
    if (store_read(path, before, sizeof before) == 0 && strcmp(before, want) == 0)
        return true;
    int rc = store_write(path, want);
    return rc == 0 || error_set(e, EXIT_FAILED, "vcpu-set %s: xenstore: %s: destroy a domain that is not needed", v->name,
                                errno_text(-rc));
}

static bool vcpu_ask(const char *who, uint32_t count, struct vm_view *v, struct error *e)
{
    struct registry_entry *entry;
    if (!find_running(who, "vcpu-set", v, &entry, e))
        return false;
    if (count == 0 || count > v->info.vcpus)
        return error_set(e, EXIT_FAILED, "vcpu-set %s: %u is out of range: it has 1 to %u virtual CPUs%s", v->name, count,
                         v->info.vcpus, "; corbel.maxvcpus in its .vmx file sets how many");
    for (uint32_t i = 0; i < v->info.vcpus; i++)
        if (!put_availability(v, i, i < count, e))
            return false;
    return true;
}

static bool vcpus_are(const struct cbl_domain_info *info, uint64_t want) { return info->online_vcpus == want; }

bool manager_vcpu_set(const char *who, uint32_t count, uint64_t wait_ns, bool (*interrupted)(void), struct error *e)
{
    struct vm_view v;
    struct cbl_domain_info info;
    mutex_lock(&manager_lock);
    bool ok = vcpu_ask(who, count, &v, e);
    mutex_unlock(&manager_lock);
    if (!ok)
        return false;
    enum exit_code code = wait_for(v.domid, vcpus_are, count, wait_ns, interrupted, &info);
    if (code == EXIT_OK)
        return true;
    if (code != EXIT_TIMEOUT)
        return not_waited(&v, "vcpu-set", code, e);
    return error_set(e, EXIT_TIMEOUT,
                     "vcpu-set %s: %u of %u virtual CPUs are online after %lu s, not %u: the guest was asked; does its "
                     "system follow xenstore, and has it booted?",
                     v.name, info.online_vcpus, info.vcpus, wait_ns / SECOND_NS, count);
}

bool manager_vcpu_pin(const char *who, uint32_t vcpu, uint64_t mask, struct error *e)
{
    struct vm_view v;
    struct cbl_host_info host;
    if (!manager_find(who, &v, e))
        return false;
    if (vcpu != VM_ALL_VCPUS && vcpu >= v.info.vcpus)
        return error_set(e, EXIT_FAILED, "vcpu-pin %s: it has no virtual CPU %u: write 0 to %u, or all", v.name, vcpu,
                         v.info.vcpus - 1);
    long rc = control(CTL_HOST_INFO, &host);
    if (rc != 0)
        return failed(&v, "vcpu-pin", rc, e);
    uint64_t all = host.cpus >= 64 ? ~0UL : (1UL << host.cpus) - 1;
    if ((mask & all) == 0 || (mask != ~0UL && (mask & ~all) != 0))
        return error_set(e, EXIT_FAILED, "vcpu-pin %s: the host has no such CPU: it has 0 to %u", v.name, host.cpus - 1);
    uint32_t first = vcpu == VM_ALL_VCPUS ? 0 : vcpu, last = vcpu == VM_ALL_VCPUS ? v.info.vcpus - 1 : vcpu;
    for (uint32_t i = first; i <= last; i++) {
        struct cbl_vcpu_pin pin = {.domid = v.domid, .vcpu = i, .affinity = mask};
        rc = control(CTL_VCPU_PIN, &pin);
        if (rc != 0)
            return failed(&v, "vcpu-pin", rc, e);
    }
    return true;
}

bool manager_sched(const char *who, uint32_t weight, uint32_t cap, struct error *e)
{
    struct vm_view v;
    if (!manager_find(who, &v, e))
        return false;
    struct cbl_sched sched = {.domid = v.domid,
                              .weight = weight == VM_KEEP ? v.info.weight : weight,
                              .cap = cap == VM_KEEP ? v.info.cap : cap};
    if (sched.weight == 0 || sched.weight > VM_WEIGHT_MAX)
        return error_set(e, EXIT_FAILED, "sched %s: weight %u is out of range: write 1 to %u; 256 is usual", v.name,
                         sched.weight, VM_WEIGHT_MAX);
    if (sched.cap > 100 * VM_VCPUS_MAX)
        return error_set(e, EXIT_FAILED, "sched %s: cap %u is out of range: write percent of one CPU up to %u, 0 for none",
                         v.name, sched.cap, 100 * VM_VCPUS_MAX);
    long rc = control(CTL_SCHED_SET, &sched);
    if (rc != 0)
        return failed(&v, "sched", rc, e);
    struct registry_entry *entry = manager_registry != NULL ? registry_by_domid(manager_registry, v.domid) : NULL;
    if (entry != NULL) { /* a restart keeps it */
        entry->config.weight = sched.weight;
        entry->config.cap = sched.cap;
    }
    return true;
}

/* ---- memory ---- */

static long limit_pages(uint16_t domid, uint64_t pages)
{
    struct cbl_mem_max max = {.domid = domid, .max_pages = pages};
    return control(CTL_MEM_MAX, &max);
}

static bool put_target(const struct vm_view *v, const struct registry_entry *entry, uint32_t mib, struct error *e)
{
    char path[64];
    uint64_t most = (uint64_t)entry->config.maxmem_mib * PAGES_PER_MIB + VM_SPECIAL_PAGES;
    uint64_t pages = (uint64_t)mib * PAGES_PER_MIB + VM_SPECIAL_PAGES + MEM_SLACK_PAGES;
    long rc = limit_pages(v->domid, pages < most ? pages : most);
    if (rc != 0)
        return failed(v, "mem-set", rc, e);
    snprintf(path, sizeof path, "/local/domain/%u/memory/target", v->domid);
    int err = store_write_fmt(path, "%lu", mib * KIB_PER_MIB);
    return err == 0 || error_set(e, EXIT_FAILED, "mem-set %s: xenstore: %s: destroy a domain that is not needed", v->name,
                                 errno_text(-err));
}

/* *WANT: the pages that the domain is to have; *UP: it has less now. */
static bool mem_ask(const char *who, uint32_t mib, struct vm_view *v, uint64_t *want, bool *up, struct error *e)
{
    struct registry_entry *entry;
    if (!find_running(who, "mem-set", v, &entry, e))
        return false;
    if (mib < MIB_MIN || mib > entry->config.maxmem_mib)
        return error_set(e, EXIT_FAILED,
                         "mem-set %s: %u MiB is out of range: write %u to %u; corbel.maxmem in its .vmx file sets the most",
                         v->name, mib, MIB_MIN, entry->config.maxmem_mib);
    *want = entry->built_pages - (uint64_t)(entry->config.maxmem_mib - mib) * PAGES_PER_MIB;
    *up = *want > v->info.pages;
    struct cbl_host_info host;
    if (*up && control(CTL_HOST_INFO, &host) == 0 && (*want - v->info.pages) * 4096 > host.mem_free_bytes)
        return error_set(e, EXIT_NO_RESOURCE,
                         "mem-set %s: %u MiB: only %lu MiB are free on this host: lower it or destroy a domain", v->name,
                         mib, host.mem_free_bytes >> 20);
    return put_target(v, entry, mib, e);
}

static bool mem_is_down(const struct cbl_domain_info *info, uint64_t want)
{
    return info->pages <= want + MEM_TOLERANCE_PAGES;
}

static bool mem_is_up(const struct cbl_domain_info *info, uint64_t want)
{
    return info->pages + MEM_TOLERANCE_PAGES >= want;
}

bool manager_mem_set(const char *who, uint32_t mib, uint64_t wait_ns, bool (*interrupted)(void), uint32_t *now_mib,
                     struct error *e)
{
    struct vm_view v;
    struct cbl_domain_info info;
    uint64_t want = 0;
    bool up = false;
    mutex_lock(&manager_lock);
    bool ok = mem_ask(who, mib, &v, &want, &up, e);
    mutex_unlock(&manager_lock);
    if (!ok)
        return false;
    enum exit_code code = wait_for(v.domid, up ? mem_is_up : mem_is_down, want, wait_ns, interrupted, &info);
    *now_mib = (uint32_t)((info.pages + PAGES_PER_MIB / 2) / PAGES_PER_MIB);
    if (code == EXIT_OK)
        return true;
    if (code != EXIT_TIMEOUT)
        return not_waited(&v, "mem-set", code, e);
    return error_set(e, EXIT_TIMEOUT,
                     "mem-set %s: it has %u MiB after %lu s, not %u: the guest was asked; has it so much to give, a balloon "
                     "driver, and has it booted?",
                     v.name, *now_mib, wait_ns / SECOND_NS, mib);
}

static bool mem_max_locked(const char *who, uint32_t mib, struct error *e)
{
    struct vm_view v;
    struct registry_entry *entry = manager_find_ours(who, "mem-max", &v, e);
    if (entry == NULL)
        return false;
    if (mib < MIB_MIN || mib > entry->config.maxmem_mib)
        return error_set(e, EXIT_FAILED,
                         "mem-max %s: %u MiB is out of range: write %u to %u; corbel.maxmem in its .vmx file sets the most",
                         v.name, mib, MIB_MIN, entry->config.maxmem_mib);
    long rc = limit_pages(v.domid, (uint64_t)mib * PAGES_PER_MIB + VM_SPECIAL_PAGES);
    return rc == 0 || failed(&v, "mem-max", rc, e);
}

bool manager_mem_max(const char *who, uint32_t mib, struct error *e)
{
    mutex_lock(&manager_lock);
    bool ok = mem_max_locked(who, mib, e);
    mutex_unlock(&manager_lock);
    return ok;
}
