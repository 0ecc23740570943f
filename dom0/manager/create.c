/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A domain is born: create, build, channels, rings, nodes, run; and the one function that undoes all of it. */
#include <stdint.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "dom0/backend/block_backend.h"
#include "dom0/backend/console_backend.h"
#include "dom0/builder/builder.h"
#include "dom0/builder/kernel_cache.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/cpulist.h"
#include "dom0/manager/manager_priv.h"
#include "dom0/manager/serial.h"
#include "dom0/manager/vif.h"
#include "dom0/store/store.h"

#define PAGES_PER_MIB    256U
#define DESTROY_TRIES    200U
#define DESTROY_PAUSE_NS 1000000UL

struct start {
    struct registry_entry *e;
    struct vm_runtime *rt;
    manager_progress progress;
    void *ctx;
    bool aborted;
};

static bool fail(const struct start *s, struct error *err, const char *what, long rc)
{
    bool room = rc == -12 || rc == -28; /* ENOMEM, ENOSPC */
    return error_set(err, room ? EXIT_NO_RESOURCE : EXIT_FAILED, "%s: %s: %s: %s", s->e->config.name, what,
                     errno_text(rc), room ? "destroy a domain that is not needed" : "look at `dmesg`");
}

/* A number that is used again must not show the console of its earlier owner. */
static void forget_number(uint16_t domid)
{
    for (uint32_t i = 0; i < manager_registry->capacity; i++) {
        struct registry_entry *x = registry_at(manager_registry, i);
        if (x->state == ENTRY_ENDED && x->domid == domid)
            x->state = ENTRY_FREE;
    }
    guest_console_forget(domid);
}

static bool create_domain(struct start *s, struct error *err)
{
    const struct vm_config *c = &s->e->config;
    struct cbl_domain_create create = {.max_pages = (uint64_t)c->maxmem_mib * PAGES_PER_MIB + VM_SPECIAL_PAGES,
                                       .vcpus = c->maxvcpus};
    struct cbl_host_info host = {0};
    if (control(CTL_HOST_INFO, &host) == 0 && host.mem_free_bytes < create.max_pages * 4096)
        return error_set(
            err, EXIT_NO_RESOURCE,
            "%s: not enough memory: %s is %u MiB and %lu MiB are free: lower it or destroy a domain", c->name,
            c->maxmem_mib > c->memsize_mib ? "corbel.maxmem" : "memsize", c->maxmem_mib, host.mem_free_bytes >> 20);
    memcpy(create.uuid, c->uuid, sizeof create.uuid);
    long rc = control(CTL_DOMAIN_CREATE, &create);
    if (rc != 0)
        return fail(s, err, "the hypervisor cannot create a domain", rc);
    forget_number(create.domid);
    s->e->domid = create.domid;
    s->rt->domain = true;
    return true;
}

/* Weight, cap and the host CPUs, as far as they are not what a new domain has. */
static bool set_sched(struct start *s, struct error *err)
{
    const struct vm_config *c = &s->e->config;
    struct cbl_sched sched = {.domid = s->e->domid, .weight = c->weight, .cap = c->cap};
    bool usual = c->weight == VM_WEIGHT_USUAL && c->cap == 0;
    long rc = usual ? 0 : control(CTL_SCHED_SET, &sched);
    if (rc != 0)
        return fail(s, err, "its weight and cap cannot be set", rc);
    for (uint32_t i = 0; i < c->maxvcpus && c->affinity != CPU_LIST_ALL; i++) {
        struct cbl_vcpu_pin pin = {.domid = s->e->domid, .vcpu = i, .affinity = c->affinity};
        rc = control(CTL_VCPU_PIN, &pin);
        if (rc != 0)
            return error_set(err, EXIT_FAILED,
                             "%s: sched.cpu.affinity: this host has none of these CPUs: `info` tells how many it has",
                             c->name);
    }
    return true;
}

static bool on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct start *s = ctx;
    if (s->progress != NULL && !s->progress(s->ctx, what, done, total))
        s->aborted = true;
    return !s->aborted;
}

