/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Network cards of domains. */
#include "dom0/manager/vif.h"

#include "dom0/backend/net_backend.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager_priv.h"

_Static_assert(NICS_MAX == NET_DEVICES_MAX, "one number for both");

#define TRIES         4096U
#define LOOK_AGAIN_NS 50000000UL

/* An address that was asked for must be free; one that is generated moves on until it is. */
static bool choose_mac(struct registry_entry *e, uint32_t dev, struct error *err)
{
    const struct vm_config *c = &e->config;
    const struct vm_nic *n = &c->nics[dev];
    uint8_t *mac = e->config.nics[dev].mac;
    uint16_t owner = 0;
    uint32_t of = 0;
    char text[MAC_TEXT];
    if (n->mac_set) {
        mac_format(text, mac);
        return !net_mac_owner(mac, &owner, &of) ||
               error_set(err, EXIT_REFUSED, "%s: network card %u: the address %s is taken by domain %u's card %u: choose another", c->name, dev, text,
                         owner, of);
    }
    for (uint32_t try = 0; try < TRIES; try++) {
        mac_generate(mac, n->attached ? MAC_XEN : MAC_VMWARE, c->uuid_set ? c->uuid : NULL, c->name, dev, try);
        if (net_mac_owner(mac, &owner, &of))
            continue;
        e->config.nics[dev].mac_set = true; /* also under another name, and when another's is free again */
        return true;
    }
    return error_set(err, EXIT_NO_RESOURCE, "%s: network card %u: no address is free near its own: write one", c->name, dev);
}

static bool add(struct registry_entry *e, uint32_t dev, struct error *err)
{
    struct vm_nic *n = &e->config.nics[dev];
    struct net_device_config c = {.domid = e->domid, .dev = dev, .rate_kib = n->rate_kib};
    if (!choose_mac(e, dev, err))
        return false;
    memcpy(c.mac, n->mac, MAC_LEN);
    strlcpy(c.bridge, n->bridge, sizeof c.bridge);
    return net_device_add(&c, e->config.name, err);
}

bool vif_nodes_create(struct registry_entry *e, struct error *err)
{
    for (uint32_t dev = 0; dev < NICS_MAX; dev++)
        if (e->config.nics[dev].present && !add(e, dev, err))
            return false;
    return true;
}

void vif_stop(uint16_t domid) { net_devices_remove(domid); }

/* A domain of ours that can have its cards changed. */
static bool find(const char *who, const char *verb, struct vm_view *v, struct registry_entry **entry, struct error *e)
{
    *entry = manager_find_ours(who, verb, v, e);
    if (*entry == NULL)
        return false;
    if ((*entry)->state != ENTRY_LIVE)
        return error_set(e, EXIT_WRONG_STATE, "%s %s: it has stopped for good: `destroy %s` removes it", verb, v->name, v->name);
    return true;
}

static bool attach_locked(const char *who, const struct vm_nic *want, uint32_t *dev, struct error *e)
{
    struct vm_view v;
    struct registry_entry *entry = NULL;
    if (!find(who, "network-attach", &v, &entry, e))
        return false;
    uint32_t n = 0;
    while (n < NICS_MAX && entry->config.nics[n].present)
        n++;
    if (n == NICS_MAX)
        return error_set(e, EXIT_NO_RESOURCE, "network-attach %s: it has 8 network cards, and no more are possible: network-detach one", v.name);
    struct vm_nic *nic = &entry->config.nics[n];
    *nic = *want;
    nic->present = nic->attached = true;
    if (!add(entry, n, e)) {
        *nic = (struct vm_nic){0};
        return false;
    }
    *dev = n;
    return true;
}

bool manager_nic_attach(const char *who, const struct vm_nic *want, uint32_t *dev, struct error *e)
{
    mutex_lock(&manager_lock);
    bool ok = attach_locked(who, want, dev, e);
    mutex_unlock(&manager_lock);
    return ok;
}

struct search {
    uint16_t domid;
    bool by_number;
    uint64_t number;
    uint8_t mac[MAC_LEN];
    uint32_t found;
};

static bool search_one(const struct net_device_view *d, void *ctx)
{
    struct search *s = ctx;
    if (d->config.domid == s->domid && (s->by_number ? d->config.dev == s->number : mac_equal(d->config.mac, s->mac)))
        s->found = d->config.dev;
    return true;
}

static bool which_card(const struct vm_view *v, const char *which, uint32_t *dev, struct error *e)
{
    struct search s = {.domid = v->domid, .found = NICS_MAX};
    s.by_number = parse_u64(which, &s.number);
    if (!s.by_number && !mac_parse(which, s.mac))
        return error_set(e, EXIT_FAILED, "network-detach %s: %.40s is neither a card's number nor its address: `network-list %s` shows both", v->name,
                         which, v->name);
    net_devices_list(search_one, &s);
    *dev = s.found;
    return s.found < NICS_MAX ||
           error_set(e, EXIT_FAILED, "network-detach %s: it has no such card: `network-list %s` shows what it has", v->name, v->name);
}

static bool ask(const char *who, const char *which, struct vm_view *v, uint32_t *dev, struct error *e)
{
    struct registry_entry *entry = NULL;
    if (!find(who, "network-detach", v, &entry, e) || !which_card(v, which, dev, e))
        return false;
    (void)net_device_close(v->domid, *dev);
    return true;
}

/* The domain may have ended meanwhile: then there is nothing left to do. */
static void take_away(uint16_t domid, uint32_t dev)
{
    struct registry_entry *entry = registry_by_domid(manager_registry, domid);
    net_device_remove(domid, dev);
    if (entry != NULL)
        entry->config.nics[dev] = (struct vm_nic){0};
}

bool manager_nic_detach(const char *who, const char *which, uint64_t wait_ns, bool (*interrupted)(void), bool *forced, struct error *e)
{
    struct vm_view v;
    uint32_t dev = 0;
    mutex_lock(&manager_lock);
    bool ok = ask(who, which, &v, &dev, e);
    mutex_unlock(&manager_lock);
    if (!ok)
        return false;
    for (uint64_t end = time_now_ns() + wait_ns; !net_device_closed(v.domid, dev) && time_now_ns() < end && !interrupted();)
        thread_sleep_ns(LOOK_AGAIN_NS);
    *forced = !net_device_closed(v.domid, dev);
    mutex_lock(&manager_lock);
    take_away(v.domid, dev);
    mutex_unlock(&manager_lock);
    return true;
}
