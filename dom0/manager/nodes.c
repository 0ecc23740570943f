/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore nodes that a domain finds at its start. Layout: Xen's docs/misc/xenstore-paths.pandoc. */
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager_priv.h"
#include "dom0/store/store.h"

#define NODE_PATH_MAX 128U

struct node {
    const char *path;
    const char *value;
    bool guest_owned;
};

static const struct node fixed_nodes[] = {
    {"cpu", "", false},
    {"control", "", false},
    {"control/platform-feature-multiprocessor-suspend", "1", false},
    {"control/platform-feature-xs_reset_watches", "1", false},
    {"control/shutdown", "", true},
    {"control/sysrq", "", true},
    {"control/feature-poweroff", "", true},
    {"control/feature-reboot", "", true},
    {"control/feature-suspend", "", true},
    {"device", "", false},
    {"device/suspend/event-channel", "", true},
    {"data", "", true},
    {"drivers", "", true},
    {"feature", "", true},
    {"attr", "", true},
    {"error", "", true},
};

static int put(uint16_t domid, const char *path, const char *value, const char *perms)
{
    char full[NODE_PATH_MAX];
    snprintf(full, sizeof full, "/local/domain/%u%s%s", domid, path[0] != '\0' ? "/" : "", path);
    int err = store_write(full, value);
    return err != 0 || perms == NULL ? err : store_set_perms(full, perms);
}

static int put_u64(uint16_t domid, const char *path, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lu", value);
    return put(domid, path, text, NULL);
}

/* Children inherit the rights of /local/domain/N: owner Dom0, the guest reads. */
static int put_fixed(uint16_t domid, const char *owner)
{
    for (size_t i = 0; i < sizeof fixed_nodes / sizeof fixed_nodes[0]; i++) {
        int err = put(domid, fixed_nodes[i].path, fixed_nodes[i].value, fixed_nodes[i].guest_owned ? owner : NULL);
        if (err != 0)
            return err;
    }
    return 0;
}

/* What is above ONLINE is taken down by the guest when its kernel looks. */
static int put_cpus(uint16_t domid, uint32_t online, uint32_t vcpus)
{
    int err = 0;
    for (uint32_t i = 0; i < vcpus && err == 0; i++) {
        char path[40];
        snprintf(path, sizeof path, "cpu/%u/availability", i);
        err = put(domid, path, i < online ? "online" : "offline", NULL);
    }
    return err;
}

/* Linux aims at target - (static-max - its own page count): static-max must be what the guest was built with. Where the
 * target is less, its balloon driver gives the rest back as soon as it starts. */
static int put_memory(uint16_t domid, uint64_t max_kib, uint64_t target_kib)
{
    int err = put_u64(domid, "memory/static-max", max_kib);
    return err != 0 ? err : put_u64(domid, "memory/target", target_kib);
}

static int put_console(const struct registry_entry *e)
{
    int err = put(e->domid, "console/type", "xenconsoled", NULL);
    if (err == 0)
        err = put_u64(e->domid, "console/ring-ref", 0);
    if (err == 0)
        err = put_u64(e->domid, "console/port", e->console_port);
    return err != 0 ? err : put(e->domid, "console/limit", "65536", NULL);
}

bool vm_nodes_create(const struct registry_entry *e, struct error *err)
{
    char readable[16], owner[16];
    snprintf(readable, sizeof readable, "n0,r%u", e->domid);
    snprintf(owner, sizeof owner, "n%u", e->domid);
    int rc = put(e->domid, "", "", readable);
    if (rc == 0)
        rc = put(e->domid, "name", e->config.name, NULL);
    if (rc == 0)
        rc = put_u64(e->domid, "domid", e->domid);
    if (rc == 0)
        rc = put_fixed(e->domid, owner);
    if (rc == 0)
        rc = put_cpus(e->domid, e->config.numvcpus, e->config.maxvcpus);
    if (rc == 0)
        rc = put_memory(e->domid, (uint64_t)e->config.maxmem_mib * 1024, (uint64_t)e->config.memsize_mib * 1024);
    if (rc == 0)
        rc = put_console(e);
    if (rc == 0)
        return true;
    return error_set(err, EXIT_NO_RESOURCE,
                     "%s: its xenstore nodes cannot be written: %s: destroy a domain that is not needed",
                     e->config.name, errno_text(-rc));
}

void vm_nodes_remove(uint16_t domid)
{
    char path[NODE_PATH_MAX];
    snprintf(path, sizeof path, "/local/domain/%u", domid);
    store_rm(path);
}

void vm_nodes_dom0(void)
{
    struct cbl_domain_info info = {.domid = 0, .exact = 1};
    uint64_t kib = control(CTL_DOMAIN_INFO, &info) == 0 ? info.pages * 4 : 0;
    put(0, "name", "Domain-0", NULL);
    put(0, "domid", "0", NULL);
    put_memory(0, kib, kib);
    put_cpus(0, info.vcpus > 0 ? info.vcpus : 1, info.vcpus > 0 ? info.vcpus : 1);
}