static bool open_files(struct start *s, struct file **kernel, struct file **ramdisk, struct error *err)
{
    const struct vm_config *c = &s->e->config;
    if (!file_open(c->kernel, kernel, err))
        return false;
    if (c->ramdisk[0] != '\0' && !file_open(c->ramdisk, ramdisk, err))
        return false;
    s->e->files_in_memory = file_memory(*kernel) != NULL && (*ramdisk == NULL || file_memory(*ramdisk) != NULL);
    return true;
}

static bool build(struct start *s, struct error *err)
{
    const struct vm_config *c = &s->e->config;
    struct file *kernel = NULL, *ramdisk = NULL;
    bool ok = open_files(s, &kernel, &ramdisk, err);
    if (ok) {
        struct build_request r = {.domid = s->e->domid,
                                  .vcpus = c->maxvcpus,
                                  .mem_bytes = (uint64_t)c->maxmem_mib << 20,
                                  .kernel = kernel,
                                  .ramdisk = ramdisk,
                                  .cmdline = c->cmdline[0] != '\0' ? c->cmdline : NULL,
                                  .kernel_path = c->kernel,
                                  .ramdisk_path = ramdisk != NULL ? c->ramdisk : NULL,
                                  .progress = on_progress,
                                  .ctx = s};
        ok = builder_build(&r, err);
    }
    if (!ok && s->aborted)
        error_set(err, EXIT_FAILED, "create %s: interrupted: nothing is left of it", c->name);
    if (kernel != NULL)
        file_close(kernel);
    if (ramdisk != NULL)
        file_close(ramdisk);
    return ok;
}

static bool set_params(struct start *s, struct error *err)
{
    const struct {
        uint32_t index;
        uint64_t value;
    } params[] = {
        {HVM_PARAM_STORE_PFN, GUEST_STORE_GFN},
        {HVM_PARAM_STORE_EVTCHN, s->e->store_port},
        {HVM_PARAM_CONSOLE_PFN, GUEST_CONSOLE_GFN},
        {HVM_PARAM_CONSOLE_EVTCHN, s->e->console_port},
    };
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        long rc = hvm_set_param(s->e->domid, params[i].index, params[i].value);
        if (rc != 0)
            return fail(s, err, "its parameters cannot be set", rc);
    }
    return true;
}

static bool make_channels(struct start *s, struct error *err)
{
    int store = event_alloc_unbound_in(s->e->domid);
    if (store < 0)
        return fail(s, err, "no event channel for xenstore", store);
    int console = event_alloc_unbound_in(s->e->domid);
    if (console < 0)
        return fail(s, err, "no event channel for the console", console);
    s->e->store_port = (uint32_t)store;
    s->e->console_port = (uint32_t)console;
    return set_params(s, err);
}

static bool connect(struct start *s, struct error *err)
{
    s->rt->store_ring = foreign_map(s->e->domid, GUEST_STORE_GFN, 1, true);
    s->rt->console_ring = foreign_map(s->e->domid, GUEST_CONSOLE_GFN, 1, true);
    if (s->rt->store_ring == NULL || s->rt->console_ring == NULL)
        return error_set(err, EXIT_NO_RESOURCE,
                         "%s: its ring pages cannot be mapped: destroy a domain that is not needed", s->e->config.name);
    s->rt->nodes = true;
    if (!vm_nodes_create(s->e, err))
        return false;
    s->rt->store_up = store_introduce(s->e->domid, s->rt->store_ring, s->e->store_port);
    s->rt->console_up = s->rt->store_up && guest_console_add(s->e->domid, s->rt->console_ring, s->e->console_port);
    if (!s->rt->console_up)
        return error_set(err, EXIT_NO_RESOURCE,
                         "%s: no memory or no event channel for its %s: destroy a domain that is not needed",
                         s->e->config.name, s->rt->store_up ? "console" : "xenstore connection");
    serial_start(s->e);
    return vif_nodes_create(s->e, err) && vm_disks_attach(s->e, err);
}

static void note_figures(struct registry_entry *e)
{
    struct cbl_domain_info info = {.domid = e->domid, .exact = 1};
    if (control(CTL_DOMAIN_INFO, &info) == 0) {
        e->overhead_bytes = info.overhead_bytes;
        e->built_pages = info.pages;
    }
    e->started_ns = time_now_ns();
}

static bool run(struct start *s, bool paused, struct error *err)
{
    struct cbl_domain_ref ref = {.domid = s->e->domid};
    long rc = paused ? 0 : control(CTL_DOMAIN_UNPAUSE, &ref);
    if (rc != 0)
        return fail(s, err, "it cannot be started", rc);
    note_figures(s->e);
    s->e->state = ENTRY_LIVE;
    return true;
}

static bool start_once(struct registry_entry *e, bool paused, manager_progress progress, void *ctx, struct error *err)
{
    struct start s = {.e = e, .rt = manager_runtime(e), .progress = progress, .ctx = ctx};
    memset(s.rt, 0, sizeof *s.rt);
    e->state = ENTRY_BUILDING;
    e->domid = 0;
    if (vm_disks_check(e, err) && create_domain(&s, err) && set_sched(&s, err) && build(&s, err) && make_channels(&s, err) && connect(&s, err) && run(&s, paused, err))
        return true;
    struct error undo;
    vm_teardown(e, &undo); /* its own failure is rarer and less telling than the first one */
    return false;
}

bool vm_start(struct registry_entry *e, bool paused, manager_progress progress, void *ctx, struct error *err)
{
    if (start_once(e, paused, progress, ctx, err))
        return true;
    /* Kernels that are kept are never in a guest's way. A domain that could not be undone is told about as it is. */
    if (err->code != EXIT_NO_RESOURCE || manager_runtime(e)->domain || !kernel_cache_drop())
        return false;
    return start_once(e, paused, progress, ctx, err);
}

void vm_disconnect(struct registry_entry *e)
{
    struct vm_runtime *rt = manager_runtime(e);
    if (rt->nodes) {
        vif_stop(e->domid);
        block_remove_all(e->domid);
    }
    if (rt->console_up) {
        guest_console_stop(e->domid); /* takes what the guest said last */
        serial_stop(e->domid);
    }
    if (rt->store_up)
        store_release(e->domid);
    if (rt->console_ring != NULL)
        foreign_unmap(rt->console_ring, 1);
    if (rt->store_ring != NULL)
        foreign_unmap(rt->store_ring, 1);
    rt->console_up = rt->store_up = false;
    rt->console_ring = rt->store_ring = NULL;
}

/* A domain whose vCPU is still on its way out of another CPU, or that has frames mapped elsewhere, goes a moment later.
 */
static long destroy_domain(uint16_t domid)
{
    struct cbl_domain_ref ref = {.domid = domid};
    long rc = control(CTL_DOMAIN_DESTROY, &ref);
    for (unsigned i = 0; i < DESTROY_TRIES && (rc == -11 || rc == -16); i++) { /* EAGAIN, EBUSY */
        thread_sleep_ns(DESTROY_PAUSE_NS);
        ref.domid = domid;
        rc = control(CTL_DOMAIN_DESTROY, &ref);
    }
    return rc == -3 ? 0 : rc; /* ESRCH: it is gone */
}

bool vm_teardown(struct registry_entry *e, struct error *err)
{
    struct vm_runtime *rt = manager_runtime(e);
    struct cbl_domain_ref ref = {.domid = e->domid};
    bool had_console = rt->console_up;
    if (rt->domain && rt->console_up)
        (void)control(CTL_DOMAIN_PAUSE,
                      &ref); /* so that its last words are complete; a domain that ended refuses, which is fine */
    vm_disconnect(e);
    if (had_console && e->state == ENTRY_BUILDING)
        guest_console_forget(e->domid);
    if (rt->domain) {
        long rc = destroy_domain(e->domid);
        if (rc != 0)
            return error_set(err, EXIT_FAILED, "%s: the hypervisor cannot destroy it: %s: look at `dmesg`",
                             e->config.name, errno_text(rc));
        rt->domain = false;
    }
    if (rt->nodes)
        vm_nodes_remove(e->domid);
    rt->nodes = false;
    return true;
}
